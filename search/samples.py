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

from search.calibration import Usual
from search.drawn import DrawnVectors
from search.partitions import Block, Partition
from search.rows import SAMPLE_ROWS, Floats, Int64s

KEPT_SAMPLES = 2  # 26 MB of vectors for 200 cameras at 512 dimensions, as a rule shared
SCALED_ROWS = 16  # of each camera and kind: their middles are the model's scale for all
LATEST = 8  # questions
FEW = 16  # one row more for so many: it is put in its place, and they are not sorted anew
SPARE_DRAWS = 16  # beyond those of the blocks that are asked: of other days, and of sets


@dataclass(frozen=True, slots=True, eq=False)
class _Draw:
    """Drawn rows of some blocks, by camera and kind, then id."""

    blocks: tuple[Block, ...]
    group: Int64s  # (n,) camera × 2 + kind, ascending
    frame_id: Int64s
    made: Int64s  # id and pair in one: a picture that was indexed anew is another row
    block: Int64s  # index into blocks
    place: Int64s


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """A sample that was taken, and of what."""

    draw: _Draw
    cameras: bytes  # keys of those asked for
    bank: Floats  # of one generation: in another, the same pictures have other vectors
    rows: Int64s  # `made` of each
    held: DrawnVectors
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

        `bank`: vectors of the everyday sentences (search.questions.BackgroundBank), the same
        array for all questions of a generation.
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
                if known.draw is draw and known.bank is bank and known.cameras == wanted.tobytes():
                    return known.usual
            at = np.flatnonzero(np.isin(draw.group // 2, wanted))
            last = next((one for one in reversed(self._known) if one.bank is bank), None)
            made = _taken(draw, at, bank, last)
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
    made = draw.made[at]
    if last is not None and np.array_equal(made, last.rows):  # of new rows few are ever drawn
        return replace(last, draw=draw)
    held = last.held if last is not None else DrawnVectors(made.size, bank.shape[1])
    rows = held.find(made)
    if not held.has_room(int((rows < 0).sum())):
        held = held.renewed(made)
        rows = held.find(made)
    fresh = np.flatnonzero(rows < 0)
    from_block = draw.block[at[fresh]]
    for number in np.unique(from_block).tolist():
        mine = fresh[from_block == number]
        rows[mine] = held.add(made[mine], draw.blocks[number].rows.gather(draw.place[at[mine]]))
    groups, begins, sizes = _groups(draw.group[at])
    some = rows[np.arange(at.size) - np.repeat(begins, sizes) < SCALED_ROWS]
    keys = tuple((group // 2, group % 2) for group in groups.tolist())
    usual = Usual(
        keys, tuple(sizes.tolist()), held.vectors, rows, held.statistics(some, bank)
    )  # fmt: skip
    return _Known(draw, b"", bank, made, held, usual)


_NONE = np.zeros(0, dtype=np.int64)


def _groups(ascending: Int64s) -> tuple[Int64s, Int64s, Int64s]:
    """Those that occur, where each begins, and how many there are of it."""
    begins = np.flatnonzero(np.diff(ascending, prepend=-1))
    return ascending[begins], begins, np.diff(begins, append=ascending.size)


def _of_block(block: Block) -> _Draw:
    rows = block.rows
    place = rows.drawn(block.alive)
    group = rows.camera(place) * 2 + rows.kind[place]
    names = rows.pairs()
    codes, pair = np.unique(rows.pair[place], return_inverse=True)
    salt = np.fromiter((hash(names[code]) for code in codes.tolist()), np.int64, codes.size)
    frame_id = rows.frame_id[place]
    return _Draw((block,), group, frame_id, frame_id ^ salt[pair], np.zeros_like(place), place)


def _merged(draws: Sequence[_Draw]) -> _Draw:
    if len(draws) == 1:
        return draws[0]
    blocks = tuple(block for one in draws for block in one.blocks)
    begins = np.cumsum([0, *(len(one.blocks) for one in draws)]).tolist()
    if not draws:
        return _Draw(blocks, _NONE, _NONE, _NONE, _NONE, _NONE)
    largest = max(range(len(draws)), key=lambda number: draws[number].group.size)
    beside = draws[largest]
    columns: list[list[Int64s]] = [[] for _ in range(5)]
    for number, (one, begin) in enumerate(zip(draws, begins, strict=False)):
        if number != largest:
            kept = _eligible(one, beside)
            for column, values in zip(columns, _columns(one, begin), strict=True):
                column.append(values[kept])
    base = _columns(beside, begins[largest])
    added = [np.concatenate(column) for column in columns]
    if not added[0].size:
        return _Draw(blocks, *base)
    if added[0].size * FEW > base[0].size:
        joined = [np.concatenate(both) for both in zip(base, added, strict=True)]
        order = np.lexsort((joined[1], joined[0]))
        joined = [column[order] for column in joined]
    else:
        order = np.lexsort((added[1], added[0]))
        added = [column[order] for column in added]
        at = _places(base[0], base[1], added[0], added[1])
        joined = [np.insert(old, at, new) for old, new in zip(base, added, strict=True)]
    _, starts, sizes = _groups(joined[0])
    first = np.arange(joined[0].size) - np.repeat(starts, sizes) < SAMPLE_ROWS
    return _Draw(blocks, *(column[first] for column in joined))


def _columns(draw: _Draw, begin: int) -> tuple[Int64s, ...]:
    """Its blocks are numbered from `begin` on."""
    return draw.group, draw.frame_id, draw.made, draw.block + begin, draw.place


def _places(group: Int64s, frame_id: Int64s, added: Int64s, added_id: Int64s) -> Int64s:
    """Where rows belong among others that are ordered by group, then id.

    Each is compared with the rows of its group, SAMPLE_ROWS at most: to sort all anew took longer.
    """
    groups, begins, sizes = _groups(group)
    table = np.full((groups.size + 1, SAMPLE_ROWS), np.iinfo(np.int64).max)
    table[:-1][np.arange(SAMPLE_ROWS) < sizes[:, None]] = frame_id
    mine = np.searchsorted(groups, added)
    begin = np.append(begins, group.size)[mine]
    mine[np.append(groups, -1)[mine] != added] = groups.size  # of a group that is not there yet
    before = np.count_nonzero(table[mine] < added_id[:, None], axis=1)
    return np.asarray(begin + before, dtype=np.int64)


def _eligible(one: _Draw, beside: _Draw) -> Int64s:
    """Places of its rows that `beside` does not outdo with SAMPLE_ROWS smaller ids."""
    ends = np.flatnonzero(np.diff(beside.group, append=-1))
    if not ends.size:
        return np.arange(one.group.size)
    groups, sizes = beside.group[ends], np.diff(ends, prepend=-1)
    most = np.where(sizes < SAMPLE_ROWS, np.iinfo(np.int64).max, beside.frame_id[ends])
    at = np.searchsorted(groups, one.group).clip(max=groups.size - 1)
    return np.flatnonzero((groups[at] != one.group) | (one.frame_id < most[at]))
