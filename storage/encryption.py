"""The format of footage encrypted at rest: written append-only, read at any place.

A file is a header, records, and an end record when it was finished. Each record is AES-256-GCM of
at most 64 KiB under a key of the file's own, numbered by its nonce, so that none can be changed,
swapped or brought from another file. Records are never rewritten; each append ends one, so what
was synced is whole. docs/design/encryption.md has the layout and why.
"""

from __future__ import annotations

import errno
import io
import logging
import os
import struct
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from storage.errors import DataLoss

if TYPE_CHECKING:  # imported where it is used: megabytes, and most volumes are not encrypted
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Key = Callable[[], bytes]  # gives the key of a volume; DataLoss when it is missing
MAGIC = b"HSMEDIA\x01"
KEY_BYTES = 32
RECORD_BYTES = 64 << 10  # of plaintext, at most
_ID_BYTES, _SALT_BYTES, _TAG_BYTES, _NONCE_BYTES = 8, 32, 16, 12
_HEADER_BYTES = len(MAGIC) + _ID_BYTES + _SALT_BYTES
_WORD = struct.Struct(">I")  # before each record: length of its plaintext, and flags
_BEGINS = 1 << 31  # the first record after a sync: those before it are whole
_END = 1 << 30  # the end record
_LENGTH = _END - 1
_RECORD_OVERHEAD = _WORD.size + _TAG_BYTES
_END_LIMIT = 16 << 20  # an index beyond this is damage
log = logging.getLogger(__name__)
_SIZE, _RUN = struct.Struct(">Q"), struct.Struct(">II")


def key_id(key: bytes) -> bytes:
    """What a file calls its volume's key by; tells nothing of the key."""
    return _derived(key, None, b"hindsight volume key id", _ID_BYTES)


def room_for(size_bytes: int) -> int:
    """Bytes on disk, at most, for a recording of `size_bytes` in appends of 64 KiB and more."""
    return size_bytes + size_bytes // 1024 + _HEADER_BYTES + RECORD_BYTES


class Sealer:
    """Encrypts what is appended to one file. The bytes it gives must be written in order."""

    def __init__(self, key: bytes) -> None:
        header = MAGIC + key_id(key) + os.urandom(_SALT_BYTES)
        self._cipher = _cipher(key, header)
        self._unwritten = header
        self._index = _Index()

    def seal(self, pieces: Sequence[bytes | memoryview], *, after_sync: bool) -> list[bytes]:
        """The records of one append; whether all before it is on the disk for sure."""
        data = memoryview(b"".join(pieces))
        sealed = self._begin()
        for at in range(0, len(data), RECORD_BYTES):
            plain = data[at : at + RECORD_BYTES]
            word = _WORD.pack(len(plain) | (_BEGINS if after_sync and at == 0 else 0))
            # Counted first: a number that was used once is never used again, whatever fails.
            number = self._index.add(len(plain))
            sealed += [word, self._cipher.encrypt(_nonce(number), plain, word)]
        return sealed

    def end(self) -> list[bytes]:
        """The end record: nothing more comes."""
        return [*self._begin(), _end_record(self._cipher, self._index, self._index.size_bytes)]

    def _begin(self) -> list[bytes]:
        header, self._unwritten = self._unwritten, b""
        return [header] if header else []


