"""Where a bundle is built: a hidden folder beside its destination, published by one rename.

What an interrupted export left there is gone on with, or removed; it is never left for ever.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import logging
import os
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from ulid import ULID

from storage.directory import DataDirectory
from storage.durable import fsync_directory
from storage.errors import Conflict, Denied, Invalid, NotFound, ResourceExhausted, Unavailable

PREFIX = ".hindsight-export-"
NOTE = "for"  # in the folder: the name of the bundle it was to become
ORIGINALS = "originals"
FRESH_S = 60  # younger than this and without a note, a workshop may not have locked itself yet
KEPT_S = 7 * 86_400  # so long is there time to go on with an interrupted export
# Manifests, report and rounding up to blocks, beside the media.
OVERHEAD_BYTES = 32 << 20
_SYNCFS = ctypes.CDLL(None, use_errno=True).syncfs
log = logging.getLogger(__name__)


class Workshop:
    """A folder of our own while a bundle is built; gone when the block ends, however it ends.

    With `keep` it stays when an interrupt ends the block, which is no Exception. With `resume`
    the originals that an interrupted export for the same `out` left are there already.
    Guarantee: `out` does not exist before `publish`, and is whole and durable after it. Limit: a
    kill leaves the hidden folder, which a later export into the same place goes on with, or
    removes: at once when it is for the same `out`, after KEPT_S when it is for another.
    """

    def __init__(self, out: Path, *, resume: bool = False, keep: bool = False) -> None:
        self.out = out
        self.folder = out.parent / f"{PREFIX}{ULID()}"
        self._resume = resume
        self._keep = keep
        self._lock = -1

    @property
    def bag(self) -> Path:
        """What becomes the bundle."""
        return self.folder / "bag"

    def __enter__(self) -> Workshop:
        left = next(iter(_left_for(self.out)), None) if self._resume else None
        if left is not None and (lock := _locked(left)) is not None:
            self.folder, self._lock = left, lock
            _gather(left)
        _sweep(self.out, self.folder)
        if self._lock == -1:
            self.folder.mkdir(mode=0o700)
            self._lock = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
            with suppress(OSError):  # a file system without locks: others leave the folder alone
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            (self.folder / NOTE).write_text(self.out.name, encoding="utf-8")
        self.bag.mkdir(mode=0o750, exist_ok=True)
        return self

    def keep_only(self, wanted: Iterable[Path]) -> int:
        """Remove what else an interrupted export left; the number of `wanted` that are there."""
        known = set(wanted)
        there = {path for path in self.bag.rglob("*") if path.is_file()}
        for path in there - known:
            path.unlink()
        return len(there & known)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if self._keep and error is not None and not isinstance(error, Exception):
            os.close(self._lock)
            return
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
        try:
            fsync_directory(self.out.parent)
        except OSError:  # told as a failure, it must not be there
            if self.out.is_dir():
                self.out.rename(built)
            else:
                self.out.unlink()
            raise


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
    for left in _left_for(out):  # is gone on with, or removed
        free_bytes += sum(path.stat().st_size for path in left.rglob("*") if path.is_file())
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
    handle = os.open(path, os.O_RDONLY)
    try:
        # All of the file system in one go; after it, to sync ten thousand files is to ask.
        _SYNCFS(handle)
    finally:
        os.close(handle)
    _sync(path)


def _sync(path: Path) -> None:
    if path.is_dir():
        for entry in path.iterdir():
            _sync(entry)
        fsync_directory(path)
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _taken(out: Path) -> Conflict:
    return Conflict("{out} exists already; nothing was changed, name another place", out=out)


def left_for(out: Path) -> bool:
    """Whether an interrupted export of this bundle can be gone on with."""
    return bool(_left_for(out))


def _left_for(out: Path) -> list[Path]:
    """What exports for this very bundle left, and perhaps still work in; newest first."""
    found = []
    for left in sorted(out.parent.glob(f"{PREFIX}*"), reverse=True):
        with suppress(OSError, UnicodeDecodeError):
            if _own(left) and (left / NOTE).read_text(encoding="utf-8") == out.name:
                found.append(left)
    return found


def _own(left: Path) -> bool:
    """Whether nobody else can have put anything there: the destination may be a shared folder, and
    a link in it would lead writing and moving elsewhere."""
    folder = left.lstat()
    if not stat.S_ISDIR(folder.st_mode) or folder.st_uid != os.geteuid() or folder.st_mode & 0o022:
        return False
    for parent, folders, files in os.walk(left):
        for path in (Path(parent, name) for name in (*folders, *files)):
            found = path.lstat()
            plain = stat.S_ISREG(found.st_mode) and found.st_nlink == 1
            if found.st_uid != folder.st_uid or not (plain or stat.S_ISDIR(found.st_mode)):
                log.warning("%s is not gone on with: %s is no file of its own", left, path)
                return False
    return True


def _locked(left: Path) -> int | None:
    """A handle that locks the folder; None when an export works in it, or it cannot be locked."""
    try:
        handle = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _gather(folder: Path) -> None:
    """Bring the originals back to where they are copied to; all else is made anew."""
    aside = folder / ORIGINALS
    found = sorted(folder.glob(f"bag/**/{ORIGINALS}"), key=lambda path: len(path.parts))
    if found and not aside.exists():
        found[0].rename(aside)
    shutil.rmtree(folder / "bag", ignore_errors=True)
    (folder / "bundle.zip").unlink(missing_ok=True)
    if aside.exists():
        (folder / "bag").mkdir(mode=0o750)
        aside.rename(folder / "bag" / ORIGINALS)


def _sweep(out: Path, ours: Path) -> None:
    """Remove workshops whose export was killed (nobody holds their lock any more), unless there
    is still time to go on with them."""
    for left in out.parent.glob(f"{PREFIX}*"):
        with suppress(OSError):  # in use, gone meanwhile, or not ours: leave it
            note = left / NOTE
            noted = note.exists()
            age_s = time.time() - (note if noted else left).stat().st_mtime
            spared_s = FRESH_S if not noted else KEPT_S if left not in _left_for(out) else 0
            if left == ours or age_s < spared_s or (handle := _locked(left)) is None:
                continue
            try:
                shutil.rmtree(left)
                log.warning("removed %s, left by an export that was killed", left)
            finally:
                os.close(handle)
