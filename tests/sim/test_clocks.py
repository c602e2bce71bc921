"""Clocks that drift, step and lie, over hours: no row says more than is true."""

from __future__ import annotations

import pytest

from recorder.wallclock import BELIEVED_US, RTCP_ERROR_US, SteadyClock
from storage.clock import EARLIEST_US, US
from storage.vocabulary import ClockSource
from tests.sim.reel import Reel
from tests.sim.world import (
    BEGIN_US,
    DEAD_US,
    HOUR_US,
    Lens,
    Machine,
    Network,
    Outage,
    Slide,
    Step,
    World,
)


@pytest.mark.parametrize("rate_ppm", [0, 100, -100, 450, -450])
@pytest.mark.parametrize("network", [
    Network(), Network(jitter_us=150_000), Network(delay_us=200_000, spike_us=3 * US),
])  # fmt: skip
def test_by_arrival_alone_the_error_stays_within_its_bound(
    rate_ppm: float, network: Network
) -> None:
    reel = Reel(World(Lens(rate_ppm=rate_ppm), network)).record(4)
    reel.check()
    assert {row.source for row in reel.rows} == {ClockSource.ARRIVAL}
    assert max(row.bound_us for row in reel.rows[1:]) < 5 * US
    settled = [abs(error) for error, _, row in reel.errors() if row.first.true_us > HOUR_US // 2]
    assert max(settled) < 500_000


@pytest.mark.parametrize("rate_ppm", [0, 200, -200])
def test_a_good_camera_clock_is_followed_to_milliseconds(rate_ppm: float) -> None:
    network = Network(jitter_us=150_000, spike_us=2 * US)
    reel = Reel(World(Lens(rate_ppm=rate_ppm, reports=True), network)).record(3)
    reel.check()
    assert {row.source for row in reel.rows[10:]} == {ClockSource.RTCP}
    late = [(abs(error), bound) for error, bound, row in reel.errors() if row in reel.rows[10:]]
    assert max(error for error, _ in late) <= RTCP_ERROR_US
    assert max(bound for _, bound in late) <= 300_000


@pytest.mark.parametrize("offset_us", [-1_400_000, -300_000, 150_000, 400_000, 1_200_000])
def test_a_camera_that_is_somewhat_off_is_followed_and_the_bound_says_so(offset_us: int) -> None:
    reel = Reel(World(Lens(reports=True, offset_us=offset_us))).record(2)
    reel.check()
    assert reel.rows[-1].source is ClockSource.RTCP
    assert reel.rows[-1].bound_us < abs(offset_us) + 400_000


def test_a_camera_whose_battery_is_dead_is_not_believed() -> None:
    reel = Reel(World(Lens(reports=True, offset_us=DEAD_US - BEGIN_US))).record(1)
    reel.check()
    assert {row.source for row in reel.rows} == {ClockSource.ARRIVAL}
    assert max(bound for _, bound, row in reel.errors() if row is not reel.rows[0]) < US


@pytest.mark.parametrize("by_us", [HOUR_US, -HOUR_US, 86_400 * US, 5 * US, US])
def test_a_camera_that_steps_its_clock_cuts_and_steps_nothing(by_us: int) -> None:
    lens = Lens(reports=True, steps=(Step(HOUR_US, by_us),))
    reel = Reel(World(lens, Network(jitter_us=50_000))).record(3)
    reel.check()
    assert {row.run for row in reel.rows} == {0}
    label = ClockSource.RTCP if abs(by_us) < BELIEVED_US else ClockSource.ARRIVAL
    assert reel.rows[-1].source is label


def test_a_camera_whose_clock_drifts_away_is_left_once() -> None:
    """36 ms a minute: believed at first, then not; it changes sides once, not every minute."""
    lens = Lens(reports=True, drift_ppm=600, offset_us=-500_000)
    reel = Reel(World(lens, Network(jitter_us=150_000))).record(3)
    reel.check()
    sources = [row.source for row in reel.rows]
    left = len(sources) - sources[::-1].index(ClockSource.RTCP)
    followed = sources.index(ClockSource.RTCP)
    assert set(sources[followed:left]) == {ClockSource.RTCP}
    assert set(sources[left:]) == {ClockSource.ARRIVAL}


@pytest.mark.parametrize("by_us", [300_000, -300_000, 1_900_000, -1_900_000])
@pytest.mark.parametrize("reports", [False, True])
def test_a_correction_of_the_machine_s_clock_is_followed_without_a_cut(
    by_us: int, reports: bool
) -> None:
    machine = Machine(steps=(Step(HOUR_US // 2, by_us),))
    lens = Lens(reports=reports, offset_us=by_us if reports else 0)
    reel = Reel(World(lens, Network(jitter_us=50_000), machine)).record(3)
    reel.check()
    assert {row.run for row in reel.rows} == {0}
    assert reel.steps == [by_us]
    last_error = [error for error, _, row in reel.errors() if row is reel.rows[-1]]
    assert max(map(abs, last_error)) < 200_000


def test_many_corrections_one_way_never_add_up_to_a_cut() -> None:
    """An NTP client that steps by 0.4 s every hour is a bad one, not a reason for a new run."""
    steps = tuple(Step(hour * HOUR_US, 400_000) for hour in range(1, 12))
    reel = Reel(World(Lens(), Network(jitter_us=50_000), Machine(steps=steps))).record(12)
    reel.check()
    assert {row.run for row in reel.rows} == {0}
    assert len(reel.steps) == 11


@pytest.mark.parametrize("leap_us", [-US, US])
def test_a_stepped_leap_second_is_followed_without_a_cut(leap_us: int) -> None:
    leap = Step(HOUR_US, leap_us)
    world = World(Lens(), Network(jitter_us=50_000), Machine(steps=(leap,)), leaps=(leap,))
    reel = Reel(world).record(2.5)
    reel.check()
    assert {row.run for row in reel.rows} == {0}
    assert max(row.bound_us for row in reel.rows) < 2 * US
    last = reel.rows[-1]
    assert abs(last.start_us - world.utc_us(last.first.true_us)) < 200_000


def test_a_smeared_leap_second_is_followed_without_a_cut() -> None:
    smear = Slide(HOUR_US, 25 * HOUR_US, -US)
    lens = Lens(every_us=2 * US)
    reel = Reel(World(lens, Network(jitter_us=50_000), Machine(slides=(smear,)))).record(26)
    reel.check()
    assert {row.run for row in reel.rows} == {0}
    assert max(row.bound_us for row in reel.rows[1:]) < 500_000
    assert reel.steps == []


@pytest.mark.parametrize("begins_us", [DEAD_US, BEGIN_US - 86_400 * US, BEGIN_US + 86_400 * US])
def test_a_machine_that_gets_its_time_late_has_its_earlier_footage_corrected(
    begins_us: int,
) -> None:
    machine = Machine(begins_us, (Step(HOUR_US // 4, BEGIN_US - begins_us),))
    world = World(Lens(), Network(jitter_us=50_000), machine)
    reel = Reel(world).record(1)
    [correction] = reel.corrections
    assert {row.run for row in reel.rows} == {0, 1}
    for row in reel.rows:
        assert row.start_us >= EARLIEST_US
        assert row.last is not None
        by_us = correction.offset_us if row.run == 0 else 0
        if by_us:
            assert correction.start_us - US <= row.start_us <= row.end_us <= correction.end_us
        for shown_us, sent in ((row.start_us, row.first), (row.end_us, row.last)):
            assert abs(shown_us + by_us - world.utc_us(sent.true_us)) <= row.bound_us


def test_a_clock_that_is_set_wrongly_and_back_leaves_two_corrections_that_cancel() -> None:
    steps = (Step(HOUR_US // 4, HOUR_US), Step(HOUR_US // 2, -HOUR_US))
    reel = Reel(World(machine=Machine(steps=steps))).record(1)
    reel.check()
    first, second = reel.corrections
    assert abs(first.offset_us + second.offset_us) < US


def test_outages_and_bursts_move_no_clock() -> None:
    outages = tuple(Outage(m * 60 * US, m * 60 * US + 25 * US) for m in range(7, 110, 9))
    reel = Reel(World(network=Network(jitter_us=50_000, outages=outages))).record(2)
    reel.check()
    worst = max(abs(error) for error, _, row in reel.errors() if row is not reel.rows[0])
    assert worst <= 200_000


def test_stamps_that_run_too_fast_to_follow_are_told_by_a_growing_bound() -> None:
    reel = Reel(World(Lens(rate_ppm=1500))).record(3)
    reel.check()
    assert reel.rows[-1].bound_us > 5 * US


def test_a_machine_without_a_time_lives_in_1971_and_time_goes_on_there() -> None:
    machine = Machine(DEAD_US)
    before_us = SteadyClock(machine).now_us()
    machine.at_us = 600 * US
    again = SteadyClock(machine)  # a new connection
    assert again.now_us() == before_us + 600 * US
    assert again.slip_us == 0


def test_steady_time_never_runs_backwards() -> None:
    machine = Machine(steps=(Step(60 * US, -1_900_000), Step(90 * US, -HOUR_US)))
    steady = SteadyClock(machine)
    before_us = steady.now_us()
    for second in range(1, 1200):
        machine.at_us = second * US // 4
        assert before_us < (before_us := steady.now_us())
