"""Where a source may be opened on behalf of somebody at a browser: never at this host's own links.

Two ways lead out of a process. Our own readers ask `socket.getaddrinfo`, which refuses here.
FFmpeg resolves names by itself and follows redirects: it gets a gate on the loopback, which
resolves, refuses and connects for it, so that what is checked is what is connected to.
"""

from __future__ import annotations

import ipaddress
import os
import re
import select
import socket
import threading
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

# No camera is there, but what tells a cloud machine its own secrets may be: link-local, and the
# addresses some clouds chose for it outside of that.
METADATA = tuple(
    ipaddress.ip_network(each)
    for each in ("100.100.100.200/32", "192.0.0.192/32", "168.63.129.16/32", "fd00:ec2::/32",
                 "fd20:ce::254/128")
)  # fmt: skip
NOBODY = tuple(ipaddress.ip_network(each) for each in ("0.0.0.0/8", "255.255.255.255/32", "::/128"))
HEAD_BYTES = 32 << 10
MOST_BYTES = 64 << 20  # through the gate, both ways together
CONNECT_S = 4.0
# An answer that sends on, as loosely as FFmpeg reads one, and how far apart its pieces may come.
SENDS_ON = re.compile(rb"RTSP/\S*\s+0*3\d\d")
TAIL_BYTES = 4096
PIECE = 64 << 10
_resolve = socket.getaddrinfo


class Forbidden(OSError):
    """An address that no camera has."""


def check(address: str) -> None:
    """Forbidden for link-local, multicast, unspecified and metadata addresses, however written."""
    found = ipaddress.ip_address(address.partition("%")[0])
    for one in _inner(found):
        forbidden = (*METADATA, *NOBODY)
        if (
            one.is_link_local
            or one.is_multicast
            or any(one.version == net.version and one in net for net in forbidden)
        ):
            raise Forbidden("no camera is asked at this address")


def resolved(host: str, port: int) -> list[tuple[Any, ...]]:
    """As getaddrinfo. Forbidden when any of the addresses is."""
    return guarded_getaddrinfo(host, port, type=socket.SOCK_STREAM)


def guarded_getaddrinfo(host: Any, port: Any, *args: Any, **words: Any) -> list[tuple[Any, ...]]:
    """`socket.getaddrinfo` of a guarded process."""
    found = _resolve(host, port, *args, **words)
    for each in found:
        check(str(each[4][0]))
    return list(found)


def connected(host: str, port: int, seconds: float = CONNECT_S) -> socket.socket:
    """A connection to one of the checked addresses. OSError."""
    failure: OSError | None = None
    for family, kind, protocol, _, place in resolved(host, port)[:4]:
        made = socket.socket(family, kind, protocol)
        made.settimeout(seconds)
        try:
            made.connect(place)
            return made
        except OSError as error:
            made.close()
            failure = error
    raise failure or OSError("no address")


class Gate:
    """A door on the loopback through which FFmpeg goes out."""

    def __init__(self) -> None:
        self._bytes = 0
        self.refused: Exception | None = None  # what the last connection failed of

    def as_proxy(self) -> None:
        """All that FFmpeg opens over HTTP or TLS in this process, redirects and playlists too."""
        port = self._listen(self._proxied)
        for name in ("no_proxy", "NO_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"):
            os.environ.pop(name, None)
        os.environ.update(http_proxy=f"http://127.0.0.1:{port}")

    def to(self, host: str, port: int) -> int:
        """A port of the loopback that leads there. An RTSP answer that sends on ends it."""
        return self._listen(lambda client: self._through(client, connected(host, port), rtsp=True))

    def _listen(self, serve: Any) -> int:
        listener = socket.create_server(("127.0.0.1", 0))

        def accept() -> None:
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._serve, args=(serve, client), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return int(listener.getsockname()[1])

    def _serve(self, serve: Any, client: socket.socket) -> None:
        with client:
            try:
                serve(client)
            except (OSError, ValueError) as error:
                self.refused = error

    def _proxied(self, client: socket.socket) -> None:
        client.settimeout(CONNECT_S)
        head = b""
        while b"\r\n\r\n" not in head:
            piece = client.recv(PIECE)
            if not piece or len(head) > HEAD_BYTES:
                raise ValueError("no request")
            head += piece
        first, _, rest = head.partition(b"\r\n")
        verb, where, version = first.decode("latin-1").split(" ", 2)
        if verb == "CONNECT":
            parts = urlsplit(f"//{where}")
            far = connected(parts.hostname or "", parts.port or 443)
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            _, _, head = head.partition(b"\r\n\r\n")
        else:
            parts = urlsplit(where)
            far = connected(parts.hostname or "", parts.port or 80)
            path = where.partition("://")[2].partition("/")[2]
            head = f"{verb} /{path} {version}\r\n".encode("latin-1") + rest
        self._through(client, far, head)

    def _through(
        self, client: socket.socket, far: socket.socket, head: bytes = b"", *, rtsp: bool = False
    ) -> None:
        """Both ways, until one side ends, too much came, or RTSP sends on elsewhere."""
        with far:
            far.settimeout(None)
            client.settimeout(None)
            if head:
                far.sendall(head)
            other, tail = {client: far, far: client}, b""
            while True:
                for one in select.select([client, far], [], [])[0]:
                    piece = one.recv(PIECE)
                    self._bytes += len(piece)
                    if rtsp and one is far:
                        tail += piece
                        if SENDS_ON.search(tail):
                            self.refused = Forbidden("sends on")
                            return
                        tail = tail[-TAIL_BYTES:]
                    if not piece or self._bytes > MOST_BYTES:
                        return
                    with suppress(BlockingIOError):
                        other[one].sendall(piece)


def _inner(
    found: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """The address, and the IPv4 address inside of it."""
    if isinstance(found, ipaddress.IPv4Address):
        return [found]
    inner: list[ipaddress.IPv4Address | ipaddress.IPv6Address] = [found]
    if found.ipv4_mapped is not None:
        inner.append(found.ipv4_mapped)
    if found.sixtofour is not None:
        inner.append(found.sixtofour)
    if found in ipaddress.ip_network("64:ff9b::/96") or int(found) >> 32 == 0:
        inner.append(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF))
    return inner if found != ipaddress.ip_address("::1") else [found]
