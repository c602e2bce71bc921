"""Keeping on a real PostgreSQL server: due footage, early footage, forecast, what overlaps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from storage import register, schema, segments
from storage.directory import DataDirectory
from storage.forecast import forecast
from storage.ledger import Ledger
from storage.making_room import make_room
from storage.promises import DAY_US
from storage.retention import retain
from storage.scrub import Scrubber, verified
from storage.settings import Settings, VolumeSettings
from storage.status import volume_overview, warnings
from storage.violations import violations
from storage.vocabulary import Actor
from storage.volumes import Archive, Volume
from tests.storage.media import HandClock
from tests.storage.test_postgresql import closed_segment, ledger, server_url

__all__ = ["ledger", "server_url"]  # fixtures
ACTOR = Actor("the keeper")


@pytest.fixture
def directory(ledger: Ledger, tmp_path: Path) -> DataDirectory:
    """Forty one-minute rows of one byte each, whose files are gone, and a quota of fifty bytes."""
    root = tmp_path / "main"
    root.mkdir()
    (root / ".volume.json").write_text(json.dumps({"uuid": "u"}))
    (tmp_path / "ballast").touch()
    one = VolumeSettings(path=root).model_copy(update={"quota_bytes": 50, "free_floor_bytes": 0})
    settings = Settings().model_copy(update={"volumes": {"main": one}})
    with ledger.write() as tx:
        camera = register.add_camera(tx, name="gate", url="rtsp://10.0.0.1/", created_us=1)
        tx.execute(schema.volume.insert().values(name="main", uuid="u", created_us=1))
        for number in range(40):
            segments.insert_segment(tx, closed_segment(camera.id, number))
    archive = Archive({"main": Volume("main", root, "u")})
    return DataDirectory(tmp_path, settings, ledger, archive, HandClock(40 * 60_000_000))


def test_early_then_due_footage_goes_and_is_counted(directory: DataDirectory) -> None:
    made = make_room(directory, ACTOR, "main", 15)
    assert (made.result.early, made.room_bytes, made.refuses) == (5, 15, None)
    with directory.ledger.read() as tx:
        (one,) = violations(tx)
        assert (one.segments, one.start_us, one.end_us) == (5, 0, 5 * 60_000_000)
        assert len(segments.segments(tx, from_us=6 * 60_000_000, to_us=9 * 60_000_000)) == 3
    found = forecast(directory)
    assert (found.volumes[0].footage_bytes, found.violations.segments) == (35, 5)
    assert any("violations" in line for line in warnings(directory, [], volume_overview(directory)))
    scrubbed = Scrubber(directory).go_on(None)
    with directory.ledger.read() as tx:
        assert verified(tx).bad == scrubbed.segments == 35
    directory.clock = HandClock(31 * DAY_US)
    result = retain(directory, ACTOR)
    assert (result.expired, result.removed, result.early) == (35, 35, 0)
