"""The nursery: forks capture processes, which so share the memory of all that is imported.

It is a process without threads or open ledger, forked before `hindsight record` has any: SQLite
and locks do not survive a fork of a process that uses them. A capture process from here imports
nothing anew, and what it takes to begin is what a camera misses when its process was lost.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from recorder import capture

log = logging.getLogger(__name__)
MESSAGE_BYTES = 1 << 16
REAP_MS = 1000


@dataclass(slots=True)
class Child:
    """A capture process: orders go to `stdin`, its word comes from `stdout`."""

    pid: int
    handle: int  # pidfd: valid for this process and no later one of the same number
    stdin: IO[bytes]
    stdout: IO[bytes]
    started: subprocess.Popen[bytes] | None = None  # when we had to start it ourselves

    def has_ended(self, seconds: float = 0.0) -> bool:
        """Whether it has ended, at the latest after `seconds`."""
        poll = select.poll()
        poll.register(self.handle, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def kill(self) -> None:
        """At once."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.handle, signal.SIGKILL)

    def close(self) -> None:
        """Let go of a process that has ended."""
        os.close(self.handle)
        if self.started is not None:
            self.started.poll()


class Nursery:
    """Made first of all; see above."""

    def __init__(self) -> None:
        gc.collect()
        gc.freeze()  # the collector must not touch, and so copy, what is shared
        self._link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pid = os.fork()
        if self.pid == 0:
            self._link.close()
            _serve(theirs)
        theirs.close()

    def spawn(self, root: Path, plan: list[dict[str, object]], *, unseals: bool) -> Child:
        """A capture process of the data directory `root`. `unseals`: it will need cryptography,
        for passwords or for an encrypted volume."""
        take_orders, orders = os.pipe()
        beats, give_beats = os.pipe()
        try:
            pid, handle, started = self._begin(
                {"root": str(root), "plan": plan, "unseals": unseals}, take_orders, give_beats
            )
        finally:
            os.close(take_orders)
            os.close(give_beats)
        return Child(pid, handle, os.fdopen(orders, "wb"), os.fdopen(beats, "rb"), started)

    def close(self) -> None:
        """No more children; those there are live on."""
        self._link.close()
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)

    def _begin(
        self, word: dict[str, object], stdin: int, stdout: int
    ) -> tuple[int, int, subprocess.Popen[bytes] | None]:
        try:
            socket.send_fds(self._link, [json.dumps(word).encode()], [stdin, stdout])
            answer, handles, _, _ = socket.recv_fds(self._link, MESSAGE_BYTES, 1)
            if handles:
                return int(answer), handles[0], None
        except OSError as error:
            log.error("the nursery does not answer (%s)", error)
        # It was killed. Slower and with memory of its own, a process begins all the same.
        started = subprocess.Popen(
            [sys.executable, "-m", "recorder.capture", str(word["root"]), json.dumps(word["plan"])],
            stdin=stdin, stdout=stdout, process_group=0,
        )  # fmt: skip
        return started.pid, os.pidfd_open(started.pid), started


def _serve(link: socket.socket) -> None:
    """Fork on request until the supervisor is gone. Never returns."""
    os.setpgid(0, 0)  # Ctrl-C is for the supervisor; it decides when captures stop
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    poll = select.poll()
    poll.register(link, select.POLLIN)
    while True:
        _reap()
        if not poll.poll(REAP_MS):
            continue
        word, handles, _, _ = socket.recv_fds(link, MESSAGE_BYTES, 2)
        if not word:
            os._exit(0)
        what = json.loads(word)
        if what["unseals"]:
            import cryptography.fernet
            import cryptography.hazmat.primitives.ciphers.aead  # noqa: F401  shared by all from here
        pid = os.fork()
        if pid == 0:
            link.close()
            _become(what, *handles)
        for handle in handles:
            os.close(handle)
        own = os.pidfd_open(pid)  # before it is reaped, so surely of this child
        socket.send_fds(link, [str(pid).encode()], [own])
        os.close(own)


def _become(word: dict[str, object], stdin: int, stdout: int) -> None:
    """This process is a capture process from now on. Never returns."""
    os.setpgid(0, 0)
    os.dup2(stdin, 0)
    os.dup2(stdout, 1)
    os.closerange(3, max(stdin, stdout) + 1)
    plan = word["plan"]
    assert isinstance(plan, list)
    try:
        capture.run(Path(str(word["root"])), plan)
    except BaseException as error:  # nothing of the nursery's own may go on in here
        log.exception("a capture process ends: %s", error)
    finally:
        logging.shutdown()
        os._exit(1)


def _reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
