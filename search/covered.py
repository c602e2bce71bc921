"""How much of asked spans is recorded and indexed, over many days of footage and many cameras.

What a camera has of a day is one cell. Of a cell that lies whole within an asked span, or beyond
all of them, the totals are enough; only cells at the edge of one are measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from search.footage_day import NEVER, FootageDay, Totals
from search.span_arrays import Axis, Flags, Ints, Ruler, Spans, joined, merged


@dataclass(frozen=True, slots=True)
class Covered:
    """By camera, microseconds. `first`, `last` and `looked` are NEVER's ends where nothing is."""

    recorded: Ints
    indexed: Ints
    first: Ints  # start of what is recorded
    last: Ints  # its end
    looked: Ints  # end of what is indexed


class Days:
    """Days of footage, of some cameras only."""

    def __init__(self, days: Sequence[FootageDay], cameras: Ints) -> None:
        """`cameras`: ids, sorted."""
        self._cameras = cameras
        self._days = days
        self._apart: list[tuple[Ruler, Ruler]] = []
        totals = [day.totals for day in days]
        shape = (len(days), len(cameras))
        self._first = np.full(shape, NEVER.max)
        self._last, self._looked = np.full(shape, NEVER.min), np.full(shape, NEVER.min)
        self._recorded, self._indexed = (np.zeros(shape, dtype=np.int64) for _ in range(2))
        overlap = np.zeros(shape, dtype=bool)
        for row, one in enumerate(totals):
            at, mine = self._enter(row, one)
            overlap[row, at] = one.overlap[mine]
        apart = overlap | _between_days(self._first, self._last)
        if apart.any():
            self._set_apart(days, apart)

    @property
    def last_us(self) -> int | None:
        """The latest end of what is recorded."""
        return int(self._last.max()) if (self._last != NEVER.min).any() else None

    def covered(self, asked: Spans) -> Covered:
        """Within `asked` (merged; cameras of these)."""
        count = len(self._cameras)
        result = Covered(
            np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64),
            np.full(count, NEVER.max), np.full(count, NEVER.min), np.full(count, NEVER.min),
        )  # fmt: skip
        row, column = np.nonzero(self._first < self._last)
        if not len(row) or not len(asked):
            return result
        owner = self._cameras[column]
        first, last = self._first[row, column], self._last[row, column]
        axis = Axis.of(asked, Spans(owner, first, last))
        at = np.searchsorted(axis.ends(asked), axis.key(owner, first), side="right")
        at = np.minimum(at, len(asked) - 1)  # the first that ends after the cell begins
        touched = (asked.owner[at] == owner) & (asked.start[at] < last) & (asked.end[at] > first)
        inside = touched & (asked.start[at] <= first) & (last <= asked.end[at])
        self._add_whole(result, row[inside], column[inside])
        edge = np.flatnonzero(touched & ~inside)
        rows = row[edge]
        place = np.searchsorted(self._cameras, asked.owner)
        for one in np.unique(rows):
            wanted = np.zeros(count, dtype=bool)
            wanted[column[edge[rows == one]]] = True
            self._add_edges(result, int(one), wanted, asked, place)
        return result

    def _add_whole(self, result: Covered, row: Ints, column: Ints) -> None:
        np.add.at(result.recorded, column, self._recorded[row, column])
        np.add.at(result.indexed, column, self._indexed[row, column])
        np.minimum.at(result.first, column, self._first[row, column])
        np.maximum.at(result.last, column, self._last[row, column])
        np.maximum.at(result.looked, column, self._looked[row, column])

    def _add_edges(
        self, result: Covered, row: int, wanted: Flags, asked: Spans, place: Ints
    ) -> None:
        low, high = self._first[row][wanted].min(), self._last[row][wanted].max()
        some = np.flatnonzero(wanted[place] & (asked.start < high) & (asked.end > low))
        column, cut = place[some], asked.only(some)
        rulers = self._days[row].rulers if row < len(self._days) else self._apart[0]
        kept, seen = rulers
        recorded = kept.within(cut)
        indexed = recorded if seen is kept else seen.within(cut)
        has = recorded.length > 0
        np.add.at(result.recorded, column, recorded.length)
        np.add.at(result.indexed, column, indexed.length)
        np.minimum.at(result.first, column[has], recorded.first[has])
        np.maximum.at(result.last, column[has], recorded.last[has])
        has = indexed.length > 0
        np.maximum.at(result.looked, column[has], indexed.last[has])

    def _places(self, cameras: Ints) -> tuple[Ints, Ints]:
        """Columns of those that are asked, and their places among `cameras`."""
        at = np.minimum(np.searchsorted(self._cameras, cameras), len(self._cameras) - 1)
        mine = np.flatnonzero(self._cameras[at] == cameras)
        return at[mine], mine

    def _enter(self, row: int, totals: Totals) -> tuple[Ints, Ints]:
        at, mine = self._places(totals.cameras)
        self._first[row, at], self._last[row, at] = totals.first[mine], totals.last[mine]
        self._recorded[row, at] = totals.recorded[mine]
        self._indexed[row, at] = totals.indexed[mine]
        self._looked[row, at] = totals.looked[mine]
        return at, mine

    def _set_apart(self, days: Sequence[FootageDay], apart: Flags) -> None:
        """Footage that overlaps other footage of its camera counts once: such cells become one."""
        recorded, indexed = list[Spans](), list[Spans]()
        for row in np.flatnonzero(apart.any(axis=1)).tolist():
            owners = self._cameras[apart[row]]
            for spans, kept in ((days[row].recorded, recorded), (days[row].indexed, indexed)):
                kept.append(spans.only(np.isin(spans.owner, owners)))
        whole, seen = merged(joined(recorded)), merged(joined(indexed))
        self._first[apart], self._last[apart], self._looked[apart] = (
            NEVER.max, NEVER.min, NEVER.min,
        )  # fmt: skip
        for name in ("_first", "_last", "_looked", "_recorded", "_indexed"):
            cells = getattr(self, name)
            setattr(self, name, np.concatenate((cells, np.zeros((1, cells.shape[1]), np.int64))))
        self._first[-1], self._last[-1], self._looked[-1] = NEVER.max, NEVER.min, NEVER.min
        self._enter(len(days), Totals.of(whole, seen))
        self._apart.append((Ruler(whole), Ruler(seen)))


def _between_days(first: Ints, last: Ints) -> Flags:
    """Cells (days, cameras) whose footage reaches into that of another day."""
    reach, begin = np.full_like(last, NEVER.min), np.full_like(first, NEVER.max)
    if len(first) > 1:
        reach[1:] = np.maximum.accumulate(last, axis=0)[:-1]
        begin[:-1] = np.minimum.accumulate(first[::-1], axis=0)[::-1][1:]
    return (reach > first) | (begin < last)
