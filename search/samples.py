"""What cameras usually show: up to SAMPLE_ROWS rows of each camera and kind.

Those with the smallest ids: ids are hashes of what was seen, so that is a fair draw, and the same
one however rows are spread over shards and parts.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from search.calibration import STATISTICS, Usual, row_statistics
from search.partitions import Block, Partition
from search.rows import SAMPLE_ROWS, Floats, Int64s

KEPT_DRAWS = 8  # of different sets of days


@dataclass(frozen=True, slots=True, eq=False)
class _Draw:
    """Drawn rows of some blocks, by camera and kind, then id."""

    blocks: tuple[Block, ...]
    group: Int64s  # (n,) camera × 2 + kind, ascending
    frame_id: Int64s
    block: Int64s  # index into blocks
    place: Int64s


class Samples:
    """Draws from opened partitions and keeps what was drawn. Safe across threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._draws: OrderedDict[tuple[int, ...], tuple[_Draw, tuple[object, ...]]] = OrderedDict()
        self._last: tuple[_Draw, bytes, Int64s, Usual] | None = None

    def usual(
        self, partitions: Sequence[Partition], cameras: Collection[int], bank: Floats
    ) -> Usual:
        """At most SAMPLE_ROWS rows of what each camera and kind shows in these partitions.

        `bank`: vectors of the everyday sentences (search.questions.BackgroundBank).
        """
        wanted = np.fromiter(sorted(cameras), dtype=np.int64)
        with self._guard:
            # The newest day changes from one question to the next, the others hardly ever do.
            older = self._drawn([block for one in partitions[:-1] for block in one.blocks])
            newest = self._drawn([block for one in partitions[-1:] for block in one.blocks])
            draw = self._kept((older, newest), lambda: _merged([older, newest]))
            last = self._last
            if last is None or last[0] is not draw or last[1] != wanted.tobytes():
                at = np.flatnonzero(np.isin(draw.group // 2, wanted))
                self._last = last = (draw, wanted.tobytes(), *_taken(draw, at, bank, last))
            return last[-1]

    def _drawn(self, blocks: list[Block]) -> _Draw:
        return self._kept(blocks, lambda: _merged([_of_block(block) for block in blocks]))

    def _kept(self, made_of: Sequence[object], make: Callable[[], _Draw]) -> _Draw:
        """Known by what it is made of; that is kept as well, so that its ids stay its own."""
        key = tuple(id(one) for one in made_of)
        if key not in self._draws:
            self._draws[key] = (make(), tuple(made_of))
            while len(self._draws) > KEPT_DRAWS:
                self._draws.popitem(last=False)
        self._draws.move_to_end(key)
        return self._draws[key][0]


def _taken(
    draw: _Draw, at: Int64s, bank: Floats, last: tuple[_Draw, bytes, Int64s, Usual] | None
) -> tuple[Int64s, Usual]:
    """Ids of the drawn rows and the rows; those that were drawn before are not read again."""
    ids = draw.frame_id[at]
    vectors = np.empty((at.size, bank.shape[1]), dtype=np.float16)
    statistics = np.empty((at.size, STATISTICS), dtype=np.float32)
    fresh = np.ones(at.size, dtype=bool)
    if last is not None and last[2].size:
        order = np.argsort(last[2])
        found = order[np.searchsorted(last[2][order], ids).clip(max=order.size - 1)]
        fresh = last[2][found] != ids
        old = found[~fresh]
        vectors[~fresh], statistics[~fresh] = last[3].vectors[old], last[3].statistics[old]
    for number in np.unique(draw.block[at[fresh]]).tolist():
        mine = np.flatnonzero(fresh & (draw.block[at] == number))
        vectors[mine] = draw.blocks[number].rows.gather(draw.place[at[mine]])
    new = vectors[fresh].astype(np.float32)
    statistics[fresh] = row_statistics(new, bank)
    groups, sizes = np.unique(draw.group[at], return_counts=True)
    keys = tuple((group // 2, group % 2) for group in groups.tolist())
    return ids, Usual(keys, tuple(sizes.tolist()), vectors, statistics)


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
