"""Partitions: the rows of a model × generation × UTC day, from shards and the lake's hot tail."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from search.rows import Pair, Rows, merged, rows_of_part
from search.shards import (
    Header,
    ShardDamaged,
    build,
    generation_folder,
    headers,
    open_shard,
    partition_folder,
)
from storage.directory import DataDirectory
from storage.durable import remove_empty_folders
from storage.errors import DataLoss, HindsightError, Unavailable
from storage.index_files import remove_shard
from storage.lake import day_of, read_part
from storage.lake_work import gone_of
from storage.vocabulary import Generation

log = logging.getLogger(__name__)
# Rows no shard covers yet are scanned exactly from their Parquet parts. A shard (one mapped file
# instead of many small ones) is built again once these, and the rows in it that no longer count,
# are so many and make up so much of the partition: each row is then written a few times at most.
STALE_ROWS = 2_048
STALE_SHARE = 1 / 8
CACHE_BYTES = 512 << 20


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of one source, and which of its (part, segment) pairs count here."""

    rows: Rows
    wanted: frozenset[Pair]


@dataclass(slots=True)
class Partition:
    """One day: its blocks never overlap. `lost` names parts that could not be read, and why."""

    day: date
    blocks: list[Block] = field(default_factory=list)
    lost: dict[str, str] = field(default_factory=dict)


class Partitions:
    """Opens partitions and keeps them in memory up to `cache_bytes`. Safe across threads.

    What is cached never changes: shards and parts are written once. The lake is truth; a shard
    that is damaged or of another generation is removed and built again from it.
    """

    def __init__(
        self,
        directory: DataDirectory,
        *,
        stale_rows: int = STALE_ROWS,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self._directory = directory
        self._stale_rows = stale_rows
        self._cache_bytes = cache_bytes
        self._lock = threading.RLock()
        self._cache: OrderedDict[Path, Rows] = OrderedDict()
        self._held = 0

    def open(self, generation: Generation, live: Mapping[str, list[str]], day: date) -> Partition:
        """The partition of `day`; `live` is storage.generations.live_parts of this moment."""
        left = {
            (part, segment)
            for part, segments in live.items()
            if day_of(part) == day
            for segment in segments
        }
        partition = Partition(day)
        if not left:
            return partition
        with self._lock:
            folder = partition_folder(self._directory.index, generation, day)
            good, bad = headers(folder, generation) if folder.is_dir() else ([], [])
            self._let_go(folder, {header.path for header in good})
            parts = {self._directory.lake / part for part, _ in left}
            for lake_folder in {path.parent for path in parts}:
                self._let_go(lake_folder, parts)
            damaged = bool(bad)
            for path in bad:
                remove_shard(path)
            stale = 0
            for header in reversed(good):
                covered = frozenset(left & set(header.pairs))
                if not covered:  # its footage is gone, or a newer shard has it
                    self._remove(header.path)
                    continue
                rows = self._shard(header, generation)
                if rows is None:
                    damaged = True
                    continue
                partition.blocks.append(Block(rows, covered))
                stale += rows.dead(covered)
                left -= covered
            tail = self._tail(generation, left, partition)
            partition.blocks += tail
            stale += sum(len(block.rows) - block.rows.dead(block.wanted) for block in tail)
            whole = sum(len(block.rows) for block in partition.blocks)
            if damaged or stale >= max(self._stale_rows, whole * STALE_SHARE):
                self._rebuild(folder, generation, partition, good)
        return partition

    def sweep(self, generation: Generation, days: Collection[date]) -> None:
        """Remove the shards of days that are not among `days`: all their footage is gone."""
        root = generation_folder(self._directory.index, generation)
        if not root.is_dir():
            return
        current = {day.isoformat() for day in days}
        for folder in root.iterdir():
            if folder.is_dir() and folder.name not in current:
                with self._lock:
                    for path in folder.glob("shard-*"):
                        self._remove(path.with_suffix(".json"))
                    remove_empty_folders(folder, root)

    def _shard(self, header: Header, generation: Generation) -> Rows | None:
        try:
            return self._cached(header.path, lambda: open_shard(header, generation))
        except FileNotFoundError:
            return None  # replaced meanwhile; the lake answers for it
        except (ShardDamaged, RuntimeError, OSError, ValueError) as error:
            log.warning("shard %s is damaged (%s); it is rebuilt from the lake", header.path, error)
            self._remove(header.path)
            return None

    def _tail(self, generation: Generation, left: set[Pair], partition: Partition) -> list[Block]:
        blocks = []
        lake = self._directory.lake
        for part in sorted({part for part, _ in left}):

            def read(part: str = part) -> Rows:
                return rows_of_part(part, *read_part(lake, part, generation))

            try:
                rows = self._cached(lake / part, read)
            except (DataLoss, Unavailable) as error:
                log.warning("%s", error)
                partition.lost[part] = error.text()
                continue
            blocks.append(Block(rows, frozenset(pair for pair in left if pair[0] == part)))
        return blocks

    def _rebuild(
        self, folder: Path, generation: Generation, partition: Partition, old: list[Header]
    ) -> None:
        """One shard instead of many; what it replaces goes afterwards. A full disk is no loss."""
        blocks = [block.rows for block in partition.blocks]
        wanted = {i: block.wanted for i, block in enumerate(partition.blocks)}
        rows = merged(blocks, wanted)
        try:
            made = build(folder, generation, rows)
        except (HindsightError, OSError) as error:
            log.warning("no shard was built in %s: %s", folder, error)
            return
        # Retention that came before now did not see the new shard; one that comes later will.
        with self._directory.ledger.read() as tx:
            if gone_of(tx, sorted({segment for _, segment in rows.pairs})):
                remove_shard(made)
                return
        for header in old:
            self._remove(header.path)

    def _remove(self, header: Path) -> None:
        remove_shard(header)
        self._forget(header)

    def _cached(self, path: Path, read: Callable[[], Rows]) -> Rows:
        if path in self._cache:
            self._cache.move_to_end(path)
            return self._cache[path]
        rows = read()
        self._cache[path] = rows
        self._held += rows.memory_bytes
        while self._held > self._cache_bytes and len(self._cache) > 1:
            self._forget(next(iter(self._cache)))
        return rows

    def _let_go(self, folder: Path, lying: Collection[Path]) -> None:
        """Forget what lay in a folder and was replaced: a mapped file keeps its blocks on disk."""
        for path in [one for one in self._cache if one.parent == folder and one not in lying]:
            self._forget(path)

    def _forget(self, path: Path) -> None:
        rows = self._cache.pop(path, None)
        if rows is not None:
            self._held -= rows.memory_bytes
