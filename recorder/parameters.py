"""Parameter sets inside a stream: when a camera changes its picture, the next segment says so."""

from __future__ import annotations

from typing import Any

import av
import av.error
from av import Packet
from av.video.stream import VideoStream

START = b"\0\0\1"
# NAL unit types: those whose change means another picture, and those that hold a picture.
_SETS = {"h264": {7, 8}, "hevc": {32, 33, 34}}
_TELLING = {"h264": {7}, "hevc": {32, 33}}
_PICTURES = {"h264": range(1, 6), "hevc": range(32)}


class Parameters:
    """What the decoder of one video stream must know, followed from keyframe to keyframe.

    Annex B streams (RTSP, MPEG-TS) repeat their sets in band; others (RTMP) announce new ones as
    side data. Sets that only come again change nothing.
    """

    def __init__(self, video: VideoStream) -> None:
        self.codec = video.codec_context.name
        self._extradata = bytes(video.codec_context.extradata or b"")
        self._annexb = not self._extradata or self._extradata.startswith((START, b"\0" + START))
        self._telling: tuple[bytes, ...] = ()

    def changed(self, packet: Packet[Any]) -> bytes | None:
        """The new extradata when this keyframe changes the picture, else None."""
        if packet.has_sidedata("new_extradata"):
            data = bytes(packet.get_sidedata("new_extradata"))
            if data and data != self._extradata:
                self._extradata = data
                return data
        if not self._annexb or self.codec not in _SETS:
            return None
        sets = [nal for nal in leading_nals(bytes(packet), self.codec)
                if nal_type(nal, self.codec) in _SETS[self.codec]]  # fmt: skip
        telling = tuple(nal for nal in sets if nal_type(nal, self.codec) in _TELLING[self.codec])
        if not telling or telling == self._telling:
            return None
        first, self._telling = not self._telling, telling
        return None if first else b"".join(b"\0" + START + nal for nal in sets)


def leading_nals(unit: bytes, codec: str) -> list[bytes]:
    """NAL units of an Annex B access unit that stand before its picture."""
    found = []
    at = unit.find(START)
    while 0 <= at < len(unit) - len(START):
        begin = at + len(START)
        if nal_type(unit[begin : begin + 1], codec) in _PICTURES[codec]:
            break
        at = unit.find(START, begin)
        found.append(unit[begin : at if at >= 0 else len(unit)].rstrip(b"\0"))
    return [nal for nal in found if nal]


def nal_type(nal: bytes, codec: str) -> int:
    """nal_unit_type of H.264 (7.3.1) or H.265 (7.3.1.2)."""
    return nal[0] & 0x1F if codec == "h264" else nal[0] >> 1 & 0x3F


def picture_size(codec: str, extradata: bytes, keyframe: bytes) -> tuple[int, int] | None:
    """(width, height) of a keyframe, by decoding it; None when it cannot be."""
    decoder = av.CodecContext.create(codec, "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.extradata = extradata
    try:
        frames = [*decoder.decode(Packet(keyframe)), *decoder.decode(None)]
    except av.error.FFmpegError:
        return None
    return (frames[0].width, frames[0].height) if frames else None
