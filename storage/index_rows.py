"""What the ledger says lies in the lake, segment by segment, a day at a time: to be compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, func, select, update

from storage import schema
from storage.clock import US
from storage.ledger import Ledger
from storage.segments import KEPT

DAY_US = 86_400 * US  # parts are by UTC day: a day's rows lie in few parts, which are read once
IN_ONE = 500  # ids in one statement
_w = schema.index_work.c
_s = schema.segment.c


@dataclass(frozen=True, slots=True)
class IndexRow:
    """A kept segment that is done in a generation. Parts are relative to lake/."""

    segment_id: str
    part: str | None
    frames: int  # rows in `part`
    looks: str | None
    looked: int  # rows in `looks`
    deep_part: str | None
    deep_frames: int  # rows in `deep_part`


def days_of_rows(ledger: Ledger, generation_id: int) -> Iterator[list[IndexRow]]:
    """All rows by day of their segment's start, oldest first; a transaction for each day.

    Between two pages nothing is held: reading the parts of an archive takes hours.
    """
    after_us = -1
    while True:
        with ledger.read() as tx:
            # By state, because there is an index of starts by state.
            begins_us: int | None = tx.execute(
                select(func.min(_s.start_us)).where(_s.state == "closed", _s.start_us > after_us)
            ).scalar()
            if begins_us is None:
                return
            day_us = begins_us - begins_us % DAY_US
            after_us = day_us + DAY_US - 1
            query = _rows(generation_id).where(
                _s.state == "closed", _s.start_us >= day_us, _s.start_us <= after_us
            )
            page = [IndexRow(*row) for row in tx.execute(query)]
        if page:
            yield page


def rows_now(tx: Connection, generation_id: int, segment_ids: Sequence[str]) -> dict[str, IndexRow]:
    """Segment → its row, of those that are kept and done."""
    found = {}
    for start in range(0, len(segment_ids), IN_ONE):
        some = segment_ids[start : start + IN_ONE]
        for row in tx.execute(_rows(generation_id).where(KEPT, _w.segment_id.in_(some))):
            found[row[0]] = IndexRow(*row)
    return found


def forget_deep(tx: Connection, segment_ids: Sequence[str], generation_id: int) -> None:
    """As if never gone over again: the deep rows of these segments are lost."""
    for start in range(0, len(segment_ids), IN_ONE):
        tx.execute(
            update(schema.index_work)
            .where(
                _w.generation_id == generation_id,
                _w.segment_id.in_(segment_ids[start : start + IN_ONE]),
            )
            .values(deep_part=None, deep_frames=None)
        )


def forget_all(tx: Connection, segment_ids: Sequence[str]) -> None:
    """In every generation as if never indexed, also what a worker has now: its rows do not
    count."""
    for start in range(0, len(segment_ids), IN_ONE):
        some = segment_ids[start : start + IN_ONE]
        tx.execute(schema.index_work.delete().where(_w.segment_id.in_(some)))


def _rows(generation_id: int) -> Select[Any]:
    none = [func.coalesce(column, 0) for column in (_w.frames, _w.looked, _w.deep_frames)]
    return (
        select(_w.segment_id, _w.part, none[0], _w.looks, none[1], _w.deep_part, none[2])
        .join(schema.segment, _s.id == _w.segment_id)
        .where(_w.generation_id == generation_id, _w.state == "done")
    )
