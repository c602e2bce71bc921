"""Which rows qualify: filters first, exactly; then FAISS narrows only what is very wide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import faiss
import numpy as np
import numpy.typing as npt

from search.partitions import Block, Partition
from search.query import Query
from search.rows import FRAME, REGION, Bools, Rows
from search.time_of_day import mask
from storage.vocabulary import Camera

Floats = npt.NDArray[np.float32]
Int64s = npt.NDArray[np.int64]
# From so many qualifying rows of one shard on, FAISS preselects and only the best are scored.
WIDE_ROWS = 200_000
KEPT_ROWS = 20_000
SAMPLE_ROWS = 256  # of a camera, for what it usually gives


@dataclass(frozen=True, slots=True)
class Selection:
    """Qualifying rows of one block: positions in it."""

    block: Block
    at: Int64s
    how: str  # 'exact' | 'faiss': for --explain


class Chosen:
    """The rows of several selections, numbered through."""

    def __init__(self, selections: list[Selection]) -> None:
        self._selections = selections
        self._starts = np.cumsum([0, *(one.at.size for one in selections)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def column(self, name: str) -> Int64s:
        """A column of all of them."""
        columns = [getattr(one.block.rows, name)[one.at] for one in self._selections]
        return np.concatenate(columns).astype(np.int64, copy=False)

    def place(self, number: int) -> tuple[Rows, int]:
        """Where a row lies: its rows and the position in them."""
        which = int(np.searchsorted(self._starts, number, side="right")) - 1
        one = self._selections[which]
        return one.block.rows, int(one.at[number - self._starts[which]])


def qualifying(
    partition: Partition, query: Query, cameras: Mapping[int, Camera]
) -> list[Selection]:
    """Rows of the asked cameras, span, time of day and kind; no other row is ever looked at."""
    chosen = []
    for block in partition.blocks:
        keep = block.rows.counting(block.wanted) & _filtered(block, query, cameras)
        at = np.flatnonzero(keep)
        if at.size:
            chosen.append(Selection(block, at, "exact"))
    return chosen


def _filtered(block: Block, query: Query, cameras: Mapping[int, Camera]) -> Bools:
    rows = block.rows
    keep: Bools = np.isin(rows.camera_id, np.fromiter(cameras, dtype=np.int64))
    if query.from_us is not None:
        keep &= rows.ts_us >= query.from_us
    if query.to_us is not None:
        keep &= rows.ts_us < query.to_us
    if query.kind is not None:
        keep &= rows.kind == (FRAME if query.kind == "frame" else REGION)
    if query.between is not None:
        for tz in {camera.tz for camera in cameras.values()}:
            ids = [key for key, camera in cameras.items() if camera.tz == tz]
            here = keep & np.isin(rows.camera_id, ids)
            keep[here] = mask(rows.ts_us[here], tz, query.between)
    return keep


def preselected(selection: Selection, combined: Floats) -> Selection:
    """For a very wide selection of a shard: its best rows by FAISS, filter inside the scan."""
    kept = selection.block.rows.index
    if kept is None or selection.at.size < WIDE_ROWS:
        return selection
    bits = np.zeros(len(selection.block.rows), dtype=bool)
    bits[selection.at] = True
    packed = np.packbits(bits, bitorder="little")
    selector = faiss.IDSelectorBitmap(packed)
    _, found = kept.inner.search(
        combined[None, :], min(KEPT_ROWS, selection.at.size),
        params=faiss.SearchParameters(sel=selector),
    )  # fmt: skip
    best = np.sort(found[0][found[0] >= 0]).astype(np.int64)
    return Selection(selection.block, best, "faiss")


def samples(
    partitions: list[Partition], camera_ids: Int64s, limit: int = SAMPLE_ROWS
) -> dict[int, Floats]:
    """Camera → vectors (n, dimension) of up to `limit` of its rows, spread over what is opened.

    Spread by position, which is by time inside a block: what the camera usually gives.
    """
    blocks = [block for partition in partitions for block in partition.blocks]
    cameras, owners, places = [], [], []
    for number, block in enumerate(blocks):
        keep = block.rows.counting(block.wanted) & np.isin(block.rows.camera_id, camera_ids)
        at = np.flatnonzero(keep)
        cameras.append(block.rows.camera_id[at])
        owners.append(np.full(at.size, number, dtype=np.int64))
        places.append(at)
    camera, owner, place = (np.concatenate(one) for one in (cameras, owners, places))
    order = np.argsort(camera, kind="stable")
    found: dict[int, Floats] = {}
    for key, mine in zip(*_runs(camera[order]), strict=True):
        picked = order[mine.start : mine.stop]
        if picked.size > limit:
            picked = picked[np.linspace(0, picked.size - 1, limit).astype(np.int64)]
        found[key] = np.concatenate(
            [
                blocks[number].rows.vectors[place[picked[owner[picked] == number]]]
                for number in np.unique(owner[picked])
            ]
        ).astype(np.float32)
    return found


def _runs(ordered: Int64s) -> tuple[list[int], list[slice]]:
    """Equal neighbours: their values and where each run lies."""
    values, starts = np.unique(ordered, return_index=True)
    ends = [*starts[1:].tolist(), ordered.size]
    return values.tolist(), [slice(a, b) for a, b in zip(starts.tolist(), ends, strict=True)]
