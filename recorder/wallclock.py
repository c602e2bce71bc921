"""The wall clock of a stream: PTS → UTC, never stepping, with its source and error bound."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from storage.clock import US, Clock
from storage.vocabulary import ClockSource

SLEW_PPM = 500  # how fast the mapping may follow an estimate; the same as NTP's limit
ARRIVAL_ERROR_US = 250_000  # what a network and a camera's buffer may hide from us
RTCP_ERROR_US = 50_000
# A camera whose own clock is further off than this is not believed; its disagreement is told.
BELIEVED_US = 2 * US
WINDOW_US = 120 * US
SPREAD_US = 5 * US  # a longer wait of one packet is an outage, not an error of the clock
# Footage may reach so far beyond now (a source that sends a stock of it at once); what reaches
# further was recorded under a wrong clock, and nothing can be appended to it.
OVERHANG_US = 60 * US


class SteadyClock:
    """UTC that runs on the monotonic clock: a machine whose clock is set meanwhile tears no
    stream apart. `slip_us` says how far the machine's clock has gone its own way."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._base_us = 0
        self.set()

    def set(self) -> None:
        """Believe the machine's clock as it is now."""
        self._base_us = self._clock.now_us() - self._clock.monotonic_us()

    def now_us(self) -> int:
        """UTC microseconds."""
        return self._base_us + self._clock.monotonic_us()

    @property
    def slip_us(self) -> int:
        """The machine's clock minus this one."""
        return self._clock.now_us() - self.now_us()


@dataclass(slots=True)
class _Window:
    """Arrival minus stream time over a while. The least of it must be forgotten again: a camera
    whose clock runs slow seems to deliver later and later."""

    start_us: int  # stream time
    least_us: int  # of pictures by PTS: the one that waited least
    soonest_us: int  # and by DTS, the order they are sent in: what lies between is jitter,
    latest_us: int  # not B-frames

    def add(self, shown_us: int, sent_us: int) -> None:
        """A picture's arrival minus its PTS and minus its DTS."""
        self.least_us = min(self.least_us, shown_us)
        self.soonest_us = min(self.soonest_us, sent_us)
        self.latest_us = max(self.latest_us, sent_us)


class WallClock:
    """Maps the PTS of one run (an unbroken stretch of one stream) to UTC microseconds.

    `observe` feeds it packets; `at_us` maps. The mapping starts from the first packet and moves
    towards the best estimate only in `slew`, at most SLEW_PPM of the elapsed time, so segments
    stay contiguous and no disagreement ever cuts one.
    """

    def __init__(
        self, time_base: Fraction, *, not_before_us: int = 0, begins_us: int | None = None
    ) -> None:
        """`not_before_us`: end of what is recorded, for stretches never overlap; `begins_us`:
        the instant of the first packet, when the caller knows better than its arrival."""
        # Ticks to microseconds in integers: this runs for every picture of every camera.
        self._scale, self._ticks = time_base.numerator * US, time_base.denominator
        self._not_before_us = not_before_us
        self._begins_us = begins_us
        self._first_pts: int | None = None
        self._start_us = 0  # UTC of first PTS as mapped now
        self._windows: list[_Window] = []  # the one that runs, and the one before
        self._camera_us: int | None = None  # latest (camera UTC − stream time)
        self._slewed_pts = 0

    def observe(self, pts: int, dts: int, arrival_us: int, camera_us: int | None) -> None:
        """A picture with its arrival and, when RTCP said so, the camera's UTC."""
        if self._first_pts is None:
            self._first_pts = self._slewed_pts = pts
            believed = camera_us is not None and abs(camera_us - arrival_us) <= BELIEVED_US
            begin = camera_us if believed and camera_us is not None else arrival_us
            begin = begin if self._begins_us is None else self._begins_us
            self._start_us = max(begin, self._not_before_us)
        elapsed = self._elapsed_us(pts)
        shown_us, sent_us = arrival_us - elapsed, arrival_us - self._elapsed_us(dts)
        if not self._windows or elapsed - self._windows[-1].start_us >= WINDOW_US:
            self._windows = [*self._windows[-1:], _Window(elapsed, shown_us, sent_us, sent_us)]
        self._windows[-1].add(shown_us, sent_us)
        if camera_us is not None:
            self._camera_us = camera_us - elapsed

    def at_us(self, pts: int) -> int:
        """UTC of a PTS."""
        return self._start_us + self._elapsed_us(pts)

    def slew(self, pts: int) -> None:
        """Move towards the estimate; called where segments meet."""
        target = self._target_us
        if target is None:
            return
        most = self._elapsed_us(pts) - self._elapsed_us(self._slewed_pts)
        most = abs(most) * SLEW_PPM // 1_000_000
        error = target - self._start_us
        self._start_us += max(-most, min(most, error))
        self._slewed_pts = pts

    @property
    def camera_offset_us(self) -> int | None:
        """Camera clock minus arrival; None while the camera says nothing."""
        arrival_us = self._arrival_us
        if self._camera_us is None or arrival_us is None:
            return None
        return self._camera_us - arrival_us

    @property
    def source(self) -> ClockSource:
        """RTCP once the mapping follows the camera's clock, else arrival."""
        if self._believed and self._camera_us is not None:
            near = abs(self._camera_us - self._start_us) <= RTCP_ERROR_US
            return ClockSource.RTCP if near else ClockSource.ARRIVAL
        return ClockSource.ARRIVAL

    @property
    def error_us(self) -> int:
        """Bound, ±: what the estimate hides, and how far the mapping still is from it.

        A camera's word is worth as much as it agrees with the arrival: nothing tells which of the
        two clocks is the wrong one.
        """
        target, least = self._target_us, self._arrival_us
        if target is None or least is None:
            return ARRIVAL_ERROR_US
        if self.source is ClockSource.RTCP:
            return RTCP_ERROR_US + abs(target - least)
        soonest = min(window.soonest_us for window in self._windows)
        jitter = max(window.latest_us for window in self._windows) - soonest
        return ARRIVAL_ERROR_US + min(jitter, SPREAD_US) + abs(target - self._start_us)

    @property
    def _arrival_us(self) -> int | None:
        """Smallest (arrival − stream time) lately seen: the packet that waited least."""
        return min((window.least_us for window in self._windows), default=None)

    @property
    def _target_us(self) -> int | None:
        return self._camera_us if self._believed else self._arrival_us

    @property
    def _believed(self) -> bool:
        offset = self.camera_offset_us
        return offset is not None and abs(offset) <= BELIEVED_US

    def _elapsed_us(self, pts: int) -> int:
        first = 0 if self._first_pts is None else self._first_pts
        return (pts - first) * self._scale // self._ticks


def floor_us(recorded_to_us: int | None, now_us: int) -> int:
    """Where the next stretch may begin at the earliest: at the end of what is recorded."""
    if recorded_to_us is None or recorded_to_us > now_us + OVERHANG_US:
        return 0
    return recorded_to_us
