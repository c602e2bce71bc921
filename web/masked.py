"""Previews: what a player gets of footage whose originals privacy zones hide from who asks, and of
footage in a codec that their browser lacks.

Made on demand in short pieces, decoded, masked and encoded again on this machine, without sound;
cached by segment and zones. No byte of the original is in them.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path

import av
from av.error import FFmpegError
from av.video.frame import VideoFrame

from indexer.pictures import masked_pictures
from indexer.shown import Shown
from storage.clock import US
from storage.directory import DataDirectory
from storage.durable import HashingFile
from storage.encryption import Sealer
from storage.errors import DataLoss, NotFound, Unavailable
from storage.masking import zones_key
from storage.media import Media
from storage.reading import Footage
from storage.vocabulary import Segment
from web.cache import get_or_make
from web.playable import Playable, playable

PIECE_US = 6 * US  # made at once: about what a player waits for before it shows a picture
LEAST_US = US  # a shorter rest belongs to the piece before
MOST_SIDE = 960  # pixels of the longer side: a preview
AT_ONCE = 2  # pieces being made at the same time
NICE = 10
PATIENCE_S = 6.0  # of a request: a player asks again
MOST_S = 60.0  # of making one piece; what takes longer is given up
TICKS = 90_000  # a second, in the files
DIGEST_BYTES = 32
QUALITY = {"preset": "veryfast", "crf": "26", "bf": "0", "sc_threshold": "0", "threads": "1"}
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Preview:
    """A segment that is encoded anew: its pieces, from the first picture on."""

    pieces: tuple[tuple[int, int], ...]  # start and end, microseconds after the first picture

    @property
    def first_s(self) -> float:
        """Media time of the first picture."""
        return 0.0


def served(
    directory: DataDirectory, footage: Footage, *, transcoded: bool = False
) -> Playable | Preview:
    """What to serve of a segment to whoever asked for it; `transcoded`: their browser lacks its
    codec. Errors as `playable`."""
    if footage.is_masked or transcoded:
        _ = footage.under_mask  # DataLoss when its file is gone
        return preview(footage.segment)
    return playable(directory, footage)


def preview(segment: Segment) -> Preview:
    """Its pieces, as long as the ledger says."""
    starts = list(range(0, max(1, segment.duration_us), PIECE_US))
    if len(starts) > 1 and segment.duration_us - starts[-1] < LEAST_US:
        starts.pop()
    return Preview(tuple(pairwise([*starts, max(1, segment.duration_us)])))


def etag(footage: Footage, number: int) -> str:
    """Of a piece: another one as soon as other zones count."""
    return f"{footage.segment.sha256[:24]}-{zones_key(footage.zones)}-{number}"


def init(footage: Footage) -> bytes:
    """The initialisation segment of a preview's pieces."""
    return _header(*_shape(footage), _rate(footage.segment))


def piece(directory: DataDirectory, footage: Footage, number: int) -> bytes:
    """One piece (moof and mdat), made once, however many ask; a changed file is made again.

    NotFound: there is no such piece. Unavailable: others are being made, ask again. DataLoss: the
    footage cannot be decoded there.
    """
    pieces = preview(footage.segment).pieces
    if not 0 <= number < len(pieces):
        raise NotFound(
            "segment {segment} has no piece {number}", segment=footage.segment.id, number=number
        )
    name = f"masked-{zones_key(footage.zones)}-{number}.m4s"
    path = directory.made_of_segments / footage.segment.id / name
    if path.exists():
        found = _checked(Media(path, footage.under_mask.key))
        if found is not None:
            return found
        log.warning("%s was changed and is made again", path)
        path.unlink(missing_ok=True)
    making = _makers().submit(_kept, footage, path, *pieces[number])
    try:
        return making.result(PATIENCE_S)
    except TimeoutError:  # what is being made is finished, and found when it is asked for again
        making.cancel()
        raise Unavailable(
            "masked previews are being made for others; try again in a moment"
        ) from None


@cache
def _makers() -> ThreadPoolExecutor:
    """The few threads that make previews; who records, indexes and answers goes first."""

    def step_back() -> None:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)  # of this thread

    return ThreadPoolExecutor(AT_ONCE, "masked", initializer=step_back)


def _kept(footage: Footage, path: Path, start_us: int, end_us: int) -> bytes:
    """The piece out of the cache, put there if need be; other processes wait for it."""
    key = footage.under_mask.key

    def make(unfinished: Path) -> None:
        made = _made(footage, start_us, end_us)
        # What is made of encrypted footage is encrypted, too.
        sealer = Sealer(key()) if key and footage.under_mask.is_encrypted else None
        with HashingFile(unfinished, sealer=sealer) as file:
            file.write(hashlib.sha256(made).digest() + made)
            file.publish()

    found = _checked(Media(get_or_make(path, make), key))
    if found is None:
        raise Unavailable(
            "the masked preview of segment {segment} cannot be kept in {path}; check the disk",
            segment=footage.segment.id, path=path,
        )  # fmt: skip
    return found


def _checked(file: Media) -> bytes | None:
    """What was written; None when it is not that any more."""
    try:
        with file.open() as source:
            whole = source.read()
    except (OSError, DataLoss):
        return None
    digest, made = whole[:DIGEST_BYTES], whole[DIGEST_BYTES:]
    return made if made and hashlib.sha256(made).digest() == digest else None


