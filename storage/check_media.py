"""The half of `check` that looks at volumes: identity, each row's file, files without a row."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from storage.boxes import payload_of, read_movie, top_boxes
from storage.clock import US
from storage.directory import DataDirectory
from storage.durable import OPEN_SUFFIX, UNUSABLE_SUFFIX, is_locked
from storage.errors import DataLoss, HindsightError, Invalid
from storage.findings import Finding, Level, Progress, of_segment
from storage.fragments import FACTS_SUFFIX, Layout, facts_file, read_facts
from storage.i18n import N_
from storage.media import Media
from storage.seal_places import is_copy
from storage.segments import count_segments, get, known_paths, pages
from storage.vocabulary import Segment, SegmentState
from storage.volumes import IDENTITY, Volume, known_volumes

OPEN_YOUNG_US = 120 * US  # a running recorder has written to its unfinished file since


def open_volumes(directory: DataDirectory) -> tuple[dict[str, Volume], list[Finding]]:
    """Volumes that show their identity and whose key is there if they have one, and a finding for
    each other one (invariant 12)."""
    with directory.ledger.read() as tx:
        names = known_volumes(tx)
    volumes: dict[str, Volume] = {}
    absent: list[Finding] = []
    for name in names:
        try:
            volume = directory.archive.volume(name)
            volume.verify_readable()
            volumes[name] = volume
        except HindsightError as error:
            absent.append(Finding(12, error.message, error.fields, volume=name))
    return volumes, absent


def files_of(volume: Volume) -> Iterator[str]:
    """Every file on a volume but its identity and copies of seals, relative to its root."""
    root = str(volume.root)
    for folder, _, names in os.walk(root):
        inside = folder[len(root) :].lstrip("/")
        for name in names:
            relative = f"{inside}/{name}" if inside else name
            if relative != IDENTITY and not is_copy(relative):
                yield relative


def check_segments(
    directory: DataDirectory, level: Level, volumes: dict[str, Volume], progress: Progress
) -> Iterator[Finding]:
    """Closed rows have their file (invariants 1, 13), tombstones have none (invariant 3)."""
    with directory.ledger.read() as tx:
        total, done = count_segments(tx), 0
    for state in (SegmentState.CLOSED, SegmentState.EXPIRED):
        for page in pages(directory.ledger, state):
            for segment in page:
                if volume := volumes.get(segment.volume):
                    closed = state is SegmentState.CLOSED
                    finding = (
                        examine(volume, segment, level) if closed else _lingering(volume, segment)
                    )
                    # Retention may have removed it, lawfully, since the row was read.
                    if finding is not None and (not closed or still_closed(directory, segment)):
                        yield finding
                done += 1
                progress(done, max(done, total))


def examine(volume: Volume, segment: Segment, level: Level) -> Finding | None:
    """Whether a closed segment's file is what its row says; None when it is."""
    try:
        path, size_bytes = _found(volume, segment.path)
        if size_bytes is None:
            return of_segment(segment, 1, N_("the file of segment {segment} ({camera}) is missing"))
        media = volume.lying(path)
        if level is not Level.PRESENCE and size_bytes != segment.size_bytes:
            size_bytes = media.size_bytes()  # encrypted, it is longer on the disk
        if level is not Level.PRESENCE and size_bytes != segment.size_bytes:
            return of_segment(
                segment, 1,
                N_("the file of segment {segment} ({camera}) has {found} bytes, its row says"
                   " {due}"),
                found=size_bytes, due=segment.size_bytes,
            )  # fmt: skip
        if level is Level.HASH and media.sha256() != segment.sha256:
            return _changed(segment, media)
    except (OSError, DataLoss, Invalid) as error:  # Invalid: a link that leads out of the volume
        return of_segment(
            segment, 1, N_("the file of segment {segment} ({camera}) cannot be read: {error}"),
            error=error,
        )  # fmt: skip
    return _facts_of(segment, media, level)


def _found(volume: Volume, relative: str) -> tuple[Path, int | None]:
    """Where a file lies, and its size in bytes; None when there is none. Invalid for a link out.

    One system call per file: that its folder is inside the volume is asked once per folder.
    """
    folder, _, name = relative.rpartition("/")
    path = _inside(volume, folder) / name
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return path, None
    if stat.S_ISLNK(found.st_mode):
        path = volume.file(relative)
        return path, path.stat().st_size if path.is_file() else None
    return path, found.st_size if stat.S_ISREG(found.st_mode) else None


