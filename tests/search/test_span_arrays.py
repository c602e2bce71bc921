"""Spans in arrays are what storage.timeline says of spans, for any number of owners."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from search.span_arrays import (
    Ruler,
    Spans,
    inserted,
    intersect,
    joined,
    merged,
    overlapping_owners,
    spans,
)
from storage import timeline
from storage.vocabulary import Span

Rows = list[tuple[int, int, int]]
some_rows = st.lists(
    st.tuples(st.sampled_from([1, 2, 7]), st.integers(-30, 60), st.integers(0, 25)).map(
        lambda row: (row[0], row[1], row[1] + row[2])
    ),
    max_size=14,
)


def made(rows: Rows) -> Spans:
    return spans(*(zip(*rows, strict=True) if rows else ((), (), ())))


def by_owner(some: Spans | Rows) -> dict[int, list[Span]]:
    rows = some
    if isinstance(some, Spans):
        rows = list(
            zip(some.owner.tolist(), some.start.tolist(), some.end.tolist(), strict=True)
        )  # fmt: skip
    found: dict[int, list[Span]] = {}
    for owner, start, end in rows:  # type: ignore[union-attr]
        found.setdefault(owner, []).append(Span(start, end))
    return found


def plain(rows: Rows) -> dict[int, list[Span]]:
    each = {owner: timeline.merge(some) for owner, some in by_owner(rows).items()}
    return {owner: some for owner, some in each.items() if some}


@given(some_rows)
def test_a_union_is_that_of_the_timeline(rows: Rows) -> None:
    assert by_owner(merged(made(rows))) == plain(rows)


@given(some_rows, some_rows)
def test_joining_and_inserting_are_one(first: Rows, second: Rows) -> None:
    whole = made([*first, *second])
    for result in (joined([made(first), made(second)]), inserted(made(first), made(second))):
        assert by_owner(merged(result)) == by_owner(merged(whole))
        order = np.lexsort((result.start, result.owner))
        assert (np.diff(order) > 0).all()


@given(some_rows, some_rows)
def test_an_intersection_is_that_of_the_timeline(rows: Rows, holes: Rows) -> None:
    window = merged(made(holes))
    pieces, of = intersect(merged(made(rows)), window)
    assert by_owner(pieces) == {
        owner: both
        for owner, each in plain(rows).items()
        if (both := timeline.intersect(each, plain(holes).get(owner, [])))
    }
    assert (np.diff(of) >= 0).all()


@given(some_rows, some_rows)
def test_spans_that_overlap_are_cut_each_by_itself(rows: Rows, holes: Rows) -> None:
    some = Spans(*(np.array([row[i] for row in rows], dtype=np.int64) for i in range(3)))
    pieces, of = intersect(some, merged(made(holes)))
    wanted = [
        (number, piece)
        for number, (owner, start, end) in enumerate(rows)
        for piece in timeline.intersect([Span(start, end)], plain(holes).get(owner, []))
    ]
    found = zip(of.tolist(), pieces.start.tolist(), pieces.end.tolist(), strict=True)
    assert [(number, Span(start, end)) for number, start, end in found] == wanted


@given(some_rows, some_rows)
def test_a_ruler_measures_what_an_intersection_gives(covered: Rows, asked: Rows) -> None:
    some = made(asked)
    found = Ruler(merged(made(covered))).within(some)
    for at, (owner, start, end) in enumerate(
        zip(some.owner.tolist(), some.start.tolist(), some.end.tolist(), strict=True)
    ):
        wanted = timeline.intersect(plain(covered).get(owner, []), [Span(start, end)])
        assert found.length[at] == timeline.total_us(wanted)
        if wanted:
            assert (found.first[at], found.last[at]) == (wanted[0].start_us, wanted[-1].end_us)


@given(some_rows)
def test_owners_with_an_instant_twice_are_named(rows: Rows) -> None:
    twice = {
        owner
        for owner, some in by_owner(made(rows)).items()
        if sum(span.duration_us for span in some) > timeline.total_us(some)
    }
    assert set(overlapping_owners(made(rows)).tolist()) == twice
