"""Forecast: measured rate against free space and promise, by a made-up month of footage."""

from __future__ import annotations

from dataclasses import replace

import pytest

from storage.cases import add_hold
from storage.forecast import forecast
from storage.retention import DAY_US
from storage.segments import insert_segment
from storage.vocabulary import Segment
from tests.storage.media import HOUR_US, START_US, House

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