class Unsealer(io.RawIOBase):
    """The plaintext of an encrypted file. A damaged record is an OSError, as a bad sector is."""

    def __init__(self, file: io.FileIO, path: Path, key: bytes, *, blank: bool = False) -> None:
        """Closes `file` when it is closed. DataLoss when it was written with another key.

        `blank`: a damaged record is read as zeros, for decoders that get over them.
        """
        self._file = file
        self._blank = blank
        self.name = str(path)  # by whose suffix FFmpeg tells formats apart that look alike
        self._handle = handle = file.fileno()
        self._at = 0
        self._held: tuple[int, bytes] = (-1, b"")  # the record read last: small reads follow
        header = os.pread(handle, _HEADER_BYTES, 0)
        if header[len(MAGIC) :][:_ID_BYTES] != key_id(key):
            raise DataLoss(
                "{file} was encrypted with another key than its volume's; restore the key it was"
                " written with from your backup. Nothing was changed",
                file=path,
            )  # fmt: skip
        self.cipher = _cipher(key, header)
        stored_bytes = os.fstat(handle).st_size
        found = self._finished(stored_bytes)
        self.is_finished = found is not None  # has its end record: nothing is cut off
        self.index, self.size_bytes = found or self._walked(stored_bytes)

    def _finished(self, stored_bytes: int) -> tuple[_Index, int] | None:
        """The index in the end record; None when there is none that holds."""
        if stored_bytes < _HEADER_BYTES + 2 * _WORD.size:
            return None
        (length,) = _WORD.unpack(os.pread(self._handle, _WORD.size, stored_bytes - _WORD.size))
        offset = stored_bytes - 2 * _WORD.size - length
        if offset < _HEADER_BYTES or length > _END_LIMIT:
            return None
        raw = os.pread(self._handle, _WORD.size + length, offset)
        word, nonce, sealed = raw[:4], raw[4 : 4 + _NONCE_BYTES], raw[4 + _NONCE_BYTES :]
        if word != _WORD.pack(_END | length):
            return None
        try:
            plain = self.cipher.decrypt(nonce, sealed, word)
        except _broken():
            return None
        (size_bytes,) = _SIZE.unpack_from(plain)
        index = _Index(list(_RUN.iter_unpack(plain[_SIZE.size :])))
        return (index, size_bytes) if index.stored_bytes == offset else None

    def _walked(self, stored_bytes: int) -> tuple[_Index, int]:
        """What is whole of a file that was not finished: up to the last append, and of that,
        which may not have been synced, up to the first record that does not hold."""
        index, synced, offset = _Index(), 0, _HEADER_BYTES
        lengths: list[int] = []
        while True:
            raw = os.pread(self._handle, _WORD.size, offset)
            (word,) = _WORD.unpack(raw.ljust(_WORD.size, b"\0"))
            length = word & _LENGTH
            end = offset + _RECORD_OVERHEAD + length
            if word & _END or not 0 < length <= RECORD_BYTES or end > stored_bytes:
                break
            if word & _BEGINS:
                synced = len(lengths)
            lengths.append(length)
            offset = end
        for length in lengths[:synced]:
            index.add(length)
        for number, length in enumerate(lengths[synced:], synced):
            try:
                self._open(number, index.stored_bytes, length)
            except OSError:
                break
            index.add(length)
        return index, index.size_bytes

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next read begins, bytes of plaintext."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As any file."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size_bytes}[whence]
        if base + offset < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._at = base + offset
        return self._at

    def readinto(self, buffer: object) -> int:
        """Fill `buffer`, less only at the end of the file."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        done = 0
        while done < len(view) and self._at < self.size_bytes:
            number, start, offset, length = self.index.find(self._at)
            if self._held[0] != number:
                self._held = (number, self._read(number, offset, length))
            inside = self._at - start
            count = min(len(view) - done, length - inside, self.size_bytes - self._at)
            view[done : done + count] = memoryview(self._held[1])[inside : inside + count]
            done += count
            self._at += count
        return done

    def _read(self, number: int, offset: int, length: int) -> bytes:
        try:
            return self._open(number, offset, length)
        except OSError as error:
            if not self._blank or error.errno != errno.EBADMSG:
                raise
            log.warning("%s: %s", self.name, error.strerror)
            return bytes(length)

    def _open(self, number: int, offset: int, length: int) -> bytes:
        raw = os.pread(self._handle, _RECORD_OVERHEAD + length, offset)
        word = raw[: _WORD.size]
        try:
            plain = self.cipher.decrypt(_nonce(number), memoryview(raw)[_WORD.size :], word)
        except _broken():
            plain = b""
        if len(plain) != length:
            raise OSError(
                errno.EBADMSG, f"its encrypted record {number} at byte {offset} was changed"
            )
        return plain

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
        super().close()


def opened(path: Path, key: Key | None, *, blank: bool = False) -> io.RawIOBase:
    """A file for reading what was recorded, plain or encrypted: its first bytes say which.

    `blank`: see Unsealer. OSError as of any file; DataLoss when it is encrypted and its key is
    missing or another one.
    """
    file = io.FileIO(path, "rb")
    try:
        if is_sealed(file.fileno()):
            return Unsealer(file, path, _secret(path, key), blank=blank)
    except BaseException:  # whatever it was, let go of the file
        file.close()
        raise
    return file


def truncate(path: Path, key: Key | None, whole_bytes: int) -> None:
    """Cut what was recorded in a file to `whole_bytes`, durably; finish it if it is encrypted.

    Whole records stay as they are. May be broken off itself, and begun again.
    """
    with io.FileIO(path, "rb+") as file:
        handle = file.fileno()
        if is_sealed(handle):
            source = Unsealer(file, path, _secret(path, key))
            kept = source.index.until(whole_bytes)
            os.ftruncate(handle, kept.stored_bytes)
            os.pwrite(handle, _end_record(source.cipher, kept, whole_bytes), kept.stored_bytes)
        else:
            os.ftruncate(handle, whole_bytes)
        os.fsync(handle)


def is_sealed(handle: int) -> bool:
    """Whether an open file says that it is encrypted."""
    return os.pread(handle, len(MAGIC), 0) == MAGIC


def _secret(path: Path, key: Key | None) -> bytes:
    if key is None:
        raise DataLoss("{file} is encrypted; it can only be read on its volume", file=path)
    return key()


@dataclass(slots=True)
class _Index:
    """Where records lie, as runs of records of equal length: (how many, plaintext of each)."""

    runs: list[tuple[int, int]] = field(default_factory=list)
    records: int = field(default=0, init=False)
    size_bytes: int = field(default=0, init=False)  # of plaintext
    # Of each run: number of its first record, where that begins in the plaintext and on disk.
    _firsts: list[tuple[int, int, int]] = field(default_factory=list, init=False)
    _starts: list[int] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        runs, self.runs = self.runs, []
        for count, length in runs:
            self._append(count, length)

    @property
    def stored_bytes(self) -> int:
        """Header and records, on disk."""
        return _HEADER_BYTES + self.size_bytes + self.records * _RECORD_OVERHEAD

    def add(self, length: int) -> int:
        """One more record; its number."""
        if self.runs and self.runs[-1][1] == length:
            self.runs[-1] = (self.runs[-1][0] + 1, length)
            self.records += 1
            self.size_bytes += length
        else:
            self._append(1, length)
        return self.records - 1

    def _append(self, count: int, length: int) -> None:
        self._firsts.append((self.records, self.size_bytes, self.stored_bytes))
        self._starts.append(self.size_bytes)
        self.runs.append((count, length))
        self.records += count
        self.size_bytes += count * length

    def find(self, at: int) -> tuple[int, int, int, int]:
        """(number, start in the plaintext, offset on disk, length) of the record that has `at`."""
        run = bisect_right(self._starts, at) - 1
        number, start, offset = self._firsts[run]
        length = self.runs[run][1]
        ahead = (at - start) // length
        return (
            number + ahead, start + ahead * length, offset + ahead * (length + _RECORD_OVERHEAD),
            length,
        )  # fmt: skip

    def until(self, whole_bytes: int) -> _Index:
        """The records that hold the first `whole_bytes`."""
        kept = _Index()
        for count, length in self.runs:
            needed = -(-(whole_bytes - kept.size_bytes) // length)
            if needed > 0:
                kept._append(min(count, needed), length)
        return kept


def _end_record(cipher: AESGCM, index: _Index, size_bytes: int) -> bytes:
    plain = _SIZE.pack(size_bytes) + b"".join(_RUN.pack(*run) for run in index.runs)
    # Another may be written in its place after a crash: not a number, but one by chance, and
    # none that a record has.
    nonce = b"\xff" + os.urandom(_NONCE_BYTES - 1)
    length = _NONCE_BYTES + len(plain) + _TAG_BYTES
    word = _WORD.pack(_END | length)
    return word + nonce + cipher.encrypt(nonce, plain, word) + _WORD.pack(length)


def _nonce(number: int) -> bytes:
    return number.to_bytes(_NONCE_BYTES, "big")


def _cipher(key: bytes, header: bytes) -> AESGCM:
    """The cipher of one file: its header, salt included, is part of its key."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(_derived(key, header[-_SALT_BYTES:], b"hindsight media" + header, KEY_BYTES))


def _derived(key: bytes, salt: bytes | None, info: bytes, length: int) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), length, salt, info).derive(key)


def _broken() -> tuple[type[Exception], ...]:
    """What decrypting raises when the bytes are not those that were sealed."""
    from cryptography.exceptions import InvalidTag

    return InvalidTag, ValueError
