"""A camera that misbehaves as its test says: a small RTSP server that sends RTP byte by byte.

GStreamer's server (rtsp_server.py) plays well-behaved cameras; this one exists because no
well-made server can be told to break the protocol. RTP over the RTSP connection (RFC 2326,
10.12) or over UDP, H.264 as of RFC 6184, H.265 as of RFC 7798, sender reports as of RFC 3550.
"""

from __future__ import annotations

import base64
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from tests.servers.clips import annexb_nals, units_of

CLOCK = 90_000
MTU = 1200
NTP_EPOCH_S = 2_208_988_800


@dataclass
class Clip:
    """Access units of a clip, each with its NAL units, and how they are described."""

    codec: str
    units: list[tuple[int, list[bytes]]]  # (RTP ticks since the first, NAL units)
    ticks: int  # of the whole

    @classmethod
    def of(cls, path: Path) -> Clip:
        codec, units = units_of(path)
        nals = [(at_ns * CLOCK // 10**9, list(annexb_nals(unit))) for at_ns, unit in units]
        step = nals[1][0] - nals[0][0]
        return cls(codec, nals, nals[-1][0] + step)

    def sets(self) -> list[bytes]:
        """Parameter sets of the first picture."""
        return [nal for nal in self.units[0][1] if self.is_set(nal)]

    def is_set(self, nal: bytes) -> bool:
        return (nal[0] & 0x1F) in (7, 8) if self.codec == "h264" else nal[0] >> 1 in (32, 33, 34)

    def looped(self) -> Iterator[tuple[int, list[bytes]]]:
        """For ever."""
        turn = 0
        while True:
            for ticks, nals in self.units:
                yield turn * self.ticks + ticks, nals
            turn += 1


class Gone(Exception):
    """The recorder hung up."""


@dataclass(frozen=True)
class Request:
    """What a client asked."""

    verb: str
    url: str
    headers: dict[str, str]  # names in lower case
    at: float = field(default_factory=time.monotonic)


@dataclass
class Reply:
    """What is answered; an `answer` may change all of it."""

    status: str = "200 OK"
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    ahead: bytes = b""  # sent before it
    silent: bool = False  # not sent at all


Answer = Callable[[Request, Reply], None]


@dataclass
class Visit:
    """One client that asked for one mount; what the mount's script plays with."""

    socket: socket.socket
    number: int  # how many came before
    clip: Clip
    stopping: threading.Event
    udp: tuple[socket.socket, int] | None = None
    sequence: int = 0
    sent: int = 0
    base_ticks: int = 123_456
    began: float = field(default_factory=time.monotonic)
    marks: bool = True  # whether the last packet of a picture says so
    marks_all: bool = False  # whether that of every NAL unit does
    answer: Answer | None = None
    requests: list[Request] = field(default_factory=list)  # of all the connection
    heard: list[tuple[int, bytes]] = field(default_factory=list)  # packets of the client

    def listen(self, lines: BinaryIO) -> None:
        """Take what the client says while the script plays; ends when it hangs up."""
        try:
            while (first := lines.read(1)) != b"":
                if first == b"$":
                    channel, size = struct.unpack(">BH", lines.read(3))
                    self.heard.append((channel, lines.read(size)))
                elif (request := _request(lines, first)) is not None:
                    self.requests.append(request)
                    _reply(self.socket, request, Reply(), self.answer)
        except (OSError, ValueError, IndexError, struct.error):
            return

    def play(
        self,
        seconds: float = 1e9,
        *,
        change: Callable[[int, int, list[bytes]], tuple[int, list[bytes]]] = lambda n, t, u: (t, u),
        pace: float = 1.0,
    ) -> None:
        """The clip again and again; `change(number, ticks, NALs)` says what is sent instead."""
        began = time.monotonic()
        for number, (ticks, nals) in enumerate(self.clip.looped()):
            due = began + ticks / CLOCK / pace
            if self.stopping.wait(max(0.0, due - time.monotonic())) or ticks / CLOCK > seconds:
                self.base_ticks += ticks
                return
            self.unit(*change(number, ticks, nals))

    def unit(self, ticks: int, nals: list[bytes]) -> None:
        """One access unit."""
        for i, nal in enumerate(nals):
            last = self.marks and (self.marks_all or i == len(nals) - 1)
            self.nal(self.base_ticks + ticks, nal, last=last)

    def nal(self, stamp: int, nal: bytes, *, last: bool) -> None:
        """One NAL unit, in fragments when it is large."""
        if len(nal) <= MTU:
            self.rtp(stamp, nal, last)
            return
        h265 = self.clip.codec == "hevc"
        head = 2 if h265 else 1
        for at in range(head, len(nal), MTU):
            start, end = at == head, at + MTU >= len(nal)
            bits = (0x80 if start else 0) | (0x40 if end else 0)
            if h265:
                kind = nal[0] >> 1 & 0x3F
                lead = bytes([(nal[0] & 0x81) | 49 << 1, nal[1], bits | kind])
            else:
                lead = bytes([(nal[0] & 0xE0) | 28, bits | (nal[0] & 0x1F)])
            self.rtp(stamp, lead + nal[at : at + MTU], last and end)

    def rtp(self, stamp: int, payload: bytes, marker: bool) -> None:
        """One packet."""
        head = struct.pack(
            ">BBHII", 0x80, 96 | (0x80 if marker else 0), self.sequence & 0xFFFF,
            stamp & 0xFFFFFFFF, 0x11223344,
        )  # fmt: skip
        self.sequence += 1
        self.packet(0, head + payload)

    def report(self, ticks: int, at_s: float) -> None:
        """A sender report: these ticks were at `at_s`, Unix time."""
        ntp_s = at_s + NTP_EPOCH_S
        self.packet(1, struct.pack(
            ">BBHIIIIII", 0x80, 200, 6, 0x11223344, int(ntp_s), int(ntp_s % 1 * 2**32),
            (self.base_ticks + ticks) & 0xFFFFFFFF, self.sequence, self.sent,
        ))  # fmt: skip

    def packet(self, channel: int, data: bytes) -> None:
        """RTP on channel 0, RTCP on 1."""
        self.sent += len(data)
        if self.udp is not None:
            out, port = self.udp
            out.sendto(data, ("127.0.0.1", port + channel))
            return
        self.raw(b"$" + struct.pack(">BH", channel, len(data)) + data)

    def raw(self, data: bytes) -> None:
        """Whatever it is."""
        try:
            self.socket.sendall(data)
        except OSError:
            raise Gone from None

    def wait(self, seconds: float) -> None:
        """Send nothing."""
        self.stopping.wait(seconds)

    def is_gone(self) -> bool:
        """Whether the client hung up, or the server is to end: what the client said last lies
        unread for ever, and would look as if it were there."""
        if self.stopping.is_set():
            return True
        try:
            self.socket.setblocking(False)
            return self.socket.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True
        finally:
            self.socket.setblocking(True)


Script = Callable[[Visit], None]


@dataclass
class _Mount:
    clip: Callable[[int], Clip]
    script: Script
    sets: bool
    answer: Answer | None
    more: str
    listens: bool
    requests: list[Request] = field(default_factory=list)


class BadCamera:
    """A server with a script per mount."""

    def __init__(self, family: socket.AddressFamily = socket.AF_INET) -> None:
        self._mounts: dict[str, _Mount] = {}
        self._visits: dict[str, int] = {}
        self._stopping = threading.Event()
        host = "127.0.0.1" if family == socket.AF_INET else "::1"
        self._listener = socket.create_server((host, 0), family=family)
        self.port: int = self._listener.getsockname()[1]
        self.place = f"127.0.0.1:{self.port}" if host == "127.0.0.1" else f"[::1]:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def add(
        self, name: str, clip: Clip | Callable[[int], Clip], script: Script, *, sets: bool = True,
        answer: Answer | None = None, more: str = "", listens: bool = False,
    ) -> str:  # fmt: skip
        """A mount: its clip (or which one for the n-th visit), what it does when it is to play,
        whether it announces its parameter sets, what changes its answers, more lines of its SDP,
        and whether it hears what the client says while it plays. Returns its URL."""
        chosen = clip if callable(clip) else (lambda _n: clip)
        self._mounts[name] = _Mount(chosen, script, sets, answer, more, listens)
        return f"rtsp://{self.place}/{name}"

    def asked(self, name: str) -> list[Request]:
        """Every request for a mount, those while it plays only if it listens."""
        return self._mounts[name].requests

    def visits(self, name: str) -> int:
        """How often it was asked to play."""
        return self._visits.get(name, 0)

    def close(self) -> None:
        """Nothing plays any more, and no thread of it goes on."""
        self._stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)  # closing alone does not wake who accepts
        self._listener.close()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, ExitStack() as held:
            try:
                self._converse(client, held)
            except (Gone, OSError, IndexError, ValueError):
                return

    def _converse(self, client: socket.socket, held: ExitStack) -> None:
        lines = held.enter_context(client.makefile("rb"))
        udp = None
        while (request := _request(lines)) is not None:
            if request.verb.startswith("RTSP/"):
                continue  # an answer to what `answer` had us ask
            name = request.url.split(f":{self.port}/")[1].split("/")[0].split("?")[0]
            mount = self._mounts.get(name)
            if mount is None:
                _reply(client, request, Reply("404 Not Found"))
                continue
            mount.requests.append(request)
            number = self._visits.get(name, 0)
            clip = mount.clip(number)
            reply = Reply()
            if request.verb == "OPTIONS":
                reply.headers["Public"] = "DESCRIBE, SETUP, PLAY, TEARDOWN"
            elif request.verb == "DESCRIBE":
                reply.body = _sdp(clip, mount.sets) + mount.more
            elif request.verb == "SETUP":
                transport = request.headers["transport"]
                if "client_port=" in transport:
                    port = int(transport.partition("client_port=")[2].partition("-")[0])
                    out = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                    out.bind(("127.0.0.1", 0))
                    udp, own = (out, port), out.getsockname()[1]
                    transport += f";server_port={own}-{own + 1}"
                reply.headers |= {"Transport": transport, "Session": "1;timeout=60"}
            elif request.verb == "PLAY":
                reply.headers |= {"Session": "1", "Range": "npt=0.000-"}
            else:
                reply.headers["Session"] = "1"
            _reply(client, request, reply, mount.answer)
            if request.verb == "PLAY" and reply.status.startswith("200"):
                self._visits[name] = number + 1
                visit = Visit(client, number, clip, self._stopping, udp)
                visit.answer, visit.requests = mount.answer, mount.requests
                if mount.listens:
                    threading.Thread(target=visit.listen, args=(lines,), daemon=True).start()
                try:
                    mount.script(visit)
                finally:
                    if mount.listens:  # ends the listener, too
                        client.shutdown(socket.SHUT_RDWR)
                return


