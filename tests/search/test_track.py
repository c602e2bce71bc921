"""What a timeline says of any ledger, against the plain algebra of storage.timeline."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, select

from search.track import LONGEST_US, MOST_CAMERAS, CameraTrack, Kind, track_of
from storage import schema, timeline
from storage.clock import US, parse_time
from storage.directory import DataDirectory
from storage.errors import Invalid
from storage.footage_changes import day_versions
from storage.timeline import JOIN_US
from storage.track import tombstoned
from storage.vocabulary import GapCause, Span
from tests.search.footage_world import BASE_US, HOUR_US, NOW_US, World, new_world, steps
from tests.storage.media import new_house


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataDirectory]:
    made = new_house(tmp_path_factory.mktemp("tracks") / "data", NOW_US)
    yield made.directory
    made.directory.close()


@pytest.fixture(scope="module")
def world(house: DataDirectory, tmp_path_factory: pytest.TempPathFactory) -> World:
    with house.ledger.write() as tx:
        tx.execute(delete(schema.volume))  # the world brings its own
    return new_world(house.ledger, tmp_path_factory.mktemp("footage"))


def of(house: DataDirectory, world: World, span: Span, bins: int = 1200) -> list[CameraTrack]:
    return list(track_of(house, world.cameras, span, bins).cameras)


def pieces(one: CameraTrack, kind: Kind) -> list[Span]:
    return [Span(p.start_us, p.end_us) for p in one.pieces if p.kind is kind]


def plain_unindexed(tx: Connection, camera_id: int, generation_id: int, asked: Span) -> int:
    s, w = schema.segment.c, schema.index_work.c
    rows = tx.execute(
        select(s.start_us, s.end_us)
        .join(schema.index_work, w.segment_id == s.id)
        .where(s.camera_id == camera_id, s.state == "closed", w.state == "done",
               w.generation_id == generation_id)
    )  # fmt: skip
    seen = [Span(a, b) for a, b in rows]
    return timeline.total_us(
        timeline.subtract(timeline.recorded(tx, camera_id, asked), seen)
    )  # fmt: skip


def plain_gap(tx: Connection, camera_id: int, asked: Span) -> int:
    past = Span(asked.start_us, max(asked.start_us, min(asked.end_us, NOW_US)))
    rows = timeline.gaps(tx, camera_ids=[camera_id], from_us=past.start_us, to_us=past.end_us)
    said = [Span(g.start_us, NOW_US if g.end_us is None else g.end_us) for g in rows]
    lost = timeline.intersect(said, [past]) + timeline.unexplained(tx, camera_id, past)
    return timeline.total_us(timeline.subtract(lost, timeline.recorded(tx, camera_id, past)))


ends = st.tuples(st.integers(-2, 45), st.integers(1, 60 * 24)).map(
    lambda pair: Span(
        BASE_US + pair[0] * HOUR_US + 17 * US, BASE_US + pair[0] * HOUR_US + pair[1] * 60 * US
    )
)


@settings(max_examples=25, deadline=None)
@given(st.lists(steps, max_size=12), ends.filter(lambda s: s.duration_us >= US),
       st.sampled_from([1, 9, 1200]))  # fmt: skip
def test_any_ledger_is_drawn_as_its_exact_spans_say(
    house: DataDirectory, world: World, did: list[tuple[object, ...]], asked: Span, bins: int
) -> None:
    world.clear()
    world.do(*did)
    apart_us = max(1, asked.duration_us // bins)
    for one in of(house, world, asked, bins):
        key = one.camera.id
        with house.ledger.read() as tx:
            kept = timeline.recorded(tx, key, asked)
            dead = timeline.subtract(timeline.deleted(tx, key, asked), kept)
            rows = timeline.gaps(tx, camera_ids=[key])
            unindexed_us = plain_unindexed(tx, key, world.generations[0].id, asked)
            gap_us = plain_gap(tx, key, asked)
        assert one.recorded_us == timeline.total_us(kept)
        assert one.unindexed_us == unindexed_us
        # Where a gap row and a tombstone contradict one another, the gap is believed; what is
        # closer than JOIN_US may be taken for one.
        contradicted = timeline.total_us(
            timeline.intersect([Span(g.start_us, g.end_us or NOW_US) for g in rows], dead)
        )
        slack_us = JOIN_US * (len(did) + 1)
        past = timeline.total_us(timeline.intersect(dead, [Span(0, NOW_US)]))
        assert abs(one.deleted_us + contradicted - past) <= slack_us + contradicted
        assert abs(one.gap_us - gap_us) <= slack_us + contradicted
        totals = {Kind.RECORDED: one.recorded_us, Kind.UNINDEXED: one.unindexed_us,
                  Kind.GAP: one.gap_us, Kind.DELETED: one.deleted_us}  # fmt: skip
        for kind, total_us in totals.items():
            mine = [piece for piece in one.pieces if piece.kind is kind]
            assert sum(piece.length_us for piece in mine) == total_us
            for cause in {piece.cause for piece in mine}:
                row = [piece for piece in mine if piece.cause is cause]
                assert len(row) <= bins + 1
                for piece in row:
                    assert asked.start_us <= piece.start_us < piece.end_us <= asked.end_us
                    assert 0 < piece.length_us <= piece.end_us - piece.start_us
                for before, after in pairwise(row):
                    assert after.start_us - before.end_us >= apart_us


def test_each_kind_lies_where_it_lies(house: DataDirectory, world: World) -> None:
    """Recorded, indexed of it, a gap and its cause, deleted, nobody expected it, to come."""
    world.clear()
    hour = [BASE_US + n * HOUR_US for n in range(60)]
    world.do(
        ("due", 0, hour[0], None),
        *(("record", 0, hour[0] + n * 600 * US, 600 * US) for n in range(12)),
        ("gap", 0, hour[2], HOUR_US),
        ("record", 0, hour[3], HOUR_US),
        *(("done", n, None, 0) for n in range(6)),
        *(("expire", n) for n in range(3)),
    )
    one = of(house, world, Span(hour[0] - HOUR_US, hour[45]))[0]
    assert pieces(one, Kind.DELETED) == [Span(hour[0], hour[0] + 1800 * US)]
    assert pieces(one, Kind.RECORDED) == [
        Span(hour[0] + 1800 * US, hour[2]), Span(hour[3], hour[4])
    ]  # fmt: skip
    assert pieces(one, Kind.UNINDEXED) == [Span(hour[1], hour[2]), Span(hour[3], hour[4])]
    gaps = [piece for piece in one.pieces if piece.kind is Kind.GAP]
    assert [(p.start_us, p.end_us, p.cause) for p in gaps] == [
        (hour[2], hour[3], GapCause.STALLED), (hour[4], NOW_US, GapCause.UNKNOWN)
    ]  # fmt: skip
    whole = track_of(house, world.cameras, Span(hour[0] - HOUR_US, hour[45]))
    assert [(m.start_us, m.cause, m.lasts) for m in whole.gaps] == [
        (hour[4], GapCause.UNKNOWN, False), (hour[2], GapCause.STALLED, False)
    ]  # fmt: skip


def test_a_gap_that_lasts_is_said_to_last(house: DataDirectory, world: World) -> None:
    world.clear()
    world.do(("gap", 1, BASE_US, None))
    found = track_of(house, world.cameras, Span(BASE_US - HOUR_US, NOW_US + HOUR_US))
    assert [(one.end_us, one.lasts) for one in found.gaps] == [(NOW_US, True)]


def test_a_second_lost_in_a_month_is_a_piece_of_its_own(house: DataDirectory, world: World) -> None:
    world.clear()
    lost_us = BASE_US + 5 * HOUR_US
    world.do(
        ("record", 0, BASE_US, 5 * HOUR_US), ("gap", 0, lost_us, US),
        ("record", 0, lost_us + US, 5 * HOUR_US),
    )  # fmt: skip
    span = Span(NOW_US - 31 * 24 * HOUR_US, NOW_US)
    one = of(house, world, span)[0]
    assert pieces(one, Kind.GAP) == [Span(lost_us, lost_us + US)]
    assert len(pieces(one, Kind.RECORDED)) == 1  # drawn as one, with the gap at its edges
    assert one.recorded_us == 10 * HOUR_US


def test_a_timeline_has_its_limits(house: DataDirectory, world: World) -> None:
    now = Span(NOW_US - US, NOW_US)
    track_of(house, world.cameras, now)
    with pytest.raises(Invalid, match="31 days"):
        track_of(house, world.cameras, Span(NOW_US - LONGEST_US - 1, NOW_US))
    with pytest.raises(Invalid, match="a second"):
        track_of(house, world.cameras, Span(NOW_US - US + 1, NOW_US))
    with pytest.raises(Invalid, match=str(MOST_CAMERAS)):
        track_of(house, [world.cameras[0]] * (MOST_CAMERAS + 1), now)


def test_a_day_of_tombstones_costs_one_row(house: DataDirectory, world: World) -> None:
    """Minute after minute with the milliseconds between them that cameras leave."""
    world.clear()
    start_us = parse_time("2026-10-31T20:00:00Z")
    minutes = [start_us + n * 60 * US for n in range(300)]
    world.do(*(("record", 2, at, 60 * US - 5000) for at in minutes))
    world.do(*(("expire", n) for n in range(300)))
    camera = next(one for one in world.cameras if one.slug == "c0")
    with house.ledger.read() as tx:
        versions = day_versions(tx, start_us // (24 * HOUR_US), start_us // (24 * HOUR_US) + 1)
        asked = [Span(start_us, start_us + 24 * HOUR_US)]
        found = tombstoned(tx, camera.id, asked, versions)
    assert found == [(start_us, minutes[-1] + 60 * US - 5000)]
