"""Any world at all: what must hold of every row holds, whatever the clocks and the network do."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from recorder.wallclock import SteadyClock, WallClock
from storage.clock import EARLIEST_US, LATEST_US, US
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

HOURS = 1.5
# An hour takes a tenth of a second, so to shrink a failing one takes minutes: it is big as it is.
worlds = settings(max_examples=40, phases=[Phase.explicit, Phase.reuse, Phase.generate])
instants = st.integers(60 * US, int(HOURS * HOUR_US))
small = st.integers(-1_900_000, 1_900_000)
anything = st.integers(-(1 << 62), 1 << 62)

lenses = st.builds(
    Lens,
    rate_ppm=st.integers(-450, 450),
    reports=st.booleans(),
    offset_us=st.one_of(small, st.sampled_from([DEAD_US - BEGIN_US, -HOUR_US, 86_400 * US])),
    drift_ppm=st.integers(-300, 300),
    steps=st.lists(
        st.builds(Step, instants, st.one_of(small, st.sampled_from([HOUR_US, -HOUR_US]))),
        max_size=3,
    ).map(tuple),
    every_us=st.sampled_from([US, 2 * US, 4 * US]),
)


@st.composite
def networks(draw: st.DrawFn) -> Network:
    begins = draw(st.lists(instants, max_size=6))
    outages = tuple(Outage(at, at + draw(st.integers(US, 60 * US))) for at in sorted(begins))
    return Network(
        delay_us=draw(st.integers(5_000, 150_000)),
        jitter_us=draw(st.integers(0, 500_000)),
        spike_us=draw(st.integers(0, 4 * US)),
        outages=outages,
    )


@st.composite
def machines(draw: st.DrawFn, steps: st.SearchStrategy[int]) -> Machine:
    """A clock that is stepped now and then, and slewed at up to 100 ppm."""
    slide_us = int(HOURS * HOUR_US)
    by_us = draw(st.integers(-slide_us // 10_000, slide_us // 10_000))
    return Machine(
        draw(st.sampled_from([BEGIN_US, DEAD_US, BEGIN_US - 86_400 * US])),
        # Not more often than a correction takes to be followed, as any client of NTP sees to.
        tuple(Step((i * 40 + 20) * 60 * US, draw(steps)) for i in range(2)),
        (Slide(0, slide_us, by_us),),
    )


@worlds
@given(lenses, networks(), machines(st.integers(-900_000, 900_000)), st.integers(0, 999))
def test_bounds_hold_and_nothing_is_cut(
    lens: Lens, network: Network, machine: Machine, seed: int
) -> None:
    reel = Reel(World(lens, network, machine, seed=seed)).record(HOURS)
    reel.check()
    assert {row.run for row in reel.rows} == {0}


@worlds
@given(lenses, networks(), machines(st.integers(-3 * HOUR_US, 3 * HOUR_US)), st.integers(0, 999))
def test_a_clock_that_is_set_begins_one_run_and_no_more(
    lens: Lens, network: Network, machine: Machine, seed: int
) -> None:
    reel = Reel(World(lens, network, machine, seed=seed)).record(HOURS)
    reel.check()
    assert len({row.run for row in reel.rows}) <= 1 + len(machine.steps)
    for before, after in pairwise(reel.corrections):
        assert before.run < after.run


@given(
    st.sampled_from([Fraction(1, 90_000), Fraction(1, 1), Fraction(1, 10**9), Fraction(1001, 30)]),
    st.lists(st.tuples(anything, anything, anything, st.none() | anything), min_size=1),
)
def test_nonsense_of_any_size_gives_times_between_1971_and_2200(
    base: Fraction, packets: list[tuple[int, int, int, int | None]]
) -> None:
    clock = WallClock(base)
    for pts, dts, arrival_us, camera_us in packets:
        clock.observe(pts, dts, arrival_us, camera_us)
        clock.slew(pts)
        assert EARLIEST_US <= clock.at_us(pts) < LATEST_US
        assert clock.error_us >= 0
        assert isinstance(clock.is_astray, bool)


@given(st.lists(st.tuples(st.integers(0, 10 * US), anything), min_size=1))
def test_steady_time_runs_on_whatever_the_machine_shows(moves: list[tuple[int, int]]) -> None:
    machine = Machine()
    steady = SteadyClock(machine)
    before_us = steady.now_us()
    for passed_us, shown_us in moves:
        machine.at_us += passed_us
        machine.begins_us = shown_us
        now_us = steady.now_us()
        assert abs(now_us - before_us - passed_us) <= passed_us * 500e-6 + 1
        before_us = now_us
    steady.set()
    assert EARLIEST_US <= steady.now_us() < LATEST_US
    assert steady.slip_us == 0
