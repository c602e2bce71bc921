"""A capture process: a few stations, one thread each, watched through its standard streams.

Started by the supervisor as `python -m recorder.capture DIRECTORY PLAN`, where PLAN is JSON:
[{"camera": id, "restarts": n, "cause": gap cause of the time before}]. It says once a second on
stdout what each station does. A line on stdin is the number of a camera to let go of; when stdin
closes, also because the supervisor was killed, the process ends. libavformat may hang or abort in
here; nobody else is hurt.
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
    """Record until stdin closes."""
    configure_logging()
    _spare_memory()
    # A service manager tells every process of the service to stop; the supervisor decides when.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        directory = open_directory(Path(sys.argv[1]))
        scribe, disks = Scribe(directory.ledger), Disks(directory)
        stations = _stations(directory, scribe, disks, json.loads(sys.argv[2]))
    except HindsightError as error:  # a busy ledger, a camera that is gone: tried again
        log.error("a capture process cannot begin: %s", error)
        sys.exit(error.exit_code)
    orders: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    threading.Thread(target=_read_orders, args=(orders,), daemon=True).start()
    for station in stations:
        station.start()
    while any(station.is_alive() for station in stations):
        _beat(directory, stations)
        try:
            order = orders.get(timeout=BEAT_S)
        except queue.Empty:
            continue
        if order is None:
            break
        _stop([station for station in stations if station.camera.id == order])
    _stop(stations)
    disks.drain(DRAIN_S)
    scribe.drain(DRAIN_S)
    _beat(directory, stations)
    logging.shutdown()
    os._exit(0)  # not sys.exit: a hanging libavformat must not keep the process


def _stations(
    directory: DataDirectory, scribe: Scribe, disks: Disks, plan: list[dict[str, object]]
) -> list[Station]:
    made = []
    with directory.ledger.read() as tx:
        for entry in plan:
            camera = register.camera_by_id(tx, int(str(entry["camera"])))
            restarts, cause = int(str(entry["restarts"])), GapCause(str(entry["cause"]))
            made.append(
                Station(directory, camera, scribe, disks, restarts=restarts, cause_before=cause)
            )
    return made


def _spare_memory() -> None:
    with suppress(OSError, AttributeError):  # another libc has other habits
        libc = ctypes.CDLL(None)
        libc.mallopt(M_ARENA_MAX, 1)
        libc.mallopt(M_TRIM_THRESHOLD, KEEP_BYTES)
        libc.mallopt(M_MMAP_THRESHOLD, KEEP_BYTES)


def _beat(directory: DataDirectory, stations: list[Station]) -> None:
    now_us = directory.clock.monotonic_us()
    beat = {
        station.camera.id: {
            "silent_s": round((now_us - station.step_us) / US, 1),
            "finished": station.finished and not station.is_alive(),
            "ended": station.stop.is_set() or not station.is_alive(),
        }
        for station in stations
    }
    try:
        sys.stdout.write(json.dumps(beat) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        pass  # the supervisor is gone; the end of stdin tells the rest


def _read_orders(orders: queue.SimpleQueue[int | None]) -> None:
    with os.fdopen(0, "rb", buffering=0, closefd=False) as lines:
        for line in lines:
            orders.put(int(line))
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
