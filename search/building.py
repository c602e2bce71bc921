"""Builds shards in the background: one writer, many readers that never wait for it.

Rows no shard covers are searched from the lake. Once they, and the rows of shards that no longer
count, are so many and make up so much of a day, its shard is written anew, so that each row is
written a few times at most.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from search.partitions import Partition, Partitions
from search.rows import merged
from search.shards import (
    ShardDamaged,
    build,
    generation_folder,
    headers,
    partition_folder,
    restamp,
    verify,
)
from storage.directory import DataDirectory
from storage.durable import remove_empty_folders
from storage.errors import HindsightError
from storage.generations import active_generation
from storage.index_files import remove_shard
from storage.lake_days import day_versions, live_count
from storage.lake_work import gone_of
from storage.vocabulary import Generation

log = logging.getLogger(__name__)
STALE_ROWS = 2_048
STALE_SHARE = 1 / 8
JOB = "shards"


@dataclass(slots=True)
class Built:
    """What one pass did."""

    shards: int = 0  # written
    rows: int = 0  # in them
    removed: int = 0  # replaced, damaged, or of days whose footage is gone
    failed: int = 0  # days that could not be written; the lake answers for them


def is_stale(partition: Partition, stale_rows: int = STALE_ROWS) -> bool:
    """Whether its shard is worth writing anew."""
    whole = sum(len(block.rows) for block in partition.blocks)
    return partition.stale_rows >= max(stale_rows, whole * STALE_SHARE)


def is_due(directory: DataDirectory) -> bool:
    """Whether `build_due` would write something, as far as the ledger's counts tell; cheap."""
    with directory.ledger.read() as tx:
        generation = active_generation(tx)
        versions = {} if generation is None else day_versions(tx, generation.id)
    if generation is None:
        return False
    for day, version in versions.items():
        good, bad = headers(partition_folder(directory.index, generation, day), generation)
        newest = good[-1] if good else None
        if bad or len(good) > 1:
            return True
        if newest is not None and newest.version == version:
            continue
        with directory.ledger.read() as tx:
            count = live_count(tx, generation.id, day)
        covered = 0 if newest is None else newest.live
        if abs(count - covered) >= max(STALE_ROWS, count * STALE_SHARE):
            return True
    return False


def build_due(
    directory: DataDirectory,
    *,
    stale_rows: int = STALE_ROWS,
    check: bool = False,
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[[float], object] = lambda _: None,
) -> Built:
    """Write the shards that are due, of the generation that answers, newest day first.

    `check`: read all bytes of the others again. Conflict: another process builds here.
    """
    done = Built()
    with directory.exclusive(JOB):
        with directory.ledger.read() as tx:
            generation = active_generation(tx)
            versions = {} if generation is None else day_versions(tx, generation.id)
        if generation is None:
            return done
        for number, day in enumerate(sorted(versions, reverse=True)):
            if stop():
                break
            # Opened apart from whoever searches: what is read here is let go at once.
            partition = Partitions(directory).open(generation, day, versions[day])
            if check and _damaged(partition, done):
                partition = Partitions(directory).open(generation, day, versions[day])
            _build(directory, generation, partition, stale_rows, done)
            progress((number + 1) / len(versions))
    return done


def _damaged(partition: Partition, done: Built) -> bool:
    """Whether a shard was removed because its bytes are not those that were written."""
    found = False
    for block in partition.blocks:
        try:
            if block.header is not None:
                verify(block.header)
        except FileNotFoundError:
            found = True
        except ShardDamaged as error:
            log.warning("shard %s is damaged (%s); it is built again", block.source, error)
            remove_shard(block.source)
            done.removed += 1
            found = True
    return found


def build_partition(
    directory: DataDirectory, generation: Generation, partition: Partition
) -> Path | None:
    """Write one shard of all that counts in an opened partition; None: nothing does.

    Returns its header. What it replaces stays, for whoever calls to remove.
    """
    rows = merged([(block.rows, block.wanted) for block in partition.blocks])
    if rows is None:
        return None
    # What could not be read is missing in it: then no version is right.
    version = -1 if partition.lost else partition.version
    with directory.ledger.read() as tx:
        live = live_count(tx, generation.id, partition.day)
    folder = partition_folder(directory.index, generation, partition.day)
    made = build(folder, generation, rows, version=version, live=live)
    # Retention that came before now did not see it; one that comes later will.
    with directory.ledger.read() as tx:
        gone = gone_of(tx, sorted({segment for segment, _ in rows.pairs()}))
    if gone:
        remove_shard(made)
    return made


def _build(
    directory: DataDirectory, generation: Generation, partition: Partition, stale_rows: int,
    done: Built,
) -> None:  # fmt: skip
    folder = partition_folder(directory.index, generation, partition.day)
    shards = [block.header for block in partition.blocks if block.header is not None]
    spent = set(partition.spent)
    try:
        if is_stale(partition, stale_rows):
            if build_partition(directory, generation, partition) is not None:
                done.shards += 1
                done.rows += partition.rows
            spent |= {header.path for header in shards}
        elif len(shards) == len(partition.blocks) == 1 and not partition.stale_rows:
            restamp(shards[0], generation, partition.version)
    except (HindsightError, ShardDamaged, OSError) as error:
        log.warning("no shard was built in %s: %s", folder, error)
        done.failed += 1
        return
    for path in spent:
        remove_shard(path)
        done.removed += 1
    if not partition.blocks and folder.is_dir():
        remove_empty_folders(folder, generation_folder(directory.index, generation))
