"""The packets of a segment without reading it: time, size and place of each; and how to decode a
few of them straight from the file."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import numpy.typing as npt
from av.codec.context import CodecContext, ThreadType
from av.packet import Packet
from av.video.frame import VideoFrame

from storage.clock import US
from storage.media import Media
from storage.sample_tables import Unclear, read_samples

if TYPE_CHECKING:
    from av.video.codeccontext import VideoCodecContext

Int64s = npt.NDArray[np.int64]
_CODECS = {b"avc1": "h264", b"avc3": "h264", b"hvc1": "hevc", b"hev1": "hevc"}


@dataclass(frozen=True, slots=True, eq=False)
class PacketTable:
    """The video packets of a file in the order of decoding, the first one a keyframe.

    `pts` and `dts` as FFmpeg's demuxer gives them, in units of `time_base`.
    """

    pts: Int64s
    dts: Int64s
    size: Int64s  # bytes
    offset: Int64s  # in the file
    key: npt.NDArray[np.bool_]
    codec: str  # FFmpeg's name
    extradata: bytes  # what its decoder needs first
    width: int
    height: int
    time_base: Fraction
    first_pts: int  # of the file's first packet, a keyframe or not

    def time_us(self) -> Int64s:
        """When each is shown: microseconds after the first picture, rounded as `indexer.video`."""
        numerator, denominator = self.time_base.numerator * US, self.time_base.denominator
        ticks = self.pts - self.first_pts
        return (ticks * numerator * 2 + denominator) // (2 * denominator)


def packet_table(media: Media) -> PacketTable | None:
    """The table of a file; None where it cannot be told surely: not MP4, another codec than
    H.264 and H.265, turned, cut by an edit list, damaged. OSError when it cannot be opened."""
    with media.raw() as source:
        size = source.seek(0, 2)
        try:
            track, samples = read_samples(source, size)  # type: ignore[arg-type]
        except (Unclear, OSError):  # OSError: a changed record of an encrypted file, a bad sector
            return None
    keys = np.flatnonzero(samples.key)
    if not keys.size:
        return None
    used = slice(int(keys[0]), None)  # what precedes the first keyframe cannot be decoded
    return PacketTable(
        samples.pts[used], samples.dts[used], samples.size[used], samples.offset[used],
        samples.key[used], _CODECS[track.entry], track.setup, track.width, track.height,
        Fraction(1, track.timescale), int(samples.pts[0]),
    )  # fmt: skip


class PacketDecoder:
    """Decodes single pictures of a table, those between keyframes as well; opens the file when
    the first is asked for. Pictures of a GOP are to be asked for in order of showing."""

    def __init__(self, media: Media, table: PacketTable) -> None:
        self._media, self._table = media, table
        self._source: Any = None
        self._codec: VideoCodecContext | None = None
        self._starts = np.flatnonzero(table.key)
        self._fed = -1  # the last packet given to the decoder; -1: it is empty
        self._end = -1  # of the GOP it is in
        self._drained = True
        self._ready: list[VideoFrame] = []

    def __enter__(self) -> PacketDecoder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if self._source is not None:
            self._source.close()

    def picture(self, number: int) -> VideoFrame | None:
        """The picture of packet `number`; None when the decoder gives none for it.

        av.FFmpegError when it, or one that it leans on, is damaged; OSError as the file's.
        """
        table = self._table
        wanted = int(table.pts[number])
        start = int(self._starts[np.searchsorted(self._starts, number, side="right") - 1])
        if not start <= self._fed < self._end or self._drained:
            self._begin(start)
        if number == start:  # alone: what follows in the GOP need not be read
            self._feed(start)
            self._drain()
        while True:
            while self._ready:
                frame = self._ready[0]
                if frame.pts is not None and frame.pts > wanted:
                    return None
                self._ready.pop(0)
                if frame.pts == wanted:
                    return frame
            if self._fed + 1 < self._end and not self._drained:
                self._feed(self._fed + 1)
            elif not self._drained:
                self._drain()
            else:
                return None

    def _begin(self, start: int) -> None:
        """At a keyframe, nothing of what came before in the decoder."""
        if self._codec is None:
            self._codec = self._opened()
        self._codec.flush_buffers()
        after = np.searchsorted(self._starts, start, side="right")
        last = after == self._starts.size
        self._end = len(self._table.pts) if last else int(self._starts[after])
        self._fed, self._drained, self._ready = start - 1, False, []

    def _feed(self, number: int) -> None:
        table = self._table
        self._fed = number
        self._source.seek(int(table.offset[number]))
        size = int(table.size[number])
        data = self._source.read(size)
        while len(data) < size and (more := self._source.read(size - len(data))):
            data += more
        packet = Packet(data)
        packet.pts, packet.dts = int(table.pts[number]), int(table.dts[number])
        packet.time_base = table.time_base
        assert self._codec is not None
        self._ready.extend(self._codec.decode(packet))

    def _drain(self) -> None:
        assert self._codec is not None
        self._drained = True
        try:
            self._ready.extend(self._codec.decode(None))
        except av.EOFError:
            return

    def _opened(self) -> VideoCodecContext:
        self._source = self._media.raw()
        codec: Any = CodecContext.create(self._table.codec, "r")
        codec.extradata = self._table.extradata
        codec.thread_type, codec.thread_count = ThreadType.NONE, 1
        return codec  # type: ignore[no-any-return]
