"""Volumes: an identity that must be shown, paths that stay inside."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.directory import open_directory
from storage.errors import Conflict, DataLoss, Invalid, NotFound, Unavailable
from storage.volumes import segment_path
from tests.storage.media import START_US, House


def test_a_path_tells_camera_hour_start_and_segment() -> None:
    path = segment_path("北门", START_US + 240_000, "01ARZ", "mp4")
    assert path == "北门/2026-11-18/13/20261118T130000.240Z_01ARZ.mp4"


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "gate/../../x"])
def test_a_path_that_leads_out_is_refused(house: House, path: str) -> None:
    with pytest.raises(Invalid, match="leads out"):
        house.directory.archive.volume("main").file(path)


def test_new_footage_goes_where_an_identity_is_shown(house: House) -> None:
    (house.root / "hindsight.toml").write_text(
        '[volumes.main]\npath = "volumes/main"\n[volumes.nas]\npath = "volumes/nas"\n'
    )
    opened = open_directory(house.root)
    main, nas = opened.archive.volume("main"), opened.archive.volume("nas")
    assert main.uuid != nas.uuid
    (nas.root / ".volume.json").unlink()
    assert opened.archive.recording_volume() == main
    (main.root / ".volume.json").write_text("{}")
    with pytest.raises(Unavailable):
        opened.archive.recording_volume()
    opened.close()


def test_a_volume_that_left_the_settings_is_named(house: House) -> None:
    segment = house.segment()
    (house.root / "hindsight.toml").write_text('[volumes.other]\npath = "volumes/other"\n')
    opened = open_directory(house.root)
    with pytest.raises(NotFound, match=r"hindsight\.toml"):
        opened.archive.segment_file(segment)
    opened.close()


def test_another_ledgers_footage_is_not_taken(house: House, tmp_path: Path) -> None:
    (house.root / "hindsight.toml").write_text(
        f'[volumes.main]\npath = "volumes/main"\n[volumes.nas]\npath = "{tmp_path / "nas"}"\n'
    )
    (tmp_path / "nas").mkdir()
    (tmp_path / "nas" / ".volume.json").write_text('{"uuid": "of another house"}')
    with pytest.raises(Conflict, match="rebuild --adopt"):
        open_directory(house.root)
    with pytest.raises(DataLoss, match="identity"):
        open_directory(house.root, adopt=True)


def test_a_missing_file_is_data_loss(house: House) -> None:
    segment = house.segment()
    house.file(segment).unlink()
    with pytest.raises(DataLoss, match=segment.id):
        house.directory.archive.segment_file(segment)
