"""After footage was deleted, what indexing made of it goes as well, by a process that lives for a
second: a recorder does not load what reads Parquet."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import storage
from storage.clock import US
from storage.directory import DataDirectory

log = logging.getLogger(__name__)
HOME = Path(storage.__file__).parents[1]
REST_US = 300 * US  # between two runs, where footage goes all the time
UNFINISHED = 75  # of storage.lake_upkeep, which brings in what reads Parquet
END_S = 5.0


class LakeJob:
    """Begun after deletions, looked after now and then; not waited for while recording.

    It also runs once at the start: the last recorder may have been killed between the two.
    """

    def __init__(self, directory: DataDirectory) -> None:
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self._begun_us: int | None = None
        self._wanted = True

    def deleted(self) -> None:
        """Footage went: its vectors are to go."""
        self._wanted = True
        self.look()

    def look(self) -> None:
        """Begin what is wanted, unless it runs or ran just now."""
        if self._process is not None:
            code = self._process.poll()
            if code is None:
                return
            self._process = None
            if code not in (0, UNFINISHED):
                log.error("upkeep of the lake failed (exit code %d) and is tried again", code)
            self._wanted |= code != 0
        now_us = self._directory.clock.monotonic_us()
        rested = self._begun_us is None or now_us - self._begun_us >= REST_US
        if not self._wanted or not rested or not self._directory.lake.is_dir():
            return
        self._begun_us, self._wanted = now_us, False
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "storage.lake_upkeep", str(self._directory.root)],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, process_group=0,
                env=os.environ | {"PYTHONPATH": str(HOME)},  # this one, whatever the folder has
            )  # fmt: skip
        except OSError as error:
            log.error("upkeep of the lake cannot begin: %s", error)
            self._wanted = True

    def wait(self, timeout_s: float) -> int:
        """Until the run in progress ends; its exit code, 0 when there is none."""
        return 0 if self._process is None else self._process.wait(timeout_s)

    def close(self) -> None:
        """Wait a little, then end it; the next start finishes what it began."""
        if self._process is None:
            return
        for end in (self._process.terminate, self._process.kill):
            try:
                self._process.wait(END_S)
                return
            except subprocess.TimeoutExpired:
                end()
        self._process.wait()
