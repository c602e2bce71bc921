"""The audit chain: every look, committed before bytes leave, linked by SHA-256 (invariant 10)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Select, func, insert, or_, select

from storage import schema
from storage.audit_digest import GENESIS, digest_of
from storage.audit_walk import verify as verify  # the walk along the chain
from storage.vocabulary import Actor

_CHAIN_LOCK = 0x68696E64  # any constant of ours, for PostgreSQL's advisory lock
MOST_NESTED = 32  # of a row's detail; nothing here writes more than a few
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
class Asked:
    """Which rows somebody wants to read; what is None is not asked."""

    actor: str | None = None
    case_id: str | None = None
    camera: str | None = None  # slug, among the subjects or in the detail
    action: str | None = None
    from_us: int | None = None
    to_us: int | None = None
    before: int | None = None  # rows with a lower number than this: the next page
    after: int | None = None  # rows with a higher one


EVERYTHING = Asked()


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
    newest = head(tx)
    seq, prev = (1, GENESIS) if newest is None else (newest[0] + 1, newest[1])
    came_with = {} if actor.token is None else {"api_token": actor.token}
    told = {**(detail or {}), **came_with}
    canonical = json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    values = {
        "seq": seq, "ts_us": at_us, "actor": actor.name, "case_id": actor.case_id,
        "reason": actor.reason, "action": action, "subject": subject[:600],
        "detail": canonical, "prev_hash": prev,
    }  # fmt: skip
    tx.execute(insert(schema.audit).values(**values, hash=digest_of(tuple(values.values()))))
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
    asked = Asked(actor=actor, case_id=case_id, action=action)
    return list(islice(find(tx, asked, newest_first=newest_first, at_most=limit), limit))


def find(
    tx: Connection, asked: Asked, *, newest_first: bool = False, at_most: int | None = None
) -> Iterator[AuditRow]:
    """The rows asked for, streamed; `at_most`: no more will be taken."""
    query = select(schema.audit).order_by(_a.seq.desc() if newest_first else _a.seq)
    for column, value in (
        (_a.actor, asked.actor), (_a.case_id, asked.case_id), (_a.action, asked.action)
    ):  # fmt: skip
        if value is not None:
            query = query.where(column == value)
    if asked.from_us is not None:
        query = query.where(_a.ts_us >= asked.from_us)
    if asked.to_us is not None:
        query = query.where(_a.ts_us < asked.to_us)
    if asked.before is not None:
        query = query.where(_a.seq < asked.before)
    if asked.after is not None:
        query = query.where(_a.seq > asked.after)
    if asked.camera is None:
        yield from _streamed(tx, query.limit(at_most))
        return
    # Coarsely by the database, exactly here: detail is text, and what damage left may be no JSON.
    query = query.where(
        or_(
            _a.subject.contains(asked.camera, autoescape=True),
            _a.detail.contains(asked.camera, autoescape=True),
        )
    )
    for row in _streamed(tx, query):
        if _names(row, asked.camera):
            yield row


def iterate(tx: Connection) -> Iterator[AuditRow]:
    """Every row in order, streamed."""
    return find(tx, EVERYTHING)


def head(tx: Connection) -> tuple[int, str] | None:
    """(number, hash) of the newest row: worth noting somewhere else."""
    row = tx.execute(select(_a.seq, _a.hash).order_by(_a.seq.desc()).limit(1)).first()
    return None if row is None else (row.seq, row.hash)


def said(row: AuditRow) -> object:
    """The detail as JSON; as it stands when damage left none, or what nobody could send on."""
    try:
        found = json.loads(row.detail)
        # Half a character, a number without end: Python reads them, and can send neither on.
        json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, TypeError, RecursionError):
        return str(row.detail)
    inner = [found]
    for _ in range(MOST_NESTED):
        inner = [each for one in inner for each in _within(one)]
        if not inner:
            return found
    return str(row.detail)


def _within(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _streamed(tx: Connection, query: Select[Any]) -> Iterator[AuditRow]:
    # Closed when the reader stops early: on PostgreSQL it is a cursor of the server.
    with tx.execute(query.execution_options(yield_per=1000)) as found:
        for row in found:
            yield AuditRow(*row)


def _names(row: AuditRow, camera: str) -> bool:
    """Whether a row speaks of a camera: as its subject or one of them, or in its detail, also
    among those that an answer showed."""
    if camera in row.subject.split(", "):
        return True
    detail = said(row)
    if not isinstance(detail, dict):
        return False
    found = (detail.get("camera"), detail.get("cameras"), detail.get("shown"))
    return any(camera == one or (isinstance(one, list) and camera in one) for one in found)
