"""A full disk under the ledger: one clear error, nothing lost, and the ballast lets it commit."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage import audit
from storage.directory import BALLAST_BYTES, DataDirectory, init_directory
from storage.errors import ResourceExhausted
from storage.vocabulary import Actor

DISK_BYTES = BALLAST_BYTES + (6 << 20)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[DataDirectory]:
    """A data directory on a file system of 22 MiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root; this test did not run")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(disk)],
        capture_output=True, text=True,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    made, _ = init_directory(disk / "data")
    yield made
    made.close()
    subprocess.run(["umount", str(disk)], check=True)


def log(directory: DataDirectory, number: int) -> None:
    with directory.ledger.write() as tx:
        audit.record(tx, Actor("li.wei"), "search", f"{number}", at_us=number,
                     detail={"text": "x" * 50_000})  # fmt: skip


def fill(path: Path) -> None:
    """Take all the room there is."""
    with path.open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(os.urandom(1 << 16))


def log_until_it_fails(directory: DataDirectory) -> None:
    for number in range(10_000):
        log(directory, number)
    raise AssertionError("the disk never filled")


def test_disk_full_is_said_then_the_ballast_gives_room(small: DataDirectory) -> None:
    fill(small.root / "filler")
    with pytest.raises(ResourceExhausted, match="disk is full"):
        log_until_it_fails(small)
    with small.ledger.read() as tx:
        written = len(audit.rows(tx, actor="li.wei"))
    assert not (small.root / "ballast").exists()
    log(small, written)  # the same write, again: now there is room
    with small.ledger.read() as tx:
        subjects = [row.subject for row in audit.rows(tx, actor="li.wei")]
        assert subjects == [str(n) for n in range(written + 1)]
        assert list(audit.verify(tx)) == []
