"""Which rows of the opened partitions qualify; no other row is ever looked at.

Cameras and times are ranges of neighbouring rows, found by a binary search. Only what a row says
of itself (kind, box, light) and rows that no longer count are judged one by one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from search.filters import Filters
from search.partitions import Block, Partition
from search.rows import Bools, Int64s, Rows
from storage.vocabulary import Span

MANY_RANGES = 512  # fewer are copied one by one faster than row by row


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """Qualifying rows of one block, at least one."""

    block: Block
    ranges: Int64s  # (r, 2) half-open, ascending
    keep: Bools | None  # (n,) of the whole block: which of these qualify; None: all in the ranges
    count: int

    @property
    def rows(self) -> Rows:
        """Those of the block."""
        return self.block.rows

    @property
    def whole(self) -> bool:
        """Whether every row of the block qualifies."""
        return self.count == len(self.rows)

    @property
    def regions(self) -> int:
        """How many of them are regions."""
        return int(np.count_nonzero(self.take(self.rows.kind)))

    def places(self) -> Int64s:
        """(count,) where they lie in the block, ascending."""
        if self.keep is not None:
            return np.flatnonzero(self.keep)
        lengths = self.ranges[:, 1] - self.ranges[:, 0]
        before = np.cumsum(lengths) - lengths
        found: Int64s = np.arange(self.count) + np.repeat(self.ranges[:, 0] - before, lengths)
        return found

    def take(self, column: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """(count, …) what a column of the block has in these rows."""
        if self.keep is not None:
            return column[self.keep]
        if len(self.ranges) == 1:
            return column[self.ranges[0, 0] : self.ranges[0, 1]]
        if len(self.ranges) > MANY_RANGES:
            return column[self.places()]
        return np.concatenate([column[start:end] for start, end in self.ranges.tolist()])

    def mask(self) -> Bools:
        """(n,) over the whole block."""
        if self.keep is not None:
            return self.keep
        return _within(self.ranges, len(self.rows))

    def without(self, ranges: Int64s) -> Selection | None:
        """The same but for some ranges of rows; None: nothing is left."""
        keep = self.mask() & ~_within(ranges, len(self.rows))
        return _selection(self.block, self.ranges, keep)


def qualifying(
    partitions: Sequence[Partition], filters: Filters, segments: Collection[str] | None = None
) -> list[Selection]:
    """Rows of the asked cameras, times, kinds, sizes and light; `segments`: only of these."""
    by_tz: dict[str, list[int]] = {}
    for camera in filters.cameras:
        by_tz.setdefault(camera.tz, []).append(camera.id)
    found = []
    for partition in partitions:
        for block in partition.blocks:
            one = _of_block(block, filters, by_tz, segments)
            if one is not None:
                found.append(one)
    return found


def around(selection: Selection, camera: int, span: Span) -> Int64s:
    """Places of the qualifying rows of a camera (its key) in a span."""
    start, end = selection.rows.run(camera, span)
    places = np.arange(start, end)
    if selection.keep is not None:
        inside = selection.keep[start:end]
    else:
        after = np.searchsorted(selection.ranges[:, 0], places, side="right") - 1
        inside = (after >= 0) & (places < selection.ranges[after, 1])
    found: Int64s = places[inside]
    return found


def _of_block(
    block: Block, filters: Filters, by_tz: dict[str, list[int]],
    segments: Collection[str] | None,
) -> Selection | None:  # fmt: skip
    rows = block.rows
    pieces = [
        rows.ranges(keys, filters.windows(tz, rows.within)) for tz, keys in sorted(by_tz.items())
    ]
    ranges = pieces[0] if len(pieces) == 1 else np.concatenate(pieces or [_NONE])
    if not len(ranges):
        return None
    if len(pieces) > 1:  # cameras of several zones lie mingled
        ranges = ranges[np.argsort(ranges[:, 0])]
    keep: Bools | None = None
    if filters.by_row or block.alive is not None or segments is not None:
        keep = np.zeros(len(rows), dtype=bool)
        wanted = None
        if segments is not None:
            wanted = np.array([segment in segments for segment, _ in rows.pairs()], dtype=bool)
        for start, end in ranges.tolist():
            piece = slice(start, end)
            good = np.ones(end - start, dtype=bool)
            if filters.by_row:
                good = filters.rows(rows.kind[piece], rows.box[piece], rows.quality[piece])
            if block.alive is not None:
                good &= block.alive[piece]
            if wanted is not None:
                good &= wanted[rows.pair[piece]]
            keep[piece] = good
    return _selection(block, ranges, keep)


_NONE = np.zeros((0, 2), dtype=np.int64)


def _selection(block: Block, ranges: Int64s, keep: Bools | None) -> Selection | None:
    if keep is None:
        count = int((ranges[:, 1] - ranges[:, 0]).sum())
    else:
        count = int(np.count_nonzero(keep))
    return Selection(block, ranges, keep, count) if count else None


def _within(ranges: Int64s, size: int) -> Bools:
    if len(ranges) <= MANY_RANGES:
        inside = np.zeros(size, dtype=bool)
        for start, end in ranges.tolist():
            inside[start:end] = True
        return inside
    steps = np.zeros(size + 1, dtype=np.int8)
    # Ranges that touch close and open at one place.
    np.add.at(steps, ranges[:, 0], 1)
    np.add.at(steps, ranges[:, 1], -1)
    running: Bools = np.cumsum(steps[:-1], dtype=np.int8) > 0
    return running
