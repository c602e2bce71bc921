"""Access units through RTP: split in any legal way, cut anywhere, they come out as they went in."""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recorder.rtsp.pictures import H264Track, H265Track, PictureTrack
from recorder.rtsp.session import BeyondUs
from recorder.rtsp.track import Unit
from recorder.rtsp.wire import Wire

CLOCK, SOURCE = 90_000, 0xFFFFFFFE


@dataclass
class Picture:
    """An access unit: its time, its NAL units, whether one can begin to decode here."""

    stamp: int
    nals: list[bytes]
    is_keyframe: bool

    @property
    def data(self) -> bytes:
        return b"".join(b"\0\0\0\1" + nal for nal in self.nals)


@dataclass
class Sender:
    """Writes RTP packets as its generator of chances likes it."""

    h265: bool
    chance: random.Random
    number: int
    plain: bool = False  # nothing but payload in a packet
    packets: list[bytes] = field(default_factory=list)

    def send(self, picture: Picture, *, marks: bool = True) -> None:
        payloads = list(self._payloads(picture.nals))
        for i, payload in enumerate(payloads):
            self._packet(picture.stamp, payload, marks and i == len(payloads) - 1)

    def _payloads(self, nals: Sequence[bytes]) -> Iterator[bytes]:
        at = 0
        while at < len(nals):
            way = self.chance.choice(("single", "fragments", "aggregate"))
            if way == "aggregate":
                count = self.chance.randint(1, 4)
                yield self._aggregate(nals[at : at + count])
                at += len(nals[at : at + count])
                continue
            head = 2 if self.h265 else 1
            if way == "fragments" and len(nals[at]) > head + 1:  # one fragment is not allowed
                yield from self._fragments(nals[at], head)
            else:
                yield nals[at]
            at += 1

    def _aggregate(self, nals: Sequence[bytes]) -> bytes:
        lead = b"\x60\x01" if self.h265 else bytes([max(nal[0] & 0x60 for nal in nals) | 24])
        return lead + b"".join(struct.pack(">H", len(nal)) + nal for nal in nals)

    def _fragments(self, nal: bytes, head: int) -> Iterator[bytes]:
        size = len(nal) - head
        cuts = sorted(self.chance.sample(range(1, size), self.chance.randint(1, min(5, size - 1))))
        for start, end in zip([0, *cuts], [*cuts, size], strict=True):
            bits = (0x80 if start == 0 else 0) | (0x40 if end == size else 0)
            if self.h265:
                lead = bytes([nal[0] & 0x81 | 49 << 1, nal[1], bits | nal[0] >> 1 & 0x3F])
            else:
                lead = bytes([nal[0] & 0xE0 | 28, bits | nal[0] & 0x1F])
            yield lead + nal[head + start : head + end]

    def _packet(self, stamp: int, payload: bytes, marker: bool) -> None:
        flags, before, after = 0x80, b"", b""
        if not self.plain and self.chance.random() < 0.3:
            count = self.chance.randint(1, 15)
            flags, before = flags | count, self.chance.randbytes(4 * count)
        if not self.plain and self.chance.random() < 0.3:
            words = self.chance.randint(0, 3)
            flags |= 0x10
            before += b"\xbe\xde" + struct.pack(">H", words) + self.chance.randbytes(4 * words)
        if not self.plain and self.chance.random() < 0.3:
            count = self.chance.randint(1, 255)
            flags, after = flags | 0x20, bytes(count - 1) + bytes([count])
        kind = 96 | (0x80 if marker else 0)
        head = struct.pack(">BBHII", flags, kind, self.number & 0xFFFF, stamp & 0xFFFFFFFF, SOURCE)
        self.number += 1
        self.packets.append(head + before + payload + after)


def _h264(kind: int, body: bytes) -> bytes:
    return bytes([0x60 | kind]) + body


def _h265(kind: int, body: bytes) -> bytes:
    return bytes([kind << 1, 1]) + body


_BODIES = st.binary(min_size=1, max_size=300)


