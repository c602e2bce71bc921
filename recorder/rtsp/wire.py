"""The bytes of an RTSP connection: interleaved packets (RFC 2326, 10.12) and messages between."""

from __future__ import annotations

import re
import socket
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from recorder.rtsp.sdp import number

DOLLAR = 0x24
BUFFER_BYTES = 80 << 10  # more than the largest packet, 64 kB; every camera has one
MESSAGE_BYTES = 64 << 10  # the longest message
_CAPITALS = re.compile(rb"[A-Z_]+")  # how a message begins: RTSP/1.0, or a verb
_STRAY = b"\r\n\0"  # between messages, from a careless camera
MOST_TURNS = 16  # buffers read in a row: a sender without end must let others have their turn
GARBAGE_BYTES = 1 << 20  # so much in a row that is neither: no camera is speaking

# Takes the packet between two places of the buffer; whether it made sense.
Handler = Callable[[bytearray, int, int], bool]


class WireBroken(Exception):
    """The other side closed the connection, or does not speak RTSP."""


@dataclass(frozen=True, slots=True)
class Message:
    """A response, or a request the camera makes."""

    first: str  # its first line
    headers: tuple[tuple[str, str], ...]  # names in lower case
    body: bytes

    def get(self, name: str) -> str | None:
        """The first header of that name."""
        return next((value for key, value in self.headers if key == name), None)

    def all(self, name: str) -> list[str]:
        """Every header of that name."""
        return [value for key, value in self.headers if key == name]


class Wire:
    """Reads a socket in large pieces. One buffer, used again and again: what a handler is given
    is only there until it returns."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.messages: deque[Message] = deque()
        self._buffer = bytearray(BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._at = self._end = 0  # what of the buffer was received and not yet read
        self._garbage = 0
        self.received = 0  # bytes so far

    def take(self, handlers: Mapping[int, Handler]) -> bool:
        """Receive what the kernel holds and read it; False when it holds nothing."""
        for turn in range(MOST_TURNS):
            if not self.receive():
                return turn > 0
            was_full = self._end == len(self._buffer)
            self.read(handlers)
            if not was_full:
                break
        return True

    def receive(self) -> bool:
        """What the kernel holds, up to what fits. False when it holds nothing. WireBroken at the
        end; OSError as the socket says."""
        if self._at:
            left = self._end - self._at
            self._buffer[:left] = self._buffer[self._at : self._end]
            self._at, self._end = 0, left
        try:
            count = self.socket.recv_into(self._view[self._end :])
        except BlockingIOError:
            return False
        if not count:
            raise WireBroken("the stream ended")
        self._end += count
        self.received += count
        return True

    def read(self, handlers: Mapping[int, Handler]) -> None:
        """Hand every whole packet to the handler of its channel; keep every whole message."""
        buffer, at, end = self._buffer, self._at, self._end
        while end - at >= 4:
            if buffer[at] == DOLLAR:
                then = at + 4 + (buffer[at + 2] << 8 | buffer[at + 3])
                if then > end:
                    break
                handler = handlers.get(buffer[at + 1])
                if handler is not None and handler(buffer, at + 4, then):
                    self._garbage = 0
                else:
                    then = self._past(at, then, end, handlers)
            else:
                self._at = at
                then = self._other(at, end)
                if then == at:
                    break
            at = then
        self._at = at

    def _past(self, at: int, then: int, end: int, handlers: Mapping[int, Handler]) -> int:
        """Past what calls itself a packet: past all of it if something begins where it ends."""
        buffer = self._buffer
        begins = buffer[then : min(then + 4, end)]
        is_packet = begins[:1] == b"$" and (len(begins) < 2 or begins[1] in handlers)
        if begins and not is_packet and not _CAPITALS.fullmatch(begins):
            then = buffer.find(DOLLAR, at + 1, end)
            then = end if then < 0 else then
        self._skipped(then - at)
        return then

    def _other(self, at: int, end: int) -> int:
        """A message, or something to skip: where it ends; `at` when more must come first."""
        buffer = self._buffer
        if buffer[at] in _STRAY:
            self._skipped(1)
            return at + 1
        if _CAPITALS.match(buffer, at, at + 1):
            head_end = buffer.find(b"\r\n\r\n", at, end)
            is_told = buffer.find(b"RTSP/", at, end) >= 0 or buffer.find(DOLLAR, at, end) < 0
            if head_end < 0 and end - at < MESSAGE_BYTES and is_told:
                return at
            message = None if head_end < 0 else _message(bytes(self._view[at:head_end]))
            if message is not None:
                body = head_end + 4
                then = body + (number(message.get("content-length")) or 0)
                if then - at <= MESSAGE_BYTES:
                    if then > end:
                        return at
                    self.messages.append(
                        Message(message.first, message.headers, bytes(self._view[body:then]))
                    )
                    return then
        then = buffer.find(DOLLAR, at + 1, end)
        then = end if then < 0 else then
        self._skipped(then - at)
        return then

    def _skipped(self, count: int) -> None:
        self._garbage += count
        if self._garbage > GARBAGE_BYTES:
            raise WireBroken("what comes is no RTSP")


def _message(head: bytes) -> Message | None:
    first, *lines = head.decode("utf-8", "replace").split("\r\n")
    if "RTSP/" not in first:
        return None
    pairs = (line.partition(":") for line in lines)
    headers = tuple((name.strip().lower(), value.strip()) for name, _, value in pairs)
    return Message(first, headers, b"")
