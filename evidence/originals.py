"""Copies segments into a bundle bit-exactly: hashed on the way, measured where they arrived."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from io import FileIO
from pathlib import Path

from evidence.measure import Measured, measure
from evidence.playable import Source
from storage.clock import US
from storage.directory import DataDirectory
from storage.durable import sha256_file
from storage.errors import Conflict, DataLoss
from storage.segments import segment as find_segment
from storage.vocabulary import Segment, SegmentState

CHUNK_BYTES = 1 << 20
# Reading, hashing and writing let other threads run; more than a few only wait for the disk.
AT_ONCE = max(1, min(4, os.cpu_count() or 1))
ROUNDING_US = 1000  # of PTS in coarse time bases
SLEW = Fraction(500, 1_000_000)  # how fast a recorder's clock may follow its camera's
# A segment ends where the next begins: when the camera fell silent just before, its last picture
# is older. Recorders call a longer silence a gap; here it means that row and file do not belong.
LONGEST_SILENCE_US = 5 * US


def places(segments: Sequence[Segment], folder: Path) -> list[Path]:
    """Where each goes in `folder`: under the name it has in the archive, if that is free."""
    taken: set[str] = set()
    found = []
    for segment in segments:
        name = Path(segment.path).name
        if name in taken:
            name = f"{segment.id}_{name}"
        taken.add(name)
        found.append(folder / name)
    return found


def copy_originals(
    directory: DataDirectory, segments: Sequence[Segment], folder: Path,
    tick: Callable[[int], None],
) -> list[Source]:  # fmt: skip
    """Copy the segments' files into `folder`, a few at once; errors as `copy_original`.

    `tick` is called by several threads; an exception from it ends them all.
    """
    halted = threading.Event()

    def unless_halted(count: int) -> None:
        if halted.is_set():
            raise CancelledError
        tick(count)

    folder.mkdir(parents=True, exist_ok=True)
    copied: list[Source] = []
    coming: deque[Future[Source]] = deque()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            for segment, target in zip(segments, places(segments, folder), strict=True):
                coming.append(pool.submit(copy_original, directory, segment, target, unless_halted))
                if len(coming) > 2 * AT_ONCE:  # a week's at once would be ten thousand
                    copied.append(coming.popleft().result())
            copied += [each.result() for each in coming]
        except BaseException:  # also an interrupt: what is begun must end before the folder goes
            halted.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return copied


def copy_original(
    directory: DataDirectory, segment: Segment, target: Path, tick: Callable[[int], None]
) -> Source:
    """Copy one segment's file to `target`, unless an interrupted export left it there whole.

    Nothing that an export left is trusted: it is hashed, which is less work than to copy it. The
    segment of the result ends where its pictures do, when that is earlier than its row says.
    DataLoss when the bytes are not those of the ledger, or show much less or more than it says;
    OSError when the destination cannot be written.
    """
    if _is_there(segment, target):
        tick(segment.size_bytes)
    else:
        _copy(directory, segment, target, tick)
    measured = measure(target, tick)
    return Source(_as_shown(segment, measured), target, measured)


def _is_there(segment: Segment, target: Path) -> bool:
    try:
        there = target.lstat()
    except FileNotFoundError:
        return False
    own = stat.S_ISREG(there.st_mode) and there.st_nlink == 1
    return own and there.st_size == segment.size_bytes and sha256_file(target) == segment.sha256


def _copy(
    directory: DataDirectory, segment: Segment, target: Path, tick: Callable[[int], None]
) -> None:
    """Not synced file by file, which would cost a minute for a week: the whole bundle is, once."""
    digest, size_bytes = hashlib.sha256(), 0
    target.unlink(missing_ok=True)
    made = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW  # never through a link
    with os.fdopen(os.open(target, made, 0o666), "wb", buffering=0) as sink:
        for chunk in _chunks(directory, segment):
            digest.update(chunk)
            size_bytes += len(chunk)
            _write(sink, chunk)
            tick(len(chunk))
    sha256 = digest.hexdigest()
    if (size_bytes, sha256) != (segment.size_bytes, segment.sha256):
        raise DataLoss(
            "segment {segment} ({camera}, {path}) is damaged: its SHA-256 is {found}, not {due};"
            " nothing was exported, `hindsight check --level hash` lists the damage",
            segment=segment.id, camera=segment.camera, path=segment.path,
            found=sha256, due=segment.sha256,
        )  # fmt: skip


def _write(sink: FileIO, chunk: bytes) -> None:
    left = memoryview(chunk)
    while left:
        left = left[sink.write(left) :]


def _chunks(directory: DataDirectory, segment: Segment) -> Iterator[bytes]:
    """The bytes in the archive. What goes wrong here is the archive's, not the destination's."""
    try:
        with directory.archive.media(segment).open() as source:
            while chunk := source.read(CHUNK_BYTES):
                yield chunk
    except DataLoss:
        _require_kept(directory, segment)
        raise
    except OSError as error:
        _require_kept(directory, segment)
        raise DataLoss(
            "segment {segment} ({camera}) cannot be read from volume {volume}: {error}; nothing"
            " was exported",
            segment=segment.id, camera=segment.camera, volume=segment.volume,
            error=error.strerror,
        ) from None  # fmt: skip


def _require_kept(directory: DataDirectory, segment: Segment) -> None:
    """Conflict when retention removed the footage since the export began."""
    with directory.ledger.read() as tx:
        now = find_segment(tx, segment.id)
    if now.state is SegmentState.EXPIRED:
        raise Conflict(
            "segment {segment} ({camera}) expired by rule {rule} while it was being exported;"
            " nothing was exported, hold what is left and export again",
            segment=segment.id, camera=segment.camera, rule=now.expired_rule,
        )  # fmt: skip


def allowance_us(source: Source) -> int:
    """By how much pictures and row may differ: one picture at each edge, and the clock's slew."""
    return _allowance_us(source.segment.end_us - source.segment.start_us, source.measured)


def _allowance_us(due_us: int, measured: Measured) -> int:
    return 2 * measured.frame_us + round(SLEW * due_us) + ROUNDING_US


def _as_shown(segment: Segment, measured: Measured) -> Segment:
    """The segment as long as its pictures last, give or take one at each edge."""
    due_us = segment.end_us - segment.start_us
    short_us = due_us - measured.duration_us
    allowed_us = _allowance_us(due_us, measured)
    if abs(short_us) <= allowed_us:
        return segment
    if 0 < short_us <= LONGEST_SILENCE_US + allowed_us:
        return replace(segment, end_us=segment.start_us + measured.duration_us)
    raise DataLoss(
        "segment {segment} ({camera}) shows {found} s of pictures, the ledger says {due} s;"
        " nothing was exported, `hindsight check --level hash` tells more",
        segment=segment.id, camera=segment.camera, found=measured.duration_us / US,
        due=due_us / US,
    )  # fmt: skip
