"""Events of a camera: settled states, one for a flutter, never a flood, never the last one lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.debounce import BURST, HOLD_US, REFILL_US, Debounce, Happening, Repeats
from storage.clock import US
from storage.events import EventKind
from storage.vocabulary import GapCause

UTC_US = 1_795_000_000 * US
HOUR_US = 3600 * US
STATES = ("recording", "connecting", "stalled")


class Life:
    """A camera whose states are said once a second, as a station says them."""

    def __init__(self, *, has_begun: bool = False) -> None:
        self.debounce = Debounce(has_begun=has_begun)
        self.now_us = 0
        self.told: list[tuple[int, Happening]] = []

    def live(self, state: str, seconds: float, cause: GapCause | None = None) -> None:
        end_us = self.now_us + int(seconds * US)
        while True:
            said = self.debounce.say(state, UTC_US + self.now_us, self.now_us, cause, "no route")
            self.told += [(self.now_us, one) for one in said]
            if self.now_us >= end_us:
                return
            self.now_us = min(self.now_us + US, end_us)

    def kinds(self) -> list[EventKind]:
        return [one.kind for _, one in self.told]


def test_recording_begins_once_it_has_lasted_and_is_dated_when_it_began() -> None:
    life = Life()
    life.live("connecting", 2)
    life.live("recording", 4)
    assert life.told == []
    life.live("recording", 60)
    [(_, event)] = life.told
    assert event == Happening(EventKind.RECORDING_BEGAN, UTC_US + 2 * US, None)


def test_an_outage_is_lost_with_its_cause_and_back() -> None:
    life = Life()
    life.live("recording", 60)
    life.live("stalled", 1, GapCause.STALLED)
    life.live("connecting", 30, GapCause.CONNECT_FAILED)
    life.live("recording", 30)
    assert life.kinds() == [
        EventKind.RECORDING_BEGAN, EventKind.RECORDING_LOST, EventKind.RECORDING_BACK,
    ]  # fmt: skip
    _, lost = life.told[1]
    assert (lost.at_us, lost.detail) == (UTC_US + 60 * US, "connect_failed: no route")


def test_a_flutter_is_one_event_with_a_count() -> None:
    life = Life()
    life.live("recording", 60)
    for _ in range(7):
        life.live("connecting", 2)
        life.live("recording", 2)
    life.live("recording", 60)
    assert life.kinds() == [EventKind.RECORDING_BEGAN, EventKind.RECORDING_BACK]
    assert life.told[-1][1].detail == "×7"


def test_a_flutter_that_does_not_end_is_told_once_until_it_settles() -> None:
    life = Life()
    life.live("recording", 60)
    for _ in range(600):
        life.live("connecting", 2)
        life.live("recording", 2)
    assert life.kinds()[1:] == [EventKind.RECORDING_UNSTEADY]
    life.live("connecting", 10, GapCause.STALLED)
    assert life.kinds()[2:] == [EventKind.RECORDING_LOST]


def test_a_camera_that_never_answers_is_lost_once() -> None:
    life = Life()
    for _ in range(500):
        life.live("connecting", 15, GapCause.CONNECT_FAILED)
    assert life.kinds() == [EventKind.RECORDING_LOST]


def test_a_stop_tells_what_had_not_settled() -> None:
    life = Life(has_begun=True)
    life.live("recording", 60)
    assert life.kinds() == [EventKind.RECORDING_BACK]
    life.live("stalled", 2, GapCause.STALLED)
    life.live("stopped", 0)
    assert life.kinds()[1:] == [EventKind.RECORDING_LOST]


@pytest.mark.parametrize("period_s", [6, 12, 100])
def test_a_day_of_comings_and_goings_is_no_flood(period_s: int) -> None:
    life = Life()
    for _ in range(24 * 3600 // (2 * period_s)):
        life.live("recording", period_s)
        life.live("stalled", period_s, GapCause.STALLED)
    assert crowded(life) <= BURST + HOUR_US // REFILL_US


@given(
    st.lists(
        st.tuples(st.sampled_from(STATES), st.one_of(st.floats(0, 4), st.floats(0, 400))),
        max_size=120,
    ),
    st.sampled_from(STATES),
    st.booleans(),
)
def test_whatever_happens_the_last_state_is_told_and_no_hour_is_crowded(
    states: list[tuple[str, float]], last: str, has_begun: bool
) -> None:
    life = Life(has_begun=has_begun)
    for state, seconds in states:
        life.live(state, seconds)
    life.live(last, REFILL_US / US + HOLD_US / US + 2)
    told = life.told[-1][1].kind
    if last == "recording":
        assert told in (EventKind.RECORDING_BEGAN, EventKind.RECORDING_BACK)
    else:
        assert told is EventKind.RECORDING_LOST
    assert crowded(life) <= BURST + HOUR_US // REFILL_US
    times = [one.at_us for _, one in life.told]
    assert times == sorted(times)
    assert life.kinds().count(EventKind.RECORDING_BEGAN) <= (0 if has_begun else 1)


@given(st.lists(st.floats(0.1, 4.5), min_size=1, max_size=24), st.booleans())
def test_a_flutter_of_up_to_a_minute_is_one_event_at_most(lengths: list[float], up: bool) -> None:
    life = Life()
    life.live("recording", 60)
    before = len(life.told)
    state = "stalled"
    for seconds in lengths:
        if life.now_us > 105 * US:
            break
        life.live(state, seconds)
        state = "recording" if state == "stalled" else "stalled"
    life.live("recording" if up else "stalled", 10)
    assert len(life.told) - before == 1


def test_what_repeats_is_told_at_once_and_then_with_a_count() -> None:
    repeats = Repeats()
    kind = EventKind.PICTURE_CHANGED
    said = [repeats.say(kind, UTC_US + at * US, at * US, "2×2") for at in range(0, 1801, 10)]
    told = [one.detail for each in said for one in each]
    assert told == ["2×2", "2×2 ×60", "2×2 ×60", "2×2 ×60"]


def crowded(life: Life) -> int:
    """Most events told in any hour."""
    times = [at_us for at_us, _ in life.told]
    return max(sum(0 <= at_us - first < HOUR_US for at_us in times) for first in times or [0])
