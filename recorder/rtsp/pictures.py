"""Pictures out of RTP: H.264 (RFC 6184) and H.265 (RFC 7798) become access units in Annex B.

Every NAL unit is kept as it came, but for pieces of one whose beginning was lost.
"""

from __future__ import annotations

from abc import abstractmethod

from recorder.rtsp.session import BeyondUs
from recorder.rtsp.track import Track, Unit
from recorder.rtsp.wire import WireBroken

START = b"\0\0\0\1"
_BYTE = [bytes([value]) for value in range(256)]
HEAD_BYTES = 64  # of a slice: more than its header
PICTURE_BYTES = 32 << 20  # what is larger never ends


class PictureTrack(Track):
    """Assembles access units.

    The marker of a picture's last packet ends it at once. Some cameras mark every slice; once one
    was caught at that, a picture ends where the next begins.
    """

    header_bytes = 1  # of a NAL unit

    def __init__(self, payload: int, clock_hz: int) -> None:
        super().__init__(payload, clock_hz)
        self.marks_lie = False
        self.sets: dict[tuple[int, bytes], bytes] = {}  # parameter sets seen, for who opens
        self.slice_head = b""  # how the first slice began
        self._parts: list[bytes | bytearray] = []
        self._size = 0
        self._has_picture = self._is_keyframe = self._in_fragment = False
        self._ended: int | None = None  # ticks of the picture a marker ended

    def over(self) -> None:
        """Another time begins. Parameter sets alone wait for their picture."""
        if self._has_picture:
            self._emit()
        self._in_fragment = False

    def missing(self) -> None:
        """A fragment whose beginning is lost cannot be read."""
        self._in_fragment = False

    def _nal(self, buffer: bytearray, at: int, end: int) -> None:
        """A whole NAL unit."""
        data = buffer[at:end]
        self._look(bytes(data[: self.header_bytes]), buffer, at + self.header_bytes, end)
        self._add(START, data)

    def _begin(self, header: bytes, buffer: bytearray, at: int, end: int) -> None:
        """The first fragment of one: its header, put together again, and the bytes from `at`."""
        self._look(header, buffer, at, end)
        self._in_fragment = True
        self._add(START, header, buffer[at:end])

    def _go_on(self, buffer: bytearray, at: int, end: int) -> None:
        if self._in_fragment:
            self._add(buffer[at:end])

    def _add(self, *parts: bytes | bytearray) -> None:
        self._parts += parts
        self._size += len(parts[-1])
        if self._size > PICTURE_BYTES:
            raise WireBroken("a picture without end")

    def _slice(
        self, header: bytes, buffer: bytearray, at: int, *, is_first: bool, is_keyframe: bool
    ) -> None:
        """A slice begins: of another picture, if it says that it is the first of one."""
        if self._has_picture and is_first:
            self._emit()
        if self._ended == self._ticks and not is_first and not self.marks_lie:
            self.marks_lie = True
            self._take_back()
        if not self.slice_head:
            self.slice_head = header + bytes(buffer[at : at + HEAD_BYTES])
        self._has_picture = True
        self._is_keyframe |= is_keyframe

    def _take_back(self) -> None:
        """What a mark made of this picture's beginning, if nobody took it yet."""
        if self.units and self.units[-1].ticks == self._ticks:
            begun = self.units.pop()
            self._parts.insert(0, begun.data)
            self._size += len(begun.data)
            self._is_keyframe |= begun.is_keyframe

    def goodbye(self) -> None:
        """Without pictures there is nothing to record."""
        raise WireBroken("the camera ended the stream")

    def _marked(self) -> None:
        if self._has_picture and not self.marks_lie:
            self._ended = self._ticks
            self._emit()

    def _emit(self) -> None:
        self.units.append(Unit(self._ticks, 0, b"".join(self._parts), self._is_keyframe))
        self._parts.clear()
        self._size = 0
        self._has_picture = self._is_keyframe = False

    def _aggregate(self, buffer: bytearray, at: int, end: int) -> None:
        """Several NAL units, each after its size."""
        while end - at > 2:
            size = buffer[at] << 8 | buffer[at + 1]
            at += 2
            if self.header_bytes <= size <= end - at:
                self._nal(buffer, at, at + size)
            at += size

    @abstractmethod
    def _look(self, header: bytes, buffer: bytearray, at: int, end: int) -> None:
        """What a NAL unit is: its header, and its bytes from `at`."""


