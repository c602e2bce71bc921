"""Standing queries: what is looked for in footage to come, for which case, how long; and which
footage is new to them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields

from sqlalchemy import Connection, and_, exists, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from storage import schema
from storage.errors import Conflict, NotFound
from storage.i18n import N_
from storage.search_tables import standing_query
from storage.segments import KEPT, overlapping

TROUBLE_CHARACTERS = 500
# Kept in the ledger as they stand here, and translated when they are shown.
EXPIRED = N_("it expired")
UNKNOWN = N_("standing query {name} is not known; `hindsight standing list` shows them")
CASE_CLOSED = N_("its case was closed")
_q = standing_query.c
_w = schema.index_work.c
_s = schema.segment.c
_g = schema.generation.c


@dataclass(frozen=True, slots=True)
class StandingQuery:
    """A kept query that is asked of footage as it is indexed, until it ends."""

    id: int
    name: str
    query_id: str
    case_id: str
    created_by: str
    created_us: int
    expires_us: int
    threshold: float  # calibrated score
    quiet: str | None  # 'HH:MM-HH:MM' by each camera's own clock
    webhook: str | None  # name in the settings
    seen_us: int  # what was indexed until then was looked at
    ended_us: int | None
    end_reason: str | None
    trouble: str | None  # why the last look failed


@dataclass(frozen=True, slots=True)
class NewFootage:
    """A segment that was indexed lately."""

    segment_id: str
    camera_id: int
    start_us: int
    end_us: int
    done_us: int
    part: str | None  # of the lake, with its rows


_FIELDS = [field.name for field in fields(StandingQuery)]


def add(
    tx: Connection, *, name: str, query_id: str, case_id: str, created_by: str, created_us: int,
    expires_us: int, threshold: float, quiet: str | None, webhook: str | None,
) -> StandingQuery:  # fmt: skip
    """A new one; what is indexed from now on is new to it. Conflict when the name was ever used."""
    values = {
        "name": name, "query_id": query_id, "case_id": case_id, "created_by": created_by,
        "created_us": created_us, "expires_us": expires_us, "threshold": threshold,
        "quiet": quiet, "webhook": webhook, "seen_us": created_us,
    }  # fmt: skip
    try:
        with tx.begin_nested():
            tx.execute(insert(standing_query).values(**values))
    except IntegrityError:
        raise Conflict(
            "a standing query {name} exists already; `hindsight standing list --all` shows it."
            " Nothing was changed",
            name=name,
        ) from None
    return find(tx, name)


def find(tx: Connection, name: str) -> StandingQuery:
    """By name."""
    row = tx.execute(select(standing_query).where(_q.name == name)).mappings().first()
    if row is None:
        raise NotFound(UNKNOWN, name=name[:200])
    return StandingQuery(**dict(row))


def standing_queries(tx: Connection, *, ended: bool = False) -> list[StandingQuery]:
    """Those that have not ended (with `ended` all), oldest first."""
    query = select(standing_query).order_by(_q.id)
    if not ended:
        query = query.where(_q.ended_us.is_(None))
    return [StandingQuery(**dict(row)) for row in tx.execute(query).mappings()]


def locked(tx: Connection, standing_id: int) -> StandingQuery:
    """As it is now, and nobody else changes it before this transaction ends."""
    query = select(standing_query).where(_q.id == standing_id).with_for_update()
    return StandingQuery(**dict(tx.execute(query).mappings().one()))


def case_is_closed(tx: Connection, case_id: str) -> bool:
    """Whether nobody may look under this case any more."""
    closed = select(schema.case_.c.closed_us).where(schema.case_.c.id == case_id)
    return tx.execute(closed).scalar() is not None


def end(tx: Connection, standing_id: int, reason: str, at_us: int) -> None:
    """Nothing is looked for under it any more."""
    values = {"ended_us": at_us, "end_reason": reason, "trouble": None}
    tx.execute(update(standing_query).where(_q.id == standing_id).values(**values))


def extend(tx: Connection, standing_id: int, expires_us: int) -> None:
    """It expires later, or earlier."""
    tx.execute(update(standing_query).where(_q.id == standing_id).values(expires_us=expires_us))


def looked(tx: Connection, standing_ids: Sequence[int], seen_us: int) -> None:
    """What was indexed until `seen_us` was looked at."""
    tx.execute(
        update(standing_query)
        .where(_q.id.in_(standing_ids), _q.ended_us.is_(None))
        .values(seen_us=seen_us, trouble=None)
    )


def note_trouble(tx: Connection, standing_id: int, trouble: str) -> None:
    """The last look failed, for this reason."""
    tx.execute(
        update(standing_query)
        .where(_q.id == standing_id, _q.ended_us.is_(None))
        .values(trouble=trouble[:TROUBLE_CHARACTERS])
    )


def new_footage(
    tx: Connection,
    generation_id: int,
    *,
    seen_us: int,
    overlap_us: int,
    recorded_after_us: int,
    late_us: int,
) -> list[NewFootage]:
    """Kept segments that became done in the generation since `seen_us`, in order of their start.

    It goes back by `overlap_us`, because commits may come out of order. Left out are what ended
    before `recorded_after_us`, what was older than `late_us` when it was indexed, and what was
    looked at already as another generation knew it. Where this generation answers only since the
    last look, all that it has counts as become done since, however long ago it was indexed.
    """
    since_us = seen_us - overlap_us
    query = (
        select(_s.id, _s.camera_id, _s.start_us, _s.end_us, _w.done_us, _w.part)
        .join(schema.index_work, _w.segment_id == _s.id)
        .where(
            _w.generation_id == generation_id, _w.state == "done", KEPT,
            or_(_w.part.is_not(None), _w.deep_part.is_not(None)),
            _s.end_us > recorded_after_us, _s.end_us > _w.done_us - late_us,
        )
        .order_by(_s.start_us, _s.id)
    )  # fmt: skip
    others, answers_since_us = _answered(tx, generation_id, seen_us)
    before = schema.index_work.alias("before")
    looked_at = exists().where(
        and_(
            before.c.segment_id == _s.id, before.c.generation_id.in_(others),
            before.c.state == "done", before.c.done_us <= seen_us,
        )
    )  # fmt: skip
    if answers_since_us is None or answers_since_us <= since_us:
        query = query.where(_w.done_us > since_us)
    if others:
        query = query.where(~looked_at)
    return [NewFootage(*row) for row in tx.execute(query)]


def footage_around(
    tx: Connection,
    generation_id: int,
    *,
    camera_ids: Collection[int],
    start_us: int,
    end_us: int,
    recorded_after_us: int,
) -> list[str]:
    """Kept segments of cameras done in the generation that overlap [start_us, end_us)."""
    found: list[str] = []
    for camera_id in camera_ids:  # one by one: of several, SQLite walks all that is older
        query = (
            select(_s.id)
            .join(schema.index_work, _w.segment_id == _s.id)
            .where(
                _w.generation_id == generation_id, _w.state == "done", KEPT,
                _s.camera_id == camera_id,
            )
        )  # fmt: skip
        rows = tx.execute(overlapping(query, max(start_us, recorded_after_us), end_us))
        found += rows.scalars()
    return found


def _answered(tx: Connection, generation_id: int, by_us: int) -> tuple[list[int], int | None]:
    """Other generations that had answered questions by then, and since when this one does."""
    rows = tx.execute(select(_g.id, _g.created_us, _g.activated_us, _g.follows)).all()
    followed = {row.follows for row in rows}
    # The very first one answers from its beginning on, and was never switched to.
    since = {
        row.id: row.created_us if row.activated_us is None and row.id in followed
        else row.activated_us
        for row in rows
    }  # fmt: skip
    others = [
        key for key, us in since.items() if key != generation_id and us is not None and us <= by_us
    ]
    return others, since.get(generation_id)
