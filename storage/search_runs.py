"""Runs of stored queries: waiting → running → done, cancelled or failed; never back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, insert, or_, select, update

from storage.errors import NotFound
from storage.i18n import N_
from storage.search_tables import search_run, stored_query

ALIVE = ("waiting", "running")
ENDED = ("done", "cancelled", "failed")
ERROR_CHARACTERS = 1000
UNKNOWN = N_("search {token} is not known, or no longer kept; `hindsight query list` shows them")
# Kept in the ledger as it stands here, and translated when it is shown.
DIED = N_("whoever ran this search ended before it was done: the server was restarted; ask again")
_r = search_run.c
_q = stored_query.c


@dataclass(frozen=True, slots=True)
class SearchRun:
    """One run of a stored query, but for its answer, which may be large."""

    id: str  # ULID: the token
    query_id: str
    state: str  # waiting | running | done | cancelled | failed
    progress: float  # 0..1
    asked_by: str
    asked_us: int
    alive_us: int | None  # last word of who runs it
    finished_us: int | None
    model: str | None
    generation: int | None  # number of the model's generation
    code_version: str
    error: str | None

    @property
    def ended(self) -> bool:
        """Whether nothing changes any more."""
        return self.state in ENDED


@dataclass(frozen=True, slots=True)
class Listed:
    """A run with the query it is of, for lists."""

    run: SearchRun
    case_id: str | None
    reason: str | None
    name: str | None
    document: str  # of the query, JSON


_FIELDS = [field.name for field in fields(SearchRun)]
_COLUMNS = [_r[name] for name in _FIELDS]


def add(
    tx: Connection,
    *,
    token: str,
    query_id: str,
    state: str,
    asked_by: str,
    at_us: int,
    code_version: str,
) -> None:
    """A run that begins, or waits for its turn."""
    tx.execute(
        insert(search_run).values(
            id=token, query_id=query_id, state=state, asked_by=asked_by, asked_us=at_us,
            alive_us=at_us, code_version=code_version,
        )
    )  # fmt: skip


def find(tx: Connection, token: str) -> SearchRun:
    """By token."""
    row = tx.execute(select(*_COLUMNS).where(_r.id == token.upper())).first()
    if row is None:
        raise NotFound(UNKNOWN, token=token[:64])
    return SearchRun(*row)


def answer(tx: Connection, token: str) -> str | None:
    """What is kept of a run, JSON: the answer of one that is done, what one that is running has
    found so far; None for nothing."""
    kept: str | None = tx.execute(select(_r.answer).where(_r.id == token)).scalar()
    return kept


def newest_of_name(tx: Connection, name: str) -> SearchRun | None:
    """The latest run of the query that somebody gave this name last."""
    query = select(*_COLUMNS).join(stored_query, _q.id == _r.query_id).where(_q.name == name)
    row = tx.execute(query.order_by(_q.asked_us.desc(), _r.id.desc()).limit(1)).first()
    return None if row is None else SearchRun(*row)


def listed(
    tx: Connection,
    *,
    case_id: str | None = None,
    asked_by: str | None = None,
    limit: int | None = None,
) -> list[Listed]:
    """Runs, newest first: of a case, or of who asked."""
    query: Select[Any] = select(*_COLUMNS, _q.case_id, _q.reason, _q.name, _q.document).join(
        stored_query, _q.id == _r.query_id
    )
    if case_id is not None:
        query = query.where(_q.case_id == case_id)
    if asked_by is not None:
        query = query.where(_r.asked_by == asked_by)
    # By token, which has an index and begins with the time, to the millisecond.
    rows = tx.execute(query.order_by(_r.id.desc()).limit(limit))
    many = len(_FIELDS)
    found = [Listed(SearchRun(*row[:many]), *row[many:]) for row in rows]
    return sorted(found, key=lambda one: (one.run.asked_us, one.run.id), reverse=True)


def start(tx: Connection, token: str, at_us: int) -> bool:
    """Waiting → running; False when it does not wait any more: somebody cancelled it."""
    return _change(tx, token, _r.state == "waiting", state="running", alive_us=at_us)


def beat(tx: Connection, tokens: Sequence[str], at_us: int) -> set[str]:
    """Say that these are alive; returns those of them that are still wanted.

    One that was given up for dead because the clock was set, or the machine slept, is wanted.
    """
    mine = (_r.id.in_(tokens), or_(_r.state.in_(ALIVE), _gave_up()))
    tx.execute(update(search_run).where(*mine).values(alive_us=at_us))
    return set(tx.execute(select(_r.id).where(*mine)).scalars())


def progressed(tx: Connection, token: str, progress: float) -> None:
    """How far a running one is, 0..1; it never goes back."""
    share = min(1.0, max(0.0, progress))
    _change(tx, token, _r.state == "running", _r.progress < share, progress=share)


def found_so_far(tx: Connection, token: str, found: str) -> bool:
    """Keep what a running one has found (JSON), in the place of its answer."""
    return _change(tx, token, _r.state == "running", answer=found)


def finish(
    tx: Connection,
    token: str,
    *,
    at_us: int,
    model: str | None,
    generation: int | None,
    answer: str,
) -> bool:
    """Running → done, with its answer; False when it was cancelled meanwhile.

    One that was given up for dead (its machine slept) may still come to its end.
    """
    return _change(
        tx, token, or_(_r.state == "running", _gave_up()), state="done", progress=1.0,
        finished_us=at_us, model=model, generation=generation, answer=answer, error=None,
    )  # fmt: skip


def cancel(tx: Connection, token: str, at_us: int) -> bool:
    """Waiting or running → cancelled; False when it had ended."""
    return _change(
        tx, token, _r.state.in_(ALIVE), state="cancelled", finished_us=at_us, answer=None
    )


def fail(tx: Connection, token: str, at_us: int, error: str) -> bool:
    """Waiting or running → failed, with the reason; False when it had ended."""
    error = error[:ERROR_CHARACTERS]
    return _change(
        tx, token, _r.state.in_(ALIVE), state="failed", finished_us=at_us, error=error, answer=None
    )


def give_up(tx: Connection, silent_since_us: int, at_us: int) -> int:
    """Mark failed what nobody has given a sign of life of since; returns how many."""
    silent = (_r.state.in_(ALIVE), _r.alive_us < silent_since_us)
    if tx.execute(select(_r.id).where(*silent).limit(1)).first() is None:
        return 0
    values = {"state": "failed", "finished_us": at_us, "error": DIED, "answer": None}
    return tx.execute(update(search_run).where(*silent).values(**values)).rowcount


def count(tx: Connection, state: str) -> int:
    """How many are in a state, of all processes."""
    query = select(func.count()).select_from(search_run).where(_r.state == state)
    return int(tx.execute(query).scalar_one())


def _gave_up() -> ColumnElement[bool]:
    return (_r.state == "failed") & (_r.error == DIED)


def _change(tx: Connection, token: str, *where: ColumnElement[bool], **values: Any) -> bool:
    changed = tx.execute(update(search_run).where(_r.id == token, *where).values(**values))
    return bool(changed.rowcount)
