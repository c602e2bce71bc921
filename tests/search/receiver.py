"""A receiver of webhooks on loopback: takes what it is sent, answers as a test tells it."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from storage.directory import DataDirectory
from storage.settings import Settings

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@dataclass
class Request:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Receiver:
    """`answers` are used up one after the other; then 204."""

    url: str
    taken: list[Request] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)


def status(code: int, body: bytes = b"", **headers: str) -> Answer:
    """Answers with a status, a body and headers."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@contextmanager
def receiving(certificate: Path | None = None) -> Iterator[Receiver]:
    """A server until the end of the block. `certificate`: PEM with its key, to speak TLS."""

    class Handler(BaseHTTPRequestHandler):
        def _take(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            headers = {name.lower(): value for name, value in self.headers.items()}
            made.taken.append(Request(self.command, self.path, headers, body))
            (made.answers.pop(0) if made.answers else status(204))(self)

        do_GET = do_POST = _take

        def log_message(self, *_args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # who hangs up is meant
    scheme = "http"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        scheme = "https"
    made = Receiver(f"{scheme}://127.0.0.1:{server.server_port}/hook/geheim?token=hunter2")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def with_webhooks(directory: DataDirectory, **urls: str) -> None:
    """Put webhooks into the settings, all with SECRET."""
    document = directory.settings.model_dump(exclude={"webhooks"})
    document["webhooks"] = {name: {"url": url, "secret": SECRET} for name, url in urls.items()}
    directory.settings = Settings.model_validate(document)
