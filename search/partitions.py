"""Partitions: the rows of a model × generation × UTC day, from shards and the lake's hot tail.

A partition that was opened is a snapshot and never changes: a day whose version moved is opened
anew, with all of it that did not change. Searching builds nothing; that is search.building's.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np

from search.rows import Bools, Pair, Rows, rows_of_part
from search.shards import Header, ShardDamaged, headers, open_shard, partition_folder
from storage.directory import DataDirectory
from storage.errors import DataLoss, Unavailable
from storage.index_files import remove_shard
from storage.lake import read_part
from storage.lake_days import LiveDay, LiveRows, live_day
from storage.vocabulary import Generation

log = logging.getLogger(__name__)
CACHE_BYTES = 512 << 20  # of rows that no shard covers


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Rows of one source, and which of them count; blocks of a partition never overlap."""

    rows: Rows
    alive: Bools | None  # (n,); None: all
    wanted: frozenset[Pair] | None  # the pairs that count; None: all
    source: Path  # header of the shard, or part of the lake
    header: Header | None  # of a shard

    @property
    def living(self) -> int:
        """How many rows count."""
        return len(self.rows) if self.alive is None else int(np.count_nonzero(self.alive))


@dataclass(frozen=True, slots=True, eq=False)
class Partition:
    """One day. `lost`: parts that could not be read → why. `spent`: shards nothing needs."""

    day: date
    version: int
    blocks: tuple[Block, ...] = ()
    lost: Mapping[str, str] = field(default_factory=dict)
    spent: tuple[Path, ...] = ()
    live: LiveDay | None = None  # what counts, where the ledger had to be asked

    @property
    def rows(self) -> int:
        """How many rows count."""
        return sum(block.living for block in self.blocks)

    @property
    def stale_rows(self) -> int:
        """Rows that no shard covers, and rows of shards that do not count."""
        return sum(
            len(block.rows) if block.header is None else len(block.rows) - block.living
            for block in self.blocks
        )

    @property
    def memory_bytes(self) -> int:
        """What its blocks hold in memory."""
        return sum(block.rows.memory_bytes for block in self.blocks)


@dataclass(frozen=True, slots=True)
class _Opened:
    """A partition, and what its folder of shards looked like."""

    changed_ns: int
    partition: Partition


