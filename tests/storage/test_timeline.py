"""The algebra of time: recorded + gaps = expected, whatever the spans."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from storage import timeline
from storage.clock import US
from storage.vocabulary import GapCause, Span
from tests.storage.media import START_US, House

spans = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda ends: Span(min(ends), max(ends))),
    max_size=8,
)


def points(of: list[Span]) -> set[int]:
    """The instants a list of spans covers: the plain meaning of every operation."""
    return {at for span in of for at in range(span.start_us, span.end_us)}


@given(spans)
def test_merge_keeps_the_instants_and_is_disjoint_and_sorted(a: list[Span]) -> None:
    merged = timeline.merge(a)
    assert points(merged) == points(a)
    assert all(x.end_us < y.start_us for x, y in pairwise(merged))
    assert all(span.duration_us > 0 for span in merged)
    assert timeline.merge(merged) == merged
    assert timeline.total_us(a) == len(points(a))


@given(spans, spans)
def test_intersection_and_difference_mean_what_they_say(a: list[Span], b: list[Span]) -> None:
    assert points(timeline.intersect(a, b)) == points(a) & points(b)
    assert points(timeline.subtract(a, b)) == points(a) - points(b)


@given(spans, spans)
def test_recorded_plus_gaps_is_expected(expected: list[Span], recorded: list[Span]) -> None:
    kept = timeline.intersect(expected, recorded)
    gaps = timeline.subtract(expected, recorded)
    assert timeline.total_us(kept) + timeline.total_us(gaps) == timeline.total_us(expected)
    assert timeline.intersect(kept, gaps) == []
    assert timeline.merge(kept + gaps) == timeline.merge(expected)


def test_ten_thousand_spans_are_no_trouble() -> None:
    a = [Span(i * 10, i * 10 + 9) for i in range(10_000)]
    b = [Span(i * 10 + 3, i * 10 + 5) for i in range(10_000)]
    assert timeline.total_us(timeline.subtract(a, b)) == 70_000


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_every_expected_instant_is_kept_deleted_or_explained(data: st.DataObject) -> None:
    """Against a real ledger: what is neither is exactly what `unexplained` names."""
    import tempfile
    from pathlib import Path

    from tests.storage.media import new_house

    wanted = data.draw(spans)
    with tempfile.TemporaryDirectory() as folder:
        house = new_house(Path(folder) / "data")
        key = house.camera().id
        asked = Span(START_US, START_US + 60 * 10 * US)
        scaled = [
            Span(START_US + s.start_us * 10 * US, START_US + s.end_us * 10 * US) for s in wanted
        ]
        gaps = [Span(s.start_us, s.end_us) for s in scaled[::2] if s.duration_us]
        with house.ledger.write() as tx:
            timeline.expect(tx, key, asked.start_us, asked.end_us)
            for gap in gaps:
                timeline.add_gap(tx, key, gap.start_us, gap.end_us, GapCause.STALLED)
        segment = house.segment("gate", START_US + 300 * US)
        with house.ledger.read() as tx:
            left = timeline.unexplained(tx, key, asked)
        told = timeline.merge([*gaps, Span(segment.start_us, segment.end_us), *left])
        untold = timeline.subtract([asked], told)
        assert all(hole.duration_us <= timeline.JOIN_US for hole in untold)
        assert timeline.intersect(left, gaps) == []
        house.directory.close()


def gap_rows(house: House) -> list[tuple[int, int | None, str]]:
    with house.ledger.read() as tx:
        return [
            (gap.start_us - START_US, gap.end_us and gap.end_us - START_US, gap.cause.value)
            for gap in timeline.gaps(tx)
        ]


def test_a_gap_keeps_its_start_while_its_cause_sharpens(house: House) -> None:
    key = house.camera().id
    with house.ledger.write() as tx:
        timeline.open_gap(tx, key, START_US, GapCause.STALLED)
        timeline.open_gap(tx, key, START_US + 5 * US, GapCause.CONNECT_FAILED, "refused")
        timeline.close_gap(tx, key, START_US + 9 * US)
        timeline.close_gap(tx, key, START_US + 99 * US)
    assert gap_rows(house) == [(0, 9 * US, "connect_failed")]


def test_an_empty_gap_leaves_no_row(house: House) -> None:
    key = house.camera().id
    with house.ledger.write() as tx:
        timeline.open_gap(tx, key, START_US, GapCause.STALLED)
        timeline.close_gap(tx, key, START_US)
        timeline.add_gap(tx, key, START_US, START_US, GapCause.STALLED)
    assert gap_rows(house) == []


def test_an_expectation_without_end_runs_to_the_end_of_the_question(house: House) -> None:
    key = house.camera().id
    with house.ledger.write() as tx:
        timeline.expect(tx, key, START_US)
        assert timeline.open_expectation(tx, key) == START_US
        asked = Span(START_US - 10 * US, START_US + 10 * US)
        assert timeline.expected(tx, key, asked) == [Span(START_US, START_US + 10 * US)]
        timeline.end_expectation(tx, key, START_US + 3 * US)
        assert timeline.open_expectation(tx, key) is None
        assert timeline.expected(tx, key, asked) == [Span(START_US, START_US + 3 * US)]


def test_deleted_footage_needs_no_gap(house: House) -> None:
    from storage.segments import expire

    (first, second) = house.footage(count=2)
    with house.ledger.write() as tx:
        expire(tx, [first.id], "class_3_days = 30", house.clock.now)
        asked = Span(first.start_us, second.end_us)
        assert timeline.unexplained(tx, first.camera_id, asked) == []
        assert timeline.deleted(tx, first.camera_id, asked) == [Span(first.start_us, first.end_us)]


def test_the_rounding_of_a_last_picture_is_no_loss(house: House) -> None:
    house.segment("gate", START_US)
    house.segment("gate", START_US + 2 * US + timeline.JOIN_US)
    house.expect("gate", START_US, START_US + 5 * US)
    with house.ledger.read() as tx:
        asked = Span(START_US, START_US + 5 * US)
        assert timeline.unexplained(tx, house.camera().id, asked) == []
    house.expect("gate", START_US + 5 * US, START_US + 5 * US + timeline.JOIN_US + 1)
    with house.ledger.read() as tx:
        asked = Span(START_US, START_US + 9 * US)
        assert len(timeline.unexplained(tx, house.camera().id, asked)) == 1
