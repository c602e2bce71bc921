"""Looks after lake and looks for `hindsight index`: finds holes, makes few parts of small ones.

While the recorder is followed this runs now and then in a process of its own, so that nothing
waits for it: `python -m indexer.upkeep DIRECTORY`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import storage
from storage import generations
from storage.directory import DataDirectory, open_directory
from storage.errors import Conflict, HindsightError
from storage.logs import configure_logging

if TYPE_CHECKING:
    from indexer.reconcile import Hole

HOME = Path(storage.__file__).parents[1]
EVERY_S = 600.0
END_S = 5.0
log = logging.getLogger(__name__)


def mend(directory: DataDirectory, *, stop: Callable[[], bool] = lambda: False) -> list[Hole]:
    """Find what the lake lacks of the generation that answers and of the one that is built, and
    give it back to be indexed; reads every part.

    Returns the holes; none while another process is at it. Unavailable when the lake is away.
    """
    from indexer.reconcile import reconcile, remember  # reads Parquet

    found: list[Hole] = []
    with contextlib.suppress(Conflict), directory.exclusive("reconcile"):
        with directory.ledger.read() as tx:
            known = generations.generations(tx)
        for state in ("active", "building"):
            for generation in known:
                if generation.state == state:
                    found += reconcile(directory, generation, thorough=True, stop=stop)
        if not stop():
            remember(directory)
    return found


def keep_up_quietly(directory: DataDirectory, *, stop: Callable[[], bool] = lambda: False) -> None:
    """Look after the lake; what fails is logged and done the next time."""
    from storage.lake_upkeep import keep_up  # reads Parquet

    try:
        keep_up(directory, stop=stop)
    except Conflict:
        return  # another process does it
    except (HindsightError, OSError) as error:
        log.warning("the lake is not looked after: %s", error)


class UpkeepJob:
    """The process that does it, begun every EVERY_S and never waited for."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._process: subprocess.Popen[bytes] | None = None
        self._begun_s: float | None = None

    def look(self) -> None:
        """Begin it when it is due."""
        if self._process is not None:
            code = self._process.poll()
            if code is None:
                return
            self._process = None
            if code:
                log.error("upkeep of the index failed (exit code %d) and is tried again", code)
        now_s = time.monotonic()
        if self._begun_s is not None and now_s - self._begun_s < EVERY_S:
            return
        self._begun_s = now_s
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "indexer.upkeep", str(self._root)],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, process_group=0,
                env=os.environ | {"PYTHONPATH": str(HOME)},  # this one, whatever the folder has
            )  # fmt: skip
        except OSError as error:
            log.error("upkeep of the index cannot begin: %s", error)

    def close(self) -> None:
        """End it; the next one does what is left."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def main() -> int:
    """As a command: holes once a day, the rest each time. Ends with the process that began it."""
    from indexer.reconcile import reconcile_if_due

    configure_logging()
    parent = os.getppid()

    def orphaned() -> bool:
        return os.getppid() != parent

    os.nice(10)
    try:
        directory = open_directory(Path(sys.argv[1]))
        try:
            reconcile_if_due(directory, stop=orphaned)
            keep_up_quietly(directory, stop=orphaned)
        finally:
            directory.close()
    except HindsightError as error:
        log.error("the index is not looked after: %s", error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
