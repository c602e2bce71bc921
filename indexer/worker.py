"""A worker process of `hindsight index`: `python -m indexer.worker DIRECTORY ORDERS`.

Its orders are JSON. It tells what it did in JSON lines and ends cleanly when its stdin closes,
be it that its parent wants that or died.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from indexer.tally import Tally
from storage.directory import DataDirectory, open_directory
from storage.errors import HindsightError
from storage.logs import configure_logging
from storage.vocabulary import Segment

RECYCLED = 75  # exit code: there is more to do, by a fresh process
GROWN_BYTES = 1536 << 20  # beyond what it took after its first part
END_S = 60.0  # what a worker that is to end may take for it
STATM = Path("/proc/self/statm")
log = logging.getLogger(__name__)


def main() -> int:
    """Work as ordered; the exit code says how it ended."""
    configure_logging()
    # Ctrl-C and service managers tell every process; the parent decides when.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    orders = json.loads(sys.argv[2])
    stop = threading.Event()
    threading.Thread(target=_until_closed, args=(stop,), daemon=True).start()
    try:
        return _work(open_directory(Path(sys.argv[1])), orders, stop)
    except HindsightError as error:
        _tell({"error": error.text(orders["lang"]), "code": error.exit_code})
        return error.exit_code


def _work(directory: DataDirectory, orders: dict[str, Any], stop: threading.Event) -> int:
    from indexer.claims import Share
    from indexer.indexing import run  # with torch
    from indexer.succession import ensure_generation

    lane = ensure_generation(directory, orders["model"])
    _tell({"generation": lane.generation.id})
    worn = _Worn(directory.settings.indexer.recycle_pictures)
    tally = run(
        directory, lane, camera_ids=orders["cameras"], follow=orders["follow"], stop=stop,
        progress=_progress, share=Share(orders["number"], orders["workers"]),
        enough=worn.is_out, upkeep=False,
    )  # fmt: skip
    _tell({"tally": asdict(tally)})
    return RECYCLED if worn.out and not stop.is_set() else 0


class _Worn:
    """Whether a process has done enough to be replaced by a fresh one. Tells what it did, part by
    part, so that it counts even when the process is killed."""

    def __init__(self, most_pictures: int) -> None:
        self._most_pictures = most_pictures
        self._told_segments = 0
        self._first_bytes: int | None = None
        self.out = False

    def is_out(self, tally: Tally) -> bool:
        """Asked after each part, with what was done so far."""
        if tally.segments != self._told_segments:
            self._told_segments = tally.segments
            _tell({"tally": asdict(tally)})
        held = _resident_bytes()
        if self._first_bytes is None and tally.pictures:
            self._first_bytes = held
        grown = self._first_bytes is not None and held - self._first_bytes > GROWN_BYTES
        self.out = self.out or tally.pictures >= self._most_pictures or grown
        return self.out


def _progress(segment: Segment) -> None:
    _tell({"done_us": segment.duration_us})


def _tell(what: dict[str, Any]) -> None:
    try:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:  # its parent died: stdin is closed as well, and that ends it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _resident_bytes() -> int:
    if STATM.exists():
        return int(STATM.read_text().split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # not Linux: the most it ever took


def _until_closed(stop: threading.Event) -> None:
    """Also where a decoder or a model hangs, no worker outlives its parent for long."""
    while os.read(0, 4096):
        pass
    stop.set()
    time.sleep(END_S)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
