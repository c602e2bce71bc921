"""Peaks → moments: what their rows say of themselves, and the footage they are of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from search.answer import Best, Moment
from search.moments import Peak
from search.partitions import Block, Partitions
from search.rows import KIND_NAMES
from storage import segments
from storage.clock import US
from storage.directory import DataDirectory
from storage.vocabulary import Camera, Segment, SegmentState

HALF_PICTURE_US = US // 2  # a moment of one picture still lasts a while
Place = tuple[Block, int]


class RowDamaged(Exception):
    """A row that was to be shown is not what was written; its shard was removed."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a row that is shown says of itself."""

    frame_id: int
    kind: str
    box: list[int]
    segment_id: str


def hydrated(
    directory: DataDirectory, partitions: Partitions, cameras: Sequence[Camera],
    found: Sequence[tuple[Peak, Place]],
) -> list[Moment | None]:  # fmt: skip
    """Each peak, by the place of its best row, with its footage, from the ledger; None where that
    went while we looked. RowDamaged."""
    by_id = {camera.id: camera for camera in cameras}
    shown = _shown(partitions, [place for _, place in found])
    with directory.ledger.read() as tx:
        known = {
            one.id: one
            for one in segments.get(tx, sorted({one.segment_id for one in shown}))
            if one.state is SegmentState.CLOSED
        }
    return [
        _moment(by_id[peak.camera], known[one.segment_id], peak, one)
        if one.segment_id in known
        else None
        for one, (peak, _) in zip(shown, found, strict=True)
    ]


def paired(first: Moment, second: Moment) -> Moment:
    """'A, then B' as one moment; what followed may have been seen by another camera."""
    return Moment(
        first.camera, first.start_us, max(first.end_us, second.end_us),
        math.sqrt(first.score * second.score), first.hits + second.hits, first.best, second.best,
    )  # fmt: skip


def _shown(partitions: Partitions, places: Sequence[Place]) -> list[_Shown]:
    of_block: dict[Block, list[int]] = {}
    for block, at in places:
        of_block.setdefault(block, []).append(at)
    said: dict[tuple[int, int], _Shown] = {}
    for block, some in of_block.items():
        places_of = np.array(sorted(set(some)), dtype=np.int64)
        facts = block.rows.checked(places_of)
        if facts is None:
            partitions.discard(block)
            raise RowDamaged("a row is not what was written")
        columns = [facts[name] for name in ("frame_id", "kind", "box", "pair")]
        pairs = block.rows.pairs()
        for at, frame_id, kind, box, pair in zip(
            places_of.tolist(), *(column.tolist() for column in columns), strict=True
        ):
            said[(id(block), at)] = _Shown(frame_id, KIND_NAMES[kind], box, pairs[pair][0])
    return [said[(id(block), at)] for block, at in places]


def _moment(camera: Camera, segment: Segment, peak: Peak, shown: _Shown) -> Moment:
    x, y, w, h = shown.box
    box = (x, y, w, h) if shown.kind == "region" else None
    best = Best(shown.frame_id, peak.best_us, segment, shown.kind, box)
    # Half a picture to either side, but not out of the footage where its border is known.
    start_us, end_us = peak.start_us - HALF_PICTURE_US, peak.end_us + HALF_PICTURE_US
    if peak.start_us >= segment.start_us:
        start_us = max(start_us, segment.start_us)
    if peak.end_us < segment.end_us:
        end_us = min(end_us, segment.end_us)
    return Moment(
        camera, start_us, max(end_us, peak.best_us + 1), peak.score, peak.hits, best
    )  # fmt: skip
