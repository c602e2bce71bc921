"""The daily seal, made by a process that lives for a second.

The key that signs is not to lie for months in a process that looks after cameras, and what it
takes to sign, 7 MB of cryptography, not either.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import storage
from storage.directory import DataDirectory
from storage.sealing_day import is_due

log = logging.getLogger(__name__)
HOME = Path(storage.__file__).parents[1]
MOST_S = 3600  # of a pass over a large archive; the next look goes on where it was ended


def seal_if_due(directory: DataDirectory) -> None:
    """Once a day; else it reads one small file. What fails is logged, and tried a minute later."""
    if not is_due(directory):
        return
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "storage.sealing", str(directory.root)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=MOST_S, check=False,
            env=os.environ | {"PYTHONPATH": str(HOME)},  # this one, whatever the folder has
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        log.error("the day was not sealed: %s", error)
    else:
        if done.returncode:
            log.error("the day was not sealed (exit code %d)", done.returncode)
