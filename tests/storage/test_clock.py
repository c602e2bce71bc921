"""Time: one place converts, naive times are refused, text round-trips to the microsecond."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.clock import (
    EARLIEST_US,
    LATEST_US,
    day_start_us,
    from_datetime,
    local_text,
    parse_time,
    parse_time_of_day,
    rfc3339,
    to_datetime,
    utc_day,
    zone,
)
from storage.errors import Invalid

instants = st.integers(EARLIEST_US, LATEST_US - 1)


@given(instants)
def test_every_microsecond_survives_text_and_back(us: int) -> None:
    assert parse_time(rfc3339(us)) == us
    assert from_datetime(to_datetime(us, "Asia/Kathmandu")) == us


@given(instants)
def test_an_instant_lies_in_its_utc_day(us: int) -> None:
    start = day_start_us(utc_day(us))
    assert start <= us < start + 86_400 * 1_000_000


@given(instants, st.integers(-14 * 60, 14 * 60))
def test_an_offset_changes_the_text_and_not_the_instant(us: int, minutes: int) -> None:
    there = to_datetime(us).astimezone(timezone(timedelta(minutes=minutes)))
    assert parse_time(there.isoformat()) == us


def test_a_naive_datetime_is_refused() -> None:
    with pytest.raises(Invalid, match="no zone"):
        from_datetime(datetime(2026, 1, 1))  # noqa: DTZ001
    for text in ("2026-01-01T00:00:00", "2026-01-01", "20260101"):
        with pytest.raises(Invalid, match="no zone"):
            parse_time(text)


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-13-01T00:00:00Z", "1900-01-01T00:00:00Z", "2200-01-01T00:00:00Z",
     "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "1699999999"],
)  # fmt: skip
def test_a_time_that_is_none_or_absurd_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        parse_time(text)


def test_local_text_is_complete() -> None:
    us = parse_time("2026-11-18T13:04:07.240Z")
    assert local_text(us, "Asia/Shanghai") == "2026-11-18 21:04:07.240 +08:00"
    assert local_text(us, "America/St_Johns") == "2026-11-18 09:34:07.240 -03:30"


def test_time_of_day_may_run_over_midnight() -> None:
    assert parse_time_of_day("18:00-23:30") == (1080, 1410)
    assert parse_time_of_day("22:00-06:00") == (1320, 360)
    assert parse_time_of_day("00:00-24:00") == (0, 1440)
    for text in ("25:00-26:00", "18:00", "18:60-19:00", "00:00-24:30", "a-b", ""):
        with pytest.raises(Invalid):
            parse_time_of_day(text)


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd", "Asia", "/etc/localtime"])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(Invalid, match="time zone"):
        zone(name)
