"""Media files as they were recorded, however they lie on their volume: plain or encrypted.

A file says by its first bytes which it is. Whoever reads footage opens it here.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from storage.encryption import Key, Unsealer, is_sealed, opened
from storage.errors import DataLoss

BUFFER_BYTES = 64 << 10  # of a reader; a record of the encrypted format


@dataclass(frozen=True, slots=True)
class Media:
    """A media file: where it lies, and the key of its volume if it has one."""

    path: Path
    key: Key | None = field(default=None, compare=False)

    def open(self) -> io.BufferedReader:
        """For reading what was recorded, from any place. OSError as of any file, also for a
        record that was changed; DataLoss when the key is missing or another one."""
        return io.BufferedReader(self.raw(), BUFFER_BYTES)

    def raw(self) -> io.RawIOBase:
        """As `open`, unbuffered: for those who bring a buffer of their own."""
        return opened(self.path, self.key)

    @property
    def is_encrypted(self) -> bool:
        """Whether it lies there encrypted."""
        with self.path.open("rb", buffering=0) as source:
            return is_sealed(source.fileno())

    def size_bytes(self) -> int:
        """Of what was recorded. DataLoss when the end of an encrypted file is missing."""
        with self._whole() as source:
            return source.seek(0, os.SEEK_END)

    def sha256(self) -> str:
        """SHA-256 hex of what was recorded; errors as `open` and `size_bytes`."""
        # Into one small buffer that stays in the processor's cache.
        with self._whole() as source:
            return hashlib.file_digest(source, "sha256").hexdigest()

    def _whole(self) -> io.RawIOBase:
        source = self.raw()
        if isinstance(source, Unsealer) and not source.is_finished:
            source.close()
            raise DataLoss(
                "the end of encrypted file {file} is missing or was changed; the file is left as"
                " it is",
                file=self.path,
            )  # fmt: skip
        return source

    @contextmanager
    def for_ffmpeg(self) -> Iterator[str | BinaryIO]:
        """What `av.open` takes: a plain file's path, or a reader, for which changed bytes cost
        the pictures they hit, as in a plain file."""
        if self.is_encrypted:
            raw = opened(self.path, self.key, blank=True)
            with io.BufferedReader(raw, BUFFER_BYTES) as source:
                yield source
        else:
            yield str(self.path)


def media_of(source: Path | Media) -> Media:
    """A plain path is a file that has no key."""
    return source if isinstance(source, Media) else Media(source)
