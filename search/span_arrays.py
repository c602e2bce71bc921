"""Spans of many owners (cameras) as arrays: union, intersection, length, in numpy alone.

The same algebra as storage.timeline's, which stays the plain statement of it. Spans of several
owners lie on one axis, each owner's stretch after the other's, so that one search finds them all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Spans:
    """Half-open, non-empty, sorted by owner and start; they may overlap unless `merged`."""

    owner: Ints  # (n,)
    start: Ints  # (n,) UTC microseconds
    end: Ints  # (n,)

    def __len__(self) -> int:
        return len(self.owner)

    def only(self, which: Flags | Ints) -> Spans:
        """Those that a mask, or their places in order, name."""
        return Spans(self.owner[which], self.start[which], self.end[which])

    def same_as(self, other: Spans) -> bool:
        """Whether they are the same spans of the same owners."""
        return (
            np.array_equal(self.start, other.start)
            and np.array_equal(self.end, other.end)
            and np.array_equal(self.owner, other.owner)
        )

    def lengths(self) -> Ints:
        """Of each span."""
        return self.end - self.start


def spans(owner: npt.ArrayLike, start: npt.ArrayLike, end: npt.ArrayLike) -> Spans:
    """Sorted, the empty ones left out."""
    owners, starts, ends = (np.asarray(one, dtype=np.int64) for one in (owner, start, end))
    kept = np.flatnonzero(starts < ends)
    order = kept[np.lexsort((starts[kept], owners[kept]))]
    return Spans(owners[order], starts[order], ends[order])


def joined(some: Iterable[Spans]) -> Spans:
    """All of them, sorted."""
    each = [EMPTY, *some]
    return spans(
        np.concatenate([one.owner for one in each]),
        np.concatenate([one.start for one in each]),
        np.concatenate([one.end for one in each]),
    )


def inserted(some: Spans, more: Spans) -> Spans:
    """As `joined`, of few into many."""
    axis = Axis.of(some, more)
    at = np.searchsorted(axis.starts(some), axis.starts(more), side="right")
    return Spans(
        np.insert(some.owner, at, more.owner),
        np.insert(some.start, at, more.start),
        np.insert(some.end, at, more.end),
    )


def owners_of(some: Spans) -> tuple[Ints, Ints]:
    """Distinct owners, and the place of the first span of each."""
    if not len(some):
        return EMPTY.owner, EMPTY.owner
    first = np.flatnonzero(np.concatenate(([True], some.owner[1:] != some.owner[:-1])))
    return some.owner[first], first


@dataclass(frozen=True, slots=True)
class Axis:
    """Owner and time as one number: each owner has `width` of its own."""

    owners: Ints  # sorted
    base: int
    width: int

    @classmethod
    def of(cls, *some: Spans) -> Axis:
        """One on which all of these have a place."""
        filled = [one for one in some if len(one)]
        if not filled:
            return cls(np.zeros(0, dtype=np.int64), 0, 1)
        owners = np.unique(np.concatenate([owners_of(one)[0] for one in filled]))
        base = min(int(one.start.min()) for one in filled)
        return cls(owners, base, max(int(one.end.max()) for one in filled) - base + 1)

    def key(self, owner: Ints, us: Ints) -> Ints:
        """Of known owners; a time off the axis counts as its nearer end."""
        place = np.searchsorted(self.owners, owner) * self.width
        return place + np.clip(us - self.base, 0, self.width - 1)

    def starts(self, some: Spans) -> Ints:
        """Keys of the starts of sorted spans, that all lie on the axis."""
        return self._places(some) + some.start

    def ends(self, some: Spans) -> Ints:
        """Keys of their ends."""
        return self._places(some) + some.end

    def _places(self, some: Spans) -> Ints:
        owners, first = owners_of(some)
        count = np.diff(np.append(first, len(some)))
        return np.repeat(np.searchsorted(self.owners, owners) * self.width - self.base, count)


def merged(some: Spans) -> Spans:
    """Union: sorted, disjoint; spans that touch are one."""
    if len(some) < 2:
        return some
    axis = Axis.of(some)
    starts, ends = axis.starts(some), axis.ends(some)
    reach = np.maximum.accumulate(ends)
    fresh = np.concatenate(([True], starts[1:] > reach[:-1]))
    # The end of one owner's axis is the place before the next one's begin: no two owners touch.
    first = np.flatnonzero(fresh)
    return Spans(some.owner[first], some.start[first], np.maximum.reduceat(some.end, first))


def overlapping_owners(some: Spans) -> Ints:
    """Owners of which two spans have an instant in common; sorted."""
    if len(some) < 2:
        return EMPTY.owner
    axis = Axis.of(some)
    starts, ends = axis.starts(some), axis.ends(some)
    again = starts[1:] < np.maximum.accumulate(ends)[:-1]
    return np.unique(some.owner[1:][again])


def intersect(some: Spans, holes: Spans) -> tuple[Spans, Ints]:
    """Each of `some` cut to the `holes` (merged): the pieces, and of which span each is one.

    Pieces lie in the order of `some`, those of one span in order of time.
    """
    axis = Axis.of(some, holes)
    hole_starts, hole_ends = axis.key(holes.owner, holes.start), axis.key(holes.owner, holes.end)
    first = np.searchsorted(hole_ends, axis.key(some.owner, some.start), side="right")
    last = np.searchsorted(hole_starts, axis.key(some.owner, some.end), side="left")
    count = np.maximum(last - first, 0)
    of = np.repeat(np.arange(len(some)), count)
    before = np.cumsum(count) - count
    hole = np.arange(len(of)) - before[of] + first[of]
    starts = np.maximum(some.start[of], holes.start[hole])
    ends = np.minimum(some.end[of], holes.end[hole])
    filled = starts < ends  # of an empty span nothing
    return Spans(some.owner[of], starts, ends).only(filled), of[filled]


@dataclass(frozen=True, slots=True)
class Within:
    """Of each asked span: how much of it is covered, and from when to when; 0 where nothing is."""

    length: Ints
    first: Ints  # only where `length` is not 0
    last: Ints


class Ruler:
    """Measures how much of a span merged spans cover, by search alone."""

    def __init__(self, covered: Spans) -> None:
        self._axis = Axis.of(covered)
        self._covered = covered
        self._starts, self._ends = self._axis.starts(covered), self._axis.ends(covered)
        lengths = covered.lengths()
        self._before = np.cumsum(lengths) - lengths

    def within(self, asked: Spans) -> Within:
        """Of spans of any owners."""
        axis, known = self._axis, len(self._covered)
        nothing = np.zeros(len(asked), dtype=np.int64)
        if not known or not len(asked):
            return Within(nothing, nothing, nothing)
        place = np.minimum(np.searchsorted(axis.owners, asked.owner), len(axis.owners) - 1)
        at = np.flatnonzero(axis.owners[place] == asked.owner)
        some = asked.only(at)
        starts, ends = axis.key(some.owner, some.start), axis.key(some.owner, some.end)
        length = nothing.copy()
        length[at] = self._until(ends) - self._until(starts)
        # Where something is covered: the first span that ends after, the last that begins before.
        first = np.minimum(np.searchsorted(self._ends, starts, side="right"), known - 1)
        last = np.maximum(np.searchsorted(self._starts, ends, side="left") - 1, 0)
        firsts, lasts = nothing.copy(), nothing.copy()
        firsts[at] = np.maximum(self._covered.start[first], some.start)
        lasts[at] = np.minimum(self._covered.end[last], some.end)
        return Within(length, firsts, lasts)

    def _until(self, key: Ints) -> Ints:
        """How much is covered of the axis before each place."""
        at = np.searchsorted(self._starts, key, side="right") - 1
        found = self._before[at] + np.minimum(key, self._ends[at]) - self._starts[at]
        return np.where(at < 0, 0, found)


EMPTY = Spans(*(np.zeros(0, dtype=np.int64) for _ in range(3)))
