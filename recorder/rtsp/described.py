"""What FFmpeg makes of a camera's SDP: the streams, as the muxer wants to see them."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import av
import av.error
from av.container import InputContainer

from recorder.rtsp.pictures import PictureTrack
from recorder.rtsp.sdp import Media
from recorder.rtsp.session import BeyondUs

_OPTIONS = {"sdp_flags": "custom_io", "fpsprobesize": "0"}
_SESSION = ("v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0")
# Parameter sets are a few, of a few hundred bytes each; whatever a camera sends, far below 280 kB.
_PACKET_BYTES, _MOST_SETS = 8192, 16


class _Pieces:
    """A file that is read piece by piece: a packet at a time, however much is asked for."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = list(pieces)

    def read(self, size: int) -> bytes:
        """The next piece, or as much of it as is asked for; b'' when there is none."""
        if not self._pieces:
            return b""
        piece = self._pieces.pop(0)
        if len(piece) > size:
            self._pieces.insert(0, piece[size:])
        return piece[:size]


def described(media: Sequence[Media], video: PictureTrack) -> InputContainer:
    """A container whose streams are `media`, in that order, for templates only.

    FFmpeg reads the SDP and, as RTP, the parameter sets and the head of a slice that were seen:
    enough for it to know everything of the picture, and it takes a millisecond. All of it is a
    few kB, because its demuxer answers larger streams with reports it has nowhere to send to.
    """
    sdp = "\r\n".join([*_SESSION, *(line for one in media for line in one.lines), ""])
    payload = next(one.payload for one in media if one.kind == "video")
    units = [*list(video.sets.values())[-_MOST_SETS:], video.slice_head]
    packets = [
        struct.pack(">BBHII", 0x80, payload | (0x80 if unit is units[-1] else 0), number, 0, 1)
        + unit[:_PACKET_BYTES]
        for number, unit in enumerate(units)
    ]
    try:
        return av.open(
            _Pieces([sdp.encode(), b"", *packets]), "r", format="sdp", options=dict(_OPTIONS),
            buffer_size=_PACKET_BYTES + 64,
        )  # fmt: skip
    except (av.error.FFmpegError, OSError, ValueError):
        raise BeyondUs from None
