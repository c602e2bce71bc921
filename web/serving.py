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
from search.keeper import Keeper
from search.standing import follow
from storage.directory import DataDirectory
from storage.errors import Invalid, Unavailable
from storage.segments import iterate
from web import cache, exports, uploads
from web.blueprints.searches import jobs

log = logging.getLogger(__name__)
HOUSEKEEPING_S = 3600.0
HEADER_BYTES = 131_072  # a query of 10,000 characters in an address, percent-encoded, still fits
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
            max_request_header_size=HEADER_BYTES, clear_untrusted_proxy_headers=True,
        )  # fmt: skip
        stopping = threading.Event()
        keeper = threading.Thread(target=_keep_house, args=(directory, stopping), daemon=True)
        previous = {each: signal.signal(each, _stop) for each in SIGNALS}
        exports.sweep(directory)
        keeper.start()
        threading.Thread(target=_warm, daemon=True).start()
        threading.Thread(target=follow, args=(directory, stopping), daemon=True).start()
        shards = Keeper(directory)
        shards.start()
        ready(_url(host, listener))
        try:
            server.run()  # returns after the KeyboardInterrupt that _stop raises
        finally:
            stopping.set()
            shards.stop()
            jobs(app).close()  # what still searches is told so, and noted as stopped
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
        listener.listen(128)
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


def _warm() -> None:
    """Import the libraries of the model now: the first question would wait seconds for them.

    The model itself is left to the engine, which knows which one and loads it once.
    """
    try:
        import_module("open_clip")
    except ImportError as error:
        log.warning("the model's library could not be loaded ahead of the first search: %s", error)


def _keep_house(directory: DataDirectory, stopping: threading.Event) -> None:
    """Once an hour, forget what was derived from footage that is gone, and searches of no case."""
    while True:
        try:
            with directory.ledger.read() as tx:
                kept = {segment.id for segment in iterate(tx)}
            cache.sweep(directory.cache, kept)
            uploads.sweep(directory)
            runs.keep_house(directory)
        except Exception as error:
            # Housekeeping must not end for good because of one bad hour (ledger locked, disk full).
            log.warning("housekeeping failed: %s", error)
        if stopping.wait(HOUSEKEEPING_S):
            return
