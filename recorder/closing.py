"""From an open segment to a row: the facts of a closing segment, and adopting what a kill left."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import av
import av.error
from sqlalchemy import Connection

from storage import segments
from storage.clock import US, day_start_us, utc_day
from storage.directory import DataDirectory
from storage.durable import OPEN_SUFFIX, publish_recovered, sha256_file
from storage.errors import HindsightError
from storage.fragments import Facts, read_facts, scan
from storage.vocabulary import Camera, Segment, SegmentState
from storage.volumes import Volume

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Shape:
    """What the pictures of a segment are."""

    codec: str
    width: int | None
    height: int | None
    fps: float | None
    audio_codec: str | None


def segment_row(
    camera: Camera,
    volume: Volume,
    facts: Facts,
    shape: Shape,
    *,
    path: str,
    end_us: int,
    duration_us: int,
    size_bytes: int,
    sha256: str,
    recovered: bool,
) -> Segment:
    """The row of a file that lies whole under its final name."""
    return Segment(
        id=facts.segment, camera_id=camera.id, camera=camera.slug, start_us=facts.start_us,
        end_us=end_us, duration_us=duration_us, size_bytes=size_bytes, sha256=sha256,
        prev_sha256=facts.prev_sha256, container="mp4", codec=shape.codec, width=shape.width,
        height=shape.height, fps=shape.fps, audio_codec=shape.audio_codec, volume=volume.name,
        path=path, state=SegmentState.CLOSED, clock_source=facts.clock_source,
        clock_error_us=facts.clock_error_us, recovered=recovered, origin="live",
        original_name=None, note=None, first_pts=facts.first_pts, time_base=facts.time_base,
        created_us=facts.created_us, expired_us=None, expired_rule=None,
    )  # fmt: skip


def adopt_leftovers(directory: DataDirectory, camera: Camera) -> list[Segment]:
    """Take in what a killed capture process left of a camera; returns the new rows.

    An open file is truncated to its last whole fragment and published; a published file that
    never got its row gets it. A file without one whole fragment stays where it is, for `check`
    to list: nothing is removed here.
    """
    adopted = []
    for volume in directory.archive.volumes.values():
        try:
            volume.verify()
        except HindsightError as error:
            log.warning("leftovers on volume %s wait: %s", volume.name, error)
            continue
        folder = volume.root / camera.slug
        if not folder.is_dir():
            continue
        # Folders are days: those before the camera's newest footage are settled.
        now_us = directory.clock.now_us()
        with directory.ledger.read() as tx:
            newest, _ = segments.neighbours(tx, camera.id, now_us)
            settled = None if newest is None else utc_day(newest.start_us)
            from_us = None if settled is None else day_start_us(settled)
            rows = segments.segments(tx, camera_ids=[camera.id], from_us=from_us, state=None)
        known = {row.path for row in rows if row.volume == volume.name}
        first = "" if settled is None else settled.isoformat()
        for day in sorted(entry for entry in folder.iterdir() if entry.name >= first):
            for path in sorted(day.glob("*/*")):
                row = _adopt(directory, camera, volume, path, known)
                if row is not None:
                    adopted.append(row)
    return adopted


def _adopt(
    directory: DataDirectory, camera: Camera, volume: Volume, path: Path, known: set[str]
) -> Segment | None:
    is_open = path.name.endswith(f".mp4{OPEN_SUFFIX}")
    relative = str(path.relative_to(volume.root)).removesuffix(OPEN_SUFFIX)
    if not is_open and (path.suffix != ".mp4" or relative in known):
        return None
    try:
        layout = scan(path)
        facts = read_facts(path, layout)
        if facts is None or facts.camera != camera.slug or not layout.fragments:
            return None
        shape = probe(path)
        if is_open:
            path, size, digest = publish_recovered(path, layout.whole_bytes)
        else:
            size, digest = path.stat().st_size, sha256_file(path)
    except (HindsightError, OSError, av.error.FFmpegError) as error:
        log.warning("%s cannot be adopted: %s", path, error)
        return None
    row = segment_row(
        camera, volume, facts, shape, path=relative, size_bytes=size, sha256=digest,
        duration_us=round(layout.end_s * US), end_us=facts.start_us + round(layout.end_s * US),
        recovered=True,
    )  # fmt: skip
    with directory.ledger.write() as tx:
        segments.insert_segment(tx, row)
    log.warning("adopted %s of camera %s (%d bytes)", relative, camera.slug, size)
    return row


def probe(path: Path) -> Shape:
    """What a file of ours holds, as FFmpeg reads it."""
    with av.open(str(path), format="mp4") as container:
        video = container.streams.video[0]
        audio = container.streams.audio
        rate = video.average_rate
        return Shape(
            codec=video.codec_context.name,
            width=video.codec_context.width,
            height=video.codec_context.height,
            fps=None if rate is None else float(rate),
            audio_codec=audio[0].codec_context.name if audio else None,
        )


def previous_hash(tx: Connection, camera: Camera) -> str | None:
    """The head of the camera's chain."""
    newest = segments.last_segment(tx, camera.id)
    return None if newest is None else newest.sha256
