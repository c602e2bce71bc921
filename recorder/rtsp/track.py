"""One RTP stream (RFC 3550): its sequence, its time line, the sender's clock."""

from __future__ import annotations

import struct
import time
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass

from storage.clock import US

HEADER = struct.Struct(">BBHII")  # version and flags, marker and type, sequence, time, source
_REPORT = struct.Struct(">BBHIIII")  # flags, type, length, source, NTP seconds and parts, time
_SENDER, _GOODBYE = 200, 203
_NTP_EPOCH_S = 2_208_988_800  # from 1900 to 1970
REPEATED = 0xFF00  # a number so far ahead is one that came before
_STRAY_US = 3600 * US  # a report so far from what is sent speaks of another time line


@dataclass(slots=True)
class Unit:
    """What becomes one packet: a picture, or some sound."""

    ticks: int  # since the first of the track
    duration: int  # ticks; 0 when it is not known
    data: bytes
    is_keyframe: bool


class Track(ABC):
    """Takes RTP and RTCP packets; whole units are in `units`. Subclasses know payloads."""

    def __init__(self, payload: int, clock_hz: int) -> None:
        self.units: deque[Unit] = deque()
        self.clock_hz = clock_hz
        self.lost = 0  # packets whose number never came
        self.source: int | None = None  # SSRC
        self.highest = 0  # sequence number, extended
        self._payload = payload
        self._next: int | None = None
        self._early_report: tuple[int, int, int] | None = None  # before the first packet
        # Another source, its next number, and what came of it.
        self._candidate: tuple[int, int, bytes] | None = None
        self._stamp: int | None = None  # RTP time of the latest packet
        self._ticks = 0  # and what that is since the first
        self._report: tuple[int, int] | None = None  # the sender's (UTC in µs, ticks)
        self.heard: tuple[int, float] | None = None  # its NTP time, middle bits, and when it came

    def rtp(self, buffer: bytearray, at: int, end: int) -> bool:
        """A packet of this track's channel. False when it is none."""
        if end - at < HEADER.size:
            return False
        flags, kind, number, stamp, source = HEADER.unpack_from(buffer, at)
        if flags & 0xC0 != 0x80 or kind & 0x7F != self._payload:
            return False
        begin = at + HEADER.size
        if flags & 0x3F:
            begin, end = _bare(buffer, at, end, flags)
        if number != self._next or source != self.source or self._candidate is not None:
            if source != self.source and number != self._next and self.source is not None:
                return self._another(bytes(buffer[at:end]), number, source)
            if not self._is_next(number, source):
                return True
            self.highest += (number - self.highest) & 0xFFFF
        else:
            self.highest += 1
        self._next = (number + 1) & 0xFFFF
        if begin >= end:
            return True  # padding alone
        if stamp != self._stamp:
            self._turn(stamp)
        self.payload(buffer, begin, end, kind >= 0x80)
        return True

    def _turn(self, stamp: int) -> None:
        """Another time begins."""
        if self._stamp is not None:
            self.over()
            self._ticks += _apart(stamp, self._stamp)
        first, self._stamp = self._stamp is None, stamp
        if first and self._early_report is not None:
            self._reported(*self._early_report)

    def _is_next(self, number: int, source: int) -> bool:
        """Whether a packet of our source, or one that goes on where it was, is taken: not one
        that came before."""
        self._candidate = None
        gap = 0 if self._next is None else (number - self._next) & 0xFFFF
        if gap >= REPEATED:
            return False
        if gap:
            self.lost += gap
            self.missing()
        if source != self.source:
            self._report = self._early_report = self.heard = None
            self.source = source
        return True

    def _another(self, packet: bytes, number: int, source: int) -> bool:
        """A packet of another source: taken, as what followed ours, once a second one follows it.
        One alone is garbage."""
        if self._candidate is None or self._candidate[:2] != (source, number):
            self._candidate = (source, (number + 1) & 0xFFFF, packet)
            return False
        first = self._candidate[2]
        self.missing()
        self.source = self._next = self._candidate = None
        self._report = self._early_report = self.heard = None
        for one in (first, packet):
            self.rtp(bytearray(one), 0, len(one))
        return True

    def rtcp(self, buffer: bytearray, at: int, end: int) -> bool:
        """Reports of this track's sender (RFC 3550, 6.4.1). False when it is none."""
        while end - at >= 8:
            length = 4 + 4 * int.from_bytes(buffer[at + 2 : at + 4], "big")
            kind = buffer[at + 1]
            if buffer[at] & 0xC0 != 0x80 or at + length > end:
                return False
            if kind == _SENDER and length >= _REPORT.size:
                _, _, _, _, seconds, part, stamp = _REPORT.unpack_from(buffer, at)
                self._reported(seconds, part, stamp)
            elif kind == _GOODBYE:
                self.goodbye()
            at += length
        return at == end

    def _reported(self, seconds: int, part: int, stamp: int) -> None:
        if not seconds:
            return  # a camera without a clock says so with zeros
        if self._stamp is None:
            self._early_report = (seconds, part, stamp)
            return
        ticks = self._ticks + _apart(stamp, self._stamp)
        utc_us = (seconds - _NTP_EPOCH_S) * US + (part * US >> 32)
        self._report = (utc_us, ticks) if utc_us > 0 else None
        self.heard = ((seconds << 16 | part >> 16) & 0xFFFFFFFF, time.monotonic())

    @property
    def begins_us(self) -> int | None:
        """What the sender's clock showed at tick 0, by its last report."""
        if self._report is None:
            return None
        return self._report[0] - self._report[1] * US // self.clock_hz

    def utc_us(self, ticks: int) -> int | None:
        """What the sender's clock showed then, by its last report."""
        if self._report is None:
            return None
        utc_us, reported = self._report
        passed_us = (ticks - reported) * US // self.clock_hz
        return utc_us + passed_us if abs(passed_us) < _STRAY_US else None

    @abstractmethod
    def payload(self, buffer: bytearray, at: int, end: int, marker: bool) -> None:
        """What a packet carries."""

    def goodbye(self) -> None:  # noqa: B027  most kinds need do nothing
        """The sender says that this stream is over."""

    def over(self) -> None:  # noqa: B027
        """What came of the latest time is whole: another one begins."""

    def missing(self) -> None:  # noqa: B027
        """Packets between the latest and this one were lost."""


def _apart(stamp: int, before: int) -> int:
    """How far apart two RTP times are, the shorter way round their 32 bits."""
    return (stamp - before + 0x80000000 & 0xFFFFFFFF) - 0x80000000


def _bare(buffer: bytearray, at: int, end: int, flags: int) -> tuple[int, int]:
    """Where the payload lies between contributing sources, extension and padding."""
    begin = at + HEADER.size + 4 * (flags & 0x0F)
    if flags & 0x10:
        words = int.from_bytes(buffer[begin + 2 : begin + 4], "big")
        begin += 4 + 4 * words
    if flags & 0x20 and end > at:
        end -= buffer[end - 1]
    return begin, end
