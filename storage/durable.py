"""The durable-write module: nothing else renames or opens catalogue or media files for writing.

Guarantee: after `publish` or `write_file` returns, the file is whole under its final name and
survives power loss, as far as the file system honours fsync. Before that, the final name does
not exist. Limits: a disk that lies about fsync is not detected.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from storage.encryption import Key, Sealer, opened, room_for, truncate
from storage.errors import Conflict, Unavailable

OPEN_SUFFIX = ".open"  # an unfinished file; recovery looks for it
UNUSABLE_SUFFIX = ".unusable"  # an unfinished file that holds nothing to recover
IOV_MAX = 512  # pieces of one write; Linux allows 1024
KEEP_SIZE = 1  # FALLOC_FL_KEEP_SIZE, which os.posix_fallocate does not know
UNSUPPORTED = {errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
_FALLOCATE = ctypes.CDLL(None, use_errno=True).fallocate64


def fsync_directory(path: Path) -> None:
    """Make a rename or unlink in `path` durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_directory(path: Path) -> None:
    """Create `path` with parents, durably."""
    missing = []
    cursor = path
    while not cursor.exists():
        missing.append(cursor)
        cursor = cursor.parent
    for directory in reversed(missing):
        directory.mkdir(exist_ok=True)
        fsync_directory(directory.parent)


def sha256_file(path: Path, limit: int | None = None) -> str:
    """SHA-256 hex of a file (of its first `limit` bytes)."""
    digest = hashlib.sha256()
    left = limit
    with path.open("rb") as source:
        while chunk := source.read(1 << 20 if left is None else min(1 << 20, left)):
            digest.update(chunk)
            if left is not None:
                left -= len(chunk)
                if left <= 0:
                    break
    return digest.hexdigest()


class AppendFile:
    """A write-only, append-only file that gets its final name only when it is whole.

    Written under `final` + '.open'; `publish` fsyncs, renames and fsyncs the directory; `abandon`
    leaves the unfinished file for recovery. An existing `final` is refused (invariant 2) unless
    `replace` says it is a catalogue file. It is locked while it is written, so that recovery
    leaves another process's file alone. With a `sealer` it lies encrypted on the disk.
    """

    def __init__(
        self, final: Path, mode: int = 0o640, *, replace: bool = False, reserve_bytes: int = 0,
        sealer: Sealer | None = None,
    ) -> None:  # fmt: skip
        """`reserve_bytes` are taken from the disk at once; OSError when it has not that many."""
        self.final = final
        self.open_path = final.with_name(final.name + OPEN_SUFFIX)
        self._replace = replace
        self._sealer = sealer
        self._handle = _create(self.open_path, mode)
        self._closed = False
        self.size_bytes = 0  # of what was appended
        self._stored_bytes = 0  # on the disk
        self._is_synced = True
        fcntl.flock(self._handle, fcntl.LOCK_EX)
        if reserve_bytes:
            try:
                _reserve(self._handle, reserve_bytes if sealer is None else room_for(reserve_bytes))
            except BaseException:  # nothing was written: no footage is lost
                self.discard()
                raise

    def append(self, pieces: Sequence[bytes | memoryview]) -> None:
        """Append all of `pieces`, in order; raises OSError as the system gives it."""
        self.size_bytes += sum(map(len, pieces))
        if self._sealer is not None:
            pieces = self._sealer.seal(pieces, after_sync=self._is_synced)
        self._is_synced = False
        self._store(pieces)

    def _store(self, pieces: Sequence[bytes | memoryview]) -> None:
        left = [piece for piece in pieces if piece]
        while left:
            written = os.writev(self._handle, left[:IOV_MAX])
            self._stored_bytes += written
            while left and written >= len(left[0]):
                written -= len(left.pop(0))
            if written:
                left[0] = memoryview(left[0])[written:]

    @property
    def closed(self) -> bool:
        """Whether nothing more can be written; pyarrow asks."""
        return self._closed

    def sync(self) -> None:
        """Data written so far survives power loss after this."""
        os.fdatasync(self._handle)
        self._is_synced = True

    def finish(self) -> None:
        """fsync → close → rename → fsync directory.

        Conflict when the final name is taken; the unfinished file stays for recovery.
        """
        if self._sealer is not None:
            self._store(self._sealer.end())
        os.ftruncate(self._handle, self._stored_bytes)  # what was reserved and not used goes back
        os.fsync(self._handle)
        self._shut()
        if not self._replace and self.final.exists():
            raise _taken(self.final)
        self.open_path.rename(self.final)
        fsync_directory(self.final.parent)

    def abandon(self) -> None:
        """Close, leaving the '.open' file for recovery."""
        self._shut()

    def discard(self) -> None:
        """Close and remove the unfinished file: only for bytes that never were footage."""
        self._shut()
        self.open_path.unlink(missing_ok=True)

    def _shut(self) -> None:
        if not self._closed:
            self._closed = True
            os.close(self._handle)


