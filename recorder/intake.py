"""Intake of foreign footage: hashed while copied, kept bit-exact, entered with a declared clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import av.error
from av.container import InputContainer
from sqlalchemy import Connection
from ulid import ULID

from recorder.closing import previous_hash
from storage import audit, segments, timeline
from storage.clock import LATEST_US, US, rfc3339
from storage.directory import DataDirectory
from storage.durable import HashingFile, remove_empty_folders, remove_file, write_file
from storage.errors import Conflict, Invalid, NotFound, ResourceExhausted
from storage.fragments import facts_document, facts_file
from storage.i18n import N_
from storage.vocabulary import Actor, Camera, ClockSource, Segment, SegmentState
from storage.volumes import segment_path

CHUNK = 1 << 20
# A declared clock is a person's word: what they read off a wall or a recorder's display.
DECLARED_ERROR_US = US
# FFmpeg's demuxer name → suffix we keep the file under.
CONTAINERS = {
    "mov": "mp4", "avi": "avi", "matroska": "mkv", "mpegts": "ts", "mpeg": "mpg", "flv": "flv",
    "asf": "wmv", "ogg": "ogv", "mxf": "mxf",
}  # fmt: skip
# Raw streams and pictures have no time line of their own to enter.
NOT_FOOTAGE = {"image2", "png_pipe", "jpeg_pipe", "gif", "tty", "h264", "hevc", "m4v", "mjpeg"}


@dataclass(frozen=True, slots=True)
class Probed:
    """What a file is, measured by walking its packets."""

    container: str
    suffix: str
    codec: str
    width: int
    height: int
    fps: float | None
    audio_codec: str | None
    duration_us: int
    first_pts: int
    time_base: str
    damaged: str | None  # what is wrong with its end, when it is cut short


def probe(path: Path) -> Probed:
    """Open a file as footage. Invalid, naming it, when it is not.

    Walks every packet of the video: a container's own duration is a claim, its packets are not.
    """
    if path.is_dir():
        raise Invalid("{file} is a directory; name the files in it", file=path)
    if not path.is_file():
        raise NotFound("file {file} does not exist", file=path)
    if path.stat().st_size == 0:
        raise Invalid("file {file} is empty; nothing was imported", file=path)
    try:
        with av.open(str(path)) as container:
            return _measured(container, path)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise Invalid(
            "file {file} is not a video that can be read ({error}); nothing was imported",
            file=path, error=getattr(error, "strerror", None) or error,
        ) from None  # fmt: skip


def _measured(container: InputContainer, path: Path) -> Probed:
    name = container.format.name.split(",")[0]
    if not container.streams.video or name in NOT_FOOTAGE:
        raise Invalid("file {file} holds no video; nothing was imported", file=path)
    video = container.streams.video[0]
    base = video.time_base
    first: int | None = None
    end = pictures = decodable = 0
    damaged = None
    try:
        for packet in container.demux(video):
            if not packet.size:
                continue
            pts = packet.pts if packet.pts is not None else packet.dts
            pictures += 1
            if pts is None:
                continue
            first = pts if first is None else min(first, pts)
            end = max(end, pts + (packet.duration or 0))
    except (av.error.FFmpegError, OSError) as error:
        damaged = getattr(error, "strerror", None) or str(error)
    if first is None or base is None or not pictures:
        raise Invalid("file {file} holds no picture; nothing was imported", file=path)
    container.seek(0)
    try:
        for _ in container.decode(video):
            decodable += 1
            break
    except av.error.FFmpegError:
        pass  # counted as none below
    if not decodable:
        raise Invalid("no picture of file {file} can be decoded; nothing was imported", file=path)
    rate = video.average_rate
    span = end - first
    if span <= 0 and rate:
        span = int(pictures / rate / base)
    if container.size > 0 and name == "mov" and _cut_short(path):
        damaged = damaged or N_("cut short")
    audio = container.streams.audio
    return Probed(
        container=name, suffix=CONTAINERS.get(name, name), codec=video.codec_context.name,
        width=video.codec_context.width, height=video.codec_context.height,
        fps=None if not rate else float(rate),
        audio_codec=audio[0].codec_context.name if audio else None,
        duration_us=int(span * base * US), first_pts=first,
        time_base=f"{base.numerator}/{base.denominator}", damaged=damaged,
    )  # fmt: skip


def _cut_short(path: Path) -> bool:
    """Whether the last top-level box of an MP4 promises more bytes than there are."""
    size, offset = path.stat().st_size, 0
    with path.open("rb") as source:
        while offset + 8 <= size:
            source.seek(offset)
            head = source.read(16)
            length = int.from_bytes(head[:4], "big")
            if length == 1 and len(head) == 16:
                length = int.from_bytes(head[8:16], "big")
            if length == 0:
                return False
            if length < 8:
                return True
            offset += length
    return offset != size


def import_file(
    directory: DataDirectory,
    path: Path,
    camera: Camera,
    start_us: int,
    actor: Actor,
    *,
    note: str | None = None,
    clock_offset_us: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Segment:
    """Take in one file; all or nothing. Returns its row.

    `start_us` is the corrected instant of the first picture. Conflict when these bytes are there
    already, or when footage of that camera lies in the span; ResourceExhausted on a full disk.
    """
    found = probe(path)
    end_us = start_us + found.duration_us
    if end_us >= LATEST_US:
        raise Invalid("file {file} would end after the year 2200; check --start", file=path)
    with directory.ledger.read() as tx:
        _refuse_overlap(tx, camera, start_us, end_us, path)
    volume = directory.archive.recording_volume()
    needed = path.stat().st_size + directory.settings.retention.free_floor_bytes
    if volume.free_bytes() < needed:
        raise ResourceExhausted(
            "volume {volume} has no room for {file} above its free floor; free space or add a"
            " volume. Nothing was imported",
            volume=volume.name, file=path,
        )  # fmt: skip
    segment_id = str(ULID())
    relative = segment_path(camera.slug, start_us, segment_id, found.suffix)
    target = volume.file(relative)
    try:
        size, digest = _copy(path, target, progress)
        now_us = directory.clock.now_us()
        with directory.ledger.write() as tx:
            twin = segments.by_sha256(tx, camera.id, digest)
            if twin is not None and twin.state is SegmentState.CLOSED:
                raise Conflict(
                    "file {file} is in the archive already, as segment {segment} of camera"
                    " {camera}; nothing was changed",
                    file=path, segment=twin.id, camera=camera.slug,
                )  # fmt: skip
            _refuse_overlap(tx, camera, start_us, end_us, path)
            remarks = [note, found.damaged and f"damaged at intake: {found.damaged}"]
            row = Segment(
                id=segment_id, camera_id=camera.id, camera=camera.slug, start_us=start_us,
                end_us=end_us, duration_us=found.duration_us, size_bytes=size, sha256=digest,
                prev_sha256=previous_hash(tx, camera), container=found.container,
                codec=found.codec, width=found.width, height=found.height, fps=found.fps,
                audio_codec=found.audio_codec, volume=volume.name, path=relative,
                state=SegmentState.CLOSED, clock_source=ClockSource.DECLARED,
                clock_error_us=DECLARED_ERROR_US, recovered=False, origin="import",
                original_name=path.name[:300],
                note="; ".join(text for text in remarks if text)[:1000] or None,
                first_pts=found.first_pts, time_base=found.time_base, created_us=now_us,
                expired_us=None, expired_rule=None,
            )  # fmt: skip
            write_file(facts_file(target), facts_document(row))
            segments.insert_segment(tx, row)
            timeline.expect(tx, camera.id, start_us, end_us)
            detail = {
                "file": path.name, "sha256": digest, "size_bytes": size,
                "start": rfc3339(start_us), "end": rfc3339(end_us),
                "clock_offset_s": clock_offset_us / US,
            }  # fmt: skip
            audit.record(tx, actor, "import", f"segment {segment_id}", at_us=now_us, detail=detail)
    except BaseException:  # no row: the copy never was footage of ours, the original is untouched
        remove_file(facts_file(target))
        remove_file(target)
        remove_empty_folders(target.parent, volume.root.resolve())
        raise
    return row


def _copy(path: Path, target: Path, progress: Callable[[int], None] | None) -> tuple[int, str]:
    with path.open("rb") as source, HashingFile(target) as copy:
        while chunk := source.read(CHUNK):
            copy.write(chunk)
            if progress is not None:
                progress(len(chunk))
        return copy.publish()


def _refuse_overlap(tx: Connection, camera: Camera, start_us: int, end_us: int, path: Path) -> None:
    there = segments.segments(tx, camera_ids=[camera.id], from_us=start_us, to_us=end_us, limit=1)
    if there:
        raise Conflict(
            "camera {camera} has footage from {start} to {end} already (segment {segment}), and"
            " {file} would overlap it; choose another --start or camera. Nothing was changed",
            camera=camera.slug, start=rfc3339(there[0].start_us), end=rfc3339(there[0].end_us),
            segment=there[0].id, file=path.name,
        )  # fmt: skip
