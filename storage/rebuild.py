"""Rebuild: restores segment rows from media alone (invariant 13); adds, never changes.

A live segment says what it is in its moov, an import in the file beside it; the rest of a row is
measured: length and pictures from the fragments, size and SHA-256 from the bytes. Where a segment
ends exactly, the one after it knows: it names its predecessor's hash, its own start, and its first
PTS on the same wire. The last one of a stretch ends where its last picture does. One recovered
after a kill has its row beside it, as an import has. What was sealed comes back as it was sealed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy.exc import IntegrityError
from ulid import ULID

from storage import audit
from storage.check_media import OPEN_YOUNG_US, files_of, open_volumes
from storage.clock import EARLIEST_US, LATEST_US, US
from storage.directory import DataDirectory
from storage.durable import OPEN_SUFFIX
from storage.errors import DataLoss, HindsightError, Invalid
from storage.findings import Finding, Progress, no_progress
from storage.fragments import FACTS_SUFFIX, read_facts, scan
from storage.i18n import N_
from storage.live_rows import ended_by, lasting, live_row
from storage.media import Media
from storage.register import add_camera, cameras, slug_of
from storage.seal_restore import SealedRows, restore_seals
from storage.segments import follower, get, insert_segment, known_paths
from storage.timeline import JOIN_US
from storage.vocabulary import Actor, Segment
from storage.volumes import Volume

_SEGMENT = TypeAdapter(Segment)  # facts beside a file are text somebody may have edited


@dataclass(slots=True)
class Rebuilt:
    """What came back, and what could not."""

    added: list[Segment] = field(default_factory=list)
    cameras: list[str] = field(default_factory=list)  # registered anew, by slug
    seals: int = 0  # brought back from their copies
    findings: list[Finding] = field(default_factory=list)  # media that were left alone, and why


@dataclass(frozen=True, slots=True)
class _Read:
    """What one file says; `whole` when its row lay beside it, and nothing is left to measure."""

    segment: Segment
    whole: bool


def rebuild(directory: DataDirectory, actor: Actor, progress: Progress = no_progress) -> Rebuilt:
    """Add a row for every media file that has facts and no row, and every seal that lies on a
    volume and is not in the ledger. `progress` counts files."""
    result = Rebuilt()
    with directory.exclusive("rebuild"):
        volumes, absent = open_volumes(directory)
        result.findings += absent
        restored = restore_seals(directory, volumes)
        result.seals = len(restored.seals)
        result.cameras += restored.cameras
        result.findings += restored.findings
        sealed = SealedRows(volumes)
        waiting = [(v, path) for v in volumes.values() for path in _without_row(directory, v)]
        waiting.sort(key=lambda one: one[1])  # by camera and time, on whatever volume it lies
        before: _Read | None = None  # read but not entered: the next file may know its end
        for done, (volume, path) in enumerate(waiting):
            found = _read(volume, path, result)
            if found is not None:
                _enter(directory, before, found, sealed, result)
                before = found
            progress(done + 1, len(waiting))
        _enter(directory, before, None, sealed, result)
        with directory.ledger.write() as tx:
            detail = {
                "segments": len(result.added), "cameras": result.cameras, "seals": result.seals
            }  # fmt: skip
            audit.record(
                tx, actor, "rebuild", "archive", at_us=directory.clock.now_us(), detail=detail
            )
    return result


def _ended_by_picture(media: Media, segment: Segment) -> Segment:
    """`segment` up to the end of the picture shown last.

    Where a stretch breaks off between B-frames, that is later than its pictures add up to.
    """
    import av  # 14 MB that whoever only closes segments does without
    import av.error

    end = 0
    try:
        with media.for_ffmpeg() as source, av.open(source, "r") as container:
            video = container.streams.video[0]
            for packet in container.demux(video):
                if packet.size and packet.pts is not None:
                    end = max(end, packet.pts + max(packet.duration or 0, 1))
            duration_us = int(end * (video.time_base or 0) * US)
    except (av.error.FFmpegError, OSError, IndexError):
        return segment  # the fragments' own sum has to do
    if not 0 <= duration_us - segment.duration_us <= JOIN_US:
        return segment
    return lasting(segment, duration_us, segment.start_us + duration_us)


def _without_row(directory: DataDirectory, volume: Volume) -> list[str]:
    """Media files of a volume that no row knows, by camera and time."""
    lying = sorted(files_of(volume))
    with directory.ledger.read() as tx:
        known = known_paths(tx, volume.name)
    # Between a running recorder's rename and its row lies a moment: that file is its own.
    young_us = OPEN_YOUNG_US if directory.is_running("record") else 0
    newest_us = directory.clock.now_us() - young_us
    return [
        path
        for path in lying
        if path not in known
        and not path.endswith((OPEN_SUFFIX, FACTS_SUFFIX))
        and not (young_us and (volume.root / path).stat().st_mtime * US > newest_us)
    ]


def _enter(
    directory: DataDirectory,
    found: _Read | None,
    after: _Read | None,
    sealed: SealedRows,
    result: Rebuilt,
) -> None:
    """Add a row, or a finding that says why not."""
    if found is None:
        return
    try:
        _insert(directory, found, None if after is None else after.segment, sealed, result)
    except HindsightError as error:
        result.findings.append(_left_alone(found.segment.volume, found.segment.path, error))


def _left_alone(volume: str, path: str, error: HindsightError) -> Finding:
    return Finding(13, error.message, error.fields, loss=False, volume=volume, path=path)


def _read(volume: Volume, path: str, result: Rebuilt) -> _Read | None:
    """The row of one file, or None and a finding that says why not."""
    try:
        return _row_of(volume, path)
    except HindsightError as error:
        result.findings.append(_left_alone(volume.name, path, error))
    except OSError as error:
        result.findings.append(
            Finding(
                13, N_("{path} cannot be read: {error}; it was left alone"),
                {"path": path, "error": error.strerror or error},
                volume=volume.name, path=path,
            )
        )  # fmt: skip
    return None


def _row_of(volume: Volume, path: str) -> _Read:
    """The row of a media file, its camera_id still 0."""
    media = volume.media(path)
    layout = scan(media)
    facts = read_facts(media, layout)
    if facts is None:
        raise Invalid("{path} says nothing of itself; it was left alone", path=path)
    size_bytes, sha256 = media.size_bytes(), media.sha256()
    if facts.row is not None:
        return _Read(_row_beside(facts.row, volume, path, size_bytes, sha256), whole=True)
    if not layout.fragments:
        raise DataLoss("{path} holds no whole fragment; it was left alone", path=path)
    try:
        Fraction(facts.time_base)
    except (ValueError, ZeroDivisionError) as error:
        raise DataLoss(
            "the facts of {file} cannot be read ({error}); the file itself is untouched",
            file=path, error=error,
        ) from None  # fmt: skip
    row = live_row(
        facts, layout, camera_id=0, volume=volume.name, path=path, size_bytes=size_bytes,
        sha256=sha256, recovered=False,
    )  # fmt: skip
    return _Read(row, whole=False)


def _row_beside(
    row: Mapping[str, Any], volume: Volume, path: str, size_bytes: int, sha256: str
) -> Segment:
    # Where the file lies is seen, not believed; that it is kept is a fact as well.
    values = dict(row) | {
        "camera_id": 0, "volume": volume.name, "path": path, "state": "closed",
        "expired_us": None, "expired_rule": None,
    }  # fmt: skip
    try:
        if set(values) != {column.name for column in fields(Segment)}:
            raise ValueError("columns are missing or too many")
        segment = _SEGMENT.validate_python(values)
    except ValueError as error:
        raise DataLoss(
            "the facts of {file} cannot be read ({error}); the file itself is untouched",
            file=path, error=error,
        ) from None  # fmt: skip
    if (segment.size_bytes, segment.sha256) != (size_bytes, sha256):
        raise DataLoss(
            "the bytes of {path} are not those its facts describe; it was left alone", path=path
        )
    return segment


def _insert(
    directory: DataDirectory,
    found: _Read,
    after: Segment | None,
    sealed: SealedRows,
    result: Rebuilt,
) -> None:
    """Add the row, and its camera when the register has none of that name."""
    segment = found.segment
    if not EARLIEST_US <= segment.start_us <= segment.end_us < LATEST_US:
        raise DataLoss("{path} claims an impossible time; it was left alone", path=segment.path)
    if slug_of(segment.camera) != segment.camera:
        raise DataLoss("{path} names no camera; it was left alone", path=segment.path)
    try:
        ULID.from_str(segment.id)
    except ValueError:
        raise DataLoss("{path} names no segment; it was left alone", path=segment.path) from None
    with directory.ledger.write() as tx:
        if already := get(tx, [segment.id]):
            raise Invalid(
                "{path} is a copy of {other}, which has a row; it was left alone",
                path=segment.path, other=already[0].path,
            )  # fmt: skip
        camera = next((c for c in cameras(tx) if c.slug == segment.camera), None)
        is_new = camera is None
        if camera is None:
            # Disabled: nobody said that it should record, or where from.
            camera = add_camera(
                tx, name=segment.camera, url=None, enabled=False,
                created_us=directory.clock.now_us(),
            )  # fmt: skip
        row = segment
        if not found.whole:
            if after is None or after.prev_sha256 != segment.sha256:
                after = follower(tx, camera.id, segment.sha256)
            row = ended_by(segment, after)
            if row is segment:
                row = _ended_by_picture(directory.archive.media(segment), segment)
        row = replace(sealed.as_sealed(tx, row), camera_id=camera.id)
        try:
            with tx.begin_nested():
                insert_segment(tx, row)
        except IntegrityError as error:
            raise DataLoss(
                "the facts of {file} cannot be read ({error}); the file itself is untouched",
                file=segment.path, error=error.orig,
            ) from None  # fmt: skip
    result.added.append(row)
    if is_new:
        result.cameras.append(row.camera)
