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
from flask import Response, request, send_file
from werkzeug.wsgi import FileWrapper

from storage import fragments
from storage.clock import to_datetime
from storage.directory import DataDirectory
from storage.durable import HashingFile
from storage.encryption import Sealer
from storage.errors import Unavailable
from storage.media import BUFFER_BYTES, Media
from storage.reading import Footage
from storage.vocabulary import Segment
from web.cache import get_or_make

# What Media Source Extensions of some browser take in MP4; each browser still says for itself.
STREAMED = {"h264": "avc1.640028", "hevc": "hvc1.1.6.L123.B0", "av1": "av01.0.08M.08",
            "vp9": "vp09.00.40.08"}  # fmt: skip
AUDIO = frozenset({"aac", "mp3", "opus", "flac"})
FRAGMENT_US = 2_000_000
MP4 = "video/mp4"


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

    media: Media
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


def playable(directory: DataDirectory, footage: Footage) -> Playable:
    """The file to serve for a segment: its own, or its view.

    DataLoss when the file is gone, Unavailable when no view of it can be made.
    """
    segment, media = footage.segment, footage.media
    found = _parts(media) if segment.container == "mp4" else None
    if found is None or not (segment.audio_codec is None or segment.audio_codec in AUDIO):
        found = _parts(_view(directory, segment, media))
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
    with file.media.open() as source:
        init = source.read(file.init_bytes)
    return init.replace(b"edts", b"free")


def sent(file: Playable, etag: str) -> Response:
    """The whole file, or the ranges that the request at hand asks for."""
    if not file.media.is_encrypted:
        return send_file(
            file.media.path, mimetype=MP4, conditional=True, etag=etag, max_age=None
        )  # fmt: skip
    source = file.media.open()
    response = Response(FileWrapper(source, BUFFER_BYTES), mimetype=MP4, direct_passthrough=True)
    response.call_on_close(source.close)
    response.content_length = size_bytes = source.seek(0, os.SEEK_END)
    source.seek(0)
    response.last_modified = to_datetime(file.media.path.stat().st_mtime_ns // 1000)
    response.set_etag(etag)
    response.make_conditional(request.environ, accept_ranges=True, complete_length=size_bytes)
    return response


def _parts(media: Media) -> Playable | None:
    return _layout(media, media.path.stat().st_mtime_ns)


@lru_cache(maxsize=4096)
def _layout(media: Media, _mtime_ns: int) -> Playable | None:
    """The parts of a fragmented MP4; None when it is none."""
    layout = fragments.scan(media)
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
    return Playable(media, layout.init_bytes, tuple(pieces), edited)


def _view(directory: DataDirectory, segment: Segment, original: Media) -> Media:
    """A view of footage that is encrypted is, too: with its volume's key."""
    target = directory.made_of_segments / segment.id / "view.mp4"

    def make(unfinished: Path) -> None:
        sealer = Sealer(original.key()) if original.key and original.is_encrypted else None
        with HashingFile(unfinished, sealer=sealer) as file:
            _remux(original, file, segment)
            file.publish()

    return Media(get_or_make(target, make), original.key)


def _remux(original: Media, target: HashingFile, segment: Segment) -> None:
    """Stream copy of the video (and of audio a browser takes) into fragmented MP4."""
    options = {
        "movflags": "frag_keyframe+empty_moov+default_base_moof+delay_moov+skip_trailer",
        "frag_duration": str(FRAGMENT_US),
    }
    try:
        with (
            original.for_ffmpeg() as source,
            av.open(source, "r") as inside,
            av.open(target, "w", format="mp4", options=options) as outside,
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
