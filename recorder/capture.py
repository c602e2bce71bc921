"""A capture process: a few stations, one thread each, watched through its standard streams.

Started by the supervisor as `python -m recorder.capture DIRECTORY PLAN`, where PLAN is JSON:
[{"camera": id, "restarts": n, "cause": gap cause of the time before}]. It says once a second on
stdout what each station does, and ends when its stdin closes: also when the supervisor was
killed. libavformat may hang or abort in here; nobody else is hurt.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from recorder.station import Station
from storage import register
from storage.clock import US
from storage.directory import DataDirectory, open_directory
from storage.logs import configure_logging
from storage.vocabulary import GapCause

log = logging.getLogger(__name__)
BEAT_S = 1.0
PATIENCE_S = 3.0  # what a station gets to stop by itself before its segment is closed for it


def main() -> None:
    """Record until stdin closes."""
    configure_logging()
    # Ctrl-C reaches the whole terminal group; the supervisor decides when we stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    directory = open_directory(Path(sys.argv[1]))
    stop = threading.Event()
    threading.Thread(target=_stop_at_end_of_input, args=(stop,), daemon=True).start()
    stations = _stations(directory, json.loads(sys.argv[2]), stop)
    for station in stations:
        station.start()
    while not stop.is_set() and any(station.is_alive() for station in stations):
        _beat(directory, stations)
        stop.wait(BEAT_S)
    _end(stations, stop)


def _stations(
    directory: DataDirectory, plan: list[dict[str, object]], stop: threading.Event
) -> list[Station]:
    made = []
    with directory.ledger.read() as tx:
        for entry in plan:
            camera = register.camera_by_id(tx, int(str(entry["camera"])))
            restarts, cause = int(str(entry["restarts"])), GapCause(str(entry["cause"]))
            made.append(Station(directory, camera, stop, restarts=restarts, cause_before=cause))
    return made


def _beat(directory: DataDirectory, stations: list[Station]) -> None:
    now_us = directory.clock.monotonic_us()
    beat = {
        station.camera.id: {
            "silent_s": round((now_us - station.step_us) / US, 1),
            "bytes": station.progress.bytes,
            "recorded_to_us": station.progress.recorded_to_us,
            "finished": station.finished and not station.is_alive(),
        }
        for station in stations
    }
    try:
        sys.stdout.write(json.dumps(beat) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        pass  # the supervisor is gone; the end of stdin tells the rest


def _stop_at_end_of_input(stop: threading.Event) -> None:
    while os.read(0, 4096):
        pass
    stop.set()


def _end(stations: list[Station], stop: threading.Event) -> None:
    """Close every segment. A thread that hangs in FFmpeg is left behind, its segment is not."""
    stop.set()
    for station in stations:
        station.join(PATIENCE_S)
    for station in stations:
        if station.is_alive():
            station.finish()
    logging.shutdown()
    os._exit(0)  # not sys.exit: a hanging libavformat must not keep the process


if __name__ == "__main__":
    main()
