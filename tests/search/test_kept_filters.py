"""What passes a filter is worked out once for a shard; no other filter is ever answered with it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from search import codes, selecting
from search.filters import Filters
from search.partitions import Block, Partition
from search.passing import Passing
from search.rows import FRAME, REGION, Bools
from search.shards import Header, open_shard
from storage.clock import US, utc_day
from storage.lake import DARK
from tests.search.archive import START_US
from tests.search.test_codes import CAMERAS, COUNT, GENERATION, filters, made_rows, write

HOUR_US = 3600 * US


@pytest.fixture(scope="module")
def header(tmp_path_factory: pytest.TempPathFactory) -> Header:
    """A third of its rows are regions of growing size, every fifth is dark."""
    plain = made_rows()
    at = np.arange(COUNT)
    kind = (at % 3 == 0).astype(np.uint8)
    box = np.full((COUNT, 4), -1, dtype=np.int32)
    box[kind == REGION] = 16 + at[kind == REGION, None] % 100
    quality = np.where(at % 5 == 0, DARK, 0).astype(np.int32)
    rows = dataclasses.replace(plain, kind=kind, box=box, quality=quality)
    return write(tmp_path_factory.mktemp("day"), rows)


def opened(header: Header, alive: Bools | None = None) -> Partition:
    block = Block(open_shard(header, GENERATION), alive, None, header.path, header)
    return Partition(utc_day(START_US), 1, (block,))


ASKED: dict[str, Filters] = {
    "all": filters(),
    "some cameras": filters(range(3, 10)),
    "other cameras": filters(range(4, 11)),
    "a span": filters(from_us=START_US + HOUR_US, to_us=START_US + 9 * HOUR_US),
    "a second more": filters(from_us=START_US + HOUR_US, to_us=START_US + 9 * HOUR_US + US),
    "by day": filters(between=(8 * 60, 18 * 60)),
    "by night": filters(between=(18 * 60, 8 * 60)),
    "frames": filters(kind="frame"),
    "regions": filters(kind="region"),
    "large regions": filters(kind="region", least_box=64),
    "in the dark": filters(light="night"),
    "of a weekday": filters(weekdays=(3,)),
    "of another weekday": filters(weekdays=(4,)),
}


def expected(partition: Partition, asked: Filters) -> Bools:
    rows = partition.blocks[0].rows
    at = np.arange(COUNT)
    good = asked.times(rows.ts_us(at), "Asia/Shanghai")
    good &= np.isin(rows.camera(at), [camera.id for camera in asked.cameras])
    return good & asked.rows(rows.kind, rows.box, rows.quality)


def found(partition: Partition, asked: Filters, **fields: Any) -> Bools:
    selections = selecting.qualifying([partition], asked, **fields)
    return selections[0].passing.mask() if selections else np.zeros(COUNT, dtype=bool)


def test_every_filter_is_answered_with_its_own_rows_first_and_again(header: Header) -> None:
    partition = opened(header)
    for _ in range(2):
        for asked in ASKED.values():
            assert np.array_equal(found(partition, asked), expected(partition, asked))


def test_the_same_filter_is_not_worked_out_again(header: Header) -> None:
    partition = opened(header)
    for asked in ASKED.values():
        first = selecting.qualifying([partition], asked)
        again = selecting.qualifying([partition], dataclasses.replace(asked))
        assert [one.passing for one in first] == [one.passing for one in again]


def test_a_span_that_moves_beyond_the_day_is_the_same_filter(header: Header) -> None:
    """`until now` is another instant with every question; what it means for a past day is not."""
    partition = opened(header)
    until = START_US + 10 * 86_400 * US
    (first,) = selecting.qualifying([partition], filters(to_us=until))
    (again,) = selecting.qualifying([partition], filters(to_us=until + HOUR_US))
    assert first.passing is again.passing


def test_rows_that_count_no_more_are_not_answered_from_what_was_kept(header: Header) -> None:
    rows = open_shard(header, GENERATION)
    whole = Block(rows, None, None, header.path, header)
    alive = np.arange(COUNT) % 7 > 0
    fewer = Block(rows, alive, None, header.path, header)
    asked = ASKED["by day"]
    day = utc_day(START_US)
    before = found(Partition(day, 1, (whole,)), asked)
    after = found(Partition(day, 2, (fewer,)), asked)
    assert np.array_equal(after, before & alive)
    assert np.array_equal(found(Partition(day, 1, (whole,)), asked), before)


def test_a_look_at_some_segments_is_neither_kept_nor_answered_from_what_was(
    header: Header,
) -> None:
    partition = opened(header)
    whole = found(partition, ASKED["all"])
    assert not found(partition, ASKED["all"], segments=["1" * 26]).any()
    assert np.array_equal(found(partition, ASKED["all"], segments=["0" * 26]), whole)
    assert np.array_equal(found(partition, ASKED["all"]), whole)


def test_only_the_latest_filters_are_kept(header: Header) -> None:
    partition = opened(header)
    first = selecting.qualifying([partition], ASKED["by day"])
    for minute in range(codes.KEPT_FILTERS):
        selecting.qualifying([partition], filters(between=(minute, minute + 60)))
    again = selecting.qualifying([partition], ASKED["by day"])
    assert first[0].passing is not again[0].passing
    assert np.array_equal(first[0].passing.bits, again[0].passing.bits)


def test_what_is_kept_goes_with_its_shard(header: Header) -> None:
    import weakref

    partition = opened(header)
    (one,) = selecting.qualifying([partition], ASKED["by day"])
    gone = weakref.ref(one.passing)
    del partition, one
    assert gone() is None


@pytest.mark.parametrize("name", sorted(ASKED))
def test_what_is_asked_of_passing_rows_agrees_with_their_mask(header: Header, name: str) -> None:
    partition = opened(header)
    for one in selecting.qualifying([partition], ASKED[name]):
        passing, rows = one.passing, one.rows
        mask = passing.mask()
        assert passing.count == mask.sum()
        assert passing.whole == mask.all()
        assert np.array_equal(passing.places(), np.flatnonzero(mask))
        assert np.array_equal(passing.has(np.arange(COUNT)), mask)
        assert np.array_equal(passing.take(rows.frame_id), rows.frame_id[mask])
        assert passing.regions == np.count_nonzero(rows.kind[mask] != FRAME)
        left = passing.without(np.array([[10, 40], [200, 900]]))
        mask[10:40] = mask[200:900] = False
        assert np.array_equal(left.mask(), mask)
        assert left.count == mask.sum()


@pytest.mark.parametrize("share", [0.05, 0.6], ids=["few", "many"])
def test_no_list_that_holds_rows_is_passed_over(header: Header, share: float) -> None:
    rows = open_shard(header, GENERATION)
    assert rows.codes is not None
    keep = np.random.default_rng(3).random(COUNT) < share
    whole = np.array([[0, COUNT]])
    passing = Passing.of(whole, keep, rows.kind, rows.codes.lists, rows.codes.list_count)
    held = np.bincount(rows.codes.lists[keep], minlength=rows.codes.list_count)
    assert (passing.in_lists[held > 0] > 0).all()
    assert abs(passing.in_lists.sum() / held.sum() - 1) < 0.1
    assert rows.codes.list_count > CAMERAS * 2
