"""Where a bundle is built: a hidden folder beside its destination, published by one rename."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from ulid import ULID

from storage.directory import DataDirectory
from storage.durable import fsync_directory
from storage.errors import Conflict, Denied, Invalid, NotFound, ResourceExhausted, Unavailable

PREFIX = ".hindsight-export-"
FRESH_S = 60  # younger than this, a workshop may not have locked itself yet
# Manifests, report and rounding up to blocks, beside the media.
OVERHEAD_BYTES = 32 << 20
log = logging.getLogger(__name__)


class Workshop:
    """A folder of our own while a bundle is built; gone when the block ends, however it ends.

    Guarantee: `out` does not exist before `publish`, and is whole and durable after it. Limit: a
    kill leaves the hidden folder, which the next export into the same place removes.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.folder = out.parent / f"{PREFIX}{ULID()}"
        self.bag = self.folder / "bag"
        self._lock = -1

    def __enter__(self) -> Workshop:
        _sweep(self.out.parent)
        self.folder.mkdir(mode=0o700)
        self._lock = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        with suppress(OSError):  # a file system without locks: others will leave the folder alone
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.bag.mkdir(mode=0o750)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)
        if self.folder.exists():
            log.error("%s could not be removed; remove it by hand", self.folder)

    def publish(self, built: Path) -> None:
        """Give what was built its name, durably. Conflict if the name was taken meanwhile."""
        sync_tree(built)
        try:
            if built.is_dir():
                built.rename(self.out)  # fails on a folder with something in it
            else:
                os.link(built, self.out)  # unlike rename, never replaces
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR) or self.out.exists():
                raise _taken(self.out) from None
            if built.is_dir() or error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK):
                raise
            built.rename(self.out)  # a file system without hard links (FAT)
        fsync_directory(self.out.parent)


def destination(directory: DataDirectory, out: Path) -> Path:
    """`out` as an absolute path that may be written to; refused before anything is read."""
    out = out.absolute()
    if os.path.lexists(out):
        raise _taken(out)
    if not out.parent.is_dir():
        raise NotFound(
            "folder {folder} does not exist; make it first, nothing was exported", folder=out.parent
        )
    for volume in directory.archive.volumes.values():
        if out.parent.resolve().is_relative_to(volume.root.resolve()):
            raise Invalid(
                "{out} lies in volume {volume}, which holds footage only; name another place",
                out=out, volume=volume.name,
            )  # fmt: skip
    return out


def require_space(directory: DataDirectory, out: Path, needed_bytes: int) -> None:
    """ResourceExhausted when the bundle will not fit, or would stop a recorder."""
    stat = os.statvfs(out.parent)
    free_bytes = stat.f_bavail * stat.f_frsize
    device = out.parent.stat().st_dev
    shared = [
        volume for volume in directory.archive.volumes.values()
        if volume.root.exists() and volume.root.stat().st_dev == device
    ]  # fmt: skip
    floor_bytes = directory.settings.retention.free_floor_bytes if shared else 0
    if free_bytes - floor_bytes < needed_bytes + OVERHEAD_BYTES:
        raise ResourceExhausted(
            "{out} needs about {needed} MB and {free} MB are free beside what recording keeps for"
            " itself; free space or name another disk. Nothing was exported",
            out=out, needed=(needed_bytes + OVERHEAD_BYTES) // 1_000_000,
            free=max(0, free_bytes - floor_bytes) // 1_000_000,
        )  # fmt: skip


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """Turn the system's refusals at the destination into errors people can act on."""
    try:
        yield
    except OSError as error:
        fields = {"out": out, "error": error.strerror or error}
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise ResourceExhausted(
                "{out} could not be written: {error}. Nothing was left behind; free space or name"
                " another disk",
                **fields,
            ) from None
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise Denied(
                "{out} may not be written: {error}. Nothing was exported; name another place",
                **fields,
            ) from None
        raise Unavailable(
            "{out} could not be written: {error}. Nothing was left behind; try again", **fields
        ) from error


def sync_tree(path: Path) -> None:
    """Every file and folder from `path` down survives power loss after this."""
    if path.is_dir():
        for entry in path.iterdir():
            sync_tree(entry)
        fsync_directory(path)
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _taken(out: Path) -> Conflict:
    return Conflict("{out} exists already; nothing was changed, name another place", out=out)


def _sweep(folder: Path) -> None:
    """Remove workshops whose export was killed: nobody holds their lock any more."""
    for left in folder.glob(f"{PREFIX}*"):
        with suppress(OSError):  # in use, gone meanwhile, or not ours: leave it
            if time.time() - left.stat().st_mtime < FRESH_S:
                continue
            handle = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left)
                log.warning("removed %s, left by an export that was killed", left)
            finally:
                os.close(handle)
