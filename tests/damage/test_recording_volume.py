"""Volumes that are swapped or full while recording: refused loudly, nothing whole is lost."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.fragments import scan
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


def whole_fragments(path: Path | None) -> int:
    return 0 if path is None else len(scan(path).fragments)


def test_swapped_volume_is_refused_until_it_is_back(made: Recording, url: str) -> None:
    camera = made.add("gate", url)
    made.start()
    until(lambda: made.open_file(camera), 20, "it records")
    identity = made.directory.archive.volume("main").root / IDENTITY
    original = identity.read_text()
    identity.write_text(json.dumps(json.loads(original) | {"uuid": str(uuid.uuid4())}))
    until(lambda: "wrong_volume" in made.causes(camera), 15, "the swap is noted")
    before = len(made.segments(camera))
    identity.write_text(original)
    until(lambda: len(made.segments(camera)) > before, 20, "recording goes on")
    assert made.stop() == 0
    rows = made.verify(camera)
    gap = made.gaps(camera)[0]
    assert gap.cause == "wrong_volume"
    assert "is another volume" in (gap.detail or "")
    assert gap.start_us in {row.end_us for row in rows}
    assert gap.end_us in {row.start_us for row in rows}


def test_full_volume_is_a_gap_and_what_was_whole_stays(tmp_path: Path, url: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root; this test did not run")
    one = Recording(tmp_path / "data")
    small = one.directory.archive.volume("main").root
    identity = (small / IDENTITY).read_bytes()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(small)],
        capture_output=True, text=True,
    )  # fmt: skip
    if mounted.returncode:
        one.close()
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    try:
        (small / IDENTITY).write_bytes(identity)
        camera = one.add("gate", url)
        one.start()
        until(lambda: whole_fragments(one.open_file(camera)) >= 2, 20, "it records")
        with contextlib.suppress(OSError), (small / "filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(bytes(1 << 12))
        until(lambda: "disk_full" in one.causes(camera), 20, "the full disk is noted")
        kept = one.segments(camera)
        (small / "filler").unlink()
        until(lambda: len(one.segments(camera)) > len(kept), 20, "recording goes on")
        assert one.stop() == 0
        rows = one.verify(camera)
        gap = one.gaps(camera)[0]
        assert gap.cause == "disk_full"
        assert "No space left" in (gap.detail or "")
        assert rows[0].recovered  # cut back to its last whole fragment
        assert gap.start_us == rows[0].end_us
    finally:
        one.close()
        subprocess.run(["umount", "-l", str(small)], check=True)
