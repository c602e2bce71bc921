"""Where clock times stand on a strip of time, by the wall clock of a zone, DST right."""

from __future__ import annotations

from dataclasses import dataclass

from search.time_of_day import offset_steps
from storage.clock import US, local_text
from storage.vocabulary import Span

MOST_MARKS = 12
MINUTE_US, HOUR_US, DAY_US = 60 * US, 3600 * US, 86_400 * US
STEPS_US = (
    1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, US, 2 * US, 5 * US,
    10 * US, 15 * US, 30 * US, MINUTE_US, 2 * MINUTE_US, 5 * MINUTE_US, 10 * MINUTE_US,
    15 * MINUTE_US, 30 * MINUTE_US, HOUR_US, 2 * HOUR_US, 3 * HOUR_US, 6 * HOUR_US, 12 * HOUR_US,
    DAY_US, 2 * DAY_US, 3 * DAY_US, 7 * DAY_US, 14 * DAY_US, 28 * DAY_US, 91 * DAY_US, 364 * DAY_US,
    728 * DAY_US, 1820 * DAY_US, 7280 * DAY_US,
)  # fmt: skip
NARROW = 3  # on a narrow screen every so manieth mark keeps its words
MONDAY_US = 4 * DAY_US  # the first one after 1970 began: steps of weeks begin on Mondays


@dataclass(frozen=True, slots=True)
class Mark:
    """A clock time. `kind`: time, day (a day begins) or clocks (they change here)."""

    us: int
    x: float  # per cent
    text: str
    kind: str
    chief: bool  # keeps its words on a narrow screen


def place(us: int, span: Span) -> float:
    """Where an instant lies, per cent; exact to the microsecond in a view of seconds."""
    return round((us - span.start_us) / span.duration_us * 100, 4)


def ruler(span: Span, tz: str, most: int = MOST_MARKS) -> list[Mark]:
    """Marks inside the span; where the clocks change, one that names the offset from then on,
    unless years are shown."""
    step_us = next((one for one in STEPS_US if span.duration_us / one <= most), STEPS_US[-1])
    starts, offsets = offset_steps(tz, span.start_us, span.end_us)
    ends = [*starts[1:].tolist(), span.end_us]
    found: list[Mark] = []
    for start_us, end_us, offset_us in zip(starts.tolist(), ends, offsets.tolist(), strict=True):
        low, high = max(start_us, span.start_us), min(end_us, span.end_us)
        if low >= high:
            continue
        if low > span.start_us and step_us <= 28 * DAY_US:  # of years it would be a thicket
            text = local_text(low, tz).split(" ")[2]
            found.append(Mark(low, place(low, span), text, "clocks", True))
        shift_us = offset_us - (MONDAY_US if step_us > DAY_US else 0)
        number = -(-(low + shift_us) // step_us)
        while (us := number * step_us - shift_us) < high:
            if not found or us > found[-1].us:
                found.append(_mark(us, span, tz, step_us, number % NARROW == 0))
            number += 1
    return found


def _mark(us: int, span: Span, tz: str, step_us: int, chief: bool) -> Mark:
    day, clock, _ = local_text(us, tz).split(" ")
    if step_us >= DAY_US or clock == "00:00:00.000":
        return Mark(us, place(us, span), day[5:] if step_us < 91 * DAY_US else day, "day", chief)
    text = clock[:5] if step_us >= MINUTE_US else clock[:8] if step_us >= US else clock[6:]
    return Mark(us, place(us, span), text, "time", chief)
