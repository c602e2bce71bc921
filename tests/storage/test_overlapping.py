"""What overlaps a span is found whole: short segments, imports of many hours, any mixture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, select, text, update

from storage import schema, segments, timeline
from storage.promises import held
from storage.segments import LONG_US, insert_segment
from storage.vocabulary import Segment, SegmentState, Span
from tests.storage.media import START_US, US, House, new_house

_s = schema.segment.c
Made = tuple[int, int, int, bool]  # camera, start, length, whether it is kept
HORIZON_US = 8 * LONG_US
LENGTHS_US = st.one_of(
    st.integers(0, 120 * US),
    st.sampled_from([LONG_US - 1, LONG_US, LONG_US + 1]),
    st.integers(0, 4 * LONG_US),
)
# Few instants, so that ends and starts meet.
INSTANTS_US = st.one_of(
    st.integers(0, HORIZON_US), st.integers(0, 16).map(lambda n: n * LONG_US // 2)
)
MADE = st.lists(st.tuples(st.integers(0, 1), INSTANTS_US, LENGTHS_US, st.booleans()), max_size=12)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Segment]]:
    """An archive and one row to make others of; its files do not matter here."""
    folder: Path = tmp_path_factory.mktemp("shelf")
    house = new_house(folder / "data")
    house.camera("b")
    yield house, house.segment("a")
    house.directory.close()


def enter(house: House, model: Segment, made: list[Made]) -> list[Segment]:
    keys = [house.camera(name) for name in ("a", "b")]
    rows = [
        replace(
            model, id=f"{n:026d}", camera_id=keys[camera].id, camera=keys[camera].slug,
            start_us=START_US + start_us, end_us=START_US + start_us + length_us, path=str(n),
            state=SegmentState.CLOSED if kept else SegmentState.EXPIRED,
            expired_rule=None if kept else "x", expired_us=None if kept else START_US,
        )
        for n, (camera, start_us, length_us, kept) in enumerate(made)
    ]  # fmt: skip
    with house.ledger.write() as tx:
        tx.execute(delete(schema.segment))
        for row in rows:
            insert_segment(tx, row)
    return rows


@given(MADE, INSTANTS_US, LENGTHS_US)
def test_nothing_is_missed_and_nothing_comes_twice(
    shelf: tuple[House, Segment], made: list[Made], from_us: int, length_us: int
) -> None:
    house, model = shelf
    rows = enter(house, model, made)
    asked = Span(START_US + from_us, START_US + from_us + length_us)
    kept = [row for row in rows if row.state is SegmentState.CLOSED]

    def inside(some: list[Segment]) -> list[str]:
        some = [r for r in some if r.end_us > asked.start_us and r.start_us < asked.end_us]
        return [r.id for r in sorted(some, key=lambda r: (r.camera, r.start_us, r.id))]

    with house.ledger.read() as tx:
        ends = {"from_us": asked.start_us, "to_us": asked.end_us}
        assert [s.id for s in segments.segments(tx, **ends)] == inside(kept)
        assert [s.id for s in segments.segments(tx, **ends, state=None)] == inside(rows)
        for name in ("a", "b"):
            key = house.camera(name).id
            mine = [row for row in kept if row.camera == name]
            assert [s.id for s in segments.segments(tx, camera_ids=[key], **ends)] == inside(mine)
            spans = [Span(row.start_us, row.end_us) for row in mine]
            assert timeline.recorded(tx, key, asked) == timeline.intersect(spans, [asked])
            at = segments.segment_at(tx, key, asked.start_us)
            holding = [r for r in mine if r.start_us <= asked.start_us < r.end_us]
            assert (at and at.start_us) == max((r.start_us for r in holding), default=None)
            closed = schema.segment.c.state == "closed"
            assert segments.newest_end_us(tx, key, closed) == max(
                (row.end_us for row in mine), default=None
            )
            assert segments.newest_end_us(tx, key, closed, until_us=asked.end_us) == max(
                (row.end_us for row in mine if row.end_us <= asked.end_us), default=None
            )


def steps(house: House, query: Any) -> list[str]:
    """How SQLite goes about it."""
    plan = str(query.compile(house.ledger.engine, compile_kwargs={"literal_binds": True}))
    with house.ledger.read() as tx:
        return [row.detail for row in tx.execute(text(f"EXPLAIN QUERY PLAN {plan}"))]


def test_one_cameras_day_is_found_without_walking_over_its_past_or_over_other_cameras(
    shelf: tuple[House, Segment],
) -> None:
    house, _ = shelf
    mine = select(_s.id).where(_s.camera_id == 1, segments.KEPT)
    first, *_ = steps(house, mine.where(_s.start_us < 9, _s.start_us > 5))
    assert "(camera_id=? AND start_us>? AND start_us<?)" in first
    for state in SegmentState:
        query = segments.overlapping(
            select(_s.id).where(_s.camera_id == 1, segments.in_state(state)), 5, 9
        )
        for step in steps(house, query):
            assert not step.startswith("SCAN")
            assert "(state" not in step


def test_rows_named_by_id_are_found_by_id(shelf: tuple[House, Segment]) -> None:
    house, _ = shelf
    ids = [f"{n:026d}" for n in range(500)]
    named = select(_s.id).where(_s.id.in_(ids), segments.KEPT, ~held(1))
    assert "(id=?)" in steps(house, named)[0]
    change = update(schema.segment).where(_s.id.in_(ids), segments.KEPT).values(state="expired")
    assert "(id=?)" in steps(house, change)[0]
