"""Serves the application: binds the port, keeps house in the cache, stops cleanly on a signal."""

from __future__ import annotations

import errno
import logging
import signal
import socket
import threading
from collections.abc import Callable
from importlib import import_module

from flask import Flask
from waitress.server import create_server

from search import runs
from search.engine import engine_of
from search.keeper import Keeper
from search.standing import follow
from storage.directory import DataDirectory
from storage.errors import HindsightError, Invalid, Unavailable
from storage.segments import iterate
from web import cache, redactions, uploads
from web.app import close_app
from web.exporting import runner

log = logging.getLogger(__name__)
logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a line for every request that waits
HOUSEKEEPING_S = 3600.0
HEADER_BYTES = 131_072  # a query of 10,000 characters in an address, percent-encoded, still fits
# A browser keeps up to six connections: 50 people need three times what waitress takes by itself,
# and who came too late would wait until somebody else's is closed.
CONNECTIONS, BACKLOG = 1000, 1024
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def serve(
    directory: DataDirectory, app: Flask, host: str, port: int, ready: Callable[[str], None]
) -> None:
    """Serve until SIGINT or SIGTERM; `ready` gets the URL once requests are taken.

    Unavailable when the port is in use or may not be bound, Invalid when the host is none.
    """
    listener = _listen(host, port)
    try:
        settings = directory.settings.web
        server = create_server(
            app, sockets=[listener], threads=settings.threads, ident=None,
            max_request_body_size=settings.upload_bytes + (1 << 20),
            max_request_header_size=HEADER_BYTES,
            connection_limit=CONNECTIONS, backlog=BACKLOG,
            asyncore_use_poll=True,  # select() takes no more than 1,024 files, of all kinds
            clear_untrusted_proxy_headers=False,  # web.proxies sees to them
        )  # fmt: skip
        stopping = threading.Event()
        keeper = threading.Thread(target=_keep_house, args=(directory, stopping), daemon=True)
        previous = {each: signal.signal(each, _stop) for each in SIGNALS}
        redactions.sweep(directory)
        runner(app).start()
        keeper.start()
        threading.Thread(target=_warm, args=(directory,), daemon=True).start()
        threading.Thread(target=follow, args=(directory, stopping), daemon=True).start()
        shards = Keeper(directory)
        shards.start()
        ready(_url(host, listener))
        try:
            server.run()  # returns after the KeyboardInterrupt that _stop raises
        finally:
            stopping.set()
            shards.stop()
            close_app(app)
            server.close()
            for each, handler in previous.items():
                signal.signal(each, handler)
    finally:
        listener.close()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError, OverflowError):
        raise Invalid(
            "address {host} cannot be listened on: it is not known here; use 127.0.0.1", host=host
        ) from None
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise Unavailable(
                "port {port} on {host} is in use; stop what uses it or name another with --port",
                port=port, host=host,
            ) from None  # fmt: skip
        raise Unavailable(
            "{host} port {port} cannot be listened on: {error}; name another with --port",
            port=port, host=host, error=error.strerror,
        ) from None  # fmt: skip
    return listener


def _url(host: str, listener: socket.socket) -> str:
    port = listener.getsockname()[1]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}/"


def _stop(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _warm(directory: DataDirectory) -> None:
    """Load the model now: the first question would wait seconds for it."""
    try:
        import_module("open_clip")
        engine_of(directory).warm()
    except (ImportError, HindsightError) as error:  # a question will say it to who asks
        log.warning("the model could not be loaded ahead of the first search: %s", error)


def _keep_house(directory: DataDirectory, stopping: threading.Event) -> None:
    """Once an hour, forget what was derived from footage that is gone, and searches of no case."""
    while True:
        try:
            with directory.ledger.read() as tx:
                kept = {segment.id for segment in iterate(tx)}
            cache.sweep(directory.made_of_segments, kept)
            uploads.sweep(directory)
            runs.keep_house(directory)
        except Exception as error:
            # Housekeeping must not end for good because of one bad hour (ledger locked, disk full).
            log.warning("housekeeping failed: %s", error)
        if stopping.wait(HOUSEKEEPING_S):
            return
