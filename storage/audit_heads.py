"""Signed heads of the audit chain: what its rows were, once a day, signed and linked.

Copies lie on every volume. See docs/design/audit.md.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import Connection, RowMapping, func, insert, select

from storage import audit, schema
from storage.audit_digest import GENESIS
from storage.audit_tables import audit_head
from storage.audit_walk import Mark
from storage.clock import rfc3339, utc_day
from storage.copy_files import read_json_copy
from storage.directory import DataDirectory
from storage.durable import write_file
from storage.errors import DataLoss, HindsightError
from storage.i18n import N_
from storage.seal_places import SUFFIX, head_path, heads_on
from storage.seals import canonical, is_signed, key_id_of, public_key, public_pem
from storage.vocabulary import Actor

FORMAT = 1
SIGNED = "audit.sign"  # the row after the rows that a head covers
MOST_MARKS = 4096  # of a head: up to so many rows, each has its own
BEGINS = 16  # hexadecimal digits of a hash in a mark: they name a row, the chain proves it
_LIMIT_BYTES = 1 << 20
_NUMBERS = ("number", "made_us", "seq", "step")
_a, _h = schema.audit.c, audit_head.c
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Head:
    """One signed head; hashes are hex."""

    number: int
    made_us: int
    seq: int
    row_hash: str
    step: int
    marks: str
    prev_hash: str
    hash: str
    key_id: str
    signature: bytes


def digest_of(head: Head) -> str:
    """What `hash` must be."""
    values = {name: getattr(head, name) for name in Head.__slots__[:7]}
    values["marks"] = hashlib.sha256(str(head.marks).encode()).hexdigest()  # damage: of any type
    return hashlib.sha256(canonical(values)).hexdigest()


def remade(head: Head, key: Ed25519PrivateKey, **changed: Any) -> Head:
    """`head` with other facts, hashed and signed by `key`."""
    facts = replace(head, **changed, key_id=key_id_of(key.public_key()))
    digest = digest_of(facts)
    return replace(facts, hash=digest, signature=key.sign(bytes.fromhex(digest)))


def heads(tx: Connection) -> list[Head]:
    """Every head, oldest first."""
    query = select(*(_h[name] for name in Head.__slots__)).order_by(_h.number)
    return [_head(row) for row in tx.execute(query).mappings()]


def newest(tx: Connection) -> Head | None:
    """The newest head: worth noting somewhere else."""
    query = select(*(_h[name] for name in Head.__slots__)).order_by(_h.number.desc()).limit(1)
    row = tx.execute(query).mappings().first()
    return None if row is None else _head(row)


def _head(row: RowMapping) -> Head:
    """A number forged into something else reads as 0: the hash does not fit, and nothing stops."""
    forged = {name: 0 for name in _NUMBERS if not isinstance(row[name], int)}
    return Head(**{**row, **forged})


def chain_of(tx: Connection) -> str | None:
    """What this chain's folder on a volume is called: its first row's hash, shortened."""
    first = tx.execute(select(_a.hash).order_by(_a.seq).limit(1)).scalar()
    return None if first is None else str(first)[:32]


def marks_of(all_heads: Iterable[Head]) -> Iterator[Mark]:
    """What rows must be by the heads, in order."""
    before = 0
    for head in all_heads:
        seq = before
        for start in range(0, len(head.marks), BEGINS):
            first, seq = seq + 1, min(seq + head.step, head.seq)
            yield Mark(first, seq, head.marks[start : start + BEGINS])
        if head.seq > before:
            yield Mark(head.seq, head.seq, head.row_hash)
        before = max(before, head.seq)


def sign(
    directory: DataDirectory, key: Ed25519PrivateKey, actor: Actor, *, of_today: bool = False,
    most_marks: int = MOST_MARKS,
) -> Head | None:  # fmt: skip
    """Sign the newest row unless a head covers it (`of_today`: or was made this UTC day).

    The newest head, whether made now or not; None when the chain is empty. DataLoss when rows
    that the newest head covers are gone.
    """
    now_us = directory.clock.now_us()
    with directory.ledger.read() as tx:
        before = newest(tx)
        if of_today and before is not None and utc_day(before.made_us) == utc_day(now_us):
            return before
        end = audit.head(tx)
        if end is None:
            return before
        seq = 0 if before is None else before.seq
        if end[0] < seq:
            raise DataLoss(
                "audit row {row} was signed and is gone: the chain ends at row {last}; restore"
                " the ledger from a backup, no head was made",
                row=seq, last=end[0],
            )  # fmt: skip
        if before is not None and _nothing_since(tx, seq, end[0]):
            return before
        step = -(-(end[0] - seq) // most_marks)
        head = Head(
            number=1 if before is None else before.number + 1, made_us=now_us, seq=end[0],
            row_hash=end[1], step=step, marks=_marks(tx, seq, end[0], step),
            prev_hash=GENESIS if before is None else before.hash, hash="",
            key_id="", signature=b"",
        )  # fmt: skip
    head = remade(head, key)
    with directory.ledger.write() as tx:
        tx.execute(insert(audit_head).values(**asdict(head)))
        audit.record(
            tx, actor, SIGNED, f"row {head.seq}", at_us=now_us,
            detail={"number": head.number, "head": head.hash},
        )  # fmt: skip
    return head


def write_copies(directory: DataDirectory, key: Ed25519PublicKey) -> int:
    """Write those copies that a volume lacks; returns how many. What `key` did not sign, and what
    does not fit, is not copied; a volume that cannot take a copy gets it with the next pass."""
    with directory.ledger.read() as tx:
        every, chain = heads(tx), chain_of(tx)
    written = 0
    for volume in directory.archive.volumes.values():
        try:
            volume.verify()
            lying = heads_on(volume).get(chain or "", [])
            for head in every:
                if head.number in lying or digest_of(head) != head.hash or not is_signed(head, key):
                    continue
                path = volume.root / head_path(str(chain), head.number)
                write_file(path, copy_of(head, key))
                written += 1
        except (HindsightError, OSError) as error:
            log.warning("copies of audit heads on volume %s wait: %s", volume.name, error)
    return written


def document(head: Head) -> dict[str, object]:
    """A head as JSON, without what names rows."""
    return {
        "number": head.number, "signed": rfc3339(head.made_us), "row": head.seq,
        "row_hash": head.row_hash, "previous": head.prev_hash, "hash": head.hash,
        "key_id": head.key_id, "signature": head.signature.hex(),
    }  # fmt: skip


def read_copy(path: Path) -> Head:
    """DataLoss when it is not whole: hash and signature must fit what it says."""

    def made(found: Any) -> Head:
        head = Head(
            number=int(found["number"]), made_us=int(found["made_us"]), seq=int(found["seq"]),
            row_hash=str(found["row_hash"]), step=int(found["step"]), marks=str(found["marks"]),
            prev_hash=str(found["prev_hash"]), hash=str(found["hash"]),
            key_id=str(found["key_id"]), signature=bytes.fromhex(found["signature"]),
        )  # fmt: skip
        key = public_key(str(found["public_key"]))
        whole = (
            head.step >= 1
            and digest_of(head) == head.hash
            and key_id_of(key) == head.key_id
            and is_signed(head, key)
            and path.name == f"{head.number}{SUFFIX}"
        )
        if not whole:
            raise ValueError("its parts do not fit one another")
        return head

    return read_json_copy(
        path, _LIMIT_BYTES, FORMAT, made,
        N_("{file} is no whole copy of an audit head ({error}); compare it with another volume's,"
           " then move it away: `hindsight seal` writes the copy again"),
    )  # fmt: skip


def copy_of(head: Head, key: Ed25519PublicKey) -> bytes:
    """The file that lies on a volume."""
    values: dict[str, Any] = asdict(head) | {
        "format": FORMAT, "signature": head.signature.hex(), "public_key": public_pem(key),
    }  # fmt: skip
    return json.dumps(values).encode()


def _nothing_since(tx: Connection, seq: int, end: int) -> bool:
    """Whether nothing came after a head but the row that says it was made."""
    if end == seq:
        return True
    action = tx.execute(select(_a.action).where(_a.seq == end)).scalar()
    return end == seq + 1 and action == SIGNED


def _marks(tx: Connection, after: int, end: int, step: int) -> str:
    """Of each `step`-th row after `after`, and of the last; a row that is not there has zeros."""
    wanted = [*range(after + step, end, step), end]
    query = (
        select(_a.seq, func.substr(_a.hash, 1, BEGINS))
        .where(_a.seq > after, _a.seq <= end, (_a.seq - after) % step == 0)
        .order_by(_a.seq)
    )
    there = {row[0]: str(row[1]) for row in tx.execute(query)}
    last = tx.execute(select(_a.hash).where(_a.seq == end)).scalar_one()
    there[end] = str(last)[:BEGINS]
    return "".join(there.get(seq, "").ljust(BEGINS, "0")[:BEGINS] for seq in wanted)
