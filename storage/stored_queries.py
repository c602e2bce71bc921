"""What was asked, kept: a query as JSON with its pictures, who asked, when, under which case.

With a case it stays as long as the case; without one it goes with its last answer, see `prune`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from sqlalchemy import Connection, and_, delete, exists, insert, select, update

from storage.errors import NotFound
from storage.search_tables import mark, query_picture, search_run, standing_query, stored_query

NAME_CHARACTERS = 200
LATEST = 200  # of a case: so many are looked through for the same question
AT_ONCE = 200  # forgotten in one transaction: nobody waits long for it
_q = stored_query.c
_p = query_picture.c
_r = search_run.c


@dataclass(frozen=True, slots=True)
class StoredQuery:
    """A query as it was asked. `document` is JSON; its pictures are kept apart, by their hash."""

    id: str  # ULID
    case_id: str | None
    reason: str | None
    asked_by: str
    asked_us: int
    name: str | None
    document: str


def add(tx: Connection, query: StoredQuery, pictures: Mapping[str, bytes]) -> None:
    """Keep a query. `pictures`: SHA-256 that the document names → PNG."""
    values = {field.name: getattr(query, field.name) for field in fields(StoredQuery)}
    tx.execute(insert(stored_query).values(**values))
    for name, png in pictures.items():
        tx.execute(insert(query_picture).values(query_id=query.id, sha256=name, png=png))


def find(tx: Connection, query_id: str) -> StoredQuery:
    """By key."""
    row = tx.execute(select(stored_query).where(_q.id == query_id)).mappings().first()
    if row is None:
        raise NotFound("query {query} is not kept", query=query_id)
    return StoredQuery(**dict(row))


def same(
    tx: Connection, document: str, *, asked_by: str, case_id: str | None, since_us: int
) -> StoredQuery | None:
    """What the same person asked for the same case in the same words, not before an instant."""
    mine = _q.case_id.is_(None) if case_id is None else _q.case_id == case_id
    # Of the latest only, which the index gives in order: who loads a page again does it soon.
    latest = (
        select(stored_query)
        .where(mine, _q.asked_us >= since_us)
        .order_by(_q.asked_us.desc())
        .limit(LATEST)
        .subquery()
    )
    same = latest.c.asked_by == asked_by, latest.c.document == document
    query = select(latest).where(*same).order_by(latest.c.asked_us.desc()).limit(1)
    row = tx.execute(query).mappings().first()
    return None if row is None else StoredQuery(**dict(row))


def pictures(tx: Connection, query_id: str) -> dict[str, bytes]:
    """SHA-256 → PNG of a query's pictures."""
    rows = tx.execute(select(_p.sha256, _p.png).where(_p.query_id == query_id))
    return {row.sha256: row.png for row in rows}


def rename(tx: Connection, query_id: str, name: str | None) -> None:
    """Give a query a name, or take it away."""
    tx.execute(update(stored_query).where(_q.id == query_id).values(name=name))


def prune(tx: Connection, before_us: int) -> int:
    """Forget what was asked without a case before an instant, at most AT_ONCE answers and queries;
    returns how many went.

    A query goes when its last answer has, with its marks, unless a standing query or the mark of
    a case needs it.
    """
    # By the queries, because there is an index of them by case and time: a run is never older.
    old = (_q.case_id.is_(None), _q.asked_us < before_us)
    ended = _r.state.in_(("done", "cancelled", "failed"))
    answers = (
        select(_r.id)
        .join(stored_query, _q.id == _r.query_id)
        .where(*old, _r.asked_us < before_us, ended)
        .limit(AT_ONCE)
    )
    runs = list(tx.execute(answers).scalars())
    tx.execute(delete(search_run).where(_r.id.in_(runs)))
    idle = select(_q.id).where(
        *old,
        ~exists().where(_r.query_id == _q.id),
        ~exists().where(standing_query.c.query_id == _q.id),
        ~exists().where(and_(mark.c.query_id == _q.id, mark.c.case_id.is_not(None))),
    )
    ids = list(tx.execute(idle.limit(AT_ONCE)).scalars())
    tx.execute(delete(mark).where(mark.c.query_id.in_(ids)))
    tx.execute(delete(query_picture).where(_p.query_id.in_(ids)))
    tx.execute(delete(stored_query).where(_q.id.in_(ids)))
    return len(runs) + len(ids)
