"""FFmpeg hangs: the camera that hung it is put apart, its neighbours lose a moment, once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.clips import make_clip
from tests.servers.recording import Recording, until


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Recording]:
    """An archive to record into, two cameras a process."""
    one = Recording(tmp_path / "data", per_process=2)
    yield one
    one.close()


def has_fragments(path: Path | None) -> bool:
    return path is not None and path.stat().st_size > 20_000


def test_hanging_camera_is_put_apart_and_a_frozen_process_replaced(
    made: Recording, tmp_path: Path
) -> None:
    url = f"{make_clip(tmp_path / 'plain.mp4').as_uri()}?loop=1"
    pipe = tmp_path / "pipe.ts"
    os.mkfifo(pipe)  # opening it never returns, whatever time limit FFmpeg was given
    hanging, neighbour = made.add("a-hanging", pipe.as_uri()), made.add("a-neighbour", url)
    frozen, calm = made.add("b-frozen", url), made.add("b-kept", url)
    made.start()
    cameras = (neighbour, frozen, calm)
    until(lambda: all(has_fragments(made.open_file(c)) for c in cameras), 20, "all others record")
    assert made.capture_of(hanging) == made.capture_of(neighbour)
    os.kill(made.capture_of(frozen), signal.SIGSTOP)
    until(
        lambda: made.open_file(neighbour)
        and not made.shares_process(hanging, neighbour)
        and len(made.segments(frozen)) > 0,
        60, "the hanging camera is alone, the frozen process was replaced",
    )  # fmt: skip
    process = made.capture_of(neighbour)
    before = {camera.id: len(made.segments(camera)) for camera in cameras}
    until(lambda: all(len(made.segments(c)) >= before[c.id] + 2 for c in cameras), 30, "all go on")
    assert made.capture_of(neighbour) == process
    assert made.stop() == 0
    rows = made.verify(neighbour)
    assert not any(row.recovered for row in rows)  # closed for it, not left behind
    assert [row.recovered for row in made.verify(frozen)].count(True) == 1
    assert made.causes(frozen) == {"unknown", "shutdown"}
    assert made.unexplained(hanging) == []
    assert made.causes(hanging) <= {"stalled", "connect_failed", "shutdown"}
    made.verify(calm)
