"""Copies a segment into a bundle bit-exactly: hashed on the way, measured where it arrived."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from evidence.measure import Measured, measure
from evidence.playable import Source
from storage.clock import US
from storage.directory import DataDirectory
from storage.durable import HashingFile
from storage.errors import Conflict, DataLoss
from storage.segments import segment as find_segment
from storage.vocabulary import Segment, SegmentState

CHUNK_BYTES = 1 << 20
ROUNDING_US = 1000  # of PTS in coarse time bases
SLEW = Fraction(500, 1_000_000)  # how fast a recorder's clock may follow its camera's
# A segment ends where the next begins: when the camera fell silent just before, its last picture
# is older. Recorders call a longer silence a gap; here it means that row and file do not belong.
LONGEST_SILENCE_US = 5 * US


def copy_original(
    directory: DataDirectory, segment: Segment, folder: Path, tick: Callable[[int], None]
) -> Source:
    """Copy one segment's file into `folder`, under the name it has in the archive.

    The segment of the result ends where its pictures do, when that is earlier than its row says.
    DataLoss when the bytes are not those of the ledger, or show much less or more than it says;
    OSError when the destination cannot be written.
    """
    name = Path(segment.path).name
    target = folder / name
    if target.exists():
        target = folder / f"{segment.id}_{name}"
    size_bytes, sha256 = _copy(directory, segment, target, tick)
    if (size_bytes, sha256) != (segment.size_bytes, segment.sha256):
        raise DataLoss(
            "segment {segment} ({camera}, {path}) is damaged: its SHA-256 is {found}, not {due};"
            " nothing was exported, `hindsight check --level hash` lists the damage",
            segment=segment.id, camera=segment.camera, path=segment.path,
            found=sha256, due=segment.sha256,
        )  # fmt: skip
    measured = measure(target, tick)
    return Source(_as_shown(segment, measured), target, measured)


def _copy(
    directory: DataDirectory, segment: Segment, target: Path, tick: Callable[[int], None]
) -> tuple[int, str]:
    with HashingFile(target) as sink:
        for chunk in _chunks(directory, segment):
            sink.write(chunk)
            tick(len(chunk))
        return sink.publish()


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