@st.composite
def pictures(draw: st.DrawFn, h265: bool) -> list[Picture]:
    """Of a stream whose time goes on by any steps, near the wrap of it."""
    stamp = draw(st.sampled_from([0, 5, 2**31 - 2, 2**32 - 4000, 2**32 - 1]))
    nal = _h265 if h265 else _h264
    made = []
    for _ in range(draw(st.integers(1, 6))):
        is_keyframe = draw(st.booleans())
        nals = []
        if h265:
            kind = draw(st.sampled_from([19, 20, 21])) if is_keyframe else draw(st.integers(0, 9))
            before = [(35, b"\x50"), (32, None), (33, None), (34, None), (39, None)]
            first, later = b"\xe0", b"\x60"
        else:
            kind = 5 if is_keyframe else 1
            before = [(9, b"\xf0"), (7, None), (8, None), (6, b"\x05\x01\x22\x80")]
            first, later = draw(st.sampled_from([b"\x88", b"\x9a", b"\xe0"])), b"\x5a"
        for other, body in before:
            if draw(st.booleans()):
                nals.append(nal(other, draw(_BODIES) if body is None else body))
        nals.append(nal(kind, first + draw(_BODIES)))
        nals += [nal(kind, later + draw(_BODIES)) for _ in range(draw(st.integers(0, 3)))]
        if draw(st.booleans()):  # filler after the slices
            nals.append(nal(38, b"\xff\x80") if h265 else nal(12, b"\xff\x80"))
        made.append(Picture(stamp, nals, is_keyframe))
        stamp += draw(st.integers(1, 2**20))
    return made


def carried(
    track: PictureTrack, packets: Sequence[bytes], chance: random.Random, ends: bool = True
) -> list[Unit]:
    """What comes of packets that are sent as interleaved TCP, in pieces cut anywhere."""
    stream = b"".join(b"$\0" + struct.pack(">H", len(packet)) + packet for packet in packets)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        wire = Wire(ours)
        at = 0
        while at < len(stream):
            size = chance.choice([1, 2, 3, 5, 17, 300, 5000])
            theirs.sendall(stream[at : at + size])
            at += size
            while wire.take({0: track.rtp}):
                pass
    if ends:
        track.over()
    return list(track.units)


def track_of(h265: bool) -> PictureTrack:
    return H265Track(96, CLOCK) if h265 else H264Track(96, CLOCK)


@pytest.mark.parametrize("h265", [False, True], ids=["h264", "h265"])
def test_access_units_come_out_of_rtp_as_they_went_in(h265: bool) -> None:
    @given(pictures(h265), st.randoms(use_true_random=False), st.integers(2**16 - 9, 2**16),
           st.booleans())  # fmt: skip
    def check(sent: list[Picture], chance: random.Random, number: int, marks: bool) -> None:
        sender = Sender(h265, chance, number)
        for picture in sent:
            sender.send(picture, marks=marks)
        track = track_of(h265)
        got = carried(track, sender.packets, chance, ends=not marks)
        assert [unit.data for unit in got] == [picture.data for picture in sent]
        assert [unit.is_keyframe for unit in got] == [picture.is_keyframe for picture in sent]
        assert [unit.ticks for unit in got] == [p.stamp - sent[0].stamp for p in sent]
        assert (track.lost, track.source) == (0, SOURCE)
        assert track.highest & 0xFFFF == (sender.number - 1) & 0xFFFF

    check()


@pytest.mark.parametrize("h265", [False, True], ids=["h264", "h265"])
def test_a_picture_with_a_marker_is_there_before_the_next_one_begins(h265: bool) -> None:
    nal, kind = (_h265, 19) if h265 else (_h264, 5)
    sender = Sender(h265, random.Random(1), 0, plain=True)
    sender.send(Picture(7, [nal(kind, b"\x88" + bytes(range(200)))], True))
    [unit] = carried(track_of(h265), sender.packets, random.Random(2), ends=False)
    assert unit.is_keyframe


def test_a_recovery_point_among_other_messages_is_a_keyframe() -> None:
    others = bytes([5, 255, 3]) + bytes(258) + bytes([1, 1, 9])
    nals = [_h264(6, others + b"\x06\x01\xc4\x80"), _h264(1, b"\x9a123")]
    sender = Sender(False, random.Random(1), 0)
    sender.send(Picture(0, nals, True))
    sender.send(Picture(9, [_h264(6, others + b"\x80"), _h264(1, b"\x9a123")], False))
    units = carried(H264Track(96, CLOCK), sender.packets, random.Random(2))
    assert [unit.is_keyframe for unit in units] == [True, False]