@lru_cache(maxsize=64)  # a walk goes folder by folder
def _inside(volume: Volume, folder: str) -> Path:
    return volume.file(folder)


def _changed(segment: Segment, media: Media) -> Finding:
    """Why the hash may differ: another segment's file under this name, or changed bytes."""
    try:
        facts = read_facts(media)
    except (DataLoss, OSError):
        facts = None
    if facts is not None and facts.segment != segment.id:
        return of_segment(
            segment, 1,
            N_("the file of segment {segment} ({camera}) is that of segment {other} ({owner})"),
            other=facts.segment, owner=facts.camera,
        )  # fmt: skip
    return of_segment(
        segment, 1, N_("the bytes of segment {segment} ({camera}) changed: SHA-256 differs")
    )


def _facts_of(segment: Segment, media: Media, level: Level) -> Finding | None:
    """Whether a file, found whole, says of itself what its row says (invariant 13)."""
    if segment.origin == "import" and not facts_file(media.path).is_file():
        return of_segment(
            segment, 13, N_("the facts beside segment {segment} ({camera}) are missing")
        )
    if level is not Level.HASH:
        return None
    try:
        facts = read_facts(media, _head(media))
    except (DataLoss, OSError) as error:
        return of_segment(
            segment, 13, N_("segment {segment} ({camera}) cannot say what it is: {error}"),
            error=error,
        )  # fmt: skip
    if facts is None or (facts.segment, facts.camera) != (segment.id, segment.camera):
        return of_segment(
            segment, 13, N_("segment {segment} ({camera}) does not say of itself what it is")
        )
    return None


def _head(media: Media) -> Layout | None:
    """The layout as far as the moov, where facts are; None when there is no moov to be found."""
    with media.open() as source:
        size_bytes = source.seek(0, os.SEEK_END)
        for box in top_boxes(source, size_bytes):
            if box.kind == b"moov":
                movie = read_movie(payload_of(source, box))
                return Layout(box.end, (), box.end, movie.tracks, movie.tags)
            if box.kind == b"mdat":
                return None  # not one of ours
    return None


def _lingering(volume: Volume, segment: Segment) -> Finding | None:
    """A tombstone whose file is still there."""
    if not (volume.root / segment.path).exists():
        return None
    return of_segment(
        segment, 3,
        N_("segment {segment} ({camera}) expired but its file is still there;"
           " `hindsight retain` removes it"),
        loss=False,
    )  # fmt: skip


def still_closed(directory: DataDirectory, segment: Segment) -> bool:
    """Whether the row is still no tombstone."""
    with directory.ledger.read() as tx:
        return any(row.state is SegmentState.CLOSED for row in get(tx, [segment.id]))


def check_strangers(
    directory: DataDirectory, volume: Volume, lying: Sequence[str]
) -> Iterator[Finding]:
    """Files no row knows: unfinished ones of a killed recorder, and unknown ones."""
    with directory.ledger.read() as tx:
        known = known_paths(tx, volume.name)
    recording = directory.is_running("record")
    now_us = directory.clock.now_us()
    for path in lying:
        if path in known or path.removesuffix(FACTS_SUFFIX) in known:
            continue
        file = volume.root / path
        if not file.exists():
            continue
        if path.endswith(OPEN_SUFFIX):
            young = now_us - int(file.stat().st_mtime * US) < OPEN_YOUNG_US
            if is_locked(file) or (recording and young):
                continue  # being written
            yield Finding(
                5, N_("{path} was never closed; the next `hindsight record` adopts it")
                if _is_recording(volume.lying(file))
                else N_("{path} was never closed and is no recording, maybe an import that broke"
                        " off; nothing takes it in, import the original again"),
                {"path": path}, loss=False, volume=volume.name, path=path,
            )  # fmt: skip
        elif path.endswith(UNUSABLE_SUFFIX):
            yield Finding(
                5, N_("{path} holds no whole fragment: its recorder was lost too early; nothing"
                      " is in it that could be taken in"),
                {"path": path}, loss=False, volume=volume.name, path=path,
            )  # fmt: skip
        else:
            yield Finding(
                3, N_("{path} has no row; it is left alone, `hindsight rebuild` can take it in"),
                {"path": path}, loss=False, volume=volume.name, path=path,
            )  # fmt: skip


def _is_recording(file: Media) -> bool:
    """Whether an unfinished file says of itself that it is a live segment of ours."""
    try:
        return read_facts(file) is not None
    except (DataLoss, OSError):
        return False
