"""What a search that lasts has found so far: the best moments of each day it has looked through.

The answer knows nothing of this and is the same without it. Newer days come first, of rows that
are compared exactly before those of codes; what was told stays as it was told, and more comes
after it. Of a day that codes stand for, a few of the nearest rows are compared for it: the best
of all days together need not be among them, nor they among the best.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from search import scan
from search.answer import Moment
from search.hydrating import Place
from search.moments import Peak, page, peaks
from search.partitions import Partition
from search.rows import Floats, Int64s
from search.scan import Chosen
from search.selecting import Selection

NOTHING_NEW = 4  # times as seldom it is told that days are done which show nothing
OF_DAY = 6  # moments
MOST = 48  # moments in all: they are a beginning, not the answer
NEAREST = 64  # rows of a day that are compared, where codes choose
KEPT = 256  # rows of a piece that was compared, until its day is done
Told = Callable[[Sequence[tuple[Peak, Place]], int, int], object]


@dataclass(frozen=True, slots=True)
class Pace:
    """How often is told, and what it may cost."""

    every_s: float = 0.5  # not before, and not more often: whoever shows it writes down a look
    share: float = 0.1  # of the time that the search has taken: cold disks read slowly


PACE = Pace()


@dataclass(frozen=True, slots=True)
class SoFar:
    """Moments in the order in which they were found, and of how many days."""

    moments: tuple[Moment, ...]
    days_done: int
    days: int
    approvals: tuple[int, ...] = ()  # by which it may be looked at, for the audit row

    def document(self) -> dict[str, Any]:
        """As JSON; moments as those of an answer."""
        return {
            "moments": [moment.document() for moment in self.moments],
            "days_done": self.days_done,
            "days": self.days,
            "approvals": list(self.approvals),
        }


class Early:
    """Follows one step of a query while its rows are compared. Of one thread."""

    def __init__(
        self, tell: Told, *, least: float, gap_us: int, pace: Pace
    ) -> None:  # fmt: skip
        """`tell`: called with new moments, how many days they are of, and of how many in all.
        `least`: the score from which on a moment is worth telling."""
        self._tell, self._least, self._gap_us, self._pace = tell, least, gap_us, pace
        self._began_s = time.monotonic()
        self._due_s, self._spent_s = self._began_s + pace.every_s, 0.0
        self._day_of: dict[int, date] = {}
        self._left: Counter[date] = Counter()
        self._rows: dict[date, list[tuple[Chosen, Floats | None]]] = {}
        self._done: deque[date] = deque()  # and not told of yet
        self._days = self._days_done = self._told = 0
        self._judged: Callable[[Chosen], Floats] | None = None

    def begin(
        self, partitions: Sequence[Partition], exact: Sequence[Chosen],
        coded: Sequence[Selection], judged: Callable[[Chosen], Floats],
    ) -> None:  # fmt: skip
        """What will be compared, and how."""
        self._day_of = {id(block): one.day for one in partitions for block in one.blocks}
        self._left = Counter(self._day(one.selection) for one in exact)
        self._left.update(self._day(one) for one in coded)
        self._days, self._judged = len(self._left), judged

    def compared(self, piece: Chosen, scores: Floats) -> None:
        """A piece of rows has its scores."""
        best = np.flatnonzero(scores >= self._least)
        if len(best) > KEPT:
            best = np.sort(best[np.argpartition(-scores[best], KEPT)[:KEPT]])
        if len(best):
            kept = Chosen(piece.selection, piece.places[best])
            self._keep(piece.selection, kept, scores[best])
        self._piece_done(piece.selection)

    def chosen(self, selection: Selection, cosines: Floats, places: Int64s) -> None:
        """Codes have named a shard's nearest rows: (directions, few) each, -1 for none."""
        flat, near = places.ravel(), cosines.ravel()
        order = np.argsort(-near, kind="stable")
        order = order[flat[order] >= 0]
        _, first = np.unique(flat[order], return_index=True)
        some = np.sort(flat[order[np.sort(first)[:NEAREST]]])
        if len(some):
            self._keep(selection, Chosen(selection, some), None)
        self._piece_done(selection)

    def _day(self, selection: Selection) -> date:
        return self._day_of[id(selection.block)]

    def _keep(self, selection: Selection, rows: Chosen, scores: Floats | None) -> None:
        if self._told < MOST:
            self._rows.setdefault(self._day(selection), []).append((rows, scores))

    def _piece_done(self, selection: Selection) -> None:
        day = self._day(selection)
        self._left[day] -= 1
        if self._left[day] == 0:
            self._done.append(day)
        now_s = time.monotonic()
        if not self._done or now_s < self._due_s:
            return
        found: list[tuple[Peak, Place]] = []
        days_before = self._days_done
        while self._done and self._spent_s < self._pace.share * (now_s - self._began_s):
            rows = self._rows.pop(self._done.popleft(), [])
            self._days_done += 1
            if rows and self._told + len(found) < MOST:
                found += self._of_day(rows)
            self._spent_s += time.monotonic() - now_s
            now_s = time.monotonic()
        found = found[: MOST - self._told]
        self._told += len(found)
        if self._days_done > days_before:
            self._tell(found, self._days_done, self._days)
        self._due_s = time.monotonic() + self._pace.every_s * (1 if found else NOTHING_NEW)

    def _of_day(
        self, rows: Sequence[tuple[Chosen, Floats | None]]
    ) -> list[tuple[Peak, Place]]:  # fmt: skip
        assert self._judged is not None
        chosen = [one for one, _ in rows]
        scores = [self._judged(one) if given is None else given for one, given in rows]
        found = peaks(scan.hits_of(chosen, scores), self._gap_us, 4 * OF_DAY)
        shown, _ = page([one for one in found if one.score >= self._least], OF_DAY, True)
        return [(one, (chosen[one.source].selection.block, one.place)) for one in shown]
