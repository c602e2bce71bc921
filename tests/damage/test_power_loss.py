"""The power goes: everything not synced is gone, ledger and footage alike, and the rest holds."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.fragments import scan
from storage.segments import segments
from storage.vocabulary import Camera, Segment
from tests.damage.small_disks import LoopDisk, loop_disk
from tests.servers.clips import make_clip
from tests.servers.recording import Recording, alive, kill, until

FRAGMENT_S = 1.1  # of the archive the test records, and a picture


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[LoopDisk]:
    with loop_disk(tmp_path, "disk", 128) as made:
        yield made


@pytest.mark.parametrize("encrypt", ["false", "true"])
@pytest.mark.parametrize("turn", range(2))
def test_power_loss_costs_no_closed_segment_and_at_most_a_fragment(
    disk: LoopDisk, tmp_path: Path, turn: int, encrypt: str
) -> None:
    url = f"{make_clip(tmp_path / 'plain.mp4').as_uri()}?loop=1"
    kind = f'[volumes.main]\npath = "volumes/main"\nencrypt = {encrypt}\n'
    one = Recording(disk.root / "data", kind, log=tmp_path / "log")
    cameras = [one.add(f"gate-{n}", url) for n in range(3)]
    fragments = random.Random(turn).randrange(1, 4)
    one.start()
    until(lambda: all(is_amid(one, camera, fragments) for camera in cameras), 40, "all record")
    with one.directory.ledger.read() as tx:
        committed = segments(tx)  # what anybody may have seen as kept
    being_written = {camera.id: whole(one, camera) for camera in cameras}
    pull_the_plug(one, disk)

    one = Recording(disk.root / "data", kind, log=tmp_path / "log")
    with one.directory.ledger.read() as tx:
        kept = {row.id: row.sha256 for row in segments(tx)}
    assert {row.id: row.sha256 for row in committed}.items() <= kept.items()
    one.start("--for", "1")
    assert one.wait() == 0
    for camera in cameras:
        rows = one.verify(camera)
        name, seen_s = being_written[camera.id]
        lost_s = seen_s - sum(row.duration_us for row in rows if is_named(row, name)) / 1e6
        assert lost_s <= FRAGMENT_S, f"{camera.slug} lost {lost_s} s"
    one.close()


def is_amid(one: Recording, camera: Camera, fragments: int) -> bool:
    """Whether it has closed a segment, and so many fragments of the next are there to see."""
    return bool(one.segments(camera)) and whole(one, camera, at_least=fragments)[1] > 0


def whole(one: Recording, camera: Camera, at_least: int = 0) -> tuple[str, float]:
    """(name, seconds) of the segment being written, as far as it is whole."""
    path = one.open_file(camera)
    try:
        volume = one.directory.archive.volume("main")
        layout = None if path is None else scan(volume.lying(path))
    except FileNotFoundError:  # published this instant
        layout = None
    if path is None or layout is None or len(layout.fragments) < at_least:
        return "", 0.0
    return path.name.removesuffix(".open"), layout.end_s


def is_named(row: Segment, name: str) -> bool:
    return Path(row.path).name == name


def pull_the_plug(one: Recording, disk: LoopDisk) -> None:
    """The disk keeps what was synced, the processes nothing; then the power is back."""
    disk.fail()
    captures = one.captures()
    assert one.process is not None
    for pid in [one.process.pid, *captures]:
        kill(pid)
    assert one.wait() == -signal.SIGKILL
    until(lambda: not any(map(alive, captures)), 15, "all are gone")
    one.directory.close()
    disk.repair()
