"""Upkeep of lake and looks: what belongs to deleted footage goes, small parts become few.

As a command, in a process of its own: `python -m storage.lake_upkeep DIRECTORY`. Killed anywhere
it leaves parts that no row names, which nobody reads and a later run removes.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from storage.directory import DataDirectory, open_directory
from storage.errors import Conflict, HindsightError
from storage.generations import generations
from storage.lake_files import remove_litter
from storage.lake_forgetting import forget_gone
from storage.lake_merging import compact, tidy_if_due
from storage.logs import configure_logging

JOB = "lake-upkeep"
UNFINISHED = 75  # exit code: it went well, and there is more to do
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Upkeep:
    """What one run did."""

    removed: int = 0  # parts whose footage is all gone
    rewritten: int = 0  # parts of which some is gone
    shards: int = 0  # of the index, with rows of footage that is gone
    left: int = 0  # parts with rows of such footage that wait for the next run
    tidied: int = 0  # parts with rows that did not count
    merged: int = 0  # small parts that became few
    litter: int = 0  # files that no row names


def keep_up(directory: DataDirectory, *, stop: Callable[[], bool] = lambda: False) -> Upkeep:
    """Do all that is due. Conflict while another process is at it.

    What belongs to deleted footage goes even then: that other process may be past it.
    """
    gone = forget_gone(directory, stop=stop)
    done = Upkeep(gone.removed, gone.rewritten, gone.shards, gone.left)
    with directory.exclusive(JOB):
        done.litter = remove_litter(directory)
        with directory.ledger.read() as tx:
            known = generations(tx)
        done.tidied = tidy_if_due(directory, known, stop=stop)
        for generation in known:
            if generation.state != "retired":
                done.merged += compact(directory, generation, stop=stop)
    return done


def main() -> int:
    """As a command: who records goes first."""
    configure_logging()
    os.nice(10)
    try:
        directory = open_directory(Path(sys.argv[1]))
        try:
            done = keep_up(directory)
        finally:
            directory.close()
    except Conflict:
        return 0  # the other one does it
    except HindsightError as error:
        log.error("the lake is not looked after: %s", error)
        return error.exit_code
    log.info("upkeep of the lake: %s", done)
    return UNFINISHED if done.left else 0


if __name__ == "__main__":
    sys.exit(main())
