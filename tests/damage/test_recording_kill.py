"""Kill -9 while recording: what was whole stays, is adopted, and the rest is a gap."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.servers.clips import make_clip, picture_hashes
from tests.servers.recording import Recording, alive, decoded, kill, until

Records = Callable[..., Recording]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A camera that never ends."""
    clip = make_clip(tmp_path_factory.mktemp("clips") / "plain.mp4")
    return f"{clip.as_uri()}?loop=1"


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[Records]:
    """Makes archives to record into; nothing is left running."""
    made: list[Recording] = []

    def make(**how: object) -> Recording:
        made.append(Recording(tmp_path / "data", **how))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.close()


def has_fragments(path: Path | None) -> bool:
    return path is not None and path.stat().st_size > 20_000


def test_killed_capture_is_adopted_and_others_go_on(recording: Records, url: str) -> None:
    made = recording(per_process=1)
    victim, other = made.add("victim", url), made.add("other", url)
    made.start()
    until(lambda: all(has_fragments(made.open_file(c)) for c in (victim, other)), 20, "both record")
    kill(made.capture_of(victim))
    until(lambda: made.segments(victim), 20, "the leftover is adopted")
    until(lambda: len(made.segments(victim)) >= 2, 25, "recording goes on")
    assert made.stop() == 0
    rows = made.verify(victim)
    assert [row.recovered for row in rows] == [True] + [False] * (len(rows) - 1)
    gap = made.gaps(victim)[0]
    assert (gap.cause, gap.start_us, gap.end_us) == ("unknown", rows[0].end_us, rows[1].start_us)
    assert made.contiguous(made.verify(other))
    assert made.causes(other) == {"shutdown"}


def test_killed_supervisor_leaves_closed_segments(recording: Records, url: str) -> None:
    made = recording()
    cameras = [made.add(f"c{i}", url) for i in range(2)]
    made.start()
    until(lambda: all(has_fragments(made.open_file(c)) for c in cameras), 20, "both record")
    children = made.captures()
    assert made.process is not None
    kill(made.process.pid)
    made.wait()
    made.start()  # at once: the old captures may still be closing their segments
    until(lambda: not any(alive(pid) for pid in children), 15, "captures end by themselves")
    until(lambda: all(len(made.segments(c)) >= 2 for c in cameras), 25, "recording goes on")
    assert made.stop() == 0
    for camera in cameras:
        rows = made.verify(camera)
        assert made.gaps(camera)[0].end_us is not None
        assert not rows[0].recovered  # closed by its own process when the supervisor was gone


def test_everything_killed_at_once_loses_at_most_a_fragment(recording: Records, url: str) -> None:
    made = recording()
    camera = made.add("gate", url)
    made.start()
    until(lambda: has_fragments(made.open_file(camera)), 20, "it records")
    children = made.captures()
    assert made.process is not None
    kill(made.process.pid)
    for pid in children:
        kill(pid)
    made.wait()
    killed_us = made.directory.clock.now_us()
    until(lambda: not any(alive(pid) for pid in children), 5)
    left = made.open_file(camera)
    assert left is not None
    made.start("--for", "2")
    assert made.wait() == 0
    adopted = made.verify(camera)[0]
    assert adopted.recovered
    assert killed_us - adopted.end_us <= 2_500_000  # a fragment, a GOP, and the wall clock's error
    assert decoded(made.file(adopted)) == len(picture_hashes(made.file(adopted)))
    assert not left.exists()
