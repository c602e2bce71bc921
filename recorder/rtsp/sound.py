"""Sound out of RTP: AAC (RFC 3640, mode AAC-hbr) and G.711 (RFC 3551)."""

from __future__ import annotations

from recorder.rtsp.track import Track, Unit

FRAME = 1024  # samples of a frame of AAC, where the packets do not tell
FRAGMENT_BYTES = 1 << 16


class PcmTrack(Track):
    """G.711: a byte is a sample of a channel."""

    def __init__(self, payload: int, clock_hz: int, channels: int) -> None:
        super().__init__(payload, clock_hz)
        self._channels = max(1, channels)

    def payload(self, buffer: bytearray, at: int, end: int, marker: bool) -> None:
        """Samples."""
        duration = (end - at) // self._channels
        self.units.append(Unit(self._ticks, duration, bytes(buffer[at:end]), True))


class AacTrack(Track):
    """AAC, several frames in a packet or one in several packets."""

    def __init__(self, payload: int, clock_hz: int) -> None:
        super().__init__(payload, clock_hz)
        self._part = b""
        self._before: tuple[int, int] | None = None  # the packet before: ticks, frames
        self._frame = FRAME

    def over(self) -> None:
        """Half a frame of another time is of no use."""
        self._part = b""

    def missing(self) -> None:
        """Nor is one with a hole."""
        self._part = b""

    def payload(self, buffer: bytearray, at: int, end: int, marker: bool) -> None:
        """A count in bits, a header of 16 bits per frame (13 of them its size), the frames."""
        if end - at < 4:
            return
        headers = (buffer[at] << 8 | buffer[at + 1]) // 16
        sizes = [(buffer[at + 2 + 2 * n] << 8 | buffer[at + 3 + 2 * n]) >> 3
                 for n in range(min(headers, (end - at - 2) // 2))]  # fmt: skip
        at += 2 + 2 * headers
        if len(sizes) == 1 and sizes[0] > end - at:
            self._part += bytes(buffer[at:end])
            if len(self._part) >= sizes[0] or len(self._part) > FRAGMENT_BYTES:
                frame, self._part = self._part[: sizes[0]], b""
                self._take([frame])
            return
        frames = []
        for size in sizes:
            if size == 0 or size > end - at:
                break
            frames.append(bytes(buffer[at : at + size]))
            at += size
        self._take(frames)

    def _take(self, frames: list[bytes]) -> None:
        if self._before is not None and self._before[1]:
            step, rest = divmod(self._ticks - self._before[0], self._before[1])
            if rest == 0 and step in (FRAME, 2 * FRAME, 960, 1920):
                self._frame = step
        self._before = (self._ticks, len(frames))
        for number, frame in enumerate(frames):
            ticks = self._ticks + number * self._frame
            self.units.append(Unit(ticks, self._frame, frame, True))
