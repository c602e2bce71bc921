"""Real file systems that break on command: small, full, slow, failing, without power.

Everything is done by the kernel to a file system of its own on a loop device; mounting needs
root, and a test that cannot says so and does not run.
"""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

# ext4 and XFS: the file system stops at once. What is not on the device then never gets there.
SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN
NO_LOG_FLUSH = 2  # EXT4_GOING_FLAGS_NOLOGFLUSH: not even the journal, as when the power goes


class LoopDisk:
    """An ext4 file system in a file, mounted at `root`."""

    def __init__(self, image: Path, root: Path, megabytes: int) -> None:
        self.image = image
        self.root = root
        with image.open("wb") as file:
            file.truncate(megabytes << 20)
        _run(
            "mkfs.ext4", "-q", "-O", "^has_journal" if megabytes < 8 else "has_journal", str(image)
        )
        root.mkdir(parents=True, exist_ok=True)
        self.mount()

    def mount(self) -> None:
        """With errors=remount-ro, as Debian mounts its disks."""
        _run("mount", "-o", "loop,errors=remount-ro", str(self.image), str(self.root))

    def unmount(self) -> None:
        """At once for who looks; the file system itself goes when nobody holds it any more."""
        subprocess.run(["umount", "-l", str(self.root)], check=False, capture_output=True)

    def freeze(self) -> None:
        """Every write waits, as on a disk that hangs."""
        _run("fsfreeze", "-f", str(self.root))

    def thaw(self) -> None:
        """Writes go on."""
        subprocess.run(["fsfreeze", "-u", str(self.root)], check=False, capture_output=True)

    def fail(self) -> None:
        """Every access is an input/output error from now on, and what was not synced is lost."""
        handle = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(handle)

    def make_read_only(self) -> None:
        """What the kernel does when it finds the file system damaged."""
        device = Path(_run("findmnt", "-no", "SOURCE", str(self.root)).strip()).name
        Path(f"/sys/fs/ext4/{device}/trigger_fs_error").write_text("a test")

    def repair(self) -> None:
        """Unmounted, checked and mounted again, once nobody holds it."""
        device = _run("findmnt", "-no", "SOURCE", str(self.root)).strip()
        self.unmount()
        end = time.monotonic() + 30
        while device in _run("losetup", "-a"):  # goes with the last open file
            assert time.monotonic() < end, f"{device} is still held"
            time.sleep(0.05)
        subprocess.run(["fsck.ext4", "-y", str(self.image)], check=False, capture_output=True)
        self.mount()


@contextmanager
def loop_disk(folder: Path, name: str, megabytes: int = 64) -> Iterator[LoopDisk]:
    """A disk mounted at folder/name; the test is skipped where that cannot be."""
    skip_without_root()
    try:
        disk = LoopDisk(folder / f"{name}.img", folder / name, megabytes)
    except (OSError, subprocess.CalledProcessError) as error:
        why = getattr(error, "stderr", "") or error
        pytest.skip(f"a file system cannot be mounted here: {why}; this test did not run")
    try:
        yield disk
    finally:
        disk.thaw()
        disk.unmount()


@contextmanager
def memory_disk(root: Path, megabytes: float) -> Iterator[Path]:
    """A tmpfs mounted at `root`."""
    skip_without_root()
    root.mkdir(parents=True, exist_ok=True)
    try:
        _run("mount", "-t", "tmpfs", "-o", f"size={int(megabytes * 1024)}k", "tmpfs", str(root))
    except (OSError, subprocess.CalledProcessError) as error:
        why = getattr(error, "stderr", "") or error
        pytest.skip(f"a file system cannot be mounted here: {why}; this test did not run")
    try:
        yield root
    finally:
        subprocess.run(["umount", "-l", str(root)], check=False)


def skip_without_root() -> None:
    """Say so where it cannot be."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root; this test did not run")


def _run(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout
