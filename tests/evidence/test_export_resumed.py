"""Exports that were interrupted: killed, stopped and kept; gone on with, or removed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evidence.verify_bundle import verify
from evidence.workshop import KEPT_S, NOTE, PREFIX
from storage.directory import open_directory
from storage.vocabulary import Segment
from tests.evidence.conftest import START_US, House

KILLED = """
import sys
from pathlib import Path
from evidence.export import export
from storage.directory import open_directory
from storage.register import cameras
from storage.vocabulary import Actor

def stand(done, total):
    if done >= float(sys.argv[4]) * total:
        print("standing", flush=True)
        sys.stdin.read()

directory = open_directory(Path(sys.argv[1]))
with directory.ledger.read() as tx:
    chosen = cameras(tx)
export(
    directory, cameras=chosen, from_us=int(sys.argv[3]), to_us=int(sys.argv[3]) + 12_000_000,
    out=Path(sys.argv[2]), actor=Actor("li.wei"), progress=stand,
)
"""


@pytest.fixture(scope="module")
def filled(
    blank: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[House, list[Segment]]]:
    """Twelve segments, more than are copied at once; exports change nothing of them."""
    root = tmp_path_factory.mktemp("filled") / "data"
    directory = open_directory(Path(shutil.copytree(blank, root)))
    house = House(directory)
    yield house, [house.segment(at_s=at_s, length_s=1) for at_s in range(12)]
    directory.close()


def kill_at(house: House, out: Path, share: float) -> Path:
    """Export in a process of its own, kill it there; the folder it left."""
    words = [str(house.directory.root), str(out), str(START_US), str(share)]
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == b"standing\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not out.exists()
    [left] = out.parent.glob(f"{PREFIX}*")
    return left


def written(folder: Path) -> dict[str, tuple[int, int]]:
    """Which file each original below a folder is, and when it was written; by name."""
    found = {path.name: path.stat() for path in folder.rglob("originals/*/*.mp4")}
    return {name: (facts.st_ino, facts.st_mtime_ns) for name, facts in found.items()}


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("share", [0.1, 0.6, 1.0])  # while copying, while cutting, as a whole bag
def test_a_killed_export_is_gone_on_with(filled: Any, out: Path, share: float) -> None:
    house, segments = filled
    left = kill_at(house, out, share)
    copied = written(left)
    assert len(copied) > 0
    assert (len(copied) == len(segments)) == (share > 0.5)
    result = house.export(out, 0, 12, resume=True)
    assert names_in(out.parent) == ["bundle"]
    assert verify(out, result.fingerprint).findings == []
    now = written(out)
    assert len(now) == len(segments)
    same = [name for name, facts in copied.items() if now[name] == facts]
    assert same  # not copied again
    assert len(same) == len(copied) or share < 0.5  # the last one may have been cut short


def test_a_zip_that_was_being_packed_is_begun_anew(filled: Any, out: Path) -> None:
    house, _ = filled
    out = out.with_name("bundle.zip")
    left = kill_at(house, out, 1.0)
    assert (left / "bundle.zip").exists()
    result = house.export(out, 0, 12, resume=True)
    assert names_in(out.parent) == ["bundle.zip"]
    assert verify(out, result.fingerprint).findings == []


def test_without_being_asked_a_killed_export_is_not_gone_on_with(filled: Any, out: Path) -> None:
    house, _ = filled
    left = kill_at(house, out, 0.6)
    copied = written(left)
    house.export(out, 0, 12)
    assert names_in(out.parent) == ["bundle"]
    assert not left.exists()
    assert not set(copied.values()) & set(written(out).values())


def interrupt(house: House, out: Path, **how: Any) -> None:
    def stop(done: int, total: int) -> None:
        if done >= 0.6 * total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        house.export(out, 0, 12, progress=stop, **how)


def test_an_interrupted_export_leaves_something_only_if_it_is_to(filled: Any, out: Path) -> None:
    house, _ = filled
    interrupt(house, out)
    assert names_in(out.parent) == []
    interrupt(house, out, keep=True)
    assert len(names_in(out.parent)) == 1
    house.export(out.with_name("bundle.zip"), 0, 12, resume=True)  # another bundle
    assert len(names_in(out.parent)) == 2
    house.export(out, 0, 12, resume=True)
    assert names_in(out.parent) == ["bundle", "bundle.zip"]


def test_nothing_that_was_left_is_trusted(filled: Any, out: Path) -> None:
    house, segments = filled
    interrupt(house, out, keep=True)
    [left] = out.parent.glob(f"{PREFIX}*")
    files = sorted(left.rglob("originals/*/*.mp4"))
    raw = bytearray(files[3].read_bytes())
    raw[len(raw) // 2] ^= 1
    files[3].write_bytes(raw)
    files[4].write_bytes(files[4].read_bytes()[:-1])
    (files[0].parent / "added.mp4").write_text("never recorded")
    result = house.export(out, 0, 6, resume=True)  # half of the span: the rest is not in it
    assert verify(out, result.fingerprint).findings == []
    assert len(written(out)) == 6 < len(segments)


def test_what_an_export_of_another_bundle_left_goes_after_its_time(filled: Any, out: Path) -> None:
    house, _ = filled
    interrupt(house, out, keep=True)
    [left] = out.parent.glob(f"{PREFIX}*")
    other = out.with_name("other")
    house.export(other, 0, 1)
    assert left.exists()
    past = time.time() - KEPT_S - 60
    os.utime(left / NOTE, (past, past))
    house.export(out.with_name("third"), 0, 1)
    assert names_in(out.parent) == ["other", "third"]


def test_nobody_goes_on_with_an_export_that_is_at_work(filled: Any, out: Path) -> None:
    house, _ = filled
    inner: list[Path] = []

    def another(done: int, total: int) -> None:
        if not inner and done > 0.6 * total:
            inner.append(out)
            house.export(out, 0, 2, resume=True)

    with pytest.raises(Exception, match="exists already"):  # the other one was faster
        house.export(out, 0, 12, progress=another)
    assert names_in(out.parent) == ["bundle"]
    assert verify(out).findings == []
    assert len(written(out)) == 2


@pytest.mark.parametrize("where", ["bag", "bag/originals", "file", "hard link"])
def test_a_workshop_with_a_link_in_it_is_not_gone_on_with(
    house: House, tmp_path: Path, where: str
) -> None:
    """Somebody else may write into the folder that a bundle goes to."""
    segment = house.segment(length_s=3)
    shared, others = tmp_path / "shared", tmp_path / "others"
    precious = others / "originals" / "precious.txt"
    precious.parent.mkdir(parents=True)
    precious.write_text("precious")
    left = shared / f"{PREFIX}01"
    place = left / "bag" / "originals" / "north-gate"
    if where == "bag":
        left.mkdir(parents=True)
        (left / "bag").symlink_to(others)
    elif where == "bag/originals":
        (left / "bag").mkdir(parents=True)
        (left / "bag" / "originals").symlink_to(others / "originals")
    else:
        place.mkdir(parents=True)
        target = place / Path(segment.path).name
        if where == "file":
            target.symlink_to(precious)
        else:
            target.hardlink_to(precious)
    (left / NOTE).write_text("case7")
    house.export(shared / "case7", 0, 3, resume=True)
    assert [*others.rglob("*.*")] == [precious]
    assert precious.read_text() == "precious"
    assert verify(shared / "case7").findings == []
