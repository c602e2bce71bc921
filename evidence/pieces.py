"""Shows a long fragmented MP4 as many short ones: FFmpeg remembers each picture it read of a file,
36 bytes of it, which for a week of 25 pictures a second are half a gigabyte."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

from storage.boxes import children, find, payload_of, top_boxes

PIECE_FRAGMENTS = 1024  # of a piece; half an hour of fragments of two seconds
BUFFER_BYTES = 1 << 18  # read at once: each reading costs a call into Python


class Piece(io.RawIOBase):
    """The head of a file (ftyp, moov) and after it its bytes from `first` to `end`."""

    def __init__(self, path: Path, head: int, first: int, end: int) -> None:
        super().__init__()
        self._source = path.open("rb", buffering=0)
        self._head, self._skipped, self._size = head, first - head, head + end - first
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        end = self._head if self._at < self._head else self._size
        view = memoryview(buffer)[: max(0, end - self._at)]
        where = self._at if self._at < self._head else self._at + self._skipped
        count = os.preadv(self._source.fileno(), [view], where) if view else 0
        self._at += count
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As of any file."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        self._source.close()
        super().close()


def pieces(path: Path, fragments: int = PIECE_FRAGMENTS) -> Iterator[Piece | None]:
    """The file in pieces of so many fragments that can be read alone, each closed when the next is
    asked for.

    None, once: it is short, or not fragmented, or says where its samples lie by their place in the
    whole file, and is to be read as it is.
    """
    with path.open("rb") as source:
        head, first, count = 0, 0, 0
        for box in top_boxes(source, os.fstat(source.fileno()).st_size):
            if box.kind != b"moof":
                continue
            if not head and _is_absolute(payload_of(source, box)):
                break
            head = head or box.offset
            if count == fragments:
                yield from _closing(Piece(path, head, first or head, box.offset))
                first, count = box.offset, 0
            count += 1
    if not first:
        yield None
    else:
        yield from _closing(Piece(path, head, first, path.stat().st_size))


def _is_absolute(moof: bytes) -> bool:
    """Whether a fragment has a base_data_offset (ISO/IEC 14496-12, 8.8.7); then all have."""
    headers = (find(traf, b"tfhd") for kind, traf in children(moof) if kind == b"traf")
    return any(tfhd is not None and tfhd[3] & 1 for tfhd in headers)


def _closing(piece: Piece) -> Iterator[Piece]:
    with piece:
        yield piece
