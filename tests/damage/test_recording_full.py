"""A disk that fills while recording: the oldest goes, told as a violation; never what is held."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage.cases import add_hold
from storage.events import events
from storage.segments import segments
from storage.violations import violations
from storage.vocabulary import SegmentState
from tests.damage.small_disks import memory_disk
from tests.servers.clips import make_clip
from tests.servers.recording import CHECKOUT, Recording, until

QUICK = "every_s = 1\n"  # in [retention], which Recording writes last


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of which others took most."""
    with memory_disk(tmp_path / "small", 24) as root:
        (root / "filler").write_bytes(bytes(21_000_000))
        yield root


@pytest.fixture
def record(small: Path, tmp_path: Path) -> Iterator[Callable[[str], Recording]]:
    """An archive on that disk; nothing is left running."""
    made: list[Recording] = []

    def make(volume: str) -> Recording:
        more = f'{QUICK}[volumes.main]\npath = "{small / "v"}"\n{volume}'
        made.append(Recording(tmp_path / "data", more))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_the_oldest_goes_and_recording_goes_on(
    record: Callable[[str], Recording], tmp_path: Path
) -> None:
    url = f"{make_clip(tmp_path / 'plain.mp4').as_uri()}?loop=1"
    one = record("")
    cameras = [one.add(f"gate-{n}", url) for n in range(3)]
    one.start()
    until(lambda: all(one.segments(camera) for camera in cameras), 30, "all record")
    held = one.segments(cameras[0])[0]
    with one.directory.ledger.write() as tx:
        add_hold(tx, cameras[0].id, held.start_us, held.end_us, reason="a case", owner="A. Ho",
                 at_us=one.directory.clock.now_us())  # fmt: skip
    until(lambda: len(broken(one)) >= 3, 90, "footage goes before its time")
    counts = [len(one.segments(camera)) for camera in cameras]
    newest = [one.segments(camera)[-1].end_us for camera in cameras]
    until(
        lambda: all(one.segments(c)[-1].end_us > e for c, e in zip(cameras, newest, strict=True)),
        30, f"recording goes on, from {counts}",
    )  # fmt: skip
    assert one.stop() == 0
    for camera in cameras:
        assert one.causes(camera) == {"shutdown"}
        assert one.unexplained(camera) == []
    assert held.id in {row.id for row in one.segments(cameras[0])}
    with one.directory.ledger.read() as tx:
        gone = segments(tx, state=SegmentState.EXPIRED)
    assert gone
    assert all("volume main is at its floor" in (row.expired_rule or "") for row in gone)
    assert sum(row.segments for row in broken(one)) == len(gone)
    kept = {row.id: row for camera in cameras for row in one.segments(camera)}
    oldest_kept = min(row.end_us for row in kept.values() if row.id != held.id)
    assert max(row.end_us for row in gone) <= oldest_kept + 5_000_000


def test_told_to_stop_when_full_it_stops_loudly_and_deletes_nothing(
    record: Callable[[str], Recording], small: Path, tmp_path: Path
) -> None:
    url = f"{make_clip(tmp_path / 'plain.mp4').as_uri()}?loop=1"
    (small / "filler").write_bytes(bytes(22_500_000))
    one = record('when_full = "stop"\n')
    cameras = [one.add(f"gate-{n}", url) for n in range(2)]
    one.start()
    until(lambda: all("disk_full" in one.causes(c) for c in cameras), 90, "it stops")
    until(lambda: any("when_full is stop" in line for line in status(one)["warnings"]), 30, "said")
    (small / "filler").unlink()
    before = [len(one.segments(camera)) for camera in cameras]
    until(
        lambda: all(len(one.segments(c)) > n for c, n in zip(cameras, before, strict=True)),
        60, "recording goes on",
    )  # fmt: skip
    assert one.stop() == 0
    assert broken(one) == []
    for camera in cameras:
        one.verify(camera)
    with one.directory.ledger.read() as tx:
        assert segments(tx, state=SegmentState.EXPIRED) == []
        assert {e.kind for e in events(tx)} >= {"volume_refuses", "volume_takes_again"}


def broken(one: Recording) -> list:  # type: ignore[type-arg]
    with one.directory.ledger.read() as tx:
        return list(violations(tx))


def status(one: Recording) -> dict:  # type: ignore[type-arg]
    words = [sys.executable, "-m", "hindsight", "--data", str(one.root), "status", "--json"]
    done = subprocess.run(words, check=True, capture_output=True, cwd=CHECKOUT)
    found: dict = json.loads(done.stdout)  # type: ignore[type-arg]
    return found
