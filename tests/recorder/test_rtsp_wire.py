"""The bytes of an RTSP connection: packets and messages apart, wherever TCP cuts, and garbage."""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.rtsp.wire import BUFFER_BYTES, GARBAGE_BYTES, Handler, Message, Wire, WireBroken

BODY = b"$\0\0\x02ab\r\n\r"
ANSWER = b"RTSP/1.0 200 OK\r\nCSeq: 3\r\nPublic: A,\r\n  PLAY\r\nContent-Length: 9\r\n\r\n" + BODY
REQUEST = b"GET_PARAMETER rtsp://10.0.0.1/x RTSP/1.0\r\nCSeq: 1\r\n\r\n"


@dataclass
class Line:
    """A wire whose far end a test writes into, and what its handlers were given."""

    ours: socket.socket
    theirs: socket.socket
    wire: Wire
    packets: list[tuple[int, bytes]] = field(default_factory=list)
    said = 0  # bytes of what is being said

    def say(self, data: bytes, pieces: Sequence[int] = (65536,)) -> None:
        """All of it, in pieces of these sizes, over and over."""
        at, turn = 0, 0
        while at < len(data):
            size = pieces[turn % len(pieces)]
            self.theirs.sendall(data[at : at + size])
            at, turn = at + size, turn + 1
            self.said = at
            while self.wire.take({channel: self._taker(channel) for channel in (0, 1, 6)}):
                pass

    def _taker(self, channel: int) -> Handler:
        def take(buffer: bytearray, at: int, end: int) -> bool:
            """As a track does: only what looks like RTP is taken."""
            data = bytes(buffer[at:end])
            if data[:1] != b"\x80":
                return False
            self.packets.append((channel, data))
            return True

        return take


@pytest.fixture
def line() -> Iterator[Line]:
    made = _line()
    with made.ours, made.theirs:
        yield made


def _line() -> Line:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    return Line(ours, theirs, Wire(ours))


def packet(channel: int, data: bytes) -> bytes:
    return b"$" + struct.pack(">BH", channel, len(data)) + data


def firsts(messages: Sequence[Message]) -> list[str]:
    return [message.first for message in messages]


_PIECES = st.lists(st.integers(1, 2000), min_size=1, max_size=8)
_PACKETS = st.tuples(st.sampled_from([0, 1, 6]), st.binary(max_size=500).map(lambda b: b"\x80" + b))


@given(st.lists(st.one_of(_PACKETS, st.sampled_from([ANSWER, REQUEST])), max_size=20), _PIECES)
def test_messages_and_packets_are_told_apart_at_any_cut(
    parts: list[tuple[int, bytes] | bytes], pieces: list[int]
) -> None:
    line = _line()
    with line.ours, line.theirs:
        line.say(b"".join(p if isinstance(p, bytes) else packet(*p) for p in parts), pieces)
        assert line.packets == [part for part in parts if isinstance(part, tuple)]
        said = [part for part in parts if isinstance(part, bytes)]
        assert firsts(line.wire.messages) == [part.split(b"\r\n")[0].decode() for part in said]
        bodies = [BODY if part is ANSWER else b"" for part in said]
        assert [message.body for message in line.wire.messages] == bodies


def test_the_largest_packets_pass(line: Line) -> None:
    sent = [(0, b"\x80" + bytes([n]) * 65534) for n in range(12)]
    line.say(b"".join(packet(*one) for one in sent), [50_000, 1, 3])
    assert line.packets == sent


def test_an_answer_with_a_dollar_sign_in_its_head_is_read_at_any_cut(line: Line) -> None:
    answer = (b'RTSP/1.0 401 Unauthorized\r\nCSeq: 2\r\nWWW-Authenticate: Digest realm="a$b",'
              b' nonce="$1$x"\r\n\r\n')  # fmt: skip
    for cut in range(1, len(answer)):
        line.say(answer, [cut, len(answer)])
        assert line.wire.messages.pop().get("cseq") == "2", f"cut at {cut}"


