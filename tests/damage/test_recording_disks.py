"""Disks that are slow, fail, go read-only or fill: the right cause, nothing whole lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage.fragments import scan
from storage.vocabulary import Camera
from tests.damage.small_disks import LoopDisk, loop_disk, memory_disk
from tests.servers.clips import make_clip
from tests.servers.recording import Recording, until


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A camera that never ends."""
    return f"{make_clip(tmp_path / 'plain.mp4').as_uri()}?loop=1"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[LoopDisk]:
    with loop_disk(tmp_path, "disk") as made:
        yield made


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Callable[..., Recording]]:
    """Archives whose volumes lie where the test says; nothing is left running."""
    made: list[Recording] = []

    def make(buffer_s: float = 3, more: str = "", **volumes: Path) -> Recording:
        made.append(Recording(tmp_path / "data", more, volumes=volumes, buffer_s=buffer_s))
        return made[-1]

    yield make
    for one in made:
        one.close()


def fragments(path: Path | None) -> int:
    return 0 if path is None else len(scan(path).fragments)


def goes_on(one: Recording, camera: Camera) -> None:
    before = len(one.segments(camera))
    until(lambda: len(one.segments(camera)) > before, 40, "recording goes on")


def test_a_disk_that_hangs_for_less_than_the_buffer_costs_nothing(
    record: Callable[..., Recording], disk: LoopDisk, url: str
) -> None:
    one = record(buffer_s=30, main=disk.root / "v")
    camera = one.add("gate", url)
    one.start()
    until(lambda: fragments(one.open_file(camera)) >= 2, 20, "it records")
    disk.freeze()
    until(lambda: (one.state(camera).backlog_us or 0) > 1_500_000, 10, "footage waits")
    disk.thaw()
    goes_on(one, camera)
    assert one.stop() == 0
    rows = one.verify(camera)
    assert one.contiguous(rows)
    assert not any(row.recovered for row in rows)
    assert one.causes(camera) == {"shutdown"}


def test_a_disk_that_hangs_for_longer_is_a_gap_and_what_waited_is_kept(
    record: Callable[..., Recording], disk: LoopDisk, url: str
) -> None:
    one = record(main=disk.root / "v")
    camera = one.add("gate", url)
    one.start()
    until(lambda: fragments(one.open_file(camera)) >= 2, 20, "it records")
    disk.freeze()
    until(lambda: "disk_slow" in one.causes(camera), 20, "the slow disk is noted")
    [slow] = [gap for gap in one.gaps(camera) if gap.cause == "disk_slow"]
    assert "too slow" in (slow.detail or "")
    assert one.segments(camera) == [] or one.segments(camera)[-1].end_us < slow.start_us
    disk.thaw()
    goes_on(one, camera)
    assert one.stop() == 0
    rows = one.verify(camera)
    # What had come before memory ran out was written once the disk came back.
    assert slow.start_us in {row.end_us for row in rows}
    assert not any(row.recovered for row in rows)


def test_while_one_disk_hangs_the_other_records(
    record: Callable[..., Recording], disk: LoopDisk, url: str, tmp_path: Path
) -> None:
    with memory_disk(tmp_path / "spare", 16) as spare:  # smaller, so it is the second choice
        one = record(main=disk.root / "v", spare=spare / "v")
        camera = one.add("gate", url)
        one.start()
        until(lambda: one.open_file(camera, "main"), 20, "it records")
        disk.freeze()
        until(
            lambda: any(row.volume == "spare" for row in one.segments(camera)), 40,
            "it records on the other volume",
        )  # fmt: skip
        disk.thaw()
        assert one.stop() == 0
        one.verify(camera)
        assert one.causes(camera) <= {"disk_slow", "shutdown"}
        one.close()


def test_a_disk_that_fails_is_said_and_its_synced_footage_is_there_when_it_is_back(
    record: Callable[..., Recording], disk: LoopDisk, url: str
) -> None:
    one = record(main=disk.root / "v")
    camera = one.add("gate", url)
    one.start()
    until(lambda: one.segments(camera) and fragments(one.open_file(camera)) >= 2, 20, "it records")
    disk.fail()
    until(lambda: "wrong_volume" in one.causes(camera), 20, "the failure is noted")
    disk.repair()
    goes_on(one, camera)
    assert one.stop() == 0
    # The rest of the segment that was open waits for the next start.
    one.start("--for", "1")
    assert one.wait() == 0
    rows = one.verify(camera)
    assert [row.recovered for row in rows].count(True) == 1


def test_a_disk_that_went_read_only_is_said_until_it_can_be_written(
    record: Callable[..., Recording], disk: LoopDisk, url: str
) -> None:
    one = record(main=disk.root / "v")
    camera = one.add("gate", url)
    one.start()
    until(lambda: one.segments(camera), 20, "it records")
    disk.make_read_only()
    until(lambda: "wrong_volume" in one.causes(camera), 20, "it is noted")
    [gap] = [gap for gap in one.gaps(camera) if gap.cause == "wrong_volume"]
    assert "ead-only" in (gap.detail or "")
    disk.repair()
    goes_on(one, camera)
    assert one.stop() == 0
    one.start("--for", "1")
    assert one.wait() == 0
    one.verify(camera)
    assert len([gap for gap in one.gaps(camera) if gap.cause == "wrong_volume"]) == 1


def test_a_full_disk_is_a_gap_and_the_segment_that_had_its_room_ends_whole(
    record: Callable[..., Recording], url: str, tmp_path: Path
) -> None:
    with memory_disk(tmp_path / "small", 4) as small:
        # Else the keeper may make room first, by what is oldest.
        stops = f'[volumes.main]\npath = "{small / "v"}"\nwhen_full = "stop"\n'
        one = record(more=stops)
        camera = one.add("gate", url)
        one.start()
        until(lambda: fragments(one.open_file(camera)) >= 2, 20, "it records")
        filler = small / "filler"
        with filler.open("wb", buffering=0) as file:
            while fills(file):
                pass
        until(lambda: "disk_full" in one.causes(camera), 40, "the full disk is noted")
        kept = one.segments(camera)
        assert not any(row.recovered for row in kept)  # its bytes had been reserved
        filler.unlink()
        goes_on(one, camera)
        assert one.stop() == 0
        rows = one.verify(camera)
        gap = one.gaps(camera)[0]
        assert gap.cause == "disk_full"
        assert "free" in (gap.detail or "")
        assert gap.start_us in {row.end_us for row in rows}
        one.close()


def fills(file: object) -> bool:
    """One more page, while there is one."""
    try:
        file.write(bytes(1 << 12))  # type: ignore[attr-defined]
    except OSError:
        return False
    return True
