"""The data directory: made whole or not at all, opened only when it is ours and of this version."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from storage.directory import (
    BALLAST_BYTES,
    init_directory,
    open_directory,
    release_ballast,
    restore_ballast,
)
from storage.errors import Conflict, DataLoss, Invalid, NotFound
from storage.people import check_password
from tests.storage.media import START_US, HandClock, House


def everything(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*")}


def test_init_makes_keys_ledger_volume_and_an_administrator(tmp_path: Path) -> None:
    made, password = init_directory(tmp_path / "data", clock=HandClock(START_US))
    root = made.root
    assert {"format.json", "hindsight.toml", "ledger.db", "ballast"} <= everything(root)
    assert (root / "keys").stat().st_mode & 0o777 == 0o700
    for key in ("secrets.key", "session.key"):
        assert (root / "keys" / key).stat().st_mode & 0o777 == 0o600
    user = check_password(made.ledger, "admin", password, START_US)
    assert user is not None
    assert user.must_change
    made.close()
    again = open_directory(root)
    assert again.archive.volumes == made.archive.volumes
    again.close()


def test_two_installs_share_no_key(tmp_path: Path) -> None:
    keys = set()
    for name in ("one", "two"):
        made, _ = init_directory(tmp_path / name)
        keys |= {made.key("secrets.key"), made.key("session.key")}
        made.close()
    assert len(keys) == 4


def test_an_init_that_fails_leaves_nothing(tmp_path: Path) -> None:
    root = tmp_path / "data"
    with pytest.raises(Invalid):
        init_directory(root, administrator="two words")
    assert not root.exists()
    (root / "volumes" / "main").mkdir(parents=True)
    (root / "volumes" / "main" / "holiday.mp4").write_bytes(b"not ours")
    before = everything(root)
    with pytest.raises(Conflict, match="not empty"):
        init_directory(root)
    assert everything(root) == before
    made, _ = init_directory(tmp_path / "fresh")  # and nothing stands in the way of the next
    made.close()


def test_a_fresh_disk_with_lost_and_found_becomes_a_volume(tmp_path: Path) -> None:
    (tmp_path / "data" / "volumes" / "main" / "lost+found").mkdir(parents=True)
    made, _ = init_directory(tmp_path / "data")
    made.archive.volume("main").verify()
    made.close()


def test_init_never_touches_what_is_there(house: House) -> None:
    with pytest.raises(Conflict, match="already"):
        init_directory(house.root)
    (house.root / "format.json").rename(house.root / "format.gone")
    before = {path: path.read_bytes() for path in (house.root / "keys").iterdir()}
    with pytest.raises(Conflict, match="half copied"):
        init_directory(house.root)
    assert {path: path.read_bytes() for path in before} == before


def test_a_bad_setting_stops_init_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "hindsight.toml").write_text("[nonsense]\n")
    with pytest.raises(Invalid, match="nonsense"):
        init_directory(tmp_path / "data")
    assert everything(tmp_path) == {"hindsight.toml"}


def test_a_directory_of_another_version_is_left_alone(house: House) -> None:
    (house.root / "format.json").write_text(json.dumps({"format": 2}))
    before = (house.root / "ledger.db").read_bytes()
    with pytest.raises(Conflict, match="format 2"):
        open_directory(house.root)
    assert (house.root / "ledger.db").read_bytes() == before
    (house.root / "format.json").write_text("[]")
    with pytest.raises(DataLoss, match=r"format\.json"):
        open_directory(house.root)


def test_a_folder_that_is_no_data_directory_is_not_made_one(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="init"):
        open_directory(tmp_path / "none")
    assert everything(tmp_path) == set()


def test_a_missing_key_is_said(house: House) -> None:
    (house.root / "keys" / "secrets.key").unlink()
    with pytest.raises(DataLoss, match=r"secrets\.key"):
        house.directory.vault()


def test_one_process_at_a_time_does_a_job(house: House) -> None:
    assert not house.directory.is_running("record")
    with house.directory.exclusive("record"):
        assert house.directory.is_running("record")
        with pytest.raises(Conflict, match="hindsight record"), house.directory.exclusive("record"):
            pass
        with house.directory.exclusive("scrub"):
            pass
    assert not house.directory.is_running("record")


def test_a_settings_file_named_by_the_environment_must_exist(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HINDSIGHT_CONFIG", str(house.root / "other.toml"))
    with pytest.raises(NotFound, match=r"other\.toml"):
        open_directory(house.root)
    (house.root / "other.toml").write_text("[web]\nport = 9999\n")
    opened = open_directory(house.root)
    assert opened.settings.web.port == 9999
    opened.close()


def test_the_ballast_goes_once_and_comes_back(house: House) -> None:
    ballast = house.root / "ballast"
    assert ballast.stat().st_size == BALLAST_BYTES
    assert ballast.stat().st_blocks * 512 >= BALLAST_BYTES  # really takes the room
    assert release_ballast(house.root)
    assert not release_ballast(house.root)
    assert restore_ballast(house.root)
    assert ballast.stat().st_size == BALLAST_BYTES


def test_opening_takes_no_writer_lock(house: House) -> None:
    with house.ledger.write():  # somebody writes for long
        before = os.times().elapsed
        opened = open_directory(house.root)
        opened.close()
        assert os.times().elapsed - before < 5