def test_times_that_run_backwards_are_kept() -> None:
    sender = Sender(False, random.Random(1), 0)
    for stamp in (9000, 3000, 12000):
        sender.send(Picture(stamp, [_h264(5, b"\x88123")], True))
    units = carried(H264Track(96, CLOCK), sender.packets, random.Random(2))
    assert [unit.ticks for unit in units] == [0, -6000, 3000]


@pytest.mark.parametrize("h265", [False, True], ids=["h264", "h265"])
def test_a_camera_that_marks_every_slice_gives_whole_pictures(h265: bool) -> None:
    nal, kind = (_h265, 1) if h265 else (_h264, 1)
    sent = [Picture(n * 3600, [nal(kind, b"\x9aone"), nal(kind, b"\x5atwo"),
                               nal(kind, b"\x4bthree")], False) for n in range(5)]  # fmt: skip
    sender = Sender(h265, random.Random(1), 0, plain=True)
    for picture in sent:
        for one in picture.nals:
            sender.send(Picture(picture.stamp, [one], False))
    units = carried(track_of(h265), sender.packets, random.Random(2))
    assert [unit.data for unit in units][-4:] == [picture.data for picture in sent][-4:]


@pytest.mark.parametrize("h265", [False, True], ids=["h264", "h265"])
def test_lost_packets_cost_only_what_they_carried(h265: bool) -> None:
    @given(pictures(h265), st.randoms(use_true_random=False), st.integers(2**16 - 9, 2**16))
    @example([], random.Random(0), 0)
    def check(sent: list[Picture], chance: random.Random, number: int) -> None:
        sender = Sender(h265, chance, number)
        for picture in sent:
            sender.send(picture)
        packets = sender.packets
        dropped = {i for i in range(1, len(packets)) if chance.random() < 0.25}
        whole, begun = _kept(packets, dropped, h265)
        track = track_of(h265)
        got = carried(track, [p for i, p in enumerate(packets) if i not in dropped], chance)
        assert all(unit.data.startswith(b"\0\0\0\1") for unit in got)
        left = b"".join(unit.data for unit in got)
        for nal in whole:  # in their order, each once
            found = left.find(b"\0\0\0\1" + nal)
            if found < 0 and not any(_is_slice(n, h265) for n in whole[whole.index(nal) :]):
                break  # it waits for a picture that never comes
            assert found >= 0
        allowed = len(b"".join(whole)) + sum(begun) + 4 * (len(whole) + len(begun))
        assert len(left) <= allowed, "a piece without its beginning was kept"
        within = [i for i in dropped if i < max(set(range(len(packets))) - dropped, default=0)]
        assert track.lost == len(within)

    check()


def _is_slice(nal: bytes, h265: bool) -> bool:
    return nal[0] >> 1 & 0x3F < 32 if h265 else 1 <= nal[0] & 0x1F <= 5


def _kept(packets: list[bytes], dropped: set[int], h265: bool) -> tuple[list[bytes], list[int]]:
    """Of packets some of which are dropped: the NAL units that come whole, and for those that are
    cut short how many bytes of them come in a row from their beginning."""
    whole: list[bytes] = []
    begun: list[int] = []
    part: bytes | None = None
    for i, packet in enumerate(packets):
        if i in dropped:
            if part is not None:
                begun.append(len(part))
            part = None
            continue
        payload = _payload(packet)
        head = 2 if h265 else 1
        kind = payload[0] >> 1 & 0x3F if h265 else payload[0] & 0x1F
        if kind == (48 if h265 else 24):
            at = head
            while at < len(payload):
                size = int.from_bytes(payload[at : at + 2], "big")
                whole.append(payload[at + 2 : at + 2 + size])
                at += 2 + size
        elif kind == (49 if h265 else 28):
            bits = payload[head]
            if bits & 0x80:
                first = (bytes([payload[0] & 0x81 | (bits & 0x3F) << 1, payload[1]]) if h265
                         else bytes([payload[0] & 0xE0 | bits & 0x1F]))  # fmt: skip
                part = first
            if part is not None:
                part += payload[head + 1 :]
                if bits & 0x40:
                    whole.append(part)
                    part = None
        else:
            whole.append(payload)
    if part is not None:
        begun.append(len(part))
    return whole, begun


