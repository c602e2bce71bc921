"""Compares qualifying rows with a question: all of them exactly, or those that codes choose.

Few rows are compared one and all. Of many, each coded shard names its nearest by estimate, the
best of all shards are compared exactly by their vectors, and so is every row without a code.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from search.judge import Judge
from search.moments import Hits
from search.rows import FRAME, REGION, Floats, Int64s
from search.selecting import Selection
from storage.errors import Conflict

# So many qualifying rows are compared exactly: about 20 ms on two cores.
EXACT_ROWS = 200_000
RANGE_ROWS = 20  # to begin to read at another place takes as long as reading so many rows
CODED_FROM = 2_048  # qualifying rows of a coded shard; fewer are compared exactly
CANDIDATES = 2_000  # rows that are compared exactly of those that codes choose, per direction
FEWEST_OF_SHARD = 256
MOST_HITS = 20_000  # scored rows that are grouped into moments; the weakest are left out
CHUNK_ROWS = 8_192

Stop = Callable[[], bool]
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """How a question is compared; the planner's word for it, and what `--explain` prints."""

    exact: tuple[Selection, ...]
    coded: tuple[Selection, ...]

    @property
    def count(self) -> int:
        """Rows that qualify."""
        return sum(one.count for one in (*self.exact, *self.coded))


def plan(selections: Sequence[Selection]) -> Plan:
    """Exactly where it is cheap: a filter that lets few rows through never meets a code."""
    if sum(one.count + RANGE_ROWS * len(one.passing.ranges) for one in selections) <= EXACT_ROWS:
        return Plan(tuple(selections), ())
    coded = [one for one in selections if one.rows.codes and one.count >= CODED_FROM]
    return Plan(tuple(one for one in selections if one not in coded), tuple(coded))


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """Rows to be compared exactly: places (k,) in a selection's block."""

    selection: Selection
    places: Int64s


class Workers:
    """Threads that compare, one for each core; a stopped search raises Conflict."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(
            max(1, len(os.sched_getaffinity(0))), "search", initializer=_alone
        )

    def each(
        self,
        work: Callable[[T], R],
        items: Iterable[T],
        stop: Stop,
        seen: Callable[[int, R], object] = lambda _number, _result: None,
    ) -> list[R]:
        """`work` of every item, in order. `seen`: told of each result in turn, as it comes."""

        def one(item: T) -> R:
            if stop():
                raise Conflict("the search was cancelled")
            return work(item)

        waiting = [self._pool.submit(one, item) for item in items]
        found = []
        try:
            for number, each in enumerate(waiting):
                found.append(each.result())
                seen(number, found[-1])
            return found
        finally:
            for each in waiting:
                each.cancel()


def _alone() -> None:
    """Cores are shared out by block; within one, nothing is split further."""
    import faiss
    import torch

    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)  # of this thread


def candidates(
    coded: Sequence[Selection],
    directions: Floats,
    workers: Workers,
    stop: Stop,
    seen: Callable[[Selection, Floats, Int64s], object] = lambda _one, _cosines, _places: None,
) -> tuple[list[Chosen], bool]:
    """The rows nearest to any of the directions (k, d) by estimate; whether more would qualify.

    `seen`: told of each shard in turn what its codes named, cosines and places (k, few).
    """
    most = max(FEWEST_OF_SHARD, 4 * CANDIDATES // max(1, len(coded)))

    def nearest(one: Selection) -> tuple[Floats, Int64s]:
        codes = one.rows.codes
        assert codes is not None
        few = min(most, one.count)
        return codes.nearest(directions, few, None if one.whole else one.passing)

    found = workers.each(nearest, coded, stop, lambda number, one: seen(coded[number], *one))
    picked: list[list[Int64s]] = [[] for _ in coded]
    truncated = False
    for number in range(len(directions)):
        cosines = np.concatenate([one[0][number] for one in found])
        places = np.concatenate([one[1][number] for one in found])
        owner = np.repeat(np.arange(len(found)), [one[1].shape[1] for one in found])
        real = places >= 0
        cosines, places, owner = cosines[real], places[real], owner[real]
        if len(places) > CANDIDATES:
            best = _best(cosines, _kinds(coded, places, owner))
            places, owner = places[best], owner[best]
        truncated |= len(places) < sum(one.count for one in coded)
        for which in np.unique(owner).tolist():
            picked[which].append(places[owner == which])
    chosen = [
        Chosen(one, np.unique(np.concatenate(some)))
        for one, some in zip(coded, picked, strict=True)
        if some
    ]
    return chosen, truncated


def _kinds(coded: Sequence[Selection], places: Int64s, owner: Int64s) -> Int64s:
    kinds = np.zeros(len(places), dtype=np.int64)
    for number in np.unique(owner).tolist():
        mine = owner == number
        kinds[mine] = coded[number].rows.kind[places[mine]]
    return kinds


def _best(cosines: Floats, kinds: Int64s) -> Int64s:
    """CANDIDATES of them, of either kind at least half as many if there are: words fit regions
    more easily than whole pictures, which are judged by another measure.
    """
    order = np.argsort(-cosines, kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    for kind in (FRAME, REGION):
        mine = order[kinds[order] == kind]
        rank[mine] = np.arange(len(mine))
    first = order[rank[order] < CANDIDATES // 2]
    others = order[rank[order] >= CANDIDATES // 2]
    return np.concatenate([first, others])[:CANDIDATES]


def everything(selections: Iterable[Selection]) -> list[Chosen]:
    """All rows of some selections, in pieces that threads share."""
    pieces = []
    for one in selections:
        places = one.places()
        pieces += [
            Chosen(one, places[start : start + CHUNK_ROWS])
            for start in range(0, len(places), CHUNK_ROWS)
        ]
    return pieces


def score(
    chosen: Sequence[Chosen],
    judged: Callable[[Chosen], Floats],
    workers: Workers,
    stop: Stop,
    seen: Callable[[Chosen, Floats], object] = lambda _piece, _scores: None,
) -> Hits:
    """Compare them exactly; `Hits.source` is the place in `chosen`. The best MOST_HITS stay.

    `seen`: told of each piece in turn.
    """
    found = workers.each(judged, chosen, stop, lambda number, one: seen(chosen[number], one))
    return hits_of(chosen, found)


def hits_of(chosen: Sequence[Chosen], found: Sequence[Floats]) -> Hits:
    """Rows with their scores, as `score`."""
    if not chosen:
        return Hits.none()
    source = np.repeat(np.arange(len(chosen)), [len(one.places) for one in chosen])
    value = np.concatenate(found)
    place = np.concatenate([one.places for one in chosen])
    if len(value) > MOST_HITS:
        best = np.sort(np.argpartition(-value, MOST_HITS)[:MOST_HITS])
        value, place, source = value[best], place[best], source[best]
    starts = np.searchsorted(source, np.arange(len(chosen) + 1))
    camera, ts_us, key = (np.empty(len(value), dtype=np.int64) for _ in range(3))
    for number, one in enumerate(chosen):
        mine = slice(starts[number], starts[number + 1])
        rows = one.selection.rows
        camera[mine], ts_us[mine] = rows.camera(place[mine]), rows.ts_us(place[mine])
        key[mine] = rows.frame_id[place[mine]]
    return Hits(value, camera, ts_us, key, source, place)


def scores(one: Chosen, judge: Judge) -> Floats:
    """(k,) calibrated scores of chosen rows."""
    rows, at = one.selection.rows, one.places
    return judge.scores(rows.gather(at), rows.camera(at), rows.kind[at], rows.quality[at])
