"""Intake of foreign footage: hashed while copied, kept bit-exact, entered with a declared clock."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select
from ulid import ULID

from recorder.probe import Probed
from storage import audit, register, schema, segments, timeline
from storage.clock import EARLIEST_US, LATEST_US, US, rfc3339
from storage.directory import DataDirectory
from storage.durable import (
    HashingFile,
    remove_empty_folders,
    remove_file,
    sha256_file,
    write_file,
)
from storage.errors import Conflict, Invalid, NotFound, ResourceExhausted, Unavailable
from storage.fragments import facts_document, facts_file
from storage.vocabulary import Actor, Camera, ClockSource, Segment, SegmentState, Span
from storage.volumes import Volume, segment_path

CHUNK = 1 << 20
# A declared clock is a person's word: what they read off a wall or a recorder's display.
DECLARED_ERROR_US = US
NOTE_CHARACTERS = 1000
FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True, slots=True)
class Declaration:
    """What the bringer of a file says of it."""

    camera: str  # name; registered when it is new
    start_us: int  # corrected instant of the first picture
    clock_offset_us: int = 0  # already in start_us; for the record
    note: str | None = None


def import_file(
    directory: DataDirectory,
    path: Path,
    found: Probed,
    said: Declaration,
    actor: Actor,
    *,
    progress: Callable[[int], None] | None = None,
) -> Segment:
    """Take in one file, probed as `found`; all or nothing. Returns its row.

    Conflict when footage of that camera lies in the span, these very bytes among it;
    ResourceExhausted on a full disk, Unavailable when the volume or the file cannot be read.
    """
    start_us, end_us = said.start_us, said.start_us + found.duration_us
    if start_us < EARLIEST_US or end_us >= LATEST_US:
        raise Invalid(
            "file {file} would run from {start}, outside 1971–2200; check --start", file=path,
            start=rfc3339(max(0, min(start_us, LATEST_US))),
        )  # fmt: skip
    slug = register.slug_of(said.camera)
    with directory.ledger.read() as tx:
        camera = _find(tx, said.camera)
        if camera is not None:
            slug = camera.slug
            _refuse_overlap(tx, camera, start_us, end_us, path)
    volume = _volume_for(directory, path, found.size_bytes)
    target = _target(volume, slug, start_us, str(ULID()), found)
    try:
        with HashingFile(target, sealer=volume.sealer()) as copy:
            _copy(path, copy, progress)
            if copy.size_bytes != found.size_bytes:
                raise Conflict("file {file} changed while it was read; try again", file=path)
            with directory.ledger.write() as tx:
                camera = _find(tx, said.camera) or register.add_camera(
                    tx, name=said.camera, url=None, created_us=directory.clock.now_us()
                )
                _wait_for_others(tx, camera)
                _refuse_overlap(tx, camera, start_us, end_us, path)
                # Only now: ids and times are in the order of the chain, however long each took.
                segment_id, now_us = str(ULID()), directory.clock.now_us()
                copy.final = target = _target(volume, slug, start_us, segment_id, found)
                size, digest = copy.publish()
                row = Segment(
                    id=segment_id, camera_id=camera.id, camera=camera.slug, start_us=start_us,
                    end_us=end_us, duration_us=found.duration_us, size_bytes=size, sha256=digest,
                    prev_sha256=_chain(tx, camera), container=found.container,
                    codec=found.codec, width=found.width, height=found.height, fps=found.fps,
                    audio_codec=found.audio_codec, volume=volume.name,
                    path=segment_path(slug, start_us, segment_id, found.suffix),
                    state=SegmentState.CLOSED, clock_source=ClockSource.DECLARED,
                    clock_error_us=DECLARED_ERROR_US, recovered=False, origin="import",
                    original_name=path.name[:300], note=_note(said, found),
                    first_pts=found.first_pts, time_base=found.time_base, created_us=now_us,
                    expired_us=None, expired_rule=None,
                )  # fmt: skip
                write_file(facts_file(target), facts_document(row))
                _enter(tx, row, path, said, actor, now_us)
    except BaseException as error:
        # No row: the copy never was footage of ours, and the original is untouched.
        remove_file(facts_file(target))
        remove_file(target)
        remove_empty_folders(target.parent, volume.root.resolve())
        if isinstance(error, OSError):
            raise _refused(error, path, volume) from error
        raise
    return row


def _enter(
    tx: Connection, row: Segment, path: Path, said: Declaration, actor: Actor, now_us: int
) -> None:
    segments.insert_segment(tx, row)
    span = Span(row.start_us, row.end_us)
    timeline.trim_gaps(tx, row.camera_id, span)  # what was missing has turned up
    for piece in timeline.subtract([span], timeline.expected(tx, row.camera_id, span)):
        timeline.expect(tx, row.camera_id, piece.start_us, piece.end_us)
    detail = {
        "camera": row.camera, "file": path.name, "sha256": row.sha256,
        "size_bytes": row.size_bytes, "start": rfc3339(row.start_us), "end": rfc3339(row.end_us),
        "clock_offset_s": said.clock_offset_us / US, "note": row.note,
    }  # fmt: skip
    audit.record(tx, actor, "import", f"segment {row.id}", at_us=now_us, detail=detail)


def _find(tx: Connection, name: str) -> Camera | None:
    try:
        return register.find_camera(tx, name)
    except NotFound:
        return None


def _wait_for_others(tx: Connection, camera: Camera) -> None:
    """One import into a camera at a time; SQLite has one writer anyway."""
    c = schema.camera.c
    tx.execute(select(c.id).where(c.id == camera.id).with_for_update(key_share=True))


def _chain(tx: Connection, camera: Camera) -> str | None:
    """Imports have a chain of their own: a live segment may be open, and names the live one."""
    newest = segments.last_segment(tx, camera.id, "import")
    return None if newest is None else newest.sha256


def _target(volume: Volume, slug: str, start_us: int, segment_id: str, found: Probed) -> Path:
    return volume.file(segment_path(slug, start_us, segment_id, found.suffix))


def _note(said: Declaration, found: Probed) -> str | None:
    remarks = [said.note, found.damaged and f"damaged at intake: {found.damaged}"]
    return "; ".join(text for text in remarks if text)[:NOTE_CHARACTERS] or None


def _volume_for(directory: DataDirectory, path: Path, size_bytes: int) -> Volume:
    volume = directory.archive.recording_volume()
    floor_bytes = directory.settings.floor_bytes(volume.name)
    if volume.free_bytes() < size_bytes + floor_bytes:
        raise ResourceExhausted(
            "volume {volume} has no room for {file} above its free floor; free space or add a"
            " volume. Nothing was imported",
            volume=volume.name, file=path,
        )  # fmt: skip
    return volume


def _copy(path: Path, copy: HashingFile, progress: Callable[[int], None] | None) -> None:
    with path.open("rb") as source:
        while chunk := source.read(CHUNK):
            copy.write(chunk)
            if progress is not None:
                progress(len(chunk))


def _refused(error: OSError, path: Path, volume: Volume) -> ResourceExhausted | Unavailable:
    if error.errno in FULL:
        return ResourceExhausted(
            "volume {volume} is full; free space or add a volume. {file} was not imported",
            volume=volume.name, file=path,
        )  # fmt: skip
    return Unavailable(
        "{file} could not be copied to volume {volume}: {error}; nothing was imported",
        file=path, volume=volume.name, error=error.strerror or error,
    )  # fmt: skip


def _refuse_overlap(tx: Connection, camera: Camera, start_us: int, end_us: int, path: Path) -> None:
    there = segments.segments(tx, camera_ids=[camera.id], from_us=start_us, to_us=end_us, limit=1)
    if not there:
        return
    found = there[0]
    if found.size_bytes == path.stat().st_size and found.sha256 == sha256_file(path):
        raise Conflict(
            "file {file} is in the archive already, as segment {segment} of camera {camera};"
            " nothing was changed",
            file=path, segment=found.id, camera=camera.slug,
        )  # fmt: skip
    raise Conflict(
        "camera {camera} has footage from {start} to {end} already (segment {segment}), and"
        " {file} would overlap it; choose another --start or camera. Nothing was changed",
        camera=camera.slug, start=rfc3339(found.start_us), end=rfc3339(found.end_us),
        segment=found.id, file=path.name,
    )  # fmt: skip
