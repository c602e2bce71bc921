"""Vectors of drawn rows in one array that grows in place: what the usual is worked out from."""

from __future__ import annotations

import numpy as np

from search.calibration import STATISTICS, row_statistics
from search.rows import Floats, Int64s
from storage.lake import Vectors

SPARE_SHARE = 8  # room for one more row in so many, and for
LEAST_SPARE = 256


class DrawnVectors:
    """Rows by a number of their own: vector, and statistics of those that were asked for theirs.

    Rows are only added. So views that were handed out stay what they were, whoever holds them, and
    a new row costs no copy of all others. One thread adds at a time.
    """

    def __init__(self, rows: int, dimension: int) -> None:
        room = rows + max(rows // SPARE_SHARE, LEAST_SPARE)
        self._vectors = np.empty((room, dimension), dtype=np.float16)
        self._statistics = np.empty((room, STATISTICS), dtype=np.float32)
        self._worked_out = np.zeros(room, dtype=bool)
        self._ids = np.zeros(0, dtype=np.int64)  # ascending
        self._at = np.zeros(0, dtype=np.int64)  # where each of them lies
        self._held = 0

    @property
    def vectors(self) -> Vectors:
        """(held, dimension) of all rows."""
        return self._vectors[: self._held]

    def has_room(self, rows: int) -> bool:
        """Whether so many more rows fit."""
        return self._held + rows <= len(self._vectors)

    def find(self, ids: Int64s) -> Int64s:
        """Where each of `ids` lies; −1: not here."""
        if not self._ids.size:
            return np.full(ids.size, -1, dtype=np.int64)
        place = np.searchsorted(self._ids, ids)
        place[place == self._ids.size] = 0
        return np.where(self._ids[place] == ids, self._at[place], -1)

    def add(self, ids: Int64s, vectors: Vectors) -> Int64s:
        """Rows that are not here yet; where they lie now."""
        at = np.arange(self._held, self._held + ids.size)
        self._vectors[at[0] : at[-1] + 1] = vectors
        self._held += ids.size
        order = np.argsort(ids)
        places = np.searchsorted(self._ids, ids[order])
        self._ids = np.insert(self._ids, places, ids[order])
        self._at = np.insert(self._at, places, at[order])
        return at

    def statistics(self, at: Int64s, bank: Floats) -> Floats:
        """(k, STATISTICS) of some rows, worked out the first time."""
        fresh = at[~self._worked_out[at]]
        if fresh.size:
            self._statistics[fresh] = row_statistics(self._vectors[fresh].astype(np.float32), bank)
            self._worked_out[fresh] = True
        return self._statistics[at]

    def renewed(self, ids: Int64s) -> DrawnVectors:
        """Another one with those of `ids` that are here, and room for all of them."""
        made = DrawnVectors(ids.size, self._vectors.shape[1])
        at = self.find(ids)
        kept = at >= 0
        if kept.any():
            new = made.add(ids[kept], self._vectors[at[kept]])
            made._statistics[new] = self._statistics[at[kept]]
            made._worked_out[new] = self._worked_out[at[kept]]
        return made
