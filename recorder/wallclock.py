"""The wall clock of a stream: PTS → UTC, never stepping, with its source and error bound."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from storage.clock import EARLIEST_US, LATEST_US, US, Clock, plausible_us
from storage.vocabulary import ClockSource

SLEW_PPM = 500  # how fast the mapping may follow an estimate; the same as NTP's limit
DELAY_US = 200_000  # what a network and a camera's buffer may hide from us at the best of times
DRIFT_US = 50_000  # what adds up until the next cut: 500 ppm of a minute, and of a correction
ARRIVAL_ERROR_US = DELAY_US + DRIFT_US
RTCP_ERROR_US = 50_000  # this near to the camera's clock the mapping is called the camera's
# A camera whose own clock is further off than this is not believed; its disagreement is told.
BELIEVED_US = 2 * US
AGAIN_US = BELIEVED_US * 3 // 4  # and not before it is this near again
SILENT_US = 600 * US  # a camera that said nothing about its clock for so long says nothing
WINDOW_US = 120 * US
AGED_US = 2 * WINDOW_US * SLEW_PPM // 1_000_000  # what the least of two windows has aged by
SPREAD_US = 5 * US  # a longer wait of one packet is an outage, not an error of the clock
# Until a stretch has lasted SETTLED_US all its packets may have waited in one and the same burst.
SETTLED_US, UNSETTLED_US = 10 * US, US
# Footage may reach so far beyond now (a source that sends a stock of it at once); what reaches
# further was recorded under a wrong clock, and nothing can be appended to it.
OVERHANG_US = 60 * US
SET_US = 2 * US  # the machine's clock was set, not merely corrected
STEP_US = 250_000  # what is told of a correction
FOLLOW_EVERY_US, FOLLOW_MOST_US = US // 10, 10 * US


class SteadyClock:
    """UTC that runs on the monotonic clock: a machine whose clock is set meanwhile tears no
    stream apart. It follows corrections of up to SET_US at SLEW_PPM, never backwards; `slip_us`
    says how far it still is behind the machine's clock, and `set` believes a clock that was set.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._base_us = self._seen_us = self._reading()[0]
        self._looked_us = clock.monotonic_us()
        self.followed_us = 0  # corrections that were followed so far
        self.since_us = self.now_us()  # when it was last believed, as it was dated then

    def set(self) -> None:
        """Believe the machine's clock as it is now."""
        self._base_us, self._looked_us = self._reading()
        self.followed_us = 0
        self.since_us = self.now_us()

    def now_us(self) -> int:
        """UTC microseconds."""
        monotonic_us = self._clock.monotonic_us()
        if monotonic_us - self._looked_us >= FOLLOW_EVERY_US:
            self._follow(min(monotonic_us - self._looked_us, FOLLOW_MOST_US))
            self._looked_us = monotonic_us
        return self._base_us + monotonic_us

    @property
    def slip_us(self) -> int:
        """The machine's clock minus this one."""
        return self._reading()[0] - self._base_us

    @property
    def to_follow_us(self) -> int:
        """`slip_us`, as far as it is a correction; 0 for a clock that was set."""
        slip_us = self.slip_us
        return slip_us if abs(slip_us) <= SET_US else 0

    def step_us(self) -> int:
        """By how much the machine's clock was stepped since this was asked last, else 0."""
        ahead_us, _ = self._reading()
        step_us, self._seen_us = ahead_us - self._seen_us, ahead_us
        return step_us if abs(step_us) >= STEP_US else 0

    def _follow(self, elapsed_us: int) -> None:
        most = elapsed_us * SLEW_PPM // 1_000_000
        step = max(-most, min(most, self.to_follow_us))
        self._base_us += step
        self.followed_us += step

    def _reading(self) -> tuple[int, int]:
        """(machine's clock minus monotonic clock, monotonic clock), read at one instant."""
        for _ in range(5):  # whoever is put to sleep between two readings reads again
            before_us = self._clock.monotonic_us()
            wall_us = plausible_us(self._clock.now_us())
            after_us = self._clock.monotonic_us()
            if after_us - before_us < 1000:
                break
        return wall_us - after_us, after_us


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
        self,
        time_base: Fraction,
        *,
        steady: SteadyClock | None = None,
        not_before_us: int = 0,
        begins_us: int | None = None,
    ) -> None:
        """`steady`: what arrivals are told by; `not_before_us`: end of what is recorded, for
        stretches never overlap; `begins_us`: the instant of the first packet, when the caller
        knows better than its arrival."""
        # Ticks to microseconds in integers: this runs for every picture of every camera.
        self._scale, self._ticks = time_base.numerator * US, time_base.denominator
        self._steady = steady
        self._not_before_us = not_before_us
        self._begins_us = begins_us
        self._first_pts: int | None = None
        self._start_us = 0  # UTC of first PTS as mapped now
        self._windows: list[_Window] = []  # the one that runs, and the one before
        self._seen_us = 0  # stream time of the latest packet
        self._camera_us: int | None = None  # latest (camera UTC − stream time)
        self._camera_seen_us = 0  # stream time of that
        self._believed = False  # whether the camera's clock is followed
        self._slewed_pts = 0

    def observe(
        self, pts: int, dts: int, arrival_us: int, camera_us: int | None, *, exact: bool = True
    ) -> None:
        """A picture with its arrival and, when RTCP said so, the camera's UTC. Not `exact`: it
        may have waited for us, and says nothing of when it came."""
        if self._first_pts is None:
            self._first_pts = self._slewed_pts = pts
            believed = camera_us is not None and abs(camera_us - arrival_us) <= BELIEVED_US
            begin = camera_us if believed and camera_us is not None else arrival_us
            begin = begin if self._begins_us is None else self._begins_us
            self._start_us = max(begin, self._not_before_us)
        elapsed = self._elapsed_us(pts)
        if self._steady is not None:
            arrival_us -= self._steady.followed_us  # as a clock tells it that follows nothing
        shown_us, sent_us = arrival_us - elapsed, arrival_us - self._elapsed_us(dts)
        lasted_us = elapsed - self._windows[-1].start_us if self._windows else WINDOW_US
        if lasted_us >= WINDOW_US and (exact or not self._windows):
            self._windows = [*self._windows[-1:], _Window(elapsed, shown_us, sent_us, sent_us)]
        elif exact:
            self._windows[-1].add(shown_us, sent_us)
        self._seen_us = elapsed
        if camera_us is not None:
            self._camera_us, self._camera_seen_us = camera_us - elapsed, elapsed
        elif elapsed - self._camera_seen_us > SILENT_US:
            self._camera_us = None
        if self._camera_us is not None or self._believed:
            self._judge_camera()

    def at_us(self, pts: int) -> int:
        """UTC of a PTS, between 1971 and 2200 whatever the stream claims."""
        return max(EARLIEST_US, min(self._start_us + self._elapsed_us(pts), LATEST_US - 1))

    def slew(self, pts: int) -> None:
        """Move towards the estimate; called where segments meet."""
        most = self._elapsed_us(pts) - self._elapsed_us(self._slewed_pts)
        most = abs(most) * SLEW_PPM // 1_000_000
        self._start_us += max(-most, min(most, self.behind_us))
        self._slewed_pts = pts

    @property
    def behind_us(self) -> int:
        """How far the mapping has to move to meet the estimate. It grows where a camera's stamps
        run faster or slower than SLEW_PPM can follow."""
        target = self._target_us
        return 0 if target is None else target - self._start_us

    @property
    def is_astray(self) -> bool:
        """So far from the estimate that a new stretch is the lesser evil."""
        return abs(self.behind_us) > OVERHANG_US

    @property
    def camera_offset_us(self) -> int | None:
        """Camera clock minus arrival; None while the camera says nothing."""
        arrival_us = self._arrival_us
        if self._camera_us is None or arrival_us is None:
            return None
        return self._camera_us - arrival_us

    @property
    def follows_camera(self) -> bool:
        """Whether the mapping moves towards the camera's clock, not towards arrival."""
        return self._believed and self._camera_us is not None

    @property
    def source(self) -> ClockSource:
        """RTCP once the mapping follows the camera's clock, else arrival."""
        if self._believed and self._camera_us is not None:
            near = abs(self._camera_us - self._start_us) <= RTCP_ERROR_US
            return ClockSource.RTCP if near else ClockSource.ARRIVAL
        return ClockSource.ARRIVAL

    @property
    def error_us(self) -> int:
        """Bound, ±, against the machine's clock, over the next minute.

        The instant of a picture lies before the arrival of the packet that waited least, by at
        most DELAY_US, or after it by what that packet has aged. That, and not what a camera says
        of itself, bounds the error: nothing tells which of two clocks that disagree is wrong.
        """
        arrival_us = self._arrival_us
        if arrival_us is None:
            return ARRIVAL_ERROR_US + UNSETTLED_US
        late_us = self._start_us - arrival_us
        bound_us = DRIFT_US + max(AGED_US - late_us, DELAY_US + late_us)
        if self._seen_us - self._windows[0].start_us < SETTLED_US and len(self._windows) == 1:
            bound_us += UNSETTLED_US
        if self.source is ClockSource.RTCP:
            return bound_us
        soonest = min(window.soonest_us for window in self._windows)
        jitter = max(window.latest_us for window in self._windows) - soonest
        return bound_us + min(jitter, SPREAD_US)

    @property
    def _arrival_us(self) -> int | None:
        """Smallest (arrival − stream time) lately seen, the packet that waited least; by the
        machine's clock as it was corrected since."""
        if not self._windows:
            return None
        least_us = min(window.least_us for window in self._windows)
        if self._steady is None:
            return least_us
        return least_us + self._steady.followed_us + self._steady.to_follow_us

    @property
    def _target_us(self) -> int | None:
        return self._camera_us if self.follows_camera else self._arrival_us

    def _judge_camera(self) -> None:
        if self._camera_us is None:
            self._believed = False
        elif (offset_us := self.camera_offset_us) is not None:
            within_us = BELIEVED_US if self._believed else AGAIN_US
            self._believed = abs(offset_us) <= within_us

    def _elapsed_us(self, pts: int) -> int:
        first = 0 if self._first_pts is None else self._first_pts
        return (pts - first) * self._scale // self._ticks


def floor_us(recorded_to_us: int | None, now_us: int) -> int:
    """Where the next stretch may begin at the earliest: at the end of what is recorded."""
    if recorded_to_us is None or recorded_to_us > now_us + OVERHANG_US:
        return 0
    return recorded_to_us
