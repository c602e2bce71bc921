"""Which rows of the opened partitions qualify; no other row is ever looked at.

Cameras and times are ranges of neighbouring rows, found by a binary search. Only what a row says
of itself (kind, box, light) and rows that no longer count are judged one by one. Of a shard with
codes the latest outcomes are kept: people keep their filters and change their words.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from search.filters import Filters
from search.partitions import Block, Partition
from search.passing import Passing
from search.rows import Bools, Int64s, Rows
from storage.vocabulary import Span


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """Qualifying rows of one block, at least one."""

    block: Block
    passing: Passing

    @property
    def rows(self) -> Rows:
        """Those of the block."""
        return self.block.rows

    @property
    def count(self) -> int:
        """How many qualify."""
        return self.passing.count

    @property
    def whole(self) -> bool:
        """Whether every row of the block qualifies."""
        return self.passing.whole

    def places(self) -> Int64s:
        """(count,) where they lie in the block, ascending."""
        return self.passing.places()

    def take(self, column: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """(count, …) what a column of the block has in these rows."""
        return self.passing.take(column)

    def without(self, ranges: Int64s) -> Selection | None:
        """The same but for some ranges of rows; None: nothing is left."""
        left = self.passing.without(ranges)
        return Selection(self.block, left) if left.count else None


def qualifying(
    partitions: Sequence[Partition], filters: Filters, segments: Collection[str] | None = None
) -> list[Selection]:
    """Rows of the asked cameras, times, kinds, sizes and light; `segments`: only of these."""
    blocks = [block for one in partitions for block in one.blocks]
    if not blocks:
        return []
    within = [block.rows.within for block in blocks]
    whole = Span(min(one.start_us for one in within), max(one.end_us for one in within))
    by_tz: dict[str, list[int]] = {}
    for camera in filters.cameras:
        by_tz.setdefault(camera.tz, []).append(camera.id)
    asked = {
        np.sort(np.array(keys, dtype=np.int64)).tobytes(): _bounds(filters.windows(tz, whole))
        for tz, keys in by_tz.items()
    }
    found = []
    for block in blocks:
        passing = _of_block(block, filters, asked, segments)
        if passing is not None:
            found.append(Selection(block, passing))
    return found


def around(selection: Selection, camera: int, span: Span) -> Int64s:
    """Places of the qualifying rows of a camera (its key) in a span."""
    start, end = selection.rows.run(camera, span)
    places = np.arange(start, end)
    found: Int64s = places[selection.passing.has(places)]
    return found


def _of_block(
    block: Block, filters: Filters, asked: Mapping[bytes, Int64s],
    segments: Collection[str] | None,
) -> Passing | None:  # fmt: skip
    """`asked`: keys of cameras of one zone, ascending → their windows."""
    rows = block.rows
    wanted = []
    for keys, windows in asked.items():
        cameras, bounds = rows.places_of(np.frombuffer(keys, dtype=np.int64)), rows.clipped(windows)
        if cameras.size and len(bounds):
            wanted.append((cameras, bounds))
    if not wanted:
        return None

    def made() -> Passing:
        return _passing(block, filters, wanted, segments)

    if rows.codes is None or block.alive is not None or segments is not None:
        passing = made()
    else:
        said = tuple((cameras.tobytes(), bounds.tobytes()) for cameras, bounds in wanted)
        passing = rows.codes.kept((said, filters.of_rows), made)
    return passing if passing.count else None


def _passing(
    block: Block, filters: Filters, wanted: Sequence[tuple[Int64s, Int64s]],
    segments: Collection[str] | None,
) -> Passing:  # fmt: skip
    rows = block.rows
    pieces = [rows.ranges_at(cameras, bounds) for cameras, bounds in wanted]
    ranges = pieces[0]
    if len(pieces) > 1:  # cameras of several zones lie mingled
        ranges = np.concatenate(pieces)
        ranges = ranges[np.argsort(ranges[:, 0])]
    keep: Bools | None = None
    if filters.by_row or block.alive is not None or segments is not None:
        keep = np.zeros(len(rows), dtype=bool)
        of_segments = None
        if segments is not None:
            of_segments = np.array([segment in segments for segment, _ in rows.pairs()], dtype=bool)
        for start, end in ranges.tolist():
            piece = slice(start, end)
            good = np.ones(end - start, dtype=bool)
            if filters.by_row:
                good = filters.rows(rows.kind[piece], rows.box[piece], rows.quality[piece])
            if block.alive is not None:
                good &= block.alive[piece]
            if of_segments is not None:
                good &= of_segments[rows.pair[piece]]
            keep[piece] = good
    if rows.codes is None:
        return Passing.of(ranges, keep, rows.kind)
    return Passing.of(ranges, keep, rows.kind, rows.codes.lists, rows.codes.list_count)


def _bounds(windows: Sequence[Span]) -> Int64s:
    bounds = np.array([(one.start_us, one.end_us) for one in windows], dtype=np.int64)
    return bounds.reshape(-1, 2)