@pytest.mark.parametrize(
    "before", [b"\r\n", b"\r\n\r\n", b"\0\0\0"], ids=["line", "lines", "zeros"]
)
def test_an_answer_after_stray_bytes_is_found(line: Line, before: bytes) -> None:
    """Some servers end a body with an empty line that they do not count."""
    line.say(ANSWER + before + ANSWER)
    line.say(before + packet(0, b"\x80one"))
    assert firsts(line.wire.messages) == ["RTSP/1.0 200 OK"] * 2
    assert line.packets == [(0, b"\x80one")]


@pytest.mark.parametrize("seed", range(20))
def test_packets_after_garbage_are_found(line: Line, seed: int) -> None:
    """A kilobyte of noise may look like the head of one packet of up to 64 kB; not of more."""
    noise = random.Random(seed).randbytes(1000)
    good = [(0, b"\x80%05d" % n + bytes(1000)) for n in range(200)]
    line.say(noise + b"".join(packet(*one) for one in good), [700, 1400])
    assert line.packets
    assert line.packets[-1] == good[-1]
    assert line.packets[-130:] == good[-130:]


def test_garbage_that_looks_like_a_large_packet_takes_no_good_ones_with_it(line: Line) -> None:
    good = [(0, b"\x80%05d" % n + bytes(1000)) for n in range(100)]
    line.say(b"$\0\xff\xffnonsense" + b"".join(packet(*one) for one in good), [1400])
    assert line.packets == good


@pytest.mark.parametrize("letters", [False, True], ids=["noise", "letters"])
def test_endless_garbage_ends_it(line: Line, letters: bool) -> None:
    chance = random.Random(1)
    noise = b"abcdefgh" * 512 * 768 if letters else chance.randbytes(3 * GARBAGE_BYTES)
    with pytest.raises(WireBroken, match="no RTSP"):
        line.say(noise, [4096])
    assert GARBAGE_BYTES - 70_000 < line.said < 4 * GARBAGE_BYTES


def test_packets_of_an_unknown_channel_are_passed_over(line: Line) -> None:
    """Their bytes are nobody's, whatever they look like."""
    trap = packet(0, b"\x80trap")
    line.say(packet(9, b"12" + trap + b"34") + packet(0, b"\x80one"), [7])
    assert line.packets == [(0, b"\x80one")]


def test_messages_longer_than_allowed_do_not_stop_the_rest(line: Line) -> None:
    line.say(b"RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n" + packet(0, b"\x80one"))
    line.say(b"RTSP/1.0 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n" + packet(1, b"\x80two"))
    line.say(packet(0, b"\x80three"))
    assert line.packets[-1] == (0, b"\x80three")


def test_a_body_as_large_as_the_buffer_is_no_end_of_the_stream(line: Line) -> None:
    size = BUFFER_BYTES + 10
    line.say(b"RTSP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size, [60_000])
    line.say(packet(0, b"\x80one"))
    assert line.packets == [(0, b"\x80one")]


def test_a_connection_that_ends_says_so(line: Line) -> None:
    line.theirs.sendall(packet(0, b"\x80one"))
    line.theirs.close()
    assert line.wire.take({})
    with pytest.raises(WireBroken, match="the stream ended"):
        line.wire.take({})


def test_headers_are_found_whatever_their_case(line: Line) -> None:
    line.say(
        b"RTSP/1.0 401 No\r\ncSEQ:7\r\nWWW-Authenticate: Basic\r\nwww-authenticate:  Digest\r\n\r\n"
    )
    [message] = line.wire.messages
    assert message.get("cseq") == "7"
    assert message.all("www-authenticate") == ["Basic", "Digest"]
    assert message.get("session") is None


@pytest.mark.parametrize("size", ["²", "9" * 5000, "-1", "", "0x10"])
def test_a_length_that_is_no_number_breaks_nothing(line: Line, size: str) -> None:
    line.say(f"RTSP/1.0 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
    line.say(packet(0, b"\x80one"))
    assert line.packets == [(0, b"\x80one")]