class Partitions:
    """Opens partitions and keeps them, rows of the lake up to `cache_bytes`. Safe across threads.

    The lake is truth: a shard that is damaged or of another generation does not count, and the
    lake's parts answer instead.
    """

    def __init__(self, directory: DataDirectory, *, cache_bytes: int = CACHE_BYTES) -> None:
        self._directory = directory
        self._cache_bytes = cache_bytes
        self._guard = threading.Lock()
        self._opening: dict[tuple[int, date], tuple[threading.Lock, Path]] = {}
        self._kept: OrderedDict[tuple[int, date], _Opened] = OrderedDict()

    def open(self, generation: Generation, day: date, version: int) -> Partition:
        """The partition of `day`, at least as new as `version` of storage.lake_days."""
        key = (generation.id, day)
        with self._guard:
            if key not in self._opening:
                folder = partition_folder(self._directory.index, generation, day)
                self._opening[key] = (threading.Lock(), folder)
            opening, folder = self._opening[key]
        with opening:
            before = self._remembered(key)
            changed_ns = _changed_ns(folder)
            if (
                before is not None
                and not before.partition.lost
                and before.partition.version == version
                and before.changed_ns == changed_ns
            ):
                return before.partition
            old = None if before is None else before.partition
            partition = self._open(generation, day, version, folder, old)
            self._remember(key, _Opened(changed_ns, partition))
            return partition

    def discard(self, block: Block) -> None:
        """A shard with a row that is not what was written: it goes, and the lake answers."""
        if block.header is not None:
            log.warning("shard %s is damaged; it is built again from the lake", block.source)
            remove_shard(block.source)
        with self._guard:
            for key, opened in list(self._kept.items()):
                if block in opened.partition.blocks:
                    del self._kept[key]

    def close(self) -> None:
        """Forget what is opened; whoever searches it now keeps it until the end."""
        with self._guard:
            self._kept.clear()

    def _open(
        self, generation: Generation, day: date, version: int, folder: Path,
        old: Partition | None,
    ) -> Partition:  # fmt: skip
        good, bad = headers(folder, generation) if folder.is_dir() else ([], [])
        for path in bad:
            log.warning("shard %s is damaged or of another index; the lake answers", path)
            remove_shard(path)
        known = {block.source: block for block in (() if old is None else old.blocks)}
        if good and good[-1].version == version:
            rows = self._shard(good[-1], generation, known)
            if rows is not None:
                spent = tuple(header.path for header in good[:-1])
                block = Block(rows, None, None, good[-1].path, good[-1])
                return Partition(day, version, (block,), spent=spent)
        with self._directory.ledger.read() as tx:
            live = live_day(tx, generation.id, day, None if old is None else old.live)
        left = dict(live.rows)
        blocks: list[Block] = []
        spent_paths: list[Path] = []
        for header in reversed(good):
            rows = self._shard(header, generation, known)
            covering = None if rows is None else _covering(rows, header, left)
            if covering is None:
                spent_paths.append(header.path)
                continue
            before = known.get(header.path)
            same = before is not None and before.wanted == covering.wanted
            blocks.append(before if before is not None and same else covering)
            for pair in covering.wanted or ():
                del left[pair]
        lost: dict[str, str] = {}
        blocks += self._tail(generation, left, known, lost)
        return Partition(day, live.version, tuple(blocks), lost, tuple(spent_paths), live)

    def _shard(
        self, header: Header, generation: Generation, known: Mapping[Path, Block]
    ) -> Rows | None:
        if header.path in known:
            return known[header.path].rows
        try:
            rows = open_shard(header, generation)
            rows.pairs()  # read now, while the file is sure to be there
        except FileNotFoundError:
            return None  # replaced meanwhile; the lake answers for it
        except (ShardDamaged, RuntimeError, OSError, ValueError) as error:
            log.warning("shard %s is damaged (%s); the lake answers", header.path, error)
            remove_shard(header.path)
            return None
        return rows

    def _tail(
        self, generation: Generation, left: Mapping[Pair, LiveRows],
        known: Mapping[Path, Block], lost: dict[str, str],
    ) -> list[Block]:  # fmt: skip
        """Rows no shard covers, from their parts."""
        lake = self._directory.lake
        parts: dict[str, dict[str, str]] = {}
        for one in left.values():
            parts.setdefault(one.part, {})[one.segment_id] = one.stamp
        blocks = []
        for part, stamps in sorted(parts.items()):
            wanted = frozenset(stamps.items())
            before = known.get(lake / part)
            if before is not None and before.wanted == wanted:
                blocks.append(before)
                continue
            try:
                table, vectors = read_part(lake, part, generation)
            except (DataLoss, Unavailable) as error:
                log.warning("%s", error)
                lost[part] = error.text()
                continue
            rows = rows_of_part(table, vectors, stamps)
            if rows is not None:
                blocks.append(Block(rows, None, wanted, lake / part, None))
        return blocks

    def _remembered(self, key: tuple[int, date]) -> _Opened | None:
        with self._guard:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def _remember(self, key: tuple[int, date], opened: _Opened) -> None:
        with self._guard:
            self._kept[key] = opened
            self._kept.move_to_end(key)
            held = sum(one.partition.memory_bytes for one in self._kept.values())
            while held > self._cache_bytes and len(self._kept) > 1:
                _, gone = self._kept.popitem(last=False)
                held -= gone.partition.memory_bytes


def _covering(rows: Rows, header: Header, left: Mapping[Pair, LiveRows]) -> Block | None:
    """A shard as far as its rows still count and no newer shard has them; None: not at all."""
    pairs = rows.pairs()
    counts = np.array([pair in left for pair in pairs], dtype=bool)
    if not counts.any():
        return None
    wanted = frozenset(pair for pair, count in zip(pairs, counts.tolist(), strict=True) if count)
    alive = None if counts.all() else counts[rows.pair]
    return Block(rows, alive, wanted, header.path, header)


def _changed_ns(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