def _payload(packet: bytes) -> bytes:
    begin = 12 + 4 * (packet[0] & 0x0F)
    if packet[0] & 0x10:
        begin += 4 + 4 * int.from_bytes(packet[begin + 2 : begin + 4], "big")
    return packet[begin : len(packet) - packet[-1] if packet[0] & 0x20 else None]


def _frames(numbers: Sequence[int], nal: bytes) -> list[bytes]:
    """An IDR picture in fragments, one for each number."""
    head = partial(struct.pack, ">BBHII", 0x80)
    size = (len(nal) - 1) // len(numbers)
    made = []
    for i, number in enumerate(numbers):
        last = i == len(numbers) - 1
        bits = (0x80 if i == 0 else 0) | (0x40 if last else 0) | nal[0] & 0x1F
        piece = nal[1 + i * size : None if last else 1 + (i + 1) * size]
        made.append(head(96 | (0x80 if last else 0), number, 5, SOURCE)
                    + bytes([nal[0] & 0xE0 | 28, bits]) + piece)  # fmt: skip
    return made


def test_a_packet_of_nothing_but_padding_is_no_loss() -> None:
    nal = _h264(5, b"\x88" + bytes(range(1, 100)))
    packets = _frames([0, 2, 3], nal)
    packets.insert(1, struct.pack(">BBHII", 0xA0, 96, 1, 5, SOURCE) + b"\0\0\0\4")
    track = H264Track(96, CLOCK)
    units = carried(track, packets, random.Random(1))
    assert [unit.data for unit in units] == [b"\0\0\0\1" + nal]
    assert track.lost == 0


def test_a_packet_that_comes_twice_is_not_counted_as_65535_lost() -> None:
    nal = _h264(5, b"\x88" + bytes(range(1, 100)))
    packets = _frames([7, 8, 9], nal)
    packets.insert(2, packets[1])
    track = H264Track(96, CLOCK)
    carried(track, packets, random.Random(1))
    assert track.lost < 10
    assert track.highest == 9


def _from(source: int, first: int, names: str) -> list[bytes]:
    """Keyframes of one packet each."""
    return [
        struct.pack(">BBHII", 0x80, 0xE0, first + n, 3600 * n, source)
        + _h264(5, b"\x88" + name.encode())
        for n, name in enumerate(names)
    ]


def _names(units: Sequence[Unit]) -> str:
    return "".join(unit.data[-1:].decode() for unit in units)


def test_a_new_source_is_taken_whole_once_two_packets_came_from_it() -> None:
    track = H264Track(96, CLOCK)
    packets = _from(1, 50, "abc") + _from(2, 9000, "vwxyz")
    assert _names(carried(track, packets, random.Random(1))) == "abcvwxyz"
    assert (track.lost, track.source) == (0, 2)


def test_a_source_that_names_itself_anew_in_every_packet_is_read() -> None:
    track = H264Track(96, CLOCK)
    packets = [_from(n + 1, 50 + n, name)[0] for n, name in enumerate("abcde")]
    assert _names(carried(track, packets, random.Random(1))) == "abcde"
    assert track.lost == 0


def test_another_source_between_the_packets_of_ours_is_not_taken() -> None:
    track = H264Track(96, CLOCK)
    ours, others = _from(1, 50, "abcde"), _from(2, 9000, "vwxyz")
    mixed = [packet for both in zip(ours, others, strict=True) for packet in both]
    assert _names(carried(track, mixed, random.Random(1))) == "abcde"
    assert track.lost == 0


@given(st.lists(st.binary(max_size=40), max_size=30), st.booleans())
def test_whatever_a_packet_holds_nothing_but_a_sentence_is_raised(
    payloads: list[bytes], h265: bool
) -> None:
    track = track_of(h265)
    for number, payload in enumerate(payloads):
        packet = struct.pack(">BBHII", 0x80, 96, number, 0, SOURCE) + payload
        for flags in (0x80, 0xB5, 0x9F):
            buffer = bytearray(bytes([flags]) + packet[1:])
            try:
                track.rtp(buffer, 0, len(buffer))
                track.rtcp(buffer, 0, len(buffer))
            except BeyondUs:
                continue
