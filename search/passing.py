"""Which rows of one block pass a filter: ranges of them, or a bit for each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from search.rows import REGION, Bools, Floats, Int64s

COUNTED_ROWS = 20_000  # of more, one of COUNTED_EACH is looked at
COUNTED_EACH = 8
MANY_RANGES = 512  # fewer are copied one by one faster than row by row


@dataclass(frozen=True, eq=False)
class Passing:
    """Never changed; what is asked of it more than once is worked out once."""

    ranges: Int64s  # (r, 2) half-open, ascending
    picked: npt.NDArray[np.uint8] | None  # a bit for each row; None: all in the ranges
    count: int
    kind: npt.NDArray[np.uint8]  # (n,) of all rows of the block
    lists: npt.NDArray[np.uint16] | None  # (n,) of codes
    list_count: int

    @classmethod
    def of(
        cls, ranges: Int64s, keep: Bools | None, kind: npt.NDArray[np.uint8],
        lists: npt.NDArray[np.uint16] | None = None, list_count: int = 0,
    ) -> Passing:  # fmt: skip
        """`keep` (n,): which of the rows in the ranges; None: all of them."""
        if keep is None:
            count = int((ranges[:, 1] - ranges[:, 0]).sum())
            return cls(ranges, None, count, kind, lists, list_count)
        return cls(ranges, _packed(keep), int(np.count_nonzero(keep)), kind, lists, list_count)

    @property
    def whole(self) -> bool:
        """Whether every row passes."""
        return self.count == len(self.kind)

    @property
    def share(self) -> float:
        """Of all rows."""
        return self.count / len(self.kind)

    @cached_property
    def bits(self) -> npt.NDArray[np.uint8]:
        """A bit for each row of the block, the first one lowest."""
        return _packed(self.mask()) if self.picked is None else self.picked

    @cached_property
    def regions(self) -> int:
        """How many are regions."""
        return int(np.count_nonzero(self.take(self.kind) == REGION))

    @cached_property
    def in_lists(self) -> Floats:
        """(list_count,) about how many rows each list of codes holds; 0 only where none."""
        if self.lists is None:
            return np.zeros(0, dtype=np.float32)
        if self.count <= COUNTED_ROWS:
            held = np.bincount(self.take(self.lists), minlength=self.list_count)
            return held.astype(np.float32)
        some = slice(None, None, COUNTED_EACH)
        held = np.bincount(self.lists[some][self.mask()[some]], minlength=self.list_count)
        return held.astype(np.float32) * COUNTED_EACH + 1

    def mask(self) -> Bools:
        """(n,) over the whole block."""
        if self.picked is not None:
            return np.unpackbits(self.picked, count=len(self.kind), bitorder="little").view(bool)
        return _within(self.ranges, len(self.kind))

    def has(self, places: Int64s) -> Bools:
        """Which of these places (k,) pass."""
        if self.whole:
            return np.ones(len(places), dtype=bool)
        if self.picked is not None:
            passes: Bools = (self.picked[places >> 3] >> (places & 7) & 1).astype(bool)
            return passes
        after = np.searchsorted(self.ranges[:, 0], places, side="right") - 1
        inside: Bools = (after >= 0) & (places < self.ranges[after, 1])
        return inside

    def places(self) -> Int64s:
        """(count,) ascending."""
        if self.picked is not None:
            return np.flatnonzero(self.mask())
        lengths = self.ranges[:, 1] - self.ranges[:, 0]
        before = np.cumsum(lengths) - lengths
        found: Int64s = np.arange(self.count) + np.repeat(self.ranges[:, 0] - before, lengths)
        return found

    def take(self, column: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """(count, …) what a column of the block has in these rows."""
        if self.picked is not None:
            return column[self.mask()]
        if len(self.ranges) == 1:
            return column[self.ranges[0, 0] : self.ranges[0, 1]]
        if len(self.ranges) > MANY_RANGES:
            return column[self.places()]
        return np.concatenate([column[start:end] for start, end in self.ranges.tolist()])

    def without(self, ranges: Int64s) -> Passing:
        """The same but for some ranges of rows."""
        left = self.mask() & ~_within(ranges, len(self.kind))
        return Passing.of(self.ranges, left, self.kind, self.lists, self.list_count)


def _packed(mask: Bools) -> npt.NDArray[np.uint8]:
    return np.packbits(mask, bitorder="little")


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
