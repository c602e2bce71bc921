"""What is inside a media file: where its fragments lie, and the facts it carries about itself.

The data of samples is skipped, so a scan costs a few reads per fragment whatever the file's size.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from storage.boxes import Box, Movie, Track, children, payload_of, read_movie, top_boxes, track_run
from storage.errors import DataLoss
from storage.media import Media, media_of
from storage.vocabulary import ClockSource, Segment

FACTS_SUFFIX = ".facts.json"  # beside a file that is kept as it came
_PREFIX = "hindsight."
_FACTS_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Fragment:
    """One moof with its mdat; times of the video track on the file's own time line."""

    offset: int
    size_bytes: int
    start_s: float  # earliest presentation time in it
    duration_s: float
    keyframe: bool  # begins with one
    samples: int  # pictures in it


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things lie. A file that is no MP4 at all has init_bytes 0 and whole_bytes 0."""

    init_bytes: int  # everything before the first fragment; 0 without a whole moov
    fragments: tuple[Fragment, ...]  # whole ones only; () for an MP4 that is not fragmented
    whole_bytes: int  # end of the last whole fragment, or of the last whole top-level box
    tracks: tuple[Track, ...]
    tags: dict[str, str]  # metadata of the moov, by name

    @property
    def video(self) -> Track | None:
        """The first video track."""
        return next((track for track in self.tracks if track.kind == "video"), None)

    @property
    def audio(self) -> Track | None:
        """The first audio track."""
        return next((track for track in self.tracks if track.kind == "audio"), None)

    @property
    def end_s(self) -> float:
        """Where the last whole fragment ends, seconds on the file's own time line."""
        return max((f.start_s + f.duration_s for f in self.fragments), default=0.0)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a media file says of itself (invariant 13)."""

    segment: str  # id
    camera: str  # slug
    start_us: int
    prev_sha256: str | None
    clock_source: ClockSource
    clock_error_us: int
    first_pts: int
    time_base: str
    created_us: int
    row: Mapping[str, Any] | None = None  # an import: every column of its ledger row


def scan(file: Path | Media) -> Layout:
    """Read the layout of a file, whole or cut short anywhere. OSError when it cannot be read."""
    init_bytes = whole_bytes = 0
    movie = Movie((), {}, {})
    fragments: list[Fragment] = []
    moof: tuple[Box, bytes] | None = None  # one that waits for its mdat
    media_seen = False
    with media_of(file).open() as source:
        size = source.seek(0, os.SEEK_END)
        for box in top_boxes(source, size):
            if box.kind == b"moof":
                moof = (box, payload_of(source, box))
                continue
            if box.kind == b"mdat" and moof is not None:
                if init_bytes:
                    after_s = fragments[-1].start_s + fragments[-1].duration_s if fragments else 0.0
                    fragments.append(_fragment(*moof, box.end, movie, after_s))
                moof = None
            elif moof is not None:
                break  # something between a moof and its mdat: not a file of ours
            elif box.kind == b"moov" and not init_bytes:
                movie = read_movie(payload_of(source, box))
                init_bytes = box.end
            elif init_bytes and not fragments and not media_seen:
                init_bytes = box.end  # sidx, free … before the first fragment
            media_seen = media_seen or box.kind == b"mdat"
            whole_bytes = box.end
    if not init_bytes:
        return Layout(0, (), 0, (), {})
    return Layout(init_bytes, tuple(fragments), whole_bytes, movie.tracks, movie.tags)


def _fragment(moof: Box, payload: bytes, end: int, movie: Movie, after_s: float) -> Fragment:
    """Timing of the video track inside a fragment; `after_s` where it has none."""
    shown = next((t for t in movie.tracks if t.kind == "video"), None) or (
        movie.tracks[0] if movie.tracks else None
    )
    runs = []
    if shown is not None:
        for kind, traf in children(payload):
            run = track_run(traf, shown.id, movie) if kind == b"traf" else None
            if run is not None and run.samples:
                runs.append(run)
    if shown is None or not runs:
        return Fragment(moof.offset, end - moof.offset, after_s, 0.0, False, 0)
    return Fragment(
        offset=moof.offset,
        size_bytes=end - moof.offset,
        start_s=(min(run.first for run in runs) - shown.edit_ticks) / shown.timescale,
        duration_s=sum(run.duration for run in runs) / shown.timescale,
        keyframe=runs[0].keyframe,
        samples=sum(run.samples for run in runs),
    )


def facts_file(path: Path) -> Path:
    """Where the facts of a file that is kept as it came lie."""
    return path.with_name(path.name + FACTS_SUFFIX)


def facts_tags(facts: Facts) -> dict[str, str]:
    """Facts as metadata tags of a moov."""
    values = asdict(facts)
    values.pop("row")
    return {f"{_PREFIX}{name}": "" if v is None else str(v) for name, v in values.items()}


def facts_document(segment: Segment) -> bytes:
    """Facts as the content of `facts_file`: every column of the segment's row."""
    return json.dumps(asdict(segment), ensure_ascii=False, indent=1).encode()


def read_facts(file: Path | Media, layout: Layout | None = None) -> Facts | None:
    """The facts in a media file or beside it; None when it carries none.

    `layout` saves a second scan. DataLoss when there are facts and they cannot be read.
    """
    media = media_of(file)
    beside = facts_file(media.path)
    try:
        if beside.is_file():
            if beside.stat().st_size > _FACTS_LIMIT:
                raise ValueError("too large")
            row = json.loads(beside.read_bytes())
            return _facts({**row, "segment": row["id"]}, row)
        tags = (layout or scan(media)).tags
        found = {k.removeprefix(_PREFIX): v for k, v in tags.items() if k.startswith(_PREFIX)}
        return _facts(found, None) if found else None
    except (ValueError, KeyError, TypeError) as error:
        raise DataLoss(
            "the facts of {file} cannot be read ({error}); the file itself is untouched",
            file=media.path, error=error,
        ) from None  # fmt: skip


def _facts(values: Mapping[str, Any], row: Mapping[str, Any] | None) -> Facts:
    return Facts(
        segment=str(values["segment"]),
        camera=str(values["camera"]),
        start_us=int(values["start_us"]),
        prev_sha256=values["prev_sha256"] or None,
        clock_source=ClockSource(values["clock_source"]),
        clock_error_us=int(values["clock_error_us"]),
        first_pts=int(values["first_pts"]),
        time_base=str(values["time_base"]),
        created_us=int(values["created_us"]),
        row=row,
    )
