"""Forecast: measured rate against free space and promise, by a made-up month of footage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from storage.cases import add_hold
from storage.forecast import forecast
from storage.promises import DAY_US
from storage.segments import insert_segment
from storage.settings import VolumeSettings
from storage.status import warnings
from storage.violations import Tally, record_violation
from storage.vocabulary import Segment
from tests.storage.media import HOUR_US, START_US, US, House

HOURLY_BYTES = 10**9


def hours_of_footage(house: House, hours: int, *, name: str = "gate") -> list[Segment]:
    """Rows of one GB an hour up to now; their files do not matter here."""
    model = house.segment(name)
    rows = [
        replace(
            model, id=f"{name[:4]:<4}{i:022d}", path=f"{name}/{i}", size_bytes=HOURLY_BYTES,
            start_us=house.clock.now - (i + 1) * HOUR_US, end_us=house.clock.now - i * HOUR_US,
            created_us=house.clock.now - (i + 1) * HOUR_US,
        )
        for i in range(hours)
    ]  # fmt: skip
    with house.ledger.write() as tx:
        for row in rows:
            insert_segment(tx, row)
    return rows


@pytest.fixture
def free(house: House, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """What the disk says is free: the one thing a test cannot arrange for real."""
    said = {"bytes": 0}
    floor = house.directory.settings.retention.free_floor_bytes
    monkeypatch.setattr("storage.volumes.Volume.free_bytes", lambda volume: said["bytes"] + floor)
    return said


def test_a_volume_fills_when_the_promise_is_longer_than_the_disk(
    house: House, free: dict[str, int]
) -> None:
    house.clock.now = START_US + 5 * DAY_US
    hours_of_footage(house, 24)
    free["bytes"] = 240 * HOURLY_BYTES  # ten days more; thirty are promised
    found = forecast(house.directory)
    (camera,), (volume,) = found.cameras, found.volumes
    assert camera.bitrate_bps == pytest.approx(HOURLY_BYTES * 8 / 3600)
    assert camera.bytes_per_day == pytest.approx(24 * HOURLY_BYTES)
    assert volume.full_in_days == pytest.approx(10)
    assert volume.effective_days == pytest.approx(11, abs=0.1)
    assert volume.promise_days == 30
    assert found.breaks_us == pytest.approx(house.clock.now + 10 * DAY_US, abs=DAY_US / 100)


def test_a_volume_that_holds_the_promise_never_fills(house: House, free: dict[str, int]) -> None:
    house.clock.now = START_US + 5 * DAY_US
    hours_of_footage(house, 24)
    free["bytes"] = 30 * 24 * HOURLY_BYTES
    found = forecast(house.directory)
    assert found.volumes[0].full_in_days is None
    assert found.breaks_us is None


def test_what_falls_due_makes_room(house: House, free: dict[str, int]) -> None:
    house.clock.now = START_US + 60 * DAY_US
    rows = hours_of_footage(house, 30 * 24)  # the steady state: as much goes as comes
    free["bytes"] = 10 * HOURLY_BYTES
    assert forecast(house.directory).breaks_us is None
    with house.ledger.write() as tx:  # but held footage does not go
        add_hold(
            tx, rows[0].camera_id, rows[-1].start_us, rows[-1].start_us + 5 * DAY_US,
            reason="x", owner="x", at_us=START_US,
        )  # fmt: skip
    full = forecast(house.directory).volumes[0].full_in_days
    assert full == pytest.approx(10 / 24, abs=0.1)


def test_a_camera_that_does_not_record_fills_nothing(house: House, free: dict[str, int]) -> None:
    house.clock.now = START_US + 5 * DAY_US
    house.camera("off", enabled=False)
    house.camera("imports only", url=None)
    for name in ("off", "imports only"):
        hours_of_footage(house, 24, name=name)
    found = forecast(house.directory)
    assert [camera.bytes_per_day for camera in found.cameras] == [0, 0]
    assert found.volumes[0].full_in_days is None


def test_too_little_footage_is_no_measurement(house: House) -> None:
    house.segment()
    found = forecast(house.directory)
    assert found.cameras[0].bitrate_bps is None
    assert found.cameras[0].oldest_us == START_US


def test_an_absent_volume_is_said(house: House) -> None:
    (house.directory.archive.volume("main").root / ".volume.json").unlink()
    (volume,) = forecast(house.directory).volumes
    assert "mounted" in str(volume.error)
    assert volume.free_bytes is None


def shorter(house: House, **volume: object) -> None:
    """The volume `main` with these settings."""
    one = VolumeSettings(path=Path("volumes/main")).model_copy(update=volume)
    house.directory.settings = house.directory.settings.model_copy(
        update={"volumes": {"main": one}}
    )


def test_a_quota_fills_before_the_disk_does(house: House, free: dict[str, int]) -> None:
    house.clock.now = START_US + 5 * DAY_US
    hours_of_footage(house, 24)
    free["bytes"] = 1000 * 24 * HOURLY_BYTES
    shorter(house, quota_bytes=11 * 24 * HOURLY_BYTES)
    (volume,) = forecast(house.directory).volumes
    assert volume.full_in_days == pytest.approx(10, abs=0.01)
    assert volume.effective_days == pytest.approx(11, abs=0.01)


def test_each_camera_learns_the_day_on_which_its_promise_breaks(
    house: House, free: dict[str, int]
) -> None:
    """Room for 40 days of two cameras of 24 GB a day each, which were promised 30 and 90."""
    house.clock.now = START_US + 5 * DAY_US
    house.camera("long", site_class=2)
    for name in ("long", "gate"):
        hours_of_footage(house, 24, name=name)
    free["bytes"] = 40 * 2 * 24 * HOURLY_BYTES
    (volume,) = forecast(house.directory).volumes
    # On day 29 `gate` holds its 30 days and from then on only `long` takes more.
    assert volume.full_in_days == pytest.approx(29 + (80 - 58), abs=1.1)
    (one,) = volume.breaks  # there is always room for the 30 days
    assert (one.camera, one.promise, one.promise_days) == ("long", "class_2_days = 90", 90)
    days = (one.breaks_us - house.clock.now) / DAY_US
    assert days == pytest.approx(volume.full_in_days, abs=1.1)
    free["bytes"] = 20 * 2 * 24 * HOURLY_BYTES
    breaks = forecast(house.directory).volumes[0].breaks
    assert {one.camera for one in breaks} == {"long", "gate"}
    assert all(19 < (one.breaks_us - house.clock.now) / DAY_US < 22 for one in breaks)


def test_a_volume_told_to_stop_breaks_no_promise_but_fills(
    house: House, free: dict[str, int]
) -> None:
    house.clock.now = START_US + 5 * DAY_US
    hours_of_footage(house, 24)
    free["bytes"] = 240 * HOURLY_BYTES
    shorter(house, when_full="stop")
    (volume,) = forecast(house.directory).volumes
    assert (volume.breaks, volume.when_full) == ((), "stop")
    assert volume.full_in_days == pytest.approx(10)


def test_a_volume_that_keeps_less_fills_less(house: House, free: dict[str, int]) -> None:
    house.clock.now = START_US + 5 * DAY_US
    hours_of_footage(house, 24)
    free["bytes"] = 240 * HOURLY_BYTES
    shorter(house, keep_days=7)
    assert forecast(house.directory).volumes[0].full_in_days is None


def test_the_warning_comes_two_weeks_ahead(house: House, free: dict[str, int]) -> None:
    house.clock.now = START_US + 5 * DAY_US
    hours_of_footage(house, 24)
    free["bytes"] = 15 * 24 * HOURLY_BYTES
    assert warnings(house.directory, [], []) == []
    free["bytes"] = 13 * 24 * HOURLY_BYTES
    house.clock.forward(61 * US)  # what a page asks for every few seconds is a minute old
    assert warnings(house.directory, [], []) == [
        "at this bit rate class_3_days = 30 of volume main breaks on 2026-12-06: add space, or"
        " promise less"
    ]


def test_recorded_violations_are_counted(house: House) -> None:
    segment = house.segment()
    with house.ledger.write() as tx:
        for days in (1, 8):
            record_violation(
                tx, at_us=house.clock.now - days * DAY_US, camera_id=segment.camera_id,
                volume="main", start_us=START_US, end_us=START_US + US, segments=3, size_bytes=7,
                promised_until_us=START_US, promise="class_3_days = 30", reason="x",
            )  # fmt: skip
    assert forecast(house.directory).violations == Tally(1, 3, 7)
    (line,) = warnings(house.directory, [], [])
    assert "in the last 7 days: 3 (cameras: 1)" in line
