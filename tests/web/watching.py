"""What this process reaches for: connections and look-ups of names, and a place to be reached."""

from __future__ import annotations

import socket
import sys
from typing import Any


class Watching:
    """Notes every connection and look-up of a name that Python makes while it is entered."""

    hooked = False
    active: Watching | None = None

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __enter__(self) -> None:
        if not Watching.hooked:
            sys.addaudithook(Watching.note)
            Watching.hooked = True
        Watching.active = self

    def __exit__(self, *_error: object) -> None:
        Watching.active = None

    @staticmethod
    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if Watching.active is not None and event in (
            "socket.connect", "socket.getaddrinfo", "urllib.Request",
        ):  # fmt: skip
            Watching.active.seen.append(f"{event} {arguments!r}")


def listening() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener
