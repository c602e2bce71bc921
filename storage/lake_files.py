"""Files of the lake that nothing names any more: parts that were replaced, and litter.

A part that another one replaced stays for a grace period, because a reader may have taken its name
just before. A mark beside it says since when: `part-<ulid>.parquet.retired`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from storage import lake_work
from storage.directory import DataDirectory
from storage.durable import OPEN_SUFFIX, is_locked, remove_empty_folders, remove_file
from storage.index_files import headless_files

KINDS = ("frames", "looks")
RETIRED_SUFFIX = ".retired"
LEAST_GRACE_S = 600.0


def grace_s(directory: DataDirectory) -> float:
    """How long a file that nothing names is left alone: a reader may open it, or a worker name it
    in a moment."""
    return max(LEAST_GRACE_S, 3 * directory.settings.indexer.lease_s)


def retire(path: Path) -> None:
    """Note that a part is about to be replaced. Before it is, so that the grace is never missed."""
    mark = _mark(path)
    mark.touch()
    os.utime(mark)  # an earlier try may have left one


def remove_part(path: Path, lake: Path) -> None:
    """A part, its mark, and the folder if it was the last."""
    remove_file(path)
    _mark(path).unlink(missing_ok=True)
    remove_empty_folders(path.parent, lake)


def remove_retired(folder: Path, directory: DataDirectory) -> int:
    """At once, all that was replaced in a day's folder: what it holds must not stay."""
    marks = list(folder.glob(f"part-*{RETIRED_SUFFIX}"))
    with directory.ledger.read() as tx:
        names = lake_work.all_names(tx) if marks else set()
    removed = 0
    for mark in marks:
        path = mark.with_name(mark.name.removesuffix(RETIRED_SUFFIX))
        if str(path.relative_to(directory.lake)) not in names:
            removed += path.exists()
            remove_part(path, directory.lake)
    return removed


def remove_litter(directory: DataDirectory) -> int:
    """Parts that nothing names, what killed writers left, and halves of shards, after the grace.

    Returns how many. A file that is no work of ours is left alone.
    """
    oldest = time.time() - grace_s(directory)
    parts = [path for path in _files(directory.lake) if _since(path) < oldest]
    removed = 0
    with directory.ledger.read() as tx:  # after the files were listed: what is new is in neither
        names = lake_work.all_names(tx) if parts else set()
    for path in parts:
        if path.name.endswith(OPEN_SUFFIX):
            if is_locked(path):
                continue
        elif str(path.relative_to(directory.lake)) in names:
            _mark(path).unlink(missing_ok=True)
            continue
        remove_part(path, directory.lake)
        removed += 1
    for kind in KINDS:
        for mark in (directory.lake / kind).rglob(f"part-*{RETIRED_SUFFIX}"):
            if not mark.with_name(mark.name.removesuffix(RETIRED_SUFFIX)).exists():
                mark.unlink(missing_ok=True)
    for path in headless_files(directory.index):
        if _since(path) < oldest and not is_locked(path):
            remove_file(path)
            removed += 1
    return removed


def lying_parts(lake: Path) -> Iterator[str]:
    """Every part that lies in lake and looks, named or not, relative to lake/."""
    for path in _files(lake):
        if path.suffix == ".parquet":
            yield str(path.relative_to(lake))


def _files(lake: Path) -> Iterator[Path]:
    for kind in KINDS:
        for path in sorted((lake / kind).rglob("part-*")):
            if path.name.endswith((".parquet", OPEN_SUFFIX)):
                yield path


def _since(path: Path) -> float:
    """Since when a file is as it is, in seconds as of time.time(); never for one that is gone."""
    for one in (_mark(path), path):
        try:
            return one.stat().st_mtime
        except FileNotFoundError:
            continue
    return float("inf")


def _mark(path: Path) -> Path:
    return path.with_name(path.name + RETIRED_SUFFIX)
