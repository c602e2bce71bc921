"""The wall clock of a stream: PTS → UTC, never stepping, with its source and error bound."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from storage.clock import US
from storage.vocabulary import ClockSource

SLEW_PPM = 500  # how fast the mapping may follow an estimate; the same as NTP's limit
ARRIVAL_ERROR_US = 250_000  # what a network and a camera's buffer may hide from us
RTCP_ERROR_US = 50_000
# A camera whose own clock is further off than this is not believed; its disagreement is told.
BELIEVED_US = 2 * US
WINDOW_US = 120 * US
SPREAD_US = 5 * US  # a longer wait of one packet is an outage, not an error of the clock


@dataclass(slots=True)
class _Window:
    """Arrival minus stream time over a while. The least of it must be forgotten again: a camera
    whose clock runs slow seems to deliver later and later."""

    start_us: int  # stream time
    least_us: int | None = None
    most_us: int | None = None


class WallClock:
    """Maps the PTS of one run (an unbroken stretch of one stream) to UTC microseconds.

    `observe` feeds it packets; `at_us` maps. The mapping starts from the first packet and moves
    towards the best estimate only in `slew`, at most SLEW_PPM of the elapsed time, so segments
    stay contiguous and no disagreement ever cuts one.
    """

    def __init__(self, time_base: Fraction, not_before_us: int = 0) -> None:
        self._base = time_base
        self._not_before_us = not_before_us  # end of what is recorded: stretches never overlap
        self._first_pts: int | None = None
        self._start_us = 0  # UTC of first PTS as mapped now
        self._now = _Window(0)
        self._before: _Window | None = None
        self._camera_us: int | None = None  # latest (camera UTC − stream time)
        self._slewed_pts = 0

    def observe(self, pts: int, arrival_us: int, camera_us: int | None) -> None:
        """A packet with its arrival and, when RTCP said so, the camera's UTC."""
        if self._first_pts is None:
            self._first_pts = self._slewed_pts = pts
            believed = camera_us is not None and abs(camera_us - arrival_us) <= BELIEVED_US
            begin = camera_us if believed and camera_us is not None else arrival_us
            self._start_us = max(begin, self._not_before_us)
            self._now = _Window(0)
        elapsed = self._elapsed_us(pts)
        if elapsed - self._now.start_us >= WINDOW_US:
            self._before, self._now = self._now, _Window(elapsed)
        delay = arrival_us - elapsed
        self._now.least_us = delay if self._now.least_us is None else min(delay, self._now.least_us)
        self._now.most_us = delay if self._now.most_us is None else max(delay, self._now.most_us)
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
        """Bound, ±: what the estimate hides, and how far the mapping still is from it."""
        if self.source is ClockSource.RTCP:
            return RTCP_ERROR_US
        target, least = self._target_us, self._arrival_us
        if target is None or least is None:
            return ARRIVAL_ERROR_US
        most = max(w.most_us for w in self._windows if w.most_us is not None)
        return ARRIVAL_ERROR_US + min(most - least, SPREAD_US) + abs(target - self._start_us)

    @property
    def _windows(self) -> list[_Window]:
        return [self._now] if self._before is None else [self._before, self._now]

    @property
    def _arrival_us(self) -> int | None:
        """Smallest (arrival − stream time) lately seen: the packet that waited least."""
        return min((w.least_us for w in self._windows if w.least_us is not None), default=None)

    @property
    def _target_us(self) -> int | None:
        return self._camera_us if self._believed else self._arrival_us

    @property
    def _believed(self) -> bool:
        offset = self.camera_offset_us
        return offset is not None and abs(offset) <= BELIEVED_US

    def _elapsed_us(self, pts: int) -> int:
        first = 0 if self._first_pts is None else self._first_pts
        return int((pts - first) * self._base * US)
