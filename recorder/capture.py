"""A capture process: a few stations, one thread each, watched through its standard streams.

Forked by the nursery with a plan: [{"camera": id, "restarts": n, "cause": gap cause of the time
before}]; or started as `python -m recorder.capture DIRECTORY PLAN`. It says once a second on
stdout what each station does. A line on stdin is one more entry of a plan, or the number of a
camera to let go of; when stdin closes, also because the supervisor was killed, the process ends.
libavformat may hang or abort in here; nobody else is hurt.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import queue
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from recorder.disk import Disks
from recorder.scribe import Scribe
from recorder.station import DRAIN_S, Station
from storage import register
from storage.clock import US
from storage.directory import DataDirectory, open_directory
from storage.errors import HindsightError
from storage.logs import configure_logging
from storage.vocabulary import GapCause

log = logging.getLogger(__name__)
BEAT_S = 1.0
# glibc: one heap for all threads, and what is freed goes back to the system. FFmpeg's opening of
# a source takes megabytes for a moment, and a heap per thread would keep them for ever.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
KEEP_BYTES = 128 << 10
PATIENCE_S = 3.0  # what a station gets to stop by itself before its segment is closed for it


def main() -> None:
    """As a command: `python -m recorder.capture DIRECTORY PLAN`."""
    configure_logging()
    run(Path(sys.argv[1]), json.loads(sys.argv[2]))


def run(root: Path, plan: list[dict[str, object]]) -> NoReturn:
    """Record until stdin closes, then end the process."""
    _spare_memory()
    # A service manager tells every process of the service to stop; the supervisor decides when.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        directory = open_directory(root)
        crew = _Crew(directory)
        crew.take_on(plan)
    except HindsightError as error:  # a busy ledger, a camera that is gone: tried again
        log.error("a capture process cannot begin: %s", error)
        logging.shutdown()
        os._exit(error.exit_code)
    orders: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=_read_orders, args=(orders,), daemon=True).start()
    while any(station.is_alive() for station in crew.stations):
        crew.beat()
        try:
            order = orders.get(timeout=BEAT_S)
        except queue.Empty:
            continue
        if order is None:
            break
        crew.obey(order)
    crew.end()
    logging.shutdown()
    os._exit(0)  # not sys.exit: a hanging libavformat must not keep the process


class _Crew:
    """The stations of this process, and what they share."""

    def __init__(self, directory: DataDirectory) -> None:
        self._directory = directory
        self._disks = Disks(directory)
        self._scribe = Scribe(directory, self._disks.refuse)
        self.stations: list[Station] = []

    def take_on(self, plan: list[dict[str, object]]) -> None:
        """Begin with these cameras."""
        with self._directory.ledger.read() as tx:
            made = [
                Station(
                    self._directory,
                    register.camera_by_id(tx, int(str(entry["camera"]))),
                    self._scribe,
                    self._disks,
                    restarts=int(str(entry["restarts"])),
                    cause_before=GapCause(str(entry["cause"])),
                )
                for entry in plan
            ]
        again = {station.camera.id for station in made}
        self.stations = [one for one in self.stations if one.camera.id not in again] + made
        for station in made:
            station.start()

    def obey(self, order: str) -> None:
        """One more camera, or one less."""
        if order.isdigit():
            _stop([one for one in self.stations if one.camera.id == int(order)])
            return
        try:
            self.take_on([json.loads(order)])
        except HindsightError as error:  # a busy ledger; the supervisor sees that it is not here
            log.error("a camera cannot be taken on: %s", error)

    def end(self) -> None:
        """Close every segment, see it written, say so."""
        _stop(self.stations)
        self._disks.drain(DRAIN_S)
        self._scribe.drain(DRAIN_S)
        self.beat()

    def beat(self) -> None:
        """Say what each station does."""
        now_us = self._directory.clock.monotonic_us()
        beat = {
            station.camera.id: {
                "silent_s": round((now_us - station.step_us) / US, 1),
                "recording": station.is_recording,
                "finished": station.finished and not station.is_alive(),
                "ended": station.stop.is_set() or not station.is_alive(),
            }
            for station in self.stations
        }
        with suppress(BrokenPipeError):  # the supervisor is gone; the end of stdin tells the rest
            os.write(1, json.dumps(beat).encode() + b"\n")


def _spare_memory() -> None:
    with suppress(OSError, AttributeError):  # another libc has other habits
        libc = ctypes.CDLL(None)
        libc.mallopt(M_ARENA_MAX, 1)
        libc.mallopt(M_TRIM_THRESHOLD, KEEP_BYTES)
        libc.mallopt(M_MMAP_THRESHOLD, KEEP_BYTES)


def _read_orders(orders: queue.SimpleQueue[str | None]) -> None:
    with os.fdopen(0, "rb", buffering=0, closefd=False) as lines:
        for line in lines:
            orders.put(line.decode().strip())
    orders.put(None)


def _stop(stations: list[Station]) -> None:
    """Close their segments. A thread that hangs in FFmpeg is left behind, its segment is not."""
    for station in stations:
        station.stop.set()
    end = time.monotonic() + PATIENCE_S
    for station in stations:
        station.join(max(0.0, end - time.monotonic()))
    for station in stations:
        if station.is_alive():
            station.leave()


if __name__ == "__main__":
    main()
