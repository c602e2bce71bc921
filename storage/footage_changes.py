"""What the coverage of an answer is made of, by ten minutes in which segments begin, versioned.

While the version of a slot stays, so does what `footage` says of it; triggers see to it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    case,
    exists,
    func,
    literal_column,
    or_,
    select,
    text,
)

from storage import schema
from storage.clock import US
from storage.search_tables import footage_change
from storage.segments import KEPT, LONG, LONG_US

SLOT_US = 600 * US  # as the triggers say
DAY_SLOTS = 144
IN_ONE = 500  # ids in one statement
_c = footage_change.c
_s = schema.segment.c
_w = schema.index_work.c
_g = schema.gap.c
_e = schema.expectation.c
# Rounded down: SQL rounds towards nought, and there was a time before 1970. In figures, because
# PostgreSQL does not see that what is selected is what is grouped when they are parameters.
_DAY: ColumnElement[int] = literal_column(
    f"(slot - (slot % {DAY_SLOTS} + {DAY_SLOTS}) % {DAY_SLOTS}) / {DAY_SLOTS}"
)
# As ix_gap_long says, so that SQLite takes it.
_LONG_GAP = text(f"(gap.end_us IS NULL OR gap.end_us - gap.start_us > {LONG_US})")


class FootageRow(NamedTuple):
    """A kept segment, and what became of it in a generation."""

    camera_id: int
    start_us: int
    end_us: int
    state: str | None  # of its index work: claimed, done, failed; None: nobody's yet
    part: str | None  # lake part with its rows
    troubled: bool  # failed, or done but for some pictures
    segment_id: str


def day_versions(tx: Connection, first_day: int, last_day: int | None) -> dict[int, int]:
    """Day (of 86,400 s since 1970 UTC) → version, for days in which a segment ever began."""
    query = select(_DAY, func.sum(_c.version)).where(_c.slot >= first_day * DAY_SLOTS)
    if last_day is not None:
        query = query.where(_c.slot < (last_day + 1) * DAY_SLOTS)
    return {int(number): int(version) for number, version in tx.execute(query.group_by(_DAY))}


def slot_versions(tx: Connection, day: int) -> dict[int, int]:
    """Slot → version, of a day. Read before `footage`: what is read later is newer at most."""
    query = (
        select(_c.slot, func.sum(_c.version))
        .where(_c.slot >= day * DAY_SLOTS, _c.slot < (day + 1) * DAY_SLOTS)
        .group_by(_c.slot)
    )
    return {int(slot): int(version) for slot, version in tx.execute(query)}


def footage(tx: Connection, generation_id: int | None, slots: Iterable[int]) -> list[FootageRow]:
    """Kept segments of all cameras that begin in these slots."""
    mine = and_(_w.segment_id == _s.id, _w.generation_id == generation_id)
    troubled = case((or_(_w.state == "failed", _w.damaged > 0), 1), else_=0)
    query = (
        select(_s.camera_id, _s.start_us, _s.end_us, _w.state, _w.part, troubled, _s.id)
        .outerjoin(schema.index_work, mine)
        .where(_s.state == "closed", KEPT)  # by the index of starts by state
    )
    found: list[FootageRow] = []
    for first, last in _runs(sorted(slots)):
        some = query.where(_s.start_us >= first * SLOT_US, _s.start_us < (last + 1) * SLOT_US)
        found += map(FootageRow._make, tx.execute(some))
    return found


def days_reaching(tx: Connection, camera_ids: Sequence[int], from_us: int) -> set[int]:
    """Days, more than LONG_US before `from_us`, in which a segment begins that ends after it."""
    query = select(_s.start_us).where(
        _among(_s.camera_id, camera_ids), _s.start_us < from_us - LONG_US, _s.end_us > from_us,
        LONG, KEPT,
    )  # fmt: skip
    return {start_us // (DAY_SLOTS * SLOT_US) for start_us in tx.execute(query).scalars()}


def first_start_us(tx: Connection, camera_ids: Sequence[int]) -> int | None:
    """Start of the oldest kept segment of these cameras."""
    each = (
        select(func.min(_s.start_us))
        .where(_s.camera_id == schema.camera.c.id, KEPT)
        .scalar_subquery()
    )
    query = select(func.min(each)).where(_among(schema.camera.c.id, camera_ids))
    found: int | None = tx.execute(query).scalar()
    return found


def oldest_start_us(tx: Connection) -> int | None:
    """Start of the oldest kept segment of all cameras."""
    found: int | None = tx.execute(
        select(func.min(_s.start_us)).where(_s.state == "closed")
    ).scalar()
    return found


def begins_from(tx: Connection, camera_ids: Sequence[int], us: int) -> bool:
    """Whether one of these cameras has a kept segment that begins at `us` or later."""
    has = exists().where(_s.camera_id == schema.camera.c.id, KEPT, _s.start_us >= us)
    query = select(schema.camera.c.id).where(_among(schema.camera.c.id, camera_ids), has).limit(1)
    return tx.execute(query).first() is not None


def due_extent(tx: Connection, camera_ids: Sequence[int], now_us: int) -> tuple[int, int] | None:
    """From when to when these cameras should have recorded; what has not ended lasts to now."""
    ends = func.max(func.coalesce(_e.end_us, now_us))
    query = select(func.min(_e.start_us), ends).where(_among(_e.camera_id, camera_ids))
    start_us, end_us = tx.execute(query).one()
    return None if start_us is None else (start_us, end_us)


def expectations(
    tx: Connection, camera_ids: Sequence[int], from_us: int, to_us: int
) -> list[tuple[int, int, int | None]]:
    """(camera, start, end or None) of when, in [from_us, to_us), they should have recorded."""
    query = select(_e.camera_id, _e.start_us, _e.end_us).where(
        _among(_e.camera_id, camera_ids), _e.start_us < to_us,
        or_(_e.end_us.is_(None), _e.end_us > from_us),
    )  # fmt: skip
    return [(camera_id, start, end) for camera_id, start, end in tx.execute(query)]


def gap_rows(
    tx: Connection, camera_ids: Sequence[int], from_us: int, to_us: int
) -> Sequence[Row[tuple[int, int, int | None, str]]]:
    """(camera, start, end or None while it lasts, cause) of gaps that overlap [from_us, to_us)."""
    query = select(_g.camera_id, _g.start_us, _g.end_us, _g.cause).where(
        _among(_g.camera_id, camera_ids), _g.start_us < to_us,
        or_(_g.end_us.is_(None), _g.end_us > from_us),
    )  # fmt: skip
    # A short gap that ends after `from_us` begins at most LONG_US before.
    recent = tx.execute(query.where(_g.start_us >= from_us - LONG_US)).all()
    return [*tx.execute(query.where(_g.start_us < from_us - LONG_US, _LONG_GAP)), *recent]


def reasons(tx: Connection, generation_id: int, segment_ids: Collection[str]) -> dict[str, str]:
    """Segment → why it failed, or what was left out of it."""
    wanted = sorted(segment_ids)
    found: dict[str, str] = {}
    for start in range(0, len(wanted), IN_ONE):
        query = select(_w.segment_id, _w.detail).where(
            _w.generation_id == generation_id, _w.segment_id.in_(wanted[start : start + IN_ONE])
        )
        found |= {segment: detail or "" for segment, detail in tx.execute(query)}
    return found


def _among(column: ColumnElement[int], camera_ids: Sequence[int]) -> ColumnElement[bool]:
    """In figures: for hundreds of parameters SQLAlchemy takes longer than the ledger answers."""
    figures = ", ".join(str(int(one)) for one in camera_ids) or "NULL"
    return column.bool_op("IN")(literal_column(f"({figures})"))


def _runs(slots: Sequence[int]) -> list[tuple[int, int]]:
    """First and last of each run of slots that follow one another."""
    runs: list[tuple[int, int]] = []
    for slot in slots:
        if runs and runs[-1][1] == slot - 1:
            runs[-1] = (runs[-1][0], slot)
        else:
            runs.append((slot, slot))
    return runs
