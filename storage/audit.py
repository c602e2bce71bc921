"""The audit chain: every look, committed before bytes leave, linked by SHA-256 (invariant 10)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select

from storage import schema
from storage.vocabulary import Actor

GENESIS = "0" * 64
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
    what: str  # 'changed' | 'missing' | 'unlinked'


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

    A writer holds the ledger's lock, so numbers have no holes and links no forks; on PostgreSQL
    the primary key refuses the second of two writers that read the same head.
    """
    head = tx.execute(
        select(_a.seq, _a.hash).order_by(_a.seq.desc()).limit(1).with_for_update()
    ).first()
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


def verify(tx: Connection) -> Iterator[Break]:
    """Walk the chain; yields every row that is changed, missing or unlinked."""
    due, prev = 1, GENESIS
    for row in tx.execute(select(schema.audit).order_by(_a.seq)).mappings():
        if row["seq"] != due:
            yield Break(due, "missing")
        elif row["prev_hash"] != prev:
            yield Break(row["seq"], "unlinked")
        if _digest(_hashed(row)) != row["hash"]:
            yield Break(row["seq"], "changed")
        due, prev = row["seq"] + 1, row["hash"]


def _hashed(row: RowMapping) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "hash"}


def _digest(values: Mapping[str, Any]) -> str:
    text = json.dumps(values, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
