"""Exports that are disturbed: footage that goes, a full disk, a kill, another export beside."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from evidence.verify_bundle import verify
from storage import audit
from storage.cases import close_case, find_case, open_case
from storage.directory import SEAL_KEY
from storage.errors import Conflict, DataLoss, Denied, ResourceExhausted
from storage.segments import expire
from storage.vocabulary import Actor


def names_in(folder: Path) -> list[str]:
    """What lies in a folder, hidden or not."""
    return sorted(path.name for path in folder.iterdir())


def test_footage_that_expires_while_it_is_exported(house: Any, out: Path) -> None:
    for at_s in range(12):  # more than are copied at once
        last = house.segment(at_s=at_s, length_s=1)

    def retain(done: int, total: int) -> None:
        if house.file(last).exists():
            with house.ledger.write() as tx:
                expire(tx, [last.id], "class 3: 30 days", 0)
            house.file(last).unlink()

    path = house.file(last)
    before = sorted(out.parent.rglob("*"))
    with pytest.raises(Conflict, match="class 3: 30 days"):
        house.export(out, 0, 12, progress=lambda done, total: path.exists() and retain(done, total))
    assert sorted(out.parent.rglob("*")) == before


def test_an_exception_from_progress_leaves_nothing(house: Any, out: Path) -> None:
    house.segment()

    def cancel(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        house.export(out, 0, 4, progress=cancel)
    assert names_in(out.parent) == []


@pytest.mark.parametrize("when", [0.01, 0.5, 1.0])
@pytest.mark.parametrize("name", ["bundle", "bundle.zip"])
def test_case_closed_while_it_is_exported(house: Any, out: Path, name: str, when: float) -> None:
    house.segment()
    with house.ledger.write() as tx:
        open_case(tx, "A-117", "theft", "li.wei", 0)

    def close(done: int, total: int) -> None:
        if done >= when * total:
            with house.ledger.write() as tx:
                if find_case(tx, "A-117").closed_us is None:
                    close_case(tx, "A-117", 1)

    with pytest.raises(Conflict, match="A-117"):
        house.export(out.with_name(name), 0, 4, actor=Actor("li.wei", "A-117"), progress=close)
    assert names_in(out.parent) == []
    with house.ledger.read() as tx:
        assert "export.sealed" not in [row.action for row in audit.rows(tx)]


def test_one_who_may_not_any_more_is_stopped_while_it_is_exported(house: Any, out: Path) -> None:
    house.segment()
    asked: list[int] = []

    def still_allowed(tx: object) -> None:
        asked.append(1)
        if len(asked) > 1:
            raise Denied("li.wei may not export any more")

    with pytest.raises(Denied, match="any more"):
        house.export(out, 0, 4, still_allowed=still_allowed, ask_again_s=0)
    assert len(asked) == 2
    assert names_in(out.parent) == []
    with house.ledger.read() as tx:
        assert [row.action for row in audit.rows(tx) if row.action.startswith("export")] == [
            "export"
        ]


def test_a_seal_key_that_is_lost_midway_leaves_nothing(house: Any, out: Path) -> None:
    house.segment()
    key = house.directory.root / "keys" / SEAL_KEY

    def lose(done: int, total: int) -> None:
        key.unlink(missing_ok=True)

    with pytest.raises(DataLoss, match=r"seal\.key"):
        house.export(out, 0, 4, progress=lose)
    assert names_in(out.parent) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 40 MB."""
    folder = tmp_path / "stick"
    folder.mkdir()
    if (
        os.geteuid()
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(folder)], capture_output=True
        ).returncode
    ):
        pytest.skip("a small file system needs root; the full disk was not tried")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("when", [0.0, 0.3, 0.5, 0.7, 0.9])
@pytest.mark.parametrize("name", ["bundle", "bundle.zip"])
def test_disk_that_fills_during_the_export(
    house: Any, small_disk: Path, name: str, when: float
) -> None:
    for at_s in (0, 4, 8):
        house.segment(at_s=at_s)

    def fill(done: int, total: int) -> None:
        if done >= when * total and not (small_disk / "other").exists():
            with (small_disk / "other").open("wb", buffering=0) as other, suppress(OSError):
                while other.write(bytes(1 << 12)):
                    pass

    try:
        house.export(small_disk / name, 0, 12, progress=fill)
    except ResourceExhausted:
        assert names_in(small_disk) == ["other"]
    else:  # everything was written by then
        assert when > 0.6
        assert verify(small_disk / name).findings == []


def test_what_a_killed_export_left_is_removed_by_the_next(house: Any, out: Path) -> None:
    house.segment()
    left = out.parent / ".hindsight-export-01M86M3T2GGQFQ3H4BEM1V462P"
    (left / "bag").mkdir(parents=True)
    os.utime(left, (0, 0))
    house.export(out, 0, 4)
    assert names_in(out.parent) == ["bundle"]


def test_two_exports_at_once_do_not_disturb_each_other(house: Any, out: Path) -> None:
    for name in ("a", "b", "c"):
        house.segment(name)
    with ThreadPoolExecutor(3) as pool:
        jobs = [
            pool.submit(house.export, out.with_name(name), 0, 4, cameras=[house.camera(name)])
            for name in ("a", "b", "c")
        ]
        for job in jobs:
            result = job.result()
            assert verify(result.path, result.fingerprint).findings == []
            assert [one.camera for one in result.cameras] == [result.path.name]
