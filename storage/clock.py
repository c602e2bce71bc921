"""Time: UTC microseconds as integers, one place that converts, clocks that tests can replace."""

from __future__ import annotations

import re
import time
from datetime import UTC, date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from storage.errors import Invalid

US = 1_000_000
# Times outside are a dead battery or a slip of the keyboard, never footage.
EARLIEST_US = int(datetime(1971, 1, 1, tzinfo=UTC).timestamp()) * US
LATEST_US = int(datetime(2200, 1, 1, tzinfo=UTC).timestamp()) * US
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """Where 'now' comes from."""

    def now_us(self) -> int:
        """Wall clock, UTC microseconds."""

    def monotonic_us(self) -> int:
        """Monotonic clock, microseconds from an arbitrary start; for durations."""


class SystemClock:
    """The machine's clocks."""

    def now_us(self) -> int:
        """Wall clock, UTC microseconds; never outside 1971–2200."""
        return plausible_us(time.time_ns() // 1000)

    def monotonic_us(self) -> int:
        """Monotonic clock, microseconds."""
        return time.monotonic_ns() // 1000


def plausible_us(now_us: int) -> int:
    """A machine whose clock stands outside 1971–2200 has no time; it is given one in 1971, which
    goes on as its clock does, until somebody sets it."""
    if EARLIEST_US <= now_us < LATEST_US:
        return now_us
    return EARLIEST_US + now_us % EARLIEST_US


def to_datetime(us: int, tz: str = "UTC") -> datetime:
    """UTC microseconds → aware datetime in zone `tz`, exact to the microsecond.

    Invalid beyond the years 1 to 9999, which a number in an address may name.
    """
    try:
        return (_EPOCH + timedelta(microseconds=us)).astimezone(zone(tz))
    except OverflowError:
        raise Invalid("time {time} lies outside 1971–2200; check the year", time=us) from None


def from_datetime(when: datetime) -> int:
    """Aware datetime → UTC microseconds. A naive one is refused (invariant 7)."""
    if when.tzinfo is None:
        raise Invalid(
            "time {time} has no zone; add Z or an offset such as +08:00", time=when.isoformat()
        )
    return (when - _EPOCH) // timedelta(microseconds=1)


def rfc3339(us: int) -> str:
    """UTC microseconds → '2026-11-18T13:04:07.240000Z'."""
    return to_datetime(us).strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z"


def optional_rfc3339(us: int | None) -> str | None:
    """As rfc3339; None stays None."""
    return None if us is None else rfc3339(us)


def local_text(us: int, tz: str) -> str:
    """'2026-11-18 21:04:07.240 +08:00': complete, for people."""
    when = to_datetime(us, tz)
    offset = when.strftime("%z")
    millis = when.microsecond // 1000
    return f"{when:%Y-%m-%d %H:%M:%S}.{millis:03d} {offset[:3]}:{offset[3:5]}"


def parse_time(text: str) -> int:
    """RFC 3339 / ISO 8601 with a zone → UTC microseconds. Invalid if naive, malformed or absurd."""
    cleaned = text.strip()
    try:
        when = datetime.fromisoformat(cleaned)
    except ValueError:
        raise Invalid(
            "time {time} cannot be read; write it as 2026-11-18T21:04:07+08:00", time=text
        ) from None
    us = from_datetime(when)
    if not EARLIEST_US <= us < LATEST_US:
        raise Invalid("time {time} lies outside 1971–2200; check the year", time=text)
    return us


def parse_time_of_day(text: str) -> tuple[int, int]:
    """'HH:MM-HH:MM' → (start, end) in minutes of the local day; end < start runs over midnight."""
    match = re.fullmatch(r"(\d{1,2}):(\d{2})\s*[-–]\s*(\d{1,2}):(\d{2})", text.strip())
    if match:
        h1, m1, h2, m2 = map(int, match.groups())
        if h1 <= 23 and h2 <= 24 and m1 <= 59 and m2 <= 59 and h2 * 60 + m2 <= 1440:
            return h1 * 60 + m1, h2 * 60 + m2
    raise Invalid("time of day {text} cannot be read; write it as 18:00-23:00", text=text)


def zone(name: str) -> ZoneInfo:
    """The IANA time zone `name`."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Invalid(
            "time zone {name} is not known; use a name such as Asia/Shanghai", name=name
        ) from None


def utc_day(us: int) -> date:
    """The UTC day that holds `us`."""
    return to_datetime(us).date()


def day_start_us(day: date) -> int:
    """First microsecond of a UTC day."""
    return from_datetime(datetime(day.year, day.month, day.day, tzinfo=UTC))
