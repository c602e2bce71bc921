"""Volumes that are swapped or full while recording: refused loudly, nothing whole is lost."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.volumes import IDENTITY
from tests.servers.clips import make_clip
from tests.servers.recording import Recording, until


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A camera that never ends."""
    return f"{make_clip(tmp_path / 'plain.mp4').as_uri()}?loop=1"


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Recording]:
    """An archive to record into."""
    one = Recording(tmp_path / "data")
    yield one
    one.close()


def test_swapped_volume_is_refused_until_it_is_back(made: Recording, url: str) -> None:
    camera = made.add("gate", url)
    made.start()
    until(lambda: made.open_file(camera), 20, "it records")
    identity = made.directory.archive.volume("main").root / IDENTITY
    original = identity.read_text()
    identity.write_text(json.dumps(json.loads(original) | {"uuid": str(uuid.uuid4())}))
    until(lambda: "wrong_volume" in made.causes(camera), 15, "the swap is noted")
    identity.write_text(original)
    until(lambda: made.gaps(camera)[0].end_us is not None, 20, "recording goes on")
    assert made.stop() == 0
    rows = made.verify(camera)
    gap = made.gaps(camera)[0]
    assert gap.cause == "wrong_volume"
    assert "is another volume" in (gap.detail or "")
    assert gap.start_us in {row.end_us for row in rows}
    assert gap.end_us in {row.start_us for row in rows}
