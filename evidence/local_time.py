"""How local clocks went over a span: their offsets from UTC, and when those changed."""

from __future__ import annotations

from storage.clock import US, to_datetime
from storage.vocabulary import Span

STEP_US = 6 * 3600 * US  # no zone changes its offset there and back within this


def offsets(tz: str, span: Span) -> list[tuple[int, int]]:
    """(from this UTC instant on, offset in seconds), the first one at the span's start."""
    found = [(span.start_us, _offset_s(span.start_us, tz))]
    at_us = span.start_us
    while at_us < span.end_us:
        next_us = min(at_us + STEP_US, span.end_us)
        if _offset_s(next_us, tz) != found[-1][1]:
            found.append(_change(at_us, next_us, tz))
        at_us = next_us
    return found


def offset_text(offset_s: int) -> str:
    """'+08:00'."""
    minutes = abs(offset_s) // 60
    return f"{'-' if offset_s < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}"


def _change(before_us: int, after_us: int, tz: str) -> tuple[int, int]:
    """The first instant of the new offset: zones change on whole seconds."""
    old, low, high = _offset_s(before_us, tz), before_us // US, -(-after_us // US)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset_s(middle * US, tz) == old:
            low = middle
        else:
            high = middle
    return high * US, _offset_s(high * US, tz)


def _offset_s(us: int, tz: str) -> int:
    offset = to_datetime(us, tz).utcoffset()
    return 0 if offset is None else round(offset.total_seconds())
