"""Takes stills from the originals in a bundle: a few pictures a camera, for the report."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
from PIL import Image

from evidence.plan import CameraPlan
from evidence.playable import Source
from storage.clock import rfc3339, to_datetime
from storage.durable import sha256_file
from storage.timeline import JOIN_US
from storage.vocabulary import Segment, Span

MOST_OF_A_CAMERA = 12
MOST_OF_A_BUNDLE = 96  # about 250 kB each, well inside evidence.workshop.OVERHEAD_BYTES
FEW_RUNS = 3  # with fewer, the middle of each is shown as well
LONGEST_SIDE = 1280
QUALITY = 90
RECIPE = (
    f"the picture shown at this time, decoded, turned upright, made smaller to fit {LONGEST_SIDE}"
    f" pixels a side, JPEG of quality {QUALITY}"
)
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Still:
    """A derivative: one picture of an original, and when that was shown."""

    path: Path
    at_us: int  # UTC of the picture, not of what was asked for
    pts: int  # in the original
    size: tuple[int, int]  # (width, height) of the JPEG
    size_bytes: int
    sha256: str
    original: Segment


def most_of_a_camera(cameras: int) -> int:
    """How many stills each of so many cameras gets."""
    return max(1, min(MOST_OF_A_CAMERA, MOST_OF_A_BUNDLE // max(cameras, 1)))


def take_stills(
    plan: CameraPlan, sources: Sequence[Source], asked: Span, folder: Path, most: int
) -> tuple[list[Still], list[int]]:
    """At most `most` stills in `folder`, and the instants at which no picture could be decoded.

    One at the beginning of each recorded run; of more than `most` runs, evenly chosen ones; the
    middles too where runs are few. OSError when the disk refuses.
    """
    taken: list[Still] = []
    failed: list[int] = []
    folder.mkdir(parents=True, exist_ok=True)
    for at_us in _instants(plan, asked, most):
        source = _source_at(sources, at_us)
        if source is None:
            continue
        shown = _picture(source, at_us)
        if shown is None:
            failed.append(at_us)
        elif all(shown[1] != one.pts or one.original is not source.segment for one in taken):
            taken.append(_save(plan.camera.slug, source, *shown, folder))
    return taken, failed


def _instants(plan: CameraPlan, asked: Span, most: int) -> list[int]:
    runs: list[Span] = []
    for span in plan.covered(asked):
        if runs and span.start_us - runs[-1].end_us <= JOIN_US:
            runs[-1] = Span(runs[-1].start_us, span.end_us)
        else:
            runs.append(span)
    instants = [run.start_us for run in runs]
    if len(runs) < FEW_RUNS:
        instants += [(run.start_us + run.end_us) // 2 for run in runs]
    instants.sort()
    if len(instants) > most:
        instants = [instants[i * len(instants) // most] for i in range(most)]
    return instants


def _source_at(sources: Sequence[Source], at_us: int) -> Source | None:
    for source in reversed(sources):
        if source.segment.start_us <= at_us < source.segment.end_us:
            return source
    return None


def _picture(source: Source, at_us: int) -> tuple[Image.Image, int] | None:
    """The picture shown at an instant and its PTS; None when none can be decoded there."""
    measured = source.measured
    wanted = measured.first_pts + int(
        (at_us - source.segment.start_us) / (measured.time_base * 1_000_000)
    )
    try:
        with av.open(str(source.path)) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            container.seek(wanted, stream=stream, backward=True)
            shown: av.VideoFrame | None = None
            for frame in _frames(container, stream):
                # A container with a poor index may land behind: then this is the picture, under
                # the time that is its own.
                if shown is not None and _pts(frame) > wanted:
                    break
                shown = frame
            if shown is None:
                return None
            picture = Image.fromarray(shown.to_ndarray(format="rgb24"))
            if shown.rotation % 360:
                picture = picture.rotate(shown.rotation, expand=True)
            return picture, _pts(shown)
    except av.error.FFmpegError as error:
        log.warning("no still of %s: %s", source.path.name, error.strerror)
        return None


def _frames(
    container: av.container.InputContainer, stream: av.video.stream.VideoStream
) -> Iterator[av.VideoFrame]:
    for frame in container.decode(stream):
        if frame.pts is not None or frame.dts is not None:
            yield frame


def _pts(frame: av.VideoFrame) -> int:
    pts = frame.dts if frame.pts is None else frame.pts
    return 0 if pts is None else pts


def _save(slug: str, source: Source, picture: Image.Image, pts: int, folder: Path) -> Still:
    at_us = source.instant_us(pts)
    when = to_datetime(at_us)
    stem = f"{slug}_{when:%Y%m%dT%H%M%S}.{when.microsecond // 1000:03d}Z"
    path = folder / f"{stem}.jpg"
    if path.exists():  # footage imported twice
        path = folder / f"{stem}_{source.segment.id}.jpg"
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    # The file itself says what it is of: it may be passed on without the bundle.
    comment = f"derivative, {slug} {rfc3339(at_us)}, original SHA-256 {source.segment.sha256}"
    picture.save(path, "JPEG", quality=QUALITY, subsampling=0, comment=comment.encode())
    return Still(
        path, at_us, pts, picture.size, path.stat().st_size, sha256_file(path), source.segment
    )
