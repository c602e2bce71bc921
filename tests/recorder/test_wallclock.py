"""The wall clock on simulated streams: jitter, drift, steps, a camera that thinks it is 1970."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise

import pytest

from recorder.wallclock import RTCP_ERROR_US, WallClock
from storage.clock import US
from storage.vocabulary import ClockSource

BASE = Fraction(1, 90_000)
START_US = 1_795_000_000 * US
DELAY_US = 80_000  # from the lens to us


def stream(
    hours: float,
    *,
    drift_ppm: float = 0,
    jitter_us: int = 0,
    camera: Callable[[int], int] | None = None,
) -> Iterator[tuple[int, int, int, int | None]]:
    """(true UTC, PTS, arrival, camera's word) once a second; `camera` maps true UTC to its own."""
    chance = random.Random(1)
    for second in range(int(hours * 3600)):
        true_us = START_US + second * US
        pts = int(second * (1 + drift_ppm / 1e6) / BASE) + 12_345
        arrival_us = true_us + DELAY_US + chance.randrange(jitter_us + 1)
        yield true_us, pts, arrival_us, None if camera is None else camera(true_us)


def follow(
    clock: WallClock, packets: Iterator[tuple[int, int, int, int | None]]
) -> Iterator[tuple[int, int]]:
    """Feed a clock as the segmenter does; (error, bound) of each packet after the first minute."""
    for number, (true_us, pts, arrival_us, camera_us) in enumerate(packets):
        clock.observe(pts, pts, arrival_us, camera_us)
        if number % 60 == 59:
            before_us = clock.at_us(pts)
            clock.slew(pts)
            # It never steps: at most 500 ppm of a minute.
            assert abs(clock.at_us(pts) - before_us) <= 61 * 500
        if number >= 60:
            yield clock.at_us(pts) - true_us, clock.error_us


@pytest.mark.parametrize("drift_ppm", [0, 100, -100, 400, -400])
@pytest.mark.parametrize("jitter_us", [0, 150_000])
def test_error_stays_within_its_bound_for_hours(drift_ppm: float, jitter_us: int) -> None:
    clock = WallClock(BASE)
    for error_us, bound_us in follow(clock, stream(8, drift_ppm=drift_ppm, jitter_us=jitter_us)):
        assert abs(error_us) <= bound_us
        assert bound_us < 2 * US
    assert clock.source is ClockSource.ARRIVAL


def test_believed_camera_clock_is_followed() -> None:
    clock = WallClock(BASE)
    *_, last = follow(clock, stream(1, jitter_us=150_000, camera=lambda us: us))
    assert clock.source is ClockSource.RTCP
    assert abs(last[0]) <= RTCP_ERROR_US
    assert last[1] >= abs(last[0])


def test_camera_in_1970_is_not_believed_and_its_offset_is_told() -> None:
    clock = WallClock(BASE)
    for error_us, bound_us in follow(clock, stream(1, camera=lambda us: us - START_US)):
        assert abs(error_us) <= bound_us
    assert clock.source is ClockSource.ARRIVAL
    assert clock.camera_offset_us is not None
    assert abs(clock.camera_offset_us + START_US) < US


def test_camera_that_steps_by_an_hour_steps_nothing() -> None:
    def camera(us: int) -> int:
        return us + (3600 * US if us > START_US + 1800 * US else 0)

    clock = WallClock(BASE)
    for error_us, bound_us in follow(clock, stream(1, camera=camera)):
        assert abs(error_us) <= bound_us
    assert clock.source is ClockSource.ARRIVAL


def test_stretch_begins_where_the_footage_before_it_ends() -> None:
    clock = WallClock(BASE, not_before_us=START_US + US)
    clock.observe(0, 0, START_US, None)
    assert clock.at_us(0) == START_US + US
    assert clock.error_us >= US  # and says how far it is off for that


def test_camera_that_no_longer_says_its_time_is_dated_by_arrival_again() -> None:
    clock = WallClock(BASE)
    for true_us, pts, arrival_us, said_us in stream(1, camera=lambda us: us):
        silent = true_us > START_US + 1800 * US
        clock.observe(pts, pts, arrival_us, None if silent else said_us)
        if true_us == START_US + 1900 * US:
            assert clock.follows_camera
    assert clock.camera_offset_us is None
    assert not clock.follows_camera


def test_camera_near_the_limit_is_not_believed_and_left_by_turns() -> None:
    chance, sides = random.Random(2), []
    clock = WallClock(BASE)
    for _, pts, arrival_us, said_us in stream(
        1, jitter_us=150_000, camera=lambda us: us - 1_900_000
    ):
        assert said_us is not None
        clock.observe(pts, pts, arrival_us, said_us + chance.randrange(300_000))
        sides.append(clock.follows_camera)
    assert sum(a != b for a, b in pairwise(sides)) <= 1


def test_stamps_that_went_too_far_astray_are_told() -> None:
    clock = WallClock(BASE)
    for minute in range(60):
        # Pictures come at a third of the pace their stamps claim.
        clock.observe(minute * 60 * 90_000, minute * 60 * 90_000, START_US + minute * 20 * US, None)
        clock.slew(minute * 60 * 90_000)
        assert clock.is_astray is (abs(clock.behind_us) > 60 * US)
    assert clock.is_astray
    assert clock.error_us > 60 * US
