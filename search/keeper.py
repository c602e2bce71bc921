"""Keeps shards up to date while the application serves: a process that gives way to everything.

Training codes takes a core for seconds; in a process of its own at idle priority, who searches
does not feel it, and its memory goes when it ends.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import search
from search.building import JOB, build_due, is_due
from storage.directory import DataDirectory, open_directory
from storage.errors import Conflict, HindsightError

log = logging.getLogger(__name__)
HOME = Path(search.__file__).parents[1]
LOOK_S = 30.0
CHECK_S = 24 * 3600.0  # every byte of every shard is read again so often
MOST_S = 6 * 3600


class Keeper:
    """A thread that looks every LOOK_S whether shards are due, and has them written."""

    def __init__(self, directory: DataDirectory) -> None:
        self._directory = directory
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="shards", daemon=True)

    def start(self) -> None:
        """Look from now on."""
        self._thread.start()

    def stop(self) -> None:
        """End, together with the process that writes: what it has not finished does not count."""
        self._stopping.set()
        with self._guard:
            if self._process is not None:
                self._process.terminate()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_S):
            try:
                check = self._check_is_due()
                if check or is_due(self._directory):
                    self._write(check)
            except Exception as error:
                # The thread must not end for good because of one bad look (ledger locked, …).
                log.warning("shards were not looked at: %s", error)

    def _check_is_due(self) -> bool:
        mark = self._directory.root / "run" / f"{JOB}.checked"
        try:
            age_s = self._directory.clock.now_us() / 1e6 - mark.stat().st_mtime
        except FileNotFoundError:
            age_s = CHECK_S
        return age_s >= CHECK_S

    def _write(self, check: bool) -> None:
        arguments = [str(self._directory.root), *(["check"] if check else [])]
        with self._guard:
            if self._stopping.is_set():
                return
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "search.keeper", *arguments],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": str(HOME), "OMP_NUM_THREADS": "1"},
            )  # fmt: skip
        try:
            code = self._process.wait(MOST_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        if code and not self._stopping.is_set():
            log.warning("shards were not all written (exit code %d); the lake answers", code)


def main(root: Path, *, check: bool) -> int:
    """One pass, at idle priority. Returns an exit code."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    directory = open_directory(root)
    try:
        build_due(directory, check=check)
        if check:
            (directory.root / "run" / f"{JOB}.checked").touch()
    except Conflict:
        return 0  # somebody else is at it
    except HindsightError as error:
        log.error("%s", error)
        return error.exit_code
    finally:
        directory.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), check="check" in sys.argv[2:]))
