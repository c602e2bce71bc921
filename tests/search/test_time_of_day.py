"""Time of day as a mask of instants and as spans of UTC are the same thing, everywhere, always."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.filters import Filters
from search.time_of_day import Times, mask, windows
from storage.clock import US, parse_time, to_datetime
from storage.vocabulary import Span

# Half-hour and quarter-hour offsets, half-hour daylight saving, none at all, and a day that never
# was (Apia, 2011).
ZONES = ["Asia/Shanghai", "Europe/Paris", "America/New_York", "Australia/Lord_Howe",
         "Asia/Kolkata", "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia", "UTC"]  # fmt: skip
HOUR_US, DAY_US = 3600 * US, 86_400 * US
FIRST_US, LAST_US = parse_time("2011-06-01T00:00:00Z"), parse_time("2027-12-31T00:00:00Z")
# Nights on which clocks change somewhere, and the day Apia skipped.
NIGHTS = ["2011-12-30T10:00:00Z", "2026-03-08T07:00:00Z", "2026-03-29T01:00:00Z",
          "2026-04-04T15:00:00Z", "2026-10-25T01:00:00Z", "2026-11-01T06:00:00Z"]  # fmt: skip
BETWEEN = st.tuples(st.integers(0, 1439), st.integers(0, 1440)).filter(lambda b: b[0] != b[1])
WEEKDAYS = st.lists(st.integers(1, 7), max_size=6).map(lambda days: tuple(sorted(set(days))))
STARTS = st.integers(FIRST_US, LAST_US) | st.sampled_from(NIGHTS).map(
    lambda night: parse_time(night) - DAY_US
)


def instants(asked: Span, found: list[Span], seed: int) -> Times:
    """Some of a span, among them the edges of what was found."""
    times = np.random.default_rng(seed).integers(asked.start_us, asked.end_us, 300)
    edges = [edge + step for span in found for edge in (span.start_us, span.end_us)
             for step in (-1, 0) if asked.start_us <= edge + step < asked.end_us]  # fmt: skip
    return np.concatenate([times, np.array(edges, dtype=np.int64)])


def inside(found: list[Span], times: Times) -> list[bool]:
    return [any(span.start_us <= t < span.end_us for span in found) for t in times.tolist()]


@settings(max_examples=150, deadline=None)
@given(
    tz=st.sampled_from(ZONES),
    start_us=STARTS,
    days=st.floats(0.1, 12),
    between=BETWEEN,
    weekdays=WEEKDAYS,
    seed=st.integers(0, 2**32 - 1),
)
def test_an_instant_lies_in_a_window_iff_its_local_clock_and_calendar_say_so(
    tz: str, start_us: int, days: float, between: tuple[int, int], weekdays: tuple[int, ...],
    seed: int,
) -> None:  # fmt: skip
    asked = Span(start_us, start_us + round(days * DAY_US))
    found = windows(tz, between, asked, weekdays)
    times = instants(asked, found, seed)
    assert mask(times, tz, between, weekdays).tolist() == inside(found, times)
    start, end = between
    for t, kept in zip(times.tolist(), inside(found, times), strict=True):
        local = to_datetime(t, tz)
        minute = local.hour * 60 + local.minute
        within = start <= minute < end if start < end else minute >= start or minute < end
        assert kept == (within and (not weekdays or local.isoweekday() in weekdays))


@settings(max_examples=150, deadline=None)
@given(
    tz=st.sampled_from(ZONES),
    start_us=STARTS,
    from_us=st.none() | st.integers(-2 * DAY_US, 2 * DAY_US),
    length_us=st.none() | st.integers(1, 3 * DAY_US),
    between=st.none() | BETWEEN,
    weekdays=WEEKDAYS,
    seed=st.integers(0, 2**32 - 1),
)
def test_the_windows_of_filters_are_what_their_mask_keeps(
    tz: str, start_us: int, from_us: int | None, length_us: int | None,
    between: tuple[int, int] | None, weekdays: tuple[int, ...], seed: int,
) -> None:  # fmt: skip
    day = Span(start_us, start_us + 36 * HOUR_US)
    filters = Filters(
        (), None if from_us is None else start_us + from_us,
        None if length_us is None else start_us + (from_us or 0) + length_us, between, weekdays,
    )  # fmt: skip
    found = filters.windows(tz, day)
    assert all(a.end_us < b.start_us for a, b in pairwise(found))
    assert all(day.start_us <= one.start_us < one.end_us <= day.end_us for one in found)
    times = instants(day, found, seed)
    assert filters.times(times, tz).tolist() == inside(found, times)
    assert filters.windows(tz, day) == found


def test_no_filter_keeps_every_instant_and_the_whole_day() -> None:
    day = Span(FIRST_US, FIRST_US + DAY_US)
    assert Filters(()).windows("Asia/Kathmandu", day) == [day]
    assert Filters((), weekdays=()).times(np.array([0, 5]), "UTC").all()


def test_a_window_over_midnight_on_the_night_the_clocks_go_forward_is_an_hour_short() -> None:
    asked = Span(parse_time("2026-03-28T12:00:00+01:00"), parse_time("2026-03-29T12:00:00+02:00"))
    (night,) = windows("Europe/Paris", (22 * 60, 6 * 60), asked)
    assert night.duration_us == 7 * HOUR_US
    assert night.start_us == parse_time("2026-03-28T22:00:00+01:00")


def test_a_night_of_a_friday_is_its_first_hours_and_its_last() -> None:
    asked = Span(parse_time("2026-11-16T00:00:00+08:00"), parse_time("2026-11-23T00:00:00+08:00"))
    found = windows("Asia/Shanghai", (22 * 60, 3 * 60), asked, (5,))
    assert found == [
        Span(parse_time("2026-11-20T00:00:00+08:00"), parse_time("2026-11-20T03:00:00+08:00")),
        Span(parse_time("2026-11-20T22:00:00+08:00"), parse_time("2026-11-21T00:00:00+08:00")),
    ]


@pytest.mark.parametrize(("tz", "day", "hours"), [
    ("Europe/Paris", "2026-03-29T10:00:00Z", 23), ("Europe/Paris", "2026-10-25T10:00:00Z", 25),
    ("Australia/Lord_Howe", "2026-04-05T01:00:00Z", 24.5),
    ("Asia/Kathmandu", "2026-10-25T10:00:00Z", 24),
])  # fmt: skip
def test_a_sunday_lasts_as_long_as_its_clocks_say(tz: str, day: str, hours: float) -> None:
    noon = parse_time(day)
    (sunday,) = windows(tz, None, Span(noon - 3 * DAY_US, noon + 3 * DAY_US), (7,))
    assert sunday.duration_us == hours * HOUR_US