def _request(lines: BinaryIO, begun: bytes = b"") -> Request | None:
    """The next request, of which `begun` was read already; None when there is none."""
    words = (begun + lines.readline()).split()
    if not words:
        return None
    headers = {}
    while line := lines.readline().strip():
        key, _, value = line.decode().partition(":")
        headers[key.lower()] = value.strip()
    return Request(words[0].decode(), words[1].decode(), headers)


def _reply(
    client: socket.socket, request: Request, reply: Reply, answer: Answer | None = None
) -> None:
    if answer is not None:
        answer(request, reply)
    if reply.silent:
        return
    if reply.body:
        reply.headers.setdefault("Content-Type", "application/sdp")
        reply.headers.setdefault("Content-Length", str(len(reply.body)))
    more = "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
    head = f"RTSP/1.0 {reply.status}\r\nCSeq: {request.headers['cseq']}\r\n{more}\r\n"
    client.sendall(reply.ahead + (head + reply.body).encode())


def _sdp(clip: Clip, sets: bool) -> str:
    coded = [base64.b64encode(nal).decode() for nal in clip.sets()]
    lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=camera", "c=IN IP4 0.0.0.0", "t=0 0",
             "a=control:*", "m=video 0 RTP/AVP 96"]  # fmt: skip
    if clip.codec == "h264":
        lines.append(f"a=rtpmap:96 H264/{CLOCK}")
        sprop = f";sprop-parameter-sets={','.join(coded)}" if sets else ""
        lines.append(f"a=fmtp:96 packetization-mode=1{sprop}")
    else:
        lines.append(f"a=rtpmap:96 H265/{CLOCK}")
        if sets:
            names = ("sprop-vps", "sprop-sps", "sprop-pps")
            told = ";".join(f"{n}={c}" for n, c in zip(names, coded, strict=False))
            lines.append(f"a=fmtp:96 {told}")
    lines.append("a=control:video")
    return "\r\n".join(lines) + "\r\n"
