"""SRT, which FFmpeg as PyAV ships it does not speak: the system's libsrt, where it is installed.

Of the query of `srt://host:port?…` these words count: mode (caller | listener), streamid,
passphrase, pbkeylen, latency (milliseconds). The passphrase never leaves the process.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import socket
import struct
from functools import cache
from urllib.parse import parse_qsl, urlsplit

# srt.h, enum SRT_SOCKOPT
_REUSEADDR, _RCVTIMEO, _LATENCY, _PASSPHRASE, _PBKEYLEN, _CONNTIMEO, _STREAMID = (
    15, 14, 23, 26, 27, 36, 46,
)  # fmt: skip
_CRITICAL = 2  # srt.h, log levels as in syslog
_LISTEN_READY = 0x1  # SRT_EPOLL_IN: someone calls
MESSAGE_BYTES = 1456  # the most one live message carries
NAMES = ("srt-gnutls", "srt-openssl", "srt")


@cache
def library() -> ctypes.CDLL:
    """libsrt. OSError, saying what to install, when it is absent."""
    for name in NAMES:
        found = ctypes.util.find_library(name)
        if found is not None:
            loaded = ctypes.CDLL(found)
            loaded.srt_getlasterror_str.restype = ctypes.c_char_p
            loaded.srt_startup()
            loaded.srt_setloglevel(_CRITICAL)  # it would write to our stderr
            return loaded
    raise OSError("SRT needs the system's libsrt (Debian: apt install libsrt1.5-gnutls)")


class SrtStream:
    """A connection, read like a file; made and used by one thread."""

    def __init__(self, url: str, open_timeout_s: float, read_timeout_s: float) -> None:
        self._lib = library()
        parts = urlsplit(url)
        words = dict(parse_qsl(parts.query))
        self._sockets: list[int] = []
        self._rest = b""
        listens = words.get("mode") == "listener" or not parts.hostname
        address = _address(parts.hostname or "0.0.0.0", parts.port or 0, passive=listens)
        one = self._made(self._lib.srt_create_socket())
        for option, word in ((_PASSPHRASE, "passphrase"), (_STREAMID, "streamid")):
            if value := words.get(word, "").encode():
                self._set(one, option, value)
        for option, word in ((_PBKEYLEN, "pbkeylen"), (_LATENCY, "latency")):
            if (number := words.get(word, "")).isdigit():
                self._set(one, option, struct.pack("i", int(number)))
        self._set(one, _CONNTIMEO, struct.pack("i", int(open_timeout_s * 1000)))
        self._set(one, _RCVTIMEO, struct.pack("i", int(read_timeout_s * 1000)))
        try:
            self._stream = (
                self._accept(one, address, open_timeout_s) if listens else self._call(one, address)
            )
        except OSError:
            self.close()
            raise

    def read(self, size: int) -> bytes:
        """At most `size` bytes; b'' when the other side has closed. OSError as libsrt says."""
        if not self._rest:
            buffer = ctypes.create_string_buffer(MESSAGE_BYTES)
            got = self._lib.srt_recvmsg(self._stream, buffer, MESSAGE_BYTES)
            if got < 0:
                raise self._error()
            self._rest = buffer.raw[:got]
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def close(self) -> None:
        """Hang up."""
        while self._sockets:
            self._lib.srt_close(self._sockets.pop())

    def _call(self, one: int, address: bytes) -> int:
        if self._lib.srt_connect(one, address, len(address)) < 0:
            raise self._error()
        return one

    def _accept(self, one: int, address: bytes, timeout_s: float) -> int:
        self._set(one, _REUSEADDR, struct.pack("i", 1))
        if self._lib.srt_bind(one, address, len(address)) < 0 or self._lib.srt_listen(one, 1) < 0:
            raise self._error()
        poll = self._lib.srt_epoll_create()
        try:
            events = ctypes.c_int(_LISTEN_READY)
            self._lib.srt_epoll_add_usock(poll, one, ctypes.byref(events))
            ready, count = (ctypes.c_int * 1)(), ctypes.c_int(1)
            wait_ms = ctypes.c_int64(int(timeout_s * 1000))
            if self._lib.srt_epoll_wait(
                poll, ready, ctypes.byref(count), None, None, wait_ms, None, None, None, None
            ) < 0:  # fmt: skip
                raise TimeoutError("nobody called")
        finally:
            self._lib.srt_epoll_release(poll)
        return self._made(self._lib.srt_accept(one, None, None))

    def _made(self, one: int) -> int:
        if one < 0:
            raise self._error()
        self._sockets.append(one)
        return one

    def _set(self, one: int, option: int, value: bytes) -> None:
        if self._lib.srt_setsockflag(one, option, value, len(value)) < 0:
            raise self._error()

    def _error(self) -> OSError:
        text = self._lib.srt_getlasterror_str().decode("utf-8", "replace")
        return OSError(f"SRT: {text}")


def _address(host: str, port: int, *, passive: bool) -> bytes:
    """A sockaddr as the system's C library lays it out."""
    flags = socket.AI_PASSIVE if passive else 0
    found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=flags)[0]
    family, place = found[0], socket.inet_pton(found[0], str(found[4][0]))
    if family == socket.AF_INET6:
        return struct.pack("=HHI16sI", family, socket.htons(port), 0, place, 0)
    return struct.pack("=HH4s8x", family, socket.htons(port), place)