class H264Track(PictureTrack):
    """H.264, packetization modes 0 and 1."""

    header_bytes = 1

    def payload(self, buffer: bytearray, at: int, end: int, marker: bool) -> None:
        """NAL unit, aggregate (STAP-A) or fragment (FU-A)."""
        kind = buffer[at] & 0x1F
        if kind == 28:
            if end - at < 3:
                return
            bits = buffer[at + 1]
            if bits & 0x80:
                self._begin(_BYTE[buffer[at] & 0xE0 | bits & 0x1F], buffer, at + 2, end)
            else:
                self._go_on(buffer, at + 2, end)
            if bits & 0x40:
                self._in_fragment = False
        elif kind == 24:
            self._aggregate(buffer, at + 1, end)
        elif 0 < kind < 24:
            self._nal(buffer, at, end)
        elif kind in (25, 26, 27, 29):  # STAP-B, MTAP, FU-B: in another order than they come
            raise BeyondUs
        if marker:
            self._marked()

    def _look(self, header: bytes, buffer: bytearray, at: int, end: int) -> None:
        kind = header[0] & 0x1F
        if kind in (3, 4):  # partitions B and C go with an A
            self._slice(header, buffer, at, is_first=False, is_keyframe=False)
        elif 1 <= kind <= 5:
            first = buffer[at] if at < end else 0
            # first_mb_in_slice is ue(v) 0, then slice_type (7.3.3) 1 or 6: a picture that refers
            # to later ones has to be stored in another order than it is shown in.
            if first & 0xF0 == 0xA0 or first & 0xFC == 0x9C:
                raise BeyondUs
            self._slice(header, buffer, at, is_first=first >= 0x80, is_keyframe=kind == 5)
        elif kind == 6:
            self._is_keyframe |= _has_recovery_point(buffer, at, end)
        elif kind in (7, 8):
            self.sets[kind, bytes(buffer[at : at + 1])] = header + bytes(buffer[at:end])


class H265Track(PictureTrack):
    """H.265 without decoding order numbers."""

    header_bytes = 2

    def payload(self, buffer: bytearray, at: int, end: int, marker: bool) -> None:
        """NAL unit, aggregate (AP) or fragment (FU)."""
        if end - at < 3:
            return
        kind = buffer[at] >> 1 & 0x3F
        if kind == 49:
            bits = buffer[at + 2]
            if bits & 0x80:
                header = bytes([buffer[at] & 0x81 | (bits & 0x3F) << 1, buffer[at + 1]])
                self._begin(header, buffer, at + 3, end)
            else:
                self._go_on(buffer, at + 3, end)
            if bits & 0x40:
                self._in_fragment = False
        elif kind == 48:
            self._aggregate(buffer, at + 2, end)
        elif kind < 48:
            self._nal(buffer, at, end)
        elif kind == 50:  # PACI
            raise BeyondUs
        if marker:
            self._marked()

    def _look(self, header: bytes, buffer: bytearray, at: int, end: int) -> None:
        kind = header[0] >> 1 & 0x3F
        if kind < 32:
            first = at < end and buffer[at] >= 0x80
            self._slice(header, buffer, at, is_first=first, is_keyframe=16 <= kind <= 23)
        elif kind in (32, 33, 34):
            self.sets[kind, b""] = header + bytes(buffer[at:end])


def _has_recovery_point(buffer: bytearray, at: int, end: int) -> bool:
    """Whether an SEI NAL unit of H.264 (D.1.8) says that one can begin to decode here."""
    while end - at > 2:
        kind = size = 0
        while at < end and buffer[at] == 0xFF:
            kind, at = kind + 255, at + 1
        if at >= end:
            return False
        kind, at = kind + buffer[at], at + 1
        while at < end and buffer[at] == 0xFF:
            size, at = size + 255, at + 1
        if at >= end:
            return False
        size, at = size + buffer[at], at + 1
        if kind == 6:
            return True
        at += size
    return False
