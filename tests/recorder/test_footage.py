"""Every real clip comes in, whatever its container and codec, and is kept to the byte."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from storage import segments
from tests.storage.media import CommandLine, House, new_house


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = new_house(tmp_path / "data")
    yield made
    made.directory.close()


def test_every_shared_clip_is_imported_bit_exactly(
    house: House, footage: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clips = sorted(path for path in footage.iterdir() if path.suffix in (".mp4", ".avi"))
    assert len(clips) == 51
    hindsight = CommandLine(house.root, capsys)
    hindsight.json("import", *clips, "--camera", "all", "--start", "2026-01-01T00:00:00Z")
    with house.ledger.read() as tx:
        rows = segments.segments(tx)
    assert [row.original_name for row in rows] == [clip.name for clip in clips]
    assert all(a.end_us == b.start_us for a, b in pairwise(rows))
    for row, clip in zip(rows, clips, strict=True):
        data = house.file(row).read_bytes()
        assert hashlib.sha256(data).hexdigest() == row.sha256
        assert data == clip.read_bytes()
        assert row.note is None, f"{clip.name}: {row.note}"
    kinds = {(row.container, row.codec) for row in rows}
    assert kinds == {("mov", "h264"), ("avi", "mpeg4"), ("avi", "msmpeg4v2")}
    assert hindsight.json("check", "--level", "hash")["ok"] is True
