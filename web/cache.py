"""Derived files under <data>/cache: made once, whatever the number of askers; all discardable.

Nothing here is footage or catalogue, so writes are atomic but not fsynced. What is derived from a
segment lies in a folder of its id and is swept when the segment is no longer kept.
"""

from __future__ import annotations

import fcntl
import logging
import secrets
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

log = logging.getLogger(__name__)


def get_or_make(path: Path, make: Callable[[Path], None]) -> Path:
    """`path`, made by `make(unfinished)` if it is not there; other processes wait for it."""
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return path
        # Keeps the suffix: libavformat and Pillow choose the format by it.
        unfinished = path.with_name(f".{secrets.token_hex(4)}-{path.name}")
        try:
            make(unfinished)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    return path


def sweep(folder: Path, kept: Iterable[str]) -> int:
    """Remove what was derived from segments that are not in `kept`; how many folders."""
    alive = set(kept)
    removed = 0
    for each in folder.iterdir() if folder.is_dir() else ():
        if each.name not in alive:
            shutil.rmtree(each, ignore_errors=True)
            removed += 1
    if removed:
        log.info("cache: %d folders of expired segments removed", removed)
    return removed
