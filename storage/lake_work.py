"""Which parts of lake and looks the ledger names, and giving them other names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, select, update

from storage import schema
from storage.segments import KEPT

# Columns of index_work that name a part → how many rows a segment has in it.
_COUNTS = {"part": "frames", "looks": "looked", "deep_part": "deep_frames"}
COLUMNS = tuple(_COUNTS)
IN_ONE = 500  # names or ids in one statement
_w = schema.index_work.c
_s = schema.segment.c


@dataclass(slots=True)
class Named:
    """A part and the segments whose rows in it count, or counted until their footage went."""

    part: str
    live: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


def part_sizes(tx: Connection, generation_id: int, column: str) -> dict[str, int | None]:
    """Part → rows of the segments that name it in this column; None where one was not counted."""
    count = _w[_COUNTS[column]]
    query = (
        select(_w[column], func.sum(count), func.count(), func.count(count))
        .where(_w.generation_id == generation_id, _w[column].is_not(None))
        .group_by(_w[column])
    )
    return {
        part: int(rows) if counted == segments else None
        for part, rows, segments, counted in tx.execute(query)
    }


def live_names(tx: Connection, generation_id: int, column: str) -> list[str]:
    """The parts with rows of footage that is kept."""
    query = (
        select(_w[column])
        .join(schema.segment, _s.id == _w.segment_id)
        .where(_w.generation_id == generation_id, _w[column].is_not(None), KEPT)
        .distinct()
    )
    return sorted(tx.execute(query).scalars())


def named_parts(
    tx: Connection, generation_id: int, column: str, parts: Sequence[str]
) -> list[Named]:
    """Of these parts, in their order, those that are named."""
    found: dict[str, Named] = {}
    for some in _pages(parts):
        _gather(tx, generation_id, column, some, found)
    return [found[part] for part in parts if part in found]


def parts_with_gone(tx: Connection, generation_id: int, column: str) -> list[Named]:
    """The parts that a segment still names though its footage is gone."""
    query = (
        select(_w[column])
        .join(schema.segment, _s.id == _w.segment_id)
        .where(_w.generation_id == generation_id, _w[column].is_not(None), ~KEPT)
        .distinct()
    )
    return named_parts(tx, generation_id, column, list(tx.execute(query).scalars()))


def all_names(tx: Connection) -> set[str]:
    """Every part that any generation names."""
    return {
        part
        for column in COLUMNS
        for part in tx.execute(
            select(_w[column]).where(_w[column].is_not(None)).distinct()
        ).scalars()
    }


def is_named(tx: Connection, generation_id: int, column: str, part: str) -> bool:
    """Whether any segment still names a part."""
    query = select(_w.segment_id).where(_w.generation_id == generation_id, _w[column] == part)
    return tx.execute(query.limit(1)).first() is not None


def gone_of(tx: Connection, segment_ids: Sequence[str]) -> set[str]:
    """Those of the segments whose footage is not kept any more, or that nobody knows."""
    kept: set[str] = set()
    for some in _pages(segment_ids):
        kept.update(tx.execute(select(_s.id).where(_s.id.in_(some), KEPT)).scalars())
    return set(segment_ids) - kept


def expired_before(tx: Connection, segment_ids: Sequence[str], at_us: int) -> set[str]:
    """Those of the segments whose footage went before an instant."""
    found: set[str] = set()
    for some in _pages(segment_ids):
        query = select(_s.id).where(_s.id.in_(some), ~KEPT, _s.expired_us < at_us)
        found.update(tx.execute(query).scalars())
    return found


def rename_parts(
    tx: Connection, generation_id: int, column: str, old: Sequence[Named], new: str
) -> bool:
    """The live segments of the old parts name the new one.

    False when one of them names another by now: then the new part holds rows that do not count,
    and the transaction is to be given up.
    """
    for one in old:
        changed = sum(
            tx.execute(
                update(schema.index_work)
                .where(
                    _w.generation_id == generation_id, _w[column] == one.part,
                    _w.segment_id.in_(some),
                )
                .values({column: new})
            ).rowcount
            for some in _pages(one.live)
        )  # fmt: skip
        if changed != len(one.live):
            return False
    return True


def looks_parts(
    tx: Connection,
    generation_id: int,
    *,
    camera_ids: Sequence[int],
    from_us: int | None,
    to_us: int | None,
) -> dict[str, list[str]]:
    """Part with decisions → kept segments of these cameras and this span whose rows in it count."""
    query = (
        select(_w.looks, _w.segment_id)
        .join(schema.segment, _s.id == _w.segment_id)
        .where(
            _w.generation_id == generation_id, _w.state == "done", _w.looks.is_not(None), KEPT,
            _s.camera_id.in_(camera_ids),
        )
    )  # fmt: skip
    if from_us is not None:
        query = query.where(_s.end_us > from_us)
    if to_us is not None:
        query = query.where(_s.start_us < to_us)
    found: dict[str, list[str]] = {}
    for part, segment_id in tx.execute(query):
        found.setdefault(part, []).append(segment_id)
    return found


def forget_gone_names(tx: Connection, generation_id: int, column: str, named: Named) -> None:
    """The gone segments of a part have no rows any more."""
    for some in _pages(named.gone):
        tx.execute(
            update(schema.index_work)
            .where(
                _w.generation_id == generation_id, _w[column] == named.part,
                _w.segment_id.in_(some),
            )
            .values({column: None})
        )  # fmt: skip


def _gather(
    tx: Connection, generation_id: int, column: str, parts: Sequence[str], found: dict[str, Named]
) -> None:
    query = (
        select(_w[column], _w.segment_id, KEPT)
        .join(schema.segment, _s.id == _w.segment_id)
        .where(_w.generation_id == generation_id, _w[column].in_(parts))
    )
    for part, segment_id, kept in tx.execute(query):
        named = found.setdefault(part, Named(part))
        (named.live if kept else named.gone).append(segment_id)


def _pages(items: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), IN_ONE):
        yield items[start : start + IN_ONE]
