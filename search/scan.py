"""Which rows qualify, and how near each is: filters first, exactly, then similarity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import faiss
import numpy as np
import numpy.typing as npt

from search.partitions import Block, Partition
from search.query import Query
from search.rows import FRAME, REGION, Bools
from search.time_of_day import mask
from storage.vocabulary import Camera

Floats = npt.NDArray[np.float32]
CHUNK_ROWS = 32_768  # fp16 → fp32 in pieces, so that memory stays flat
# From so many qualifying rows of one shard on, FAISS preselects and only the best are scored.
WIDE_ROWS = 200_000
KEPT_ROWS = 20_000
SAMPLE_ROWS = 256  # of a camera, for what it usually gives


@dataclass(frozen=True, slots=True)
class Selection:
    """Qualifying rows of one block: positions in it."""

    block: Block
    at: npt.NDArray[np.int64]
    how: str  # 'exact' | 'faiss': for --explain


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


def similarities(selection: Selection, questions: Floats) -> Floats:
    """Cosines (rows of the selection, questions); questions: (m, dimension), normalised."""
    vectors = selection.block.rows.vectors
    result = np.empty((selection.at.size, len(questions)), dtype=np.float32)
    for start in range(0, selection.at.size, CHUNK_ROWS):
        rows = vectors[selection.at[start : start + CHUNK_ROWS]].astype(np.float32)
        result[start : start + len(rows)] = rows @ questions.T
    return result


def sample_of(
    partitions: list[Partition], camera_id: int, limit: int = SAMPLE_ROWS
) -> npt.NDArray[np.float32]:
    """Vectors of up to `limit` rows of a camera, spread evenly over what is opened."""
    found = []
    for partition in partitions:
        for block in partition.blocks:
            keep = block.rows.counting(block.wanted) & (block.rows.camera_id == camera_id)
            at = np.flatnonzero(keep)
            if at.size:
                found.append((block, at))
    total = sum(at.size for _, at in found)
    if not total:
        return np.zeros((0, 0), dtype=np.float32)
    step = max(1, total // limit)
    pieces = [block.rows.vectors[at[::step]].astype(np.float32) for block, at in found]
    return np.concatenate(pieces)[:limit]
