"""A simulated world: true time, a machine's clocks, a camera with clocks of its own, a network.

All in integer microseconds since the beginning of the simulation; nothing here knows how the
recorder works. UTC is what a perfect clock shows, leap seconds included.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from storage.clock import US

BEGIN_US = 1_795_000_000 * US  # UTC at the beginning
DEAD_US = 7 * US  # UTC of a clock whose battery is empty, at the beginning
HOUR_US = 3600 * US
BASE = Fraction(1, 90_000)


@dataclass(frozen=True)
class Step:
    """A clock is moved at an instant."""

    at_us: int
    by_us: int


@dataclass(frozen=True)
class Slide:
    """A clock is moved bit by bit between two instants: NTP's slew, a smeared leap second."""

    from_us: int
    to_us: int
    by_us: int

    def moved_us(self, at_us: int) -> int:
        part = min(max(at_us - self.from_us, 0), self.to_us - self.from_us)
        return self.by_us * part // (self.to_us - self.from_us)


@dataclass
class Machine:
    """The recorder's machine: `storage.clock.Clock` for whoever asks. `at_us` is moved by hand."""

    begins_us: int = BEGIN_US  # what its clock shows at the beginning
    steps: tuple[Step, ...] = ()
    slides: tuple[Slide, ...] = ()
    at_us: int = 0

    def utc_us(self, at_us: int, as_of_us: int | None = None) -> int:
        """What its clock shows, or would if it were not stepped any more from `as_of_us` on."""
        until_us = at_us if as_of_us is None else as_of_us
        moved = 0
        for step in self.steps:
            reads_us = self.begins_us + step.at_us + moved + step.by_us
            if until_us >= step.at_us and reads_us + self._slid_us(step.at_us) >= 0:
                moved += step.by_us  # else refused, as Linux does: no clock is set before 1970
        return self.begins_us + at_us + moved + self._slid_us(at_us)

    def now_us(self) -> int:
        return self.utc_us(self.at_us)

    def _slid_us(self, at_us: int) -> int:
        return sum(slide.moved_us(at_us) for slide in self.slides)

    def monotonic_us(self) -> int:
        return 5_000 * US + self.at_us


@dataclass(frozen=True)
class Lens:
    """A camera: its stamps run at `rate_ppm`, its own clock says what it likes."""

    rate_ppm: float = 0
    reports: bool = False  # sends RTCP sender reports
    offset_us: int = 0  # of its clock, against UTC
    drift_ppm: float = 0  # of its clock, against its stamps
    steps: tuple[Step, ...] = ()  # of its clock
    every_us: int = US  # a picture

    def pts(self, at_us: int) -> int:
        return 12_345 + int((at_us + int(at_us * self.rate_ppm / 1e6)) * 9 // 100)

    def says_us(self, at_us: int) -> int:
        moved = sum(step.by_us for step in self.steps if at_us >= step.at_us)
        return BEGIN_US + at_us + self.offset_us + moved + int(at_us * self.drift_ppm / 1e6)


@dataclass(frozen=True)
class Outage:
    """TCP at its worst: what is sent meanwhile arrives when it is over, at once."""

    from_us: int
    to_us: int


@dataclass(frozen=True)
class Network:
    """The way from the lens to us. Packets keep their order."""

    delay_us: int = 80_000
    jitter_us: int = 0
    spike_us: int = 0  # one packet in fifty waits up to so much longer
    outages: tuple[Outage, ...] = ()

    def arrival_us(self, sent_us: int, chance: random.Random) -> int:
        arrives = sent_us + self.delay_us + chance.randint(0, self.jitter_us)
        if self.spike_us and chance.random() < 0.02:
            # What greets a new connection late by over a second is beyond what a bound can know.
            most = min(self.spike_us, 900_000) if sent_us < 10 * US else self.spike_us
            arrives += chance.randint(0, most)
        for outage in self.outages:
            if outage.from_us <= arrives < outage.to_us:
                arrives = outage.to_us
        return arrives


@dataclass(frozen=True)
class Sent:
    """A picture on its way."""

    true_us: int  # when it was taken
    arrival_us: int
    pts: int
    camera_us: int | None  # the camera's word, interpolated from its last sender report


@dataclass
class World:
    """A camera, a network and a machine."""

    lens: Lens = field(default_factory=Lens)
    network: Network = field(default_factory=Network)
    machine: Machine = field(default_factory=Machine)
    leaps: tuple[Step, ...] = ()  # of UTC itself
    seed: int = 1

    def utc_us(self, at_us: int) -> int:
        """What a perfect clock shows."""
        return BEGIN_US + at_us + sum(leap.by_us for leap in self.leaps if at_us >= leap.at_us)

    def pictures(self, hours: float) -> Iterator[Sent]:
        """In the order of their arrival."""
        chance = random.Random(self.seed)
        latest_us, report_us = 0, 5 * US
        for at_us in range(0, int(hours * HOUR_US), self.lens.every_us):
            latest_us = max(latest_us, self.network.arrival_us(at_us, chance))
            said = None
            if self.lens.reports and at_us >= report_us:
                # A report every 5 s; between them the stamps carry its word on.
                reported = at_us // (5 * US) * 5 * US
                passed = (self.lens.pts(at_us) - self.lens.pts(reported)) * 100 // 9
                said = self.lens.says_us(reported) + passed
            yield Sent(at_us, latest_us, self.lens.pts(at_us), said)
