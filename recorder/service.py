"""What a service manager is told: ready, alive, what is going on (sd_notify(3)); else nothing."""

from __future__ import annotations

import os
import socket
from contextlib import suppress


def tell(**words: str | int) -> None:
    """Send `words` (READY=1, STATUS=…) to the manager that started us, if one did.

    It is not there any more, or its socket is full: that must stop no recording.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    text = "\n".join(f"{key}={value}" for key, value in words.items())
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.setblocking(False)
        out.sendto(text.encode(), "\0" + address[1:] if address.startswith("@") else address)