class HashingFile(AppendFile):
    """An append-only file that hashes what passes through it.

    It never seeks, so the hash is that of the file (of an encrypted one: of what is in it). As a
    context it discards what was not published.
    """

    def __init__(
        self, final: Path, mode: int = 0o640, *, replace: bool = False, sealer: Sealer | None = None
    ) -> None:
        super().__init__(final, mode, replace=replace, sealer=sealer)
        self._digest = hashlib.sha256()

    def write(self, data: bytes | memoryview) -> int:
        """Append all of `data`; raises OSError as the system gives it."""
        view = memoryview(data).cast("B")
        self._digest.update(view)
        self.append([view])
        return len(view)

    def flush(self) -> None:
        """Nothing is buffered here."""

    @property
    def sha256(self) -> str:
        """SHA-256 hex of the bytes so far."""
        return self._digest.hexdigest()

    def publish(self) -> tuple[int, str]:
        """Give it its final name, durably. Returns (size_bytes, sha256 hex)."""
        self.finish()
        return self.size_bytes, self.sha256

    def __enter__(self) -> HashingFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if not self._closed:
            self.discard()


def write_file(path: Path, data: bytes, mode: int = 0o640) -> None:
    """Write a whole small file atomically and durably, replacing what is there."""
    make_directory(path.parent)
    stale = path.with_name(path.name + OPEN_SUFFIX)
    stale.unlink(missing_ok=True)
    with HashingFile(path, mode, replace=True) as target:
        target.write(data)
        target.publish()


def _create(path: Path, mode: int) -> int:
    """Open a new file for writing, making its folder; a handle."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    for _ in range(3):
        try:
            make_directory(path.parent)
            return os.open(path, flags, mode)
        except FileNotFoundError:
            continue  # retention removed the still empty folder in between
    raise Unavailable("folder {folder} vanishes while it is made; try again", folder=path.parent)


def _reserve(handle: int, size_bytes: int) -> None:
    """Take blocks for what will be written, the file's length left as it is.

    A file system that cannot (NFS before 4.2) reserves nothing: the room was looked at, at least.
    """
    done = _FALLOCATE(handle, KEEP_SIZE, ctypes.c_int64(0), ctypes.c_int64(size_bytes))
    if done and (number := ctypes.get_errno()) not in UNSUPPORTED:
        raise OSError(number, os.strerror(number))


def _taken(path: Path) -> Conflict:
    return Conflict(
        "{file} exists already and is never overwritten; nothing was changed", file=path
    )


def is_locked(path: Path) -> bool:
    """Whether a process holds this file: still writes an '.open' file, does a job."""
    try:
        with path.open("rb") as opened:
            fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def set_aside(open_path: Path) -> Path:
    """Rename an '.open' file that holds nothing whole, so that nobody tries it again."""
    aside = open_path.with_name(open_path.name.removesuffix(OPEN_SUFFIX) + UNUSABLE_SUFFIX)
    if aside.exists():
        raise _taken(aside)
    open_path.rename(aside)
    fsync_directory(aside.parent)
    return aside


def publish_recovered(
    open_path: Path, whole_bytes: int, key: Key | None = None
) -> tuple[Path, int, str]:
    """Truncate an '.open' file to its last whole fragment and give it its final name.

    Returns (final path, size_bytes, sha256 hex). Idempotent up to the rename. `key`: of its
    volume, for an encrypted file.
    """
    truncate(open_path, key, whole_bytes)
    with opened(open_path, key) as source:
        digest = hashlib.file_digest(source, "sha256").hexdigest()
    final = open_path.with_name(open_path.name.removesuffix(OPEN_SUFFIX))
    if final.exists():
        raise _taken(final)
    open_path.rename(final)
    fsync_directory(final.parent)
    return final, whole_bytes, digest


def remove_file(path: Path) -> bool:
    """Unlink and make it durable; False when it was already gone (that is made durable too)."""
    try:
        path.unlink()
    except FileNotFoundError:
        # An earlier unlink may have been followed by a failed fsync.
        if path.parent.is_dir():
            fsync_directory(path.parent)
        return False
    fsync_directory(path.parent)
    return True


def remove_empty_folders(folder: Path, root: Path) -> None:
    """Remove `folder` and its parents below `root`, as long as they are empty."""
    while folder != root and folder.is_relative_to(root):
        try:
            folder.rmdir()
        except OSError:
            return  # not empty, or already gone
        folder = folder.parent
