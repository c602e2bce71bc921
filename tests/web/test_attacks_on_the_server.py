"""The server as a process: what is slow, endless or too large does not keep others waiting."""

from __future__ import annotations

import socket
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from storage.directory import init_directory
from storage.settings_web import WebSettings
from tests.e2e.browser import Server, serving

HEAD = "POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for the module."""
    directory, _ = init_directory(tmp_path_factory.mktemp("served") / "data")
    directory.close()
    with serving(directory.root) as running:
        yield running


def connect(server: Server) -> socket.socket:
    """A raw connection."""
    parts = urlsplit(server.url)
    assert parts.hostname
    assert parts.port
    return socket.create_connection((parts.hostname, parts.port), timeout=20)


def answered(server: Server, *pieces: bytes) -> int:
    """The status that a raw request gets; 0 when the server hung up without one."""
    with connect(server) as line:
        try:
            for piece in pieces:
                line.sendall(piece)
            first = line.recv(64)
        except (BrokenPipeError, ConnectionResetError):
            return 0
    return int(first.split()[1]) if first else 0


def alive(server: Server) -> None:
    with urllib.request.urlopen(f"{server.url}/healthz", timeout=10) as answer:
        assert answer.read() == b"ok\n"


def test_slow_senders_hold_nobody_up(server: Server) -> None:
    """More of them than there are threads: a body is taken in before a thread is given to it."""
    lines = [connect(server) for _ in range(WebSettings().threads + 4)]
    try:
        for number, line in enumerate(lines):
            head = f"{HEAD}Content-Length: 1000\r\n\r\n{{" if number % 2 else "GET / HTTP/1.1\r\nX"
            line.sendall(head.encode())
        alive(server)
    finally:
        for line in lines:
            line.close()


def test_what_declares_or_sends_too_much_is_refused_unread(server: Server) -> None:
    declared = f"{HEAD}Content-Length: 99999999999\r\n\r\n".encode()
    assert answered(server, declared) == 413
    for length in ("-1", "1e3", "0x10", "1, 1", "99999999999999999999999999"):
        broken = f"{HEAD}Content-Length: {length}\r\n\r\n".encode()
        assert answered(server, broken) in (400, 413), length
    chunk = b"100000\r\n" + b"a" * 0x100000 + b"\r\n"
    endless = [f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode(), *[chunk] * 200]
    assert answered(server, *endless) in (0, 413)
    headers = b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-A: " + b"a" * 300_000 + b"\r\n\r\n"
    assert answered(server, headers) in (0, 400, 431)
    alive(server)


@pytest.mark.parametrize(
    "request_",
    [
        f"{HEAD}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x",
        f"{HEAD}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        f"{HEAD}Content-Length: 2\r\nContent-Length: 9\r\n\r\n{{}}",
        "GET / HTTP/1.1\r\nHost: localhost\r\nX: a\nX-Evil: 1\r\n\r\n",
        "GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET / HTTP/9.9\r\n\r\n",
        "\x16\x03\r\n\r\n",
    ],
    ids=["both lengths", "odd coding", "two lengths", "bare newline", "NUL", "version", "noise"],
)  # fmt: skip
def test_a_request_that_two_servers_read_differently_is_refused(
    server: Server, request_: str
) -> None:
    status = answered(server, request_.encode())
    assert status == 0 or 300 <= status < 500 or status in (501, 505)
    alive(server)
