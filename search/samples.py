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

import numpy as np

from search.calibration import Usual, row_statistics
from search.partitions import Block, Partition
from search.rows import SAMPLE_ROWS, Floats, Int64s

KEPT_SAMPLES = 2  # 26 MB each for 200 cameras at 512 dimensions
SCALED_ROWS = 16  # of each camera and kind: their middles are the model's scale for all
LATEST = 8  # questions
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
    """The rows that were drawn; those that were drawn before are not read again."""
    ids = draw.frame_id[at]
    vectors = np.empty((at.size, bank.shape[1]), dtype=np.float16)
    fresh = np.ones(at.size, dtype=bool)
    if last is not None and last.ids.size:
        order = np.argsort(last.ids)
        found = order[np.searchsorted(last.ids[order], ids).clip(max=order.size - 1)]
        fresh = last.ids[found] != ids
        old = found[~fresh]
        vectors[~fresh] = last.usual.vectors[old]
    for number in np.unique(draw.block[at[fresh]]).tolist():
        mine = np.flatnonzero(fresh & (draw.block[at] == number))
        vectors[mine] = draw.blocks[number].rows.gather(draw.place[at[mine]])
    groups, begins, sizes = np.unique(draw.group[at], return_index=True, return_counts=True)
    among = np.arange(at.size) - np.repeat(begins, sizes) < SCALED_ROWS
    statistics = row_statistics(vectors[among].astype(np.float32), bank)
    keys = tuple((group // 2, group % 2) for group in groups.tolist())
    return _Known(draw, b"", ids, Usual(keys, tuple(sizes.tolist()), vectors, statistics))


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
    nothing = [np.zeros(0, dtype=np.int64)]  # where no block is
    group = np.concatenate([one.group for one in draws] or nothing)
    frame_id = np.concatenate([one.frame_id for one in draws] or nothing)
    place = np.concatenate([one.place for one in draws] or nothing)
    block = np.concatenate(
        [one.block + begin for one, begin in zip(draws, begins, strict=False)] or nothing
    )
    order = np.lexsort((frame_id, group))
    group = group[order]
    rank = np.arange(group.size) - np.searchsorted(group, group)
    order = order[rank < SAMPLE_ROWS]
    return _Draw(blocks, group[rank < SAMPLE_ROWS], frame_id[order], block[order], place[order])
