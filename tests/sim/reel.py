"""A reel: the wall clock used as the recorder uses it, with a row for every minute of footage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from recorder.wallclock import SET_US, SteadyClock, WallClock, floor_us
from storage.clock import EARLIEST_US, LATEST_US, US, plausible_us
from storage.vocabulary import ClockSource
from tests.sim.world import BASE, Sent, World

SEGMENT_US = 60 * US


@dataclass
class Row:
    """A segment: what it says, and the truth about its ends."""

    start_us: int
    source: ClockSource
    bound_us: int
    first: Sent
    run: int  # 0, 1, 2 …: a new one where the machine's clock was set
    end_us: int = 0
    last: Sent | None = None

    @property
    def length_us(self) -> int:
        assert self.last is not None
        return (self.last.pts - self.first.pts) * 100 // 9


@dataclass
class Correction:
    """What footage of a run was dated wrongly by."""

    run: int
    start_us: int
    end_us: int
    offset_us: int


@dataclass
class Reel:
    """Records a world for hours."""

    world: World
    rows: list[Row] = field(default_factory=list)
    corrections: list[Correction] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)  # of the machine's clock, as they were told

    def record(self, hours: float) -> Reel:
        machine = self.world.machine
        machine.at_us = 0
        steady = SteadyClock(machine)
        clock = WallClock(BASE, steady=steady)
        row: Row | None = None
        recorded_to_us: int | None = None
        run = 0
        for sent in self.world.pictures(hours):
            machine.at_us = sent.arrival_us
            clock.observe(sent.pts, sent.pts, steady.now_us(), sent.camera_us)
            if step_us := steady.step_us():
                self.steps.append(step_us)
            if abs(set_us := steady.slip_us) > SET_US:
                assert row is not None
                recorded_to_us = self._close(row, clock.at_us(sent.pts), sent)
                self.corrections.append(Correction(run, steady.since_us, recorded_to_us, set_us))
                begins_us = clock.at_us(sent.pts) + set_us
                steady.set()
                floor = floor_us(recorded_to_us, steady.now_us())
                clock = WallClock(BASE, steady=steady, not_before_us=floor, begins_us=begins_us)
                clock.observe(sent.pts, sent.pts, steady.now_us(), None)
                run, row = run + 1, None
            elif row is not None and clock.at_us(sent.pts) - row.start_us >= SEGMENT_US:
                clock.slew(sent.pts)
                recorded_to_us = self._close(row, clock.at_us(sent.pts), sent)
                row = None
            if row is None:
                start_us = clock.at_us(sent.pts)
                row = Row(start_us, clock.source, clock.error_us, sent, run)
        return self

    def _close(self, row: Row, end_us: int, last: Sent) -> int:
        row.end_us, row.last = end_us, last
        self.rows.append(row)
        return end_us

    def errors(self) -> Iterator[tuple[int, int, Row]]:
        """(error of either end, bound, row), against the machine's clock as it stood when the
        segment began: what it is stepped by meanwhile cannot be known by then."""
        for row in self.rows:
            assert row.last is not None
            for shown_us, sent in ((row.start_us, row.first), (row.end_us, row.last)):
                utc_us = self.world.machine.utc_us(sent.true_us, row.first.arrival_us)
                yield shown_us - plausible_us(utc_us), row.bound_us, row

    def check(self) -> None:
        """What must hold in every world."""
        for error_us, bound_us, row in self.errors():
            assert abs(error_us) <= bound_us, (error_us, bound_us, row)
        for row in self.rows:
            assert EARLIEST_US <= row.start_us <= row.end_us < LATEST_US
            # The mapping bends by at most 500 ppm, and a stamp is rounded.
            assert abs(row.end_us - row.start_us - row.length_us) <= row.length_us * 500e-6 + 2
        for before, after in pairwise(self.rows):
            if before.run == after.run:
                assert before.end_us == after.start_us
