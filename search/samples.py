"""What cameras usually show: up to SAMPLE_ROWS rows of each camera and kind.

Those with the smallest ids: ids are hashes of what was seen, so that is a fair draw, and the same
one however rows are spread over shards and parts.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import numpy as np

from search.calibration import STATISTICS, Usual, row_statistics
from search.partitions import Block, Partition
from search.rows import SAMPLE_ROWS, Bools, Floats, Int64s
from storage.lake import Vectors

KEPT_SAMPLES = 2  # 26 MB each for 200 cameras at 512 dimensions
SCALED_ROWS = 16  # of each camera and kind: their middles are the model's scale for all
LATEST = 8  # questions
MOST_PIECES = 2_000
SPARE_DRAWS = 16  # beyond those of the blocks that are asked: of other days, and of sets


@dataclass(frozen=True, slots=True, eq=False)
class _Draw:
    """Drawn rows of some blocks, by camera and kind, then id."""

    blocks: tuple[Block, ...]
    group: Int64s  # (n,) camera × 2 + kind, ascending
    frame_id: Int64s
    block: Int64s  # index into blocks
    place: Int64s


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """A sample that was taken, and of what."""

    draw: _Draw
    cameras: bytes  # keys of those asked for
    ids: Int64s
    scaled: Int64s  # ids of the rows whose statistics were worked out
    usual: Usual


class Samples:
    """Draws from opened partitions and keeps what was drawn. Safe across threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._draws: OrderedDict[tuple[int, ...], tuple[_Draw, tuple[object, ...]]] = OrderedDict()
        self._asked: deque[int] = deque(maxlen=LATEST)  # how many blocks
        self._known: list[_Known] = []  # the last few, the latest at the end

    def usual(
        self, partitions: Sequence[Partition], cameras: Collection[int], bank: Floats
    ) -> Usual:
        """At most SAMPLE_ROWS rows of what each camera and kind shows in these partitions.

        `bank`: vectors of the everyday sentences (search.questions.BackgroundBank).
        """
        wanted = np.fromiter(sorted(cameras), dtype=np.int64)
        with self._guard:
            # Draws keep their blocks: what is asked no more must go, but not because one question
            # among others was of a single day.
            self._asked.append(sum(len(one.blocks) for one in partitions))
            # The newest day changes from one question to the next, the others hardly ever do.
            older = self._drawn([block for one in partitions[:-1] for block in one.blocks])
            newest = self._drawn([block for one in partitions[-1:] for block in one.blocks])
            draw = self._kept((older, newest), lambda: _merged([older, newest]))
            for known in self._known:
                if known.draw is draw and known.cameras == wanted.tobytes():
                    return known.usual
            at = np.flatnonzero(np.isin(draw.group // 2, wanted))
            made = _taken(draw, at, bank, self._known[-1] if self._known else None)
            self._known = [
                *self._known[1 - KEPT_SAMPLES :],
                replace(made, cameras=wanted.tobytes()),
            ]
            return made.usual

    def _drawn(self, blocks: list[Block]) -> _Draw:
        each = [self._kept((block,), partial(_of_block, block)) for block in blocks]
        return self._kept(each, lambda: _merged(each)) if len(each) != 1 else each[0]

    def _kept(self, made_of: Sequence[object], make: Callable[[], _Draw]) -> _Draw:
        """Known by what it is made of; that is kept as well, so that its ids stay its own."""
        key = tuple(id(one) for one in made_of)
        if key not in self._draws:
            self._draws[key] = (make(), tuple(made_of))
            while len(self._draws) > 2 * max(self._asked) + SPARE_DRAWS:
                self._draws.popitem(last=False)
        self._draws.move_to_end(key)
        return self._draws[key][0]


def _taken(draw: _Draw, at: Int64s, bank: Floats, last: _Known | None) -> _Known:
    """The rows that were drawn; what was read and worked out before is not done again."""
    ids = draw.frame_id[at]
    if last is not None and np.array_equal(ids, last.ids):  # of new rows few are ever drawn
        return replace(last, draw=draw)
    vectors = np.empty((at.size, bank.shape[1]), dtype=np.float16)
    fresh, old = _among(ids, last.ids) if last is not None else _among(ids, _NONE)
    if last is not None:
        _copied(vectors, np.flatnonzero(~fresh), last.usual.vectors, old)
    for number in np.unique(draw.block[at[fresh]]).tolist():
        mine = np.flatnonzero(fresh & (draw.block[at] == number))
        vectors[mine] = draw.blocks[number].rows.gather(draw.place[at[mine]])
    groups, begins, sizes = np.unique(draw.group[at], return_index=True, return_counts=True)
    some = np.flatnonzero(np.arange(at.size) - np.repeat(begins, sizes) < SCALED_ROWS)
    scaled = ids[some]
    statistics = np.empty((some.size, STATISTICS), dtype=np.float32)
    fresh, old = _among(scaled, last.scaled) if last is not None else _among(scaled, _NONE)
    if last is not None:
        statistics[~fresh] = last.usual.statistics[old]
    statistics[fresh] = row_statistics(vectors[some[fresh]].astype(np.float32), bank)
    keys = tuple((group // 2, group % 2) for group in groups.tolist())
    usual = Usual(keys, tuple(sizes.tolist()), vectors, statistics)
    return _Known(draw, b"", ids, scaled, usual)


_NONE = np.zeros(0, dtype=np.int64)


def _copied(into: Vectors, here: Int64s, known: Vectors | Floats, there: Int64s) -> None:
    """Rows `there` of what is known, put `here`: as a rule long runs of them, in few pieces."""
    cuts = np.flatnonzero((np.diff(here) != 1) | (np.diff(there) != 1)) + 1
    if cuts.size > MOST_PIECES:
        into[here] = known[there]
        return
    for start, end in pairwise([0, *cuts.tolist(), here.size]):
        if start < end:
            count = end - start
            into[here[start] : here[start] + count] = known[there[start] : there[start] + count]


def _among(ids: Int64s, known: Int64s) -> tuple[Bools, Int64s]:
    """Which of `ids` are not known, and the places in `known` of the others."""
    if not known.size:
        return np.ones(ids.size, dtype=bool), _NONE
    order = np.argsort(known)
    found = order[np.searchsorted(known[order], ids).clip(max=order.size - 1)]
    fresh = known[found] != ids
    return fresh, found[~fresh]


def _of_block(block: Block) -> _Draw:
    rows = block.rows
    place = rows.drawn(block.alive)
    group = rows.camera(place) * 2 + rows.kind[place]
    return _Draw((block,), group, rows.frame_id[place], np.zeros_like(place), place)


def _merged(draws: Sequence[_Draw]) -> _Draw:
    if len(draws) == 1:
        return draws[0]
    blocks = tuple(block for one in draws for block in one.blocks)
    begins = np.cumsum([0, *(len(one.blocks) for one in draws)]).tolist()
    if not draws:
        return _Draw(blocks, _NONE, _NONE, _NONE, _NONE)
    largest = max(range(len(draws)), key=lambda number: draws[number].group.size)
    columns = []
    for number, (one, begin) in enumerate(zip(draws, begins, strict=False)):
        kept = slice(None) if number == largest else _eligible(one, draws[largest])
        columns.append(
            (one.group[kept], one.frame_id[kept], one.block[kept] + begin, one.place[kept])
        )
    group, frame_id, block, place = map(np.concatenate, zip(*columns, strict=True))
    if group.size > draws[largest].group.size:
        order = np.lexsort((frame_id, group))
        group = group[order]
        rank = np.arange(group.size) - np.searchsorted(group, group)
        order = order[rank < SAMPLE_ROWS]
        group = group[rank < SAMPLE_ROWS]
        frame_id, block, place = frame_id[order], block[order], place[order]
    return _Draw(blocks, group, frame_id, block, place)


def _eligible(one: _Draw, beside: _Draw) -> Int64s:
    """Places of its rows that `beside` does not outdo with SAMPLE_ROWS smaller ids."""
    ends = np.flatnonzero(np.diff(beside.group, append=-1))
    if not ends.size:
        return np.arange(one.group.size)
    groups, sizes = beside.group[ends], np.diff(ends, prepend=-1)
    most = np.where(sizes < SAMPLE_ROWS, np.iinfo(np.int64).max, beside.frame_id[ends])
    at = np.searchsorted(groups, one.group).clip(max=groups.size - 1)
    return np.flatnonzero((groups[at] != one.group) | (one.frame_id < most[at]))
