"""What is indexed next: order, runs, shares; cheap where nothing is new."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, pairwise
from pathlib import Path

import pytest

from indexer.claims import RUN, Claims, Held, Share
from indexer.succession import ensure_generation
from indexer.upcoming import REST_US, WINDOW
from storage import segments
from storage.clock import US
from storage.register import add_camera
from tests.indexer.clips import START_US, Archive
from tests.indexer.test_pipeline import HandClock

MINUTE_US = 60 * US
Make = Callable[..., Archive]


@pytest.fixture
def clock() -> HandClock:
    """At the end of the footage that tests put in."""
    return HandClock(START_US + 600 * MINUTE_US)


def claims_of(archive: Archive, *, share: Share | None = None, follow: bool = False) -> Claims:
    lane = ensure_generation(archive.directory)
    return Claims(archive.directory, lane.generation, share=share, follow=follow)


def second_camera(archive: Archive) -> Archive:
    with archive.directory.ledger.write() as tx:
        camera = add_camera(tx, name="yard", url=None, created_us=START_US)
    return Archive(archive.directory, camera)


def starts(run: list[Held]) -> list[int]:
    """Minutes after START_US."""
    return [(held.segment.start_us - START_US) // MINUTE_US for held in run]


def test_the_newest_come_first_and_a_run_ascends(
    make_archive: Make, short_clip: Path, clock: HandClock
) -> None:
    archive = make_archive(clock=clock)
    for i in range(20):
        archive.put(short_clip, START_US + i * MINUTE_US)
    runs = [starts(run) for run in claims_of(archive).runs()]
    assert [len(run) for run in runs] == [1, 2, 4, RUN, 5]
    assert all(run == sorted(run) for run in runs)
    assert all(max(later) < min(earlier) for earlier, later in pairwise(runs))
    assert sorted(chain.from_iterable(runs)) == list(range(20))


def test_the_oldest_come_first_where_the_setting_says_so(
    make_archive: Make, short_clip: Path, clock: HandClock
) -> None:
    archive = make_archive("newest_first = false", clock)
    for i in range(20):
        archive.put(short_clip, START_US + i * MINUTE_US)
    runs = [starts(run) for run in claims_of(archive).runs()]
    assert list(chain.from_iterable(runs)) == list(range(20))


def test_where_segments_take_long_they_come_one_by_one(
    make_archive: Make, short_clip: Path, clock: HandClock
) -> None:
    archive = make_archive(clock=clock)
    for i in range(12):
        archive.put(short_clip, START_US + i * MINUTE_US)
    lengths = []
    for run in claims_of(archive).runs():
        lengths.append(len(run))
        clock.now += len(run) * 3 * US // 2
    assert set(lengths) == {1}


def test_footage_just_recorded_goes_before_a_backlog(
    make_archive: Make, short_clip: Path, clock: HandClock
) -> None:
    archive = make_archive(clock=clock)
    for i in range(30):
        archive.put(short_clip, START_US + i * MINUTE_US)
    claims = claims_of(archive, follow=True)
    runs = claims.runs()
    assert starts(next(runs)) == [29]
    archive.put(short_clip, START_US + 599 * MINUTE_US)
    claims.refresh()
    assert 599 in starts(next(runs))


def test_a_run_is_of_one_camera(make_archive: Make, short_clip: Path, clock: HandClock) -> None:
    archive = make_archive(clock=clock)
    other = second_camera(archive)
    for i in range(10):
        archive.put(short_clip, START_US + i * MINUTE_US)
        other.put(short_clip, START_US + i * MINUTE_US + 7 * US)
    runs = list(claims_of(archive).runs())
    assert sum(len(run) for run in runs) == 20
    assert all(len({held.segment.camera_id for held in run}) == 1 for run in runs)


def test_of_two_workers_each_takes_its_own_cameras_first_and_then_helps(
    make_archive: Make, short_clip: Path, clock: HandClock
) -> None:
    archive = make_archive(clock=clock)
    other = second_camera(archive)
    assert {archive.camera.id % 2, other.camera.id % 2} == {0, 1}
    for i in range(10):
        archive.put(short_clip, START_US + i * MINUTE_US)
        other.put(short_clip, START_US + i * MINUTE_US + 7 * US)
    claims = claims_of(archive, share=Share(other.camera.id % 2, 2))
    order = [held.segment.camera_id for run in claims.runs() for held in run]
    assert order == [other.camera.id] * 10 + [archive.camera.id] * 10


def test_near_the_end_a_worker_leaves_something_for_the_other(
    make_archive: Make, short_clip: Path, clock: HandClock
) -> None:
    archive = make_archive(clock=clock)
    for i in range(16):
        archive.put(short_clip, START_US + i * MINUTE_US)
    first = claims_of(archive, share=Share(0, 2)).runs()
    second = claims_of(archive, share=Share(1, 2)).runs()
    taken = [0, 0]
    for _ in range(20):
        taken[0] += len(next(first, []))
        taken[1] += len(next(second, []))
    assert sum(taken) == 16
    assert min(taken) >= 6


def test_all_of_an_archive_larger_than_a_window_is_reached_once(
    make_archive: Make, short_clip: Path, clock: HandClock
) -> None:
    archive = make_archive(clock=clock)
    count = WINDOW + 40
    for i in range(count):
        archive.put(short_clip, START_US + i % (count // 2) * MINUTE_US)  # two of each start
    claims = claims_of(archive)
    found = [held.segment.id for run in claims.runs() for held in run]
    assert len(found) == len(set(found)) == count


def test_who_follows_rests_after_a_look_for_old_footage_but_not_for_new(
    make_archive: Make, short_clip: Path, clock: HandClock
) -> None:
    archive = make_archive(clock=clock)
    claims = claims_of(archive, follow=True)
    assert not claims.any()
    archive.put(short_clip)  # ten hours ago: an import
    assert not claims.any()
    archive.put(short_clip, clock.now - MINUTE_US)
    assert claims.any()
    clock.now += REST_US
    assert sum(starts(run)[0] for run in claims.runs()) == 599


def test_an_expired_segment_is_not_claimed(
    make_archive: Make, short_clip: Path, clock: HandClock
) -> None:
    archive = make_archive(clock=clock)
    gone = archive.put(short_clip)
    claims = claims_of(archive)
    assert claims.any()
    with archive.directory.ledger.write() as tx:
        segments.expire(tx, [gone.id], "class 3: 30 days", clock.now)
    assert list(claims.runs()) == []
