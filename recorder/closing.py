"""From a file to a row: segments that close, and what a killed or refused one leaves whole."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from itertools import zip_longest
from pathlib import Path

from recorder.bookkeeping import closed
from storage import segments
from storage.clock import US, day_start_us, utc_day
from storage.directory import DataDirectory
from storage.durable import (
    OPEN_SUFFIX,
    is_locked,
    publish_recovered,
    set_aside,
    write_file,
)
from storage.errors import HindsightError
from storage.fragments import Facts, Layout, facts_document, facts_file, read_facts, scan
from storage.holes import without_holes
from storage.live_rows import ended_by, live_row
from storage.promises import DAY_US
from storage.vocabulary import Camera, Segment
from storage.volumes import Volume

log = logging.getLogger(__name__)
SUFFIX = ".mp4"


def closed_row(
    camera: Camera, volume: Volume, relative: str, facts: Facts, written: tuple[int, str],
    *, end_us: int, duration_us: int, pictures: int,
) -> Segment:  # fmt: skip
    """The row of a segment that was published as `written` (size in bytes, SHA-256)."""
    size, digest = written
    row = live_row(
        facts, scan(volume.media(relative)), camera_id=camera.id, volume=volume.name,
        path=relative, size_bytes=size, sha256=digest, recovered=False,
    )  # fmt: skip
    fps = round(pictures * US / duration_us, 3) if duration_us > 0 else None
    return replace(row, end_us=end_us, duration_us=duration_us, fps=fps)


def salvage(camera: Camera, volume: Volume, path: Path) -> Segment | None:
    """What is whole of an unfinished file, published; None when no fragment is.

    A file without one whole fragment holds nothing to lose: it is set aside, never removed.
    OSError and DataLoss as the disk and the file give them; the file stays then.
    """
    media = volume.lying(path)
    layout = without_holes(scan(media), media)
    facts = read_facts(media, layout)
    if facts is None or not layout.fragments:
        log.warning("camera %s: %s holds no whole fragment: set aside", camera.slug, path.name)
        set_aside(path)
        return None
    if not _is_of(camera, facts, path):
        return None
    final, size, digest = publish_recovered(path, layout.whole_bytes, media.key)
    log.warning("camera %s: recovered %s (%d bytes)", camera.slug, final.name, size)
    return _recovered_row(camera, volume, final, facts, layout, size, digest)


def adopt_leftovers(directory: DataDirectory, camera: Camera, volume: Volume) -> list[Segment]:
    """Take in what a killed capture process left of a camera on a volume; returns the new rows.

    An unfinished file is truncated to its last whole fragment and published; a published file
    that never got its row gets it. A file another process writes is let be.
    """
    adopted: list[Segment] = []
    try:
        volume.verify_readable()
    except HindsightError as error:
        log.warning("leftovers on volume %s wait: %s", volume.name, error)
        return adopted
    waiting = list(_waiting(directory, camera, volume))
    for path, after in zip_longest(waiting, waiting[1:]):
        try:
            row = _adopt(camera, volume, path, after)
        except (HindsightError, OSError) as error:
            log.warning("%s cannot be adopted: %s", path, error)
            continue
        if row is not None:
            with directory.ledger.write() as tx:
                closed(tx, row)
            adopted.append(row)
    return adopted


def _waiting(directory: DataDirectory, camera: Camera, volume: Volume) -> Iterator[Path]:
    """Files of the camera without a row, by start. Folders are days, and every start looks here:
    those before the day of its newest footage are settled. Not so the last ones of a volume that
    was away while others were recorded to, or whose last segment began before midnight."""
    folder = volume.root / camera.slug
    if not folder.is_dir():
        return
    days = sorted(entry for entry in folder.iterdir() if entry.is_dir())
    with directory.ledger.read() as tx:
        newest = segments.last_segment(tx, camera.id, "live")
    first = "" if newest is None else utc_day(newest.start_us).isoformat()
    for day in days:
        if day.name >= first or day in days[-2:]:
            known = _known(directory, camera, volume, day.name)
            for path in sorted(day.glob("*/*")):
                relative = str(path.relative_to(volume.root))
                unfinished = path.name.endswith(SUFFIX + OPEN_SUFFIX)
                if unfinished or (path.suffix == SUFFIX and relative not in known):
                    yield path


def _known(directory: DataDirectory, camera: Camera, volume: Volume, day: str) -> set[str]:
    """Paths of all rows of a day, tombstones included."""
    try:
        from_us = day_start_us(date.fromisoformat(day))
    except ValueError:  # a folder of somebody else's
        return set()
    with directory.ledger.read() as tx:
        rows = segments.segments(
            tx, camera_ids=[camera.id], from_us=from_us, to_us=from_us + DAY_US, state=None
        )
    return {row.path for row in rows if row.volume == volume.name}


def _adopt(camera: Camera, volume: Volume, path: Path, after: Path | None) -> Segment | None:
    """`after`: the next file that waits. It may say where this one ends."""
    if path.name.endswith(OPEN_SUFFIX):
        return None if is_locked(path) else salvage(camera, volume, path)
    media = volume.lying(path)
    layout = scan(media)
    facts = read_facts(media, layout)
    imported = facts is not None and facts.row is not None and facts.row.get("origin") != "live"
    if facts is None or imported or not layout.fragments:
        return None  # not a live segment: `rebuild` and `check` know more
    if not _is_of(camera, facts, path):
        return None
    log.warning("camera %s: %s had no row", camera.slug, path.name)
    size, digest = media.size_bytes(), media.sha256()
    successor = None if after is None else _said_by(camera, volume, after)
    return _recovered_row(camera, volume, path, facts, layout, size, digest, successor)


def _said_by(camera: Camera, volume: Volume, path: Path) -> Segment | None:
    """What a file that has no row yet says of itself."""
    media = volume.lying(path)
    try:
        layout = scan(media)
        facts = read_facts(media, layout)
    except (HindsightError, OSError):  # said when it is its turn
        return None
    if facts is None:
        return None
    return live_row(
        facts, layout, camera_id=camera.id, volume=volume.name, path="", size_bytes=0, sha256="",
        recovered=True,
    )  # fmt: skip


def _is_of(camera: Camera, facts: Facts, path: Path) -> bool:
    if facts.camera != camera.slug:
        log.warning("%s is of camera %s, not %s: let be", path, facts.camera, camera.slug)
    return facts.camera == camera.slug


def _recovered_row(
    camera: Camera, volume: Volume, path: Path, facts: Facts, layout: Layout, size: int,
    digest: str, after: Segment | None = None,
) -> Segment:  # fmt: skip
    row = live_row(
        facts, layout, camera_id=camera.id, volume=volume.name,
        path=str(path.resolve().relative_to(volume.root.resolve())), size_bytes=size,
        sha256=digest, recovered=True,
    )  # fmt: skip
    row = ended_by(row, after)
    # That it was recovered is not in the file: its row lies beside it, for `rebuild`.
    try:
        write_file(facts_file(path), facts_document(row))
    except (HindsightError, OSError) as error:  # a disk that is full; the row is what counts
        log.warning("camera %s: no facts beside %s: %s", camera.slug, path.name, error)
    return row
