"""A tape: the bytes of one segment on their way through a disk thread to their file."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from recorder.disk import Disk, no_room
from storage.durable import AppendFile
from storage.errors import Unavailable

Published = Callable[[int, str], None]  # size in bytes, SHA-256


class Tape:
    """Written by a camera's thread as a file object; done by the thread of its disk.

    The hash is of what was handed over, so it is known when the last byte is, not when the disk
    is done: the next segment names it. When the disk refuses, `failed` is called once, by the
    disk's thread, with the file if there is one; whatever comes after is dropped.
    """

    def __init__(
        self,
        disk: Disk,
        path: Path,
        reserve_bytes: int,
        failed: Callable[[Tape, Exception, AppendFile | None], None],
        after: Tape | None = None,
    ) -> None:
        """`after`: the camera's tape before, whose hash this one's bytes name."""
        self.disk = disk
        self.path = path
        self.size_bytes = 0  # handed over by the muxer
        self.ends_us: int | None = None  # UTC of its end, once it is known
        self.is_settled = False  # published, or failed: nothing more will happen
        self.has_failed = False
        self._reserve_bytes = reserve_bytes
        self._failed = failed
        self._after = after
        self._digest = hashlib.sha256()
        self._pieces: list[bytes] = []
        self._waiting: deque[float] = deque()  # when each fragment that waits was handed over
        self._stored_bytes = 0
        # When the last fragment was handed over, and the last of those to be synced.
        self._handed_over = self._synced = time.monotonic()
        self._file: AppendFile | None = None
        disk.submit(self._open)

    def write(self, data: bytes | memoryview) -> int:
        """What the muxer says next."""
        piece = bytes(data)
        self._pieces.append(piece)
        self._digest.update(piece)
        self.size_bytes += len(piece)
        return len(piece)

    def hand_over(self, sync_every_s: float = 0.0) -> None:
        """What was written since is a whole fragment: have it written. It is made durable, with
        what came before it, when otherwise more than `sync_every_s` would not be by the next."""
        pieces, self._pieces = self._pieces, []
        now = time.monotonic()
        self._waiting.append(now)
        sync = now - self._synced + now - self._handed_over > sync_every_s
        self._handed_over = now
        if sync:
            self._synced = now
        self.disk.submit(lambda: self._do(lambda: self._append(pieces, sync=sync)))

    def publish(self, then: Published) -> None:
        """That was all: have it published, and `then` called by the disk's thread."""
        self.hand_over(float("inf"))  # what ends the file makes it durable
        self.disk.submit(lambda: self._do(lambda: self._publish(then)))

    def give_up(self, error: Exception) -> None:
        """Nothing more comes, for `error`: what is whole is to be kept."""

        def fail() -> None:
            raise error

        self.disk.submit(lambda: self._do(fail))

    @property
    def sha256(self) -> str:
        """SHA-256 hex of the bytes so far."""
        return self._digest.hexdigest()

    @property
    def backlog_s(self) -> float:
        """How long the oldest fragment that is not on disk has waited, the tape before included."""
        after = self._after
        if after is not None and after.backlog_s:
            return after.backlog_s
        try:
            return time.monotonic() - self._waiting[0]
        except IndexError:
            return 0.0

    @property
    def backlog_bytes(self) -> int:
        """Bytes written here and not yet to the disk, the tape before included."""
        after = self._after
        return self.size_bytes - self._stored_bytes + (0 if after is None else after.backlog_bytes)

    def _do(self, step: Callable[[], None]) -> None:
        """One step, in the disk's thread."""
        if self.has_failed:
            self._waiting.clear()
            return
        try:
            step()
        except Exception as error:  # whatever it is, the thread serves other cameras too
            self.has_failed = self.is_settled = True
            self._waiting.clear()
            if isinstance(error, OSError | Unavailable):
                self.disk.has_refused()
            self._failed(self, error, self._let_go())

    def _let_go(self) -> AppendFile | None:
        """Close the file; it is returned when something was written to it."""
        file, self._file = self._file, None
        if file is None:
            return None
        if file.size_bytes:
            file.abandon()
            return file
        with suppress(OSError):  # a disk that takes nothing removes nothing either
            file.discard()
        return None

    def _open(self) -> None:
        self._do(self._begin)

    def _begin(self) -> None:
        if self._after is not None and self._after.has_failed:
            raise FollowsFailed
        self._after = None
        volume = self.disk.volume
        volume.verify()
        full = no_room(volume, volume.free_bytes(), self.disk.floor_bytes, self._reserve_bytes)
        if full is not None:
            raise full
        self._file = AppendFile(
            self.path, reserve_bytes=self._reserve_bytes, sealer=volume.sealer()
        )

    def _append(self, pieces: list[bytes], *, sync: bool) -> None:
        assert self._file is not None
        if pieces:
            self._file.append(pieces)
            self._stored_bytes = self._file.size_bytes
        if sync:
            self._file.sync()
        self._waiting.popleft()

    def _publish(self, then: Published) -> None:
        assert self._file is not None
        self._file.finish()
        then(self._file.size_bytes, self.sha256)
        self.is_settled = True


class FollowsFailed(Exception):
    """The segment before could not be written, so this one names a hash that is not there."""
