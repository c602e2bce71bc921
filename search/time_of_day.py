"""Time of day and weekday by each camera's own wall clock, DST and midnight right.

An instant counts when the local clock shows a minute inside the window, and the local calendar
one of the weekdays: 22:00 to 03:00 on a Friday is its first three hours and its last two. On the
night the clocks go back an hour counts twice, and one that is skipped in spring not at all.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from functools import lru_cache
from typing import overload

import numpy as np
import numpy.typing as npt

from storage.clock import US, to_datetime
from storage.timeline import merge
from storage.vocabulary import Span

Times = npt.NDArray[np.int64]  # UTC microseconds
Between = tuple[int, int]  # minutes of the local day; the end before the start: over midnight
DAY_US = 86_400 * US
MINUTE_US = 60 * US
# Looking at the offset so often finds every change; it is then pinned to the microsecond. No
# zone has ever changed twice within six hours.
STEP_US = 6 * 3600 * US


def mask(
    times_us: Times, tz: str, between: Between | None, weekdays: Collection[int] = ()
) -> npt.NDArray[np.bool_]:
    """Which instants lie in the window [start, end) of the local day, in minutes, on one of the
    local weekdays (1 Monday to 7 Sunday; none given: any).
    """
    if times_us.size == 0:
        return np.zeros(0, dtype=bool)
    starts, offsets = offset_steps(tz, int(times_us.min()), int(times_us.max()) + 1)
    local = times_us + offsets[np.searchsorted(starts, times_us, side="right") - 1]
    minute = (local % DAY_US) // MINUTE_US
    inside = np.zeros(times_us.size, dtype=bool)
    for start, end in _of_a_day(between):
        inside |= (minute >= start) & (minute < end)
    if weekdays:
        wanted = np.array([False, *(day in weekdays for day in range(1, 8))])
        inside &= wanted[_weekday(local // DAY_US)]
    return inside


def windows(
    tz: str, between: Between | None, asked: Span, weekdays: Collection[int] = ()
) -> list[Span]:
    """The same as spans of UTC inside `asked`: an instant is in one iff `mask` says so."""
    if asked.duration_us <= 0:
        return []
    starts, offsets = offset_steps(tz, asked.start_us, asked.end_us)
    ends = [*starts[1:].tolist(), asked.end_us]
    pieces = _of_a_day(between)
    found: list[Span] = []
    for step_start, step_end, offset in zip(starts.tolist(), ends, offsets.tolist(), strict=True):
        lo, hi = max(step_start, asked.start_us), min(step_end, asked.end_us)
        for day in range((lo + offset) // DAY_US, (hi - 1 + offset) // DAY_US + 1):
            if weekdays and _weekday(day) not in weekdays:
                continue
            midnight = day * DAY_US - offset
            for start, end in pieces:
                opens, closes = midnight + start * MINUTE_US, midnight + end * MINUTE_US
                if max(opens, lo) < min(closes, hi):
                    found.append(Span(max(opens, lo), min(closes, hi)))
    return merge(found)


def _of_a_day(between: Between | None) -> list[tuple[int, int]]:
    """The window as stretches of one local day, minutes: two where it runs over midnight."""
    start, end = between or (0, 1440)
    return [(start, end)] if start < end else [(0, end), (start, 1440)]


@overload
def _weekday(day: int) -> int: ...
@overload
def _weekday(day: Times) -> Times: ...
def _weekday(day: int | Times) -> int | Times:
    """Of days since 1970-01-01, a Thursday: 1 Monday to 7 Sunday."""
    return (day + 3) % 7 + 1


def offset_steps(tz: str, from_us: int, to_us: int) -> tuple[Times, Times]:
    """The zone's UTC offset over [from_us, to_us): (where each begins, offset), microseconds.

    The first step begins at or before `from_us`.
    """
    first, last = to_datetime(from_us).year, to_datetime(to_us - 1).year
    starts: list[int] = []
    offsets: list[int] = []
    for year in range(first, last + 1):
        for at_us, offset in _steps_of_year(tz, year):
            if not offsets or offsets[-1] != offset:
                starts.append(at_us)
                offsets.append(offset)
    return np.array(starts, dtype=np.int64), np.array(offsets, dtype=np.int64)


@lru_cache(maxsize=4096)
def _steps_of_year(tz: str, year: int) -> tuple[tuple[int, int], ...]:
    start = int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * US
    end = int(datetime(year + 1, 1, 1, tzinfo=UTC).timestamp()) * US
    steps = [(start, _offset(tz, start))]
    for at_us in range(start + STEP_US, end + 1, STEP_US):
        if _offset(tz, at_us) != steps[-1][1]:
            lo, hi = at_us - STEP_US, at_us
            while hi - lo > 1:
                middle = (lo + hi) // 2
                if _offset(tz, middle) == steps[-1][1]:
                    lo = middle
                else:
                    hi = middle
            steps.append((hi, _offset(tz, hi)))
    return tuple(steps)


def _offset(tz: str, at_us: int) -> int:
    shift = to_datetime(at_us, tz).utcoffset()
    return 0 if shift is None else round(shift.total_seconds()) * US
