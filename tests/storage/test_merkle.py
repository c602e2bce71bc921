"""Merkle trees against the vectors that Certificate Transparency's own code is tested with."""

from __future__ import annotations

import hashlib

import pytest

from storage.merkle import EMPTY, inclusion_path, leaf_hash, root_from_path, tree_root

LEAVES = [
    leaf_hash(bytes.fromhex(text))
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def by_definition(leaves: list[str]) -> str:
    """MTH(D[n]), word for word as RFC 6962 § 2.1 defines it."""
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    left, right = by_definition(leaves[:k]), by_definition(leaves[k:])
    return hashlib.sha256(b"\x01" + bytes.fromhex(left) + bytes.fromhex(right)).hexdigest()


def test_roots_are_those_of_the_published_vectors() -> None:
    assert tree_root([]) == EMPTY
    assert [tree_root(LEAVES[:n]) for n in range(1, 9)] == ROOTS


@pytest.mark.parametrize("size", [1, 2, 3, 5, 6, 7, 8, 9, 31, 33, 100])
def test_every_leaf_is_proved_and_no_other_is(size: int) -> None:
    leaves = [leaf_hash(bytes([n])) for n in range(size)]
    root = tree_root(iter(leaves))
    assert root == by_definition(leaves)
    for index, leaf in enumerate(leaves):
        path = inclusion_path(leaves, index)
        assert len(path) <= (size - 1).bit_length()
        assert root_from_path(leaf, index, size, path) == root
        assert root_from_path(leaf_hash(b"other"), index, size, path) != root
        assert root_from_path(leaf, (index + 1) % size, size, path) != root or size == 1
        assert root_from_path(leaf, index, size, [*path, EMPTY]) != root
        if path:
            assert root_from_path(leaf, index, size, path[:-1]) != root


def test_a_node_does_not_pass_for_a_leaf() -> None:
    pair = bytes.fromhex(LEAVES[0]) + bytes.fromhex(LEAVES[1])
    assert leaf_hash(pair) != tree_root(LEAVES[:2])


def test_the_path_of_the_published_example() -> None:
    # RFC 6962 § 2.1.3: of seven leaves, the path of d0 is [b, h, l].
    b, h = LEAVES[1], tree_root(LEAVES[2:4])
    ell = tree_root(LEAVES[4:7])
    assert inclusion_path(LEAVES[:7], 0) == [b, h, ell]
    assert inclusion_path(LEAVES[:7], 6) == [tree_root(LEAVES[4:6]), tree_root(LEAVES[:4])]
    assert root_from_path(LEAVES[0], 7, 7, []) is None
