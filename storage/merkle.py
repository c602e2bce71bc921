"""Merkle trees as RFC 6962 § 2.1 builds them: root, inclusion proof, and its check.

A leaf is hashed with 0x00 before it and a node with 0x01, so that neither passes for the other.
Hashes are hex text, as everywhere in the ledger.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence

EMPTY = hashlib.sha256().hexdigest()


def leaf_hash(data: bytes) -> str:
    """Hash of one leaf."""
    return hashlib.sha256(b"\x00" + data).hexdigest()


def _node(left: str, right: str) -> str:
    return hashlib.sha256(b"\x01" + bytes.fromhex(left) + bytes.fromhex(right)).hexdigest()


def tree_root(leaves: Iterable[str]) -> str:
    """Root over hashed leaves, in their order; memory grows with the tree's height only."""
    stack: list[tuple[int, str]] = []  # whole subtrees: (height, root), highest first
    for leaf in leaves:
        height, root = 0, leaf
        while stack and stack[-1][0] == height:
            root = _node(stack.pop()[1], root)
            height += 1
        stack.append((height, root))
    if not stack:
        return EMPTY
    root = stack.pop()[1]
    while stack:
        root = _node(stack.pop()[1], root)
    return root


def inclusion_path(leaves: Sequence[str], index: int) -> list[str]:
    """The audit path of leaf `index`, from its sibling up: PATH(m, D[n]) of RFC 6962."""
    return next(inclusion_paths(leaves, [index]))


def inclusion_paths(leaves: Sequence[str], indices: Iterable[int]) -> Iterator[list[str]]:
    """The audit paths of several leaves; the tree is hashed once."""
    rows = [leaves]
    while len(rows[-1]) > 1:
        row = rows[-1]
        above = [_node(row[i], row[i + 1]) for i in range(0, len(row) - 1, 2)]
        rows.append(above + list(row[len(row) & ~1 :]))  # the last of an odd row goes up as it is
    for index in indices:
        places = ((row, index >> height ^ 1) for height, row in enumerate(rows[:-1]))
        yield [row[place] for row, place in places if place < len(row)]


def root_from_path(leaf: str, index: int, size: int, path: Sequence[str]) -> str | None:
    """The root that an audit path leads to (RFC 9162 § 2.1.3.2); None when it cannot be one."""
    if not 0 <= index < size:
        return None
    place, last, root = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return None
        if place & 1 or place == last:
            root = _node(sibling, root)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            root = _node(root, sibling)
        place, last = place >> 1, last >> 1
    return root if last == 0 else None
