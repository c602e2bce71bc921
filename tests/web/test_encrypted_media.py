"""Playing an encrypted volume: the same bytes, ranges and pictures; nothing of it lies plain."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from storage.clock import US
from storage.directory import open_directory
from storage.settings import FILE_NAME
from tests.storage.media import new_house
from tests.web.desk import NOW_US, Desk, opened
from tests.web.footage import START_US, keep, number_of, register, write_clip
from tests.web.test_media import init_of, picture_numbers, playlist_of, ranges_of
from web.playable import playable


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Desk]:
    """An application over an archive whose one volume is encrypted."""
    house = new_house(tmp_path / "data", NOW_US)
    house.directory.close()
    text = '[volumes.main]\npath = "volumes/main"\nencrypt = true\n'
    (house.root / FILE_NAME).write_text(text)
    desk = Desk(open_directory(house.root, house.clock), house.clock)
    yield desk
    desk.close()


def test_ranges_and_the_whole_are_the_bytes_that_were_recorded(vault: Desk, clips: Path) -> None:
    gate = register(vault.directory, "gate")
    row = keep(vault.directory, gate, clips / "one.mp4", START_US)
    plain = (clips / "one.mp4").read_bytes()
    assert vault.directory.archive.media(row).is_encrypted
    ines = vault.person()
    playlist = playlist_of(ines, "gate", START_US)
    address, offset, length = ranges_of(playlist)[1]
    whole = ines.get(address)
    assert (whole.status_code, whole.data) == (200, plain)
    assert whole.headers["Accept-Ranges"] == "bytes"
    assert whole.headers["Cache-Control"] == "private, no-cache"
    for first, last in ((0, 0), (offset, offset + length - 1), (len(plain) - 7, len(plain) - 1)):
        answer = ines.get(address, headers={"Range": f"bytes={first}-{last}"})
        assert answer.status_code == 206
        assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(plain)}"
        assert answer.data == plain[first : last + 1]
    piece = ines.get(address, headers={"Range": f"bytes={offset}-{offset + length - 1}"}).data
    assert picture_numbers(init_of(ines, playlist) + piece) == list(range(25, 50))
    again = ines.get(address, headers={"If-None-Match": whole.headers["ETag"]})
    assert again.status_code == 304
    assert ines.get(address, headers={"Range": "bytes=99999999-"}).status_code == 416
    head = ines.client.head(address)
    assert (head.content_length, head.data) == (len(plain), b"")


def test_a_still_is_the_picture_of_its_time(vault: Desk, clips: Path) -> None:
    gate = register(vault.directory, "gate")
    keep(vault.directory, gate, clips / "one.mp4", START_US)
    ines = vault.person()
    found = ines.opening()
    answer = ines.get(f"{found['segments'][0]['still']}&at={START_US + 10 * 40_000 + 1000}")
    assert number_of(np.asarray(Image.open(io.BytesIO(answer.data)))) == 10


@pytest.mark.parametrize(("name", "format"), [("clip.mkv", "matroska"), ("clip.ts", "mpegts")])
def test_a_view_of_an_encrypted_import_is_encrypted(
    vault: Desk, tmp_path: Path, name: str, format: str
) -> None:
    clip = write_clip(tmp_path / name, count=75, gop=25, options={}, format=format)
    gate = register(vault.directory, "gate", url=None)
    row = keep(
        vault.directory, gate, clip, START_US, container=clip.suffix[1:], origin="import"
    )  # fmt: skip
    ines = vault.person()
    address, offset, length = ranges_of(playlist_of(ines, "gate", START_US))[1]
    view = ines.get(address).data
    assert picture_numbers(view) == list(range(75))
    answer = ines.get(address, headers={"Range": f"bytes={offset}-{offset + length - 1}"})
    assert answer.data == view[offset : offset + length]
    made = playable(vault.directory, opened(vault.directory, row)).media
    assert made.path.is_relative_to(vault.directory.cache)
    assert made.is_encrypted
    assert b"moov" not in made.path.read_bytes()


def test_a_lost_key_is_said_and_other_footage_plays(vault: Desk, clips: Path) -> None:
    gate, yard = register(vault.directory, "gate"), register(vault.directory, "yard")
    keep(vault.directory, gate, clips / "one.mp4", START_US)
    (vault.directory.root / "keys" / "volume-main.key").unlink()
    vault.directory.close()
    (vault.directory.root / FILE_NAME).write_text("")
    plain = Desk(open_directory(vault.directory.root, vault.clock), vault.clock)
    keep(plain.directory, yard, clips / "two.mp4", START_US + 5 * US)
    ines = plain.person()
    assert ranges_of(playlist_of(ines, "yard", START_US + 5 * US))
    answer = ines.get(f"/media/gate/opening.json?at={START_US}")
    assert answer.status_code == 500
    assert "volume-main.key" in answer.text
    plain.close()
