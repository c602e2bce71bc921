"""Time of day: when a camera's own wall clock reads between two minutes, DST and midnight right.

An instant counts when the local clock shows a minute inside the window. So on the night the
clocks go back an hour counts twice, and an hour that is skipped in spring counts not at all.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from storage.clock import US, to_datetime
from storage.timeline import merge
from storage.vocabulary import Span

Times = npt.NDArray[np.int64]  # UTC microseconds
DAY_US = 86_400 * US
MINUTE_US = 60 * US
# Looking at the offset so often finds every change; it is then pinned to the microsecond. No
# zone has ever changed twice within six hours.
STEP_US = 6 * 3600 * US


def mask(times_us: Times, tz: str, between: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Which instants lie in the window [start, end) of the local day, in minutes."""
    if times_us.size == 0:
        return np.zeros(0, dtype=bool)
    starts, offsets = offset_steps(tz, int(times_us.min()), int(times_us.max()) + 1)
    local = times_us + offsets[np.searchsorted(starts, times_us, side="right") - 1]
    minute = (local % DAY_US) // MINUTE_US
    start, end = between
    inside: npt.NDArray[np.bool_]
    if start < end:
        inside = (minute >= start) & (minute < end)
    else:
        inside = (minute >= start) | (minute < end)
    return inside


def windows(tz: str, between: tuple[int, int], asked: Span) -> list[Span]:
    """The window as spans of UTC inside `asked`: an instant is in one iff `mask` says so."""
    if asked.duration_us <= 0:
        return []
    starts, offsets = offset_steps(tz, asked.start_us, asked.end_us)
    ends = [*starts[1:].tolist(), asked.end_us]
    start, end = between
    length_us = ((end - start) % 1440 or 1440) * MINUTE_US
    found: list[Span] = []
    for step_start, step_end, offset in zip(starts.tolist(), ends, offsets.tolist(), strict=True):
        lo, hi = max(step_start, asked.start_us), min(step_end, asked.end_us)
        day = (lo + offset) // DAY_US - 1  # a window over midnight began the day before
        opens = day * DAY_US + start * MINUTE_US - offset
        while opens < hi:
            span = Span(max(opens, lo), min(opens + length_us, hi))
            if span.duration_us > 0:
                found.append(span)
            opens += DAY_US
    return merge(found)


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
