"""What a browser can be given of a segment: the file itself, a remuxed view, or still pictures.

An import is kept as it came; when that is not fragmented MP4, a view of it is made once by stream
copy (no picture is decoded or changed) and cached. Codecs no browser takes are shown as stills.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import av
from av.error import FFmpegError

from storage import fragments
from storage.directory import DataDirectory
from storage.errors import Unavailable
from storage.vocabulary import Segment
from web.cache import SEGMENTS, get_or_make

# What Media Source Extensions of some browser take in MP4; each browser still says for itself.
STREAMED = {"h264": "avc1.640028", "hevc": "hvc1.1.6.L123.B0", "av1": "av01.0.08M.08",
            "vp9": "vp09.00.40.08"}  # fmt: skip
AUDIO = frozenset({"aac", "mp3", "opus", "flac"})
FRAGMENT_US = 2_000_000


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive fragments that begin with a keyframe: what a player fetches at once."""

    offset: int
    size_bytes: int
    start_s: float  # earliest presentation in it, media time: edit lists are not applied
    duration_s: float


@dataclass(frozen=True, slots=True)
class Playable:
    """A file a browser plays, where its parts lie, and where its first picture is."""

    path: Path
    init_bytes: int
    pieces: tuple[Piece, ...]
    edited: bool  # has an edit list; see plain_init

    @property
    def first_s(self) -> float:
        """Media time of the first picture."""
        return self.pieces[0].start_s


def is_streamed(segment: Segment) -> bool:
    """Whether some browser plays its codec; otherwise only stills are shown."""
    return segment.codec in STREAMED


def playable(directory: DataDirectory, segment: Segment) -> Playable:
    """The file to serve for `segment`: its own, or its view.

    DataLoss when the file is gone, Unavailable when no view of it can be made.
    """
    path = directory.archive.segment_file(segment)
    found = _layout(path, path.stat().st_mtime_ns) if segment.container == "mp4" else None
    if found is None or not (segment.audio_codec is None or segment.audio_codec in AUDIO):
        path = _view(directory, segment, path)
        found = _layout(path, path.stat().st_mtime_ns)
    if found is None:
        raise Unavailable(
            "segment {segment} ({camera}) cannot be shown as a stream; step through its pictures"
            " instead",
            segment=segment.id, camera=segment.camera,
        )  # fmt: skip
    return found


def plain_init(file: Playable) -> bytes:
    """The initialisation segment without its edit lists.

    hls.js lays pieces by media time and does not know edit lists, browsers apply them: pieces
    would overlap by the delay of reordered pictures. Edit boxes are renamed `free`, no byte moves.
    """
    with file.path.open("rb") as source:
        init = source.read(file.init_bytes)
    return init.replace(b"edts", b"free")


@lru_cache(maxsize=4096)
def _layout(path: Path, _mtime_ns: int) -> Playable | None:
    """The parts of a fragmented MP4; None when it is none."""
    layout = fragments.scan(path)
    video = layout.video
    shift_s = video.edit_ticks / video.timescale if video else 0.0
    pieces: list[Piece] = []
    for part in layout.fragments:
        if part.samples == 0 or part.duration_s <= 0:
            continue
        if pieces and not part.keyframe:
            # A player can only enter at a keyframe, so one that is not joins the one before.
            last = pieces[-1]
            pieces[-1] = Piece(
                last.offset, part.offset + part.size_bytes - last.offset, last.start_s,
                last.duration_s + part.duration_s,
            )  # fmt: skip
        else:
            start_s = part.start_s + shift_s
            pieces.append(Piece(part.offset, part.size_bytes, start_s, part.duration_s))
    if not pieces:
        return None
    edited = any(track.edit_ticks for track in layout.tracks)
    return Playable(path, layout.init_bytes, tuple(pieces), edited)


def _view(directory: DataDirectory, segment: Segment, source: Path) -> Path:
    target = directory.cache / SEGMENTS / segment.id / "view.mp4"
    return get_or_make(target, lambda unfinished: _remux(source, unfinished, segment))


def _remux(source: Path, target: Path, segment: Segment) -> None:
    """Stream copy of the video (and of audio a browser takes) into fragmented MP4."""
    options = {
        "movflags": "frag_keyframe+empty_moov+default_base_moof+delay_moov",
        "frag_duration": str(FRAGMENT_US),
    }
    try:
        with (
            av.open(os.fspath(source)) as inside,
            av.open(os.fspath(target), "w", format="mp4", options=options) as outside,
        ):
            streams = {}
            for stream in (*inside.streams.video[:1], *inside.streams.audio[:1]):
                if stream.type == "audio" and stream.codec_context.name not in AUDIO:
                    continue
                streams[stream.index] = outside.add_stream_from_template(stream)
            for packet in inside.demux([inside.streams[index] for index in streams]):
                if packet.size == 0:
                    continue
                packet.stream = streams[packet.stream.index]
                outside.mux(packet)
    except (FFmpegError, OSError, ValueError) as error:
        raise Unavailable(
            "segment {segment} ({camera}) cannot be shown as a stream: {error}; step through its"
            " pictures instead",
            segment=segment.id, camera=segment.camera, error=error,
        ) from None  # fmt: skip
