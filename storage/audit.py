"""The audit chain: every look, committed before bytes leave, linked by SHA-256 (invariant 10)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select

from storage import schema
from storage.vocabulary import Actor

GENESIS = "0" * 64
_CHAIN_LOCK = 0x68696E64  # any constant of ours, for PostgreSQL's advisory lock
_a = schema.audit.c


@dataclass(frozen=True, slots=True)
class AuditRow:
    """Who did what, when, under which case and reason."""

    seq: int
    ts_us: int
    actor: str
    case_id: str | None
    reason: str | None
    action: str
    subject: str
    detail: str
    prev_hash: str
    hash: str


@dataclass(frozen=True, slots=True)
class Break:
    """Where the chain does not hold, and how."""

    seq: int
    what: str  # 'changed' | 'missing' | 'unlinked' | 'cut'


def record(
    tx: Connection,
    actor: Actor,
    action: str,
    subject: str,
    *,
    at_us: int,
    detail: Mapping[str, Any] | None = None,
) -> int:
    """Append a row; the caller commits before a byte leaves. Returns its number.

    A writer holds the ledger's lock (SQLite's own, on PostgreSQL an advisory one until commit),
    so numbers have no holes and links no forks.
    """
    if tx.dialect.name == "postgresql":
        tx.execute(select(func.pg_advisory_xact_lock(_CHAIN_LOCK)))
    head = tx.execute(select(_a.seq, _a.hash).order_by(_a.seq.desc()).limit(1)).first()
    seq, prev = (1, GENESIS) if head is None else (head.seq + 1, head.hash)
    canonical = json.dumps(detail or {}, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    values = {
        "seq": seq, "ts_us": at_us, "actor": actor.name, "case_id": actor.case_id,
        "reason": actor.reason, "action": action, "subject": subject[:600],
        "detail": canonical, "prev_hash": prev,
    }  # fmt: skip
    tx.execute(insert(schema.audit).values(**values, hash=_digest(values)))
    return seq


def rows(
    tx: Connection,
    *,
    actor: str | None = None,
    case_id: str | None = None,
    action: str | None = None,
    limit: int | None = None,
    newest_first: bool = False,
) -> list[AuditRow]:
    """Audit rows, filtered."""
    query = select(schema.audit)
    for column, value in ((_a.actor, actor), (_a.case_id, case_id), (_a.action, action)):
        if value is not None:
            query = query.where(column == value)
    query = query.order_by(_a.seq.desc() if newest_first else _a.seq).limit(limit)
    return [AuditRow(**dict(row)) for row in tx.execute(query).mappings()]


def iterate(tx: Connection) -> Iterator[AuditRow]:
    """Every row in order, streamed."""
    query = select(schema.audit).order_by(_a.seq).execution_options(yield_per=1000)
    for row in tx.execute(query).mappings():
        yield AuditRow(**dict(row))


def head(tx: Connection) -> tuple[int, str] | None:
    """(number, hash) of the newest row: worth noting somewhere else, see `verify`."""
    row = tx.execute(select(_a.seq, _a.hash).order_by(_a.seq.desc()).limit(1)).first()
    return None if row is None else (row.seq, row.hash)


def verify(tx: Connection, noted: str | None = None) -> Iterator[Break]:
    """Walk the chain; yields every row that is changed, missing or unlinked.

    The chain alone cannot show that its newest rows were cut off, or that all of it was written
    anew. `noted`, the hash of a head seen earlier and kept elsewhere, shows both.
    """
    due, prev, seen = 1, GENESIS, noted is None
    for row in tx.execute(select(schema.audit).order_by(_a.seq)).mappings():
        if row["seq"] != due:
            yield Break(due, "missing")
        elif row["prev_hash"] != prev:
            yield Break(row["seq"], "unlinked")
        if _digest(_hashed(row)) != row["hash"]:
            yield Break(row["seq"], "changed")
        due, prev = row["seq"] + 1, row["hash"]
        seen = seen or prev == noted
    if not seen:
        yield Break(due, "cut")


def _hashed(row: RowMapping) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "hash"}


def _digest(values: Mapping[str, Any]) -> str:
    # default=repr: a value forged into another type must read as changed, not stop the walk.
    text = json.dumps(
        values, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=repr
    )
    return hashlib.sha256(text.encode()).hexdigest()
