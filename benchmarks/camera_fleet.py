"""Many cameras for next to nothing: an RTSP server that costs less than what records it.

`python -m benchmarks.camera_fleet CLIP` prints its port. Every connection gets the clip, looped,
as RTP over the connection, one write for each picture; the clip runs on a few time lines so that
not all keyframes come at once. For measuring how many streams a machine records, where the cost
of an ordinary server would be half of what there is.
"""

from __future__ import annotations

import base64
import socket
import struct
import sys
import threading
import time
from pathlib import Path

from tests.servers.clips import annexb_nals, units_of

CLOCK = 90_000
MTU = 1400
LINES = 10
SEND_BYTES = 4 << 20


class Line:
    """One time line: the packets of a picture, stamped once for all who watch it."""

    def __init__(self, units: list[tuple[int, list[bytes]]], ticks: int, phase_s: float) -> None:
        self.units = units
        self.ticks = ticks
        self.began = time.monotonic() + phase_s
        self.watching: list[socket.socket] = []
        self.number = self.turn = self.sequence = 0

    @property
    def due(self) -> float:
        """When the next picture is sent, monotonic."""
        return self.began + (self.turn * self.ticks + self.units[self.number][0]) / CLOCK

    def send(self) -> None:
        """The next picture, to all."""
        ticks, payloads = self.units[self.number]
        stamp = (self.turn * self.ticks + ticks) & 0xFFFFFFFF
        parts = []
        for i, payload in enumerate(payloads):
            marker = 0x80 if i == len(payloads) - 1 else 0
            parts.append(struct.pack(
                ">BBHBBHII", 0x24, 0, len(payload) + 12, 0x80, 96 | marker,
                self.sequence & 0xFFFF, stamp, 7,
            ))  # fmt: skip
            parts.append(payload)
            self.sequence += 1
        data = b"".join(parts)
        for watcher in list(self.watching):
            try:
                if watcher.send(data) != len(data):
                    raise BrokenPipeError  # too slow a reader: a camera would break off, too
            except OSError:
                self.watching.remove(watcher)
                watcher.close()
        self.number += 1
        if self.number == len(self.units):
            self.number, self.turn = 0, self.turn + 1


def payloads(nals: list[bytes]) -> list[bytes]:
    """RTP payloads of one picture of H.264 (RFC 6184)."""
    made = []
    for nal in nals:
        if len(nal) <= MTU:
            made.append(nal)
            continue
        for at in range(1, len(nal), MTU):
            bits = (0x80 if at == 1 else 0) | (0x40 if at + MTU >= len(nal) else 0)
            lead = bytes([(nal[0] & 0xE0) | 28, bits | (nal[0] & 0x1F)])
            made.append(lead + nal[at : at + MTU])
    return made


def greet(client: socket.socket, sdp: str) -> None:
    """The conversation up to PLAY."""
    lines = client.makefile("rb")
    while True:
        verb = lines.readline().split()[0].decode()
        headers = {}
        while line := lines.readline().strip():
            key, _, value = line.partition(b":")
            headers[key.lower()] = value.strip().decode()
        extra, body = "", ""
        if verb == "OPTIONS":
            extra = "Public: DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
        elif verb == "DESCRIBE":
            body = sdp
            extra = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
        elif verb == "SETUP":
            extra = f"Transport: {headers[b'transport']}\r\nSession: 1;timeout=3600\r\n"
        elif verb == "PLAY":
            extra = "Session: 1\r\nRange: npt=0.000-\r\n"
        text = f"RTSP/1.0 200 OK\r\nCSeq: {headers[b'cseq']}\r\n{extra}\r\n{body}"
        client.sendall(text.encode())
        if verb == "PLAY":
            return


def main() -> None:
    """Serve until killed."""
    _, units = units_of(Path(sys.argv[1]))
    nals = [(at_ns * CLOCK // 10**9, list(annexb_nals(unit))) for at_ns, unit in units]
    ticks = nals[-1][0] + nals[1][0] - nals[0][0]
    sets = ",".join(base64.b64encode(n).decode() for n in nals[0][1] if n[0] & 0x1F in (7, 8))
    sdp = (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=fleet\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
        f"a=control:*\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/{CLOCK}\r\n"
        f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={sets}\r\na=control:video\r\n"
    )
    sent = [(at, payloads(list(found))) for at, found in nals]
    lines = [Line(sent, ticks, number * 0.37) for number in range(LINES)]
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    threading.Thread(target=_accept, args=(listener, lines, sdp), daemon=True).start()
    while True:
        line = min(lines, key=lambda one: one.due)
        time.sleep(max(0.0, line.due - time.monotonic()))
        line.send()


def _accept(listener: socket.socket, lines: list[Line], sdp: str) -> None:
    count = 0
    while True:
        client, _ = listener.accept()
        threading.Thread(target=_admit, args=(client, lines[count % LINES], sdp)).start()
        count += 1


def _admit(client: socket.socket, line: Line, sdp: str) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
    try:
        greet(client, sdp)
    except (OSError, IndexError, ValueError, KeyError):
        client.close()
        return
    client.setblocking(False)
    line.watching.append(client)


if __name__ == "__main__":
    main()