def _made(footage: Footage, start_us: int, end_us: int) -> bytes:
    """The pictures of [start, end) after the first one, encoded anew."""
    segment = footage.segment
    whole = _encoded(
        _timed(masked_pictures(footage, segment.start_us + start_us, segment.start_us + end_us),
               segment.start_us, start_us, end_us),
        *_shape(footage), _rate(segment),
    )  # fmt: skip
    at = _first_fragment(whole)
    if at is None:
        raise DataLoss(
            "segment {segment} of {camera} has no picture that can be decoded at that time;"
            " `hindsight check --level hash` tells whether its file is damaged",
            segment=segment.id, camera=segment.camera,
        )  # fmt: skip
    return whole[at:]


def _timed(
    pictures: Iterator[Shown], zero_us: int, start_us: int, end_us: int
) -> Iterator[tuple[Shown, int, int]]:
    """(picture, from, to): one after the other without holes, from the start to the end."""
    before: Shown | None = None
    began_us = start_us
    ends = time.monotonic() + MOST_S
    for shown in pictures:
        if time.monotonic() > ends:
            raise Unavailable(
                "making this preview takes longer than {s} s; look at single pictures instead",
                s=round(MOST_S),
            )
        at_us = max(start_us, shown.ts_us - zero_us)
        if before is not None and at_us > began_us:
            yield before, began_us, at_us
            began_us = at_us
        before = shown
    if before is not None:
        yield before, began_us, end_us


def _encoded(
    pictures: Iterator[tuple[Shown, int, int]], width: int, height: int, rate: Fraction
) -> bytes:
    frames = (
        (VideoFrame.from_ndarray(shown.rgb, format="rgb24"), from_us, to_us)
        for shown, from_us, to_us in pictures
    )
    return _muxed(frames, width, height, rate)


def _muxed(
    frames: Iterator[tuple[VideoFrame, int, int]], width: int, height: int, rate: Fraction
) -> bytes:
    """Fragmented MP4 of H.264, whose times are those given."""
    made = io.BytesIO()
    options = {
        "movflags": "empty_moov+default_base_moof+frag_custom+frag_discont+skip_trailer",
        "avoid_negative_ts": "disabled",  # else each piece would begin at nought
    }
    try:
        with av.open(made, "w", format="mp4", options=options) as target:
            stream = target.add_stream("libx264", rate=rate, options=dict(QUALITY))
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.codec_context.time_base = Fraction(1, TICKS)
            stream.codec_context.gop_size = max(1, round(2 * rate))
            lasts: dict[int, int] = {}
            for frame, from_us, to_us in frames:
                small = frame.reformat(width, height, format="yuv420p")
                small.pts, small.time_base = _ticks(from_us), Fraction(1, TICKS)
                lasts[small.pts] = _ticks(to_us) - small.pts
                for packet in stream.encode(small):
                    packet.duration = lasts[packet.pts or 0]
                    target.mux(packet)
            for packet in stream.encode(None):
                packet.duration = lasts[packet.pts or 0]
                target.mux(packet)
    except (FFmpegError, OSError) as error:
        raise Unavailable("no masked preview can be made: {error}", error=error) from None
    return made.getvalue()


def _ticks(us: int) -> int:
    return us * TICKS // US


@lru_cache(maxsize=256)
def _header(width: int, height: int, rate: Fraction) -> bytes:
    """The same for all pieces of this shape: it says how they are coded, not what they show."""
    grey = VideoFrame(width, height, "yuv420p")
    for plane in grey.planes:
        plane.update(bytes([128]) * plane.buffer_size)
    whole = _muxed(iter([(grey, 0, US)]), width, height, rate)
    return whole[: _first_fragment(whole)]


def _first_fragment(whole: bytes) -> int | None:
    """Where the first `moof` begins (ISO/IEC 14496-12 § 4.2)."""
    at = 0
    while at + 8 <= len(whole):
        if whole[at + 4 : at + 8] == b"moof":
            return at
        at += max(8, int.from_bytes(whole[at : at + 4], "big"))
    return None


def _shape(footage: Footage) -> tuple[int, int]:
    """Width and height of the preview: even, of the upright picture, at most MOST_SIDE."""
    width, height = _upright(footage)
    scale = min(1.0, MOST_SIDE / max(width, height))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


_sizes: dict[str, tuple[int, int]] = {}  # segment → its upright size; footage does not change


def _upright(footage: Footage) -> tuple[int, int]:
    segment = footage.segment
    if segment.id not in _sizes:
        all_of_it = segment.start_us, segment.start_us + segment.duration_us
        with closing(masked_pictures(footage, *all_of_it)) as pictures:
            first = next(pictures, None)
        if first is None:
            return segment.width or MOST_SIDE, segment.height or MOST_SIDE * 9 // 16
        if len(_sizes) > 10_000:
            _sizes.clear()
        _sizes[segment.id] = first.size
    return _sizes[segment.id]


def _rate(segment: Segment) -> Fraction:
    """For the encoder's bookkeeping; times come from the pictures."""
    return Fraction(min(120.0, max(1.0, segment.fps or 25.0))).limit_denominator(1001)
