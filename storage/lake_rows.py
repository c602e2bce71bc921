"""Single rows of the lake by their keys: only the row groups they may lie in are read."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from storage.errors import DataLoss
from storage.lake import Vectors, opened_part
from storage.vocabulary import Generation

WEIGHTS = "hindsight.weights"  # in a part's metadata
Key = tuple[str, int]  # (segment id, frame id)


def vectors_of(
    lake: Path, part: str, generation: Generation, keys: Collection[Key]
) -> dict[int, Vectors]:
    """Frame id → vector (dimension,) fp16, of those of `keys` that the part has.

    DataLoss: the part is missing, damaged or of another generation. Unavailable: it cannot be
    read now.
    """
    segments = {segment for segment, _ in keys}
    found: dict[int, Vectors] = {}
    with opened_part(lake, part) as opened:
        said = opened.metadata.metadata or {}
        if said.get(WEIGHTS.encode()) != generation.weights_hash.encode():
            raise DataLoss(
                "lake part {part} does not belong to generation {number} of {model}: {key}"
                " differs; run `hindsight index` to mend it",
                part=part, number=generation.number, model=generation.model, key=WEIGHTS,
            )  # fmt: skip
        column = opened.schema_arrow.get_field_index("segment_id")
        for number in range(opened.num_row_groups):
            if not _may_hold(opened, number, column, segments):
                continue
            facts = opened.read_row_group(number, columns=["segment_id", "frame_id"])
            ids: npt.NDArray[np.int64] = facts.column("frame_id").to_numpy()
            names = facts.column("segment_id")
            wanted = np.isin(ids, [frame_id for _, frame_id in keys])
            at = [int(i) for i in np.flatnonzero(wanted)
                  if (names[int(i)].as_py(), int(ids[i])) in keys]  # fmt: skip
            if at:
                rows = opened.read_row_group(number, columns=["vector"]).column("vector").take(at)
                for i, row in zip(at, rows, strict=True):
                    found[int(ids[i])] = np.frombuffer(row.as_py(), dtype=np.float16)
    return found


def _may_hold(opened: pq.ParquetFile, number: int, column: int, segments: Collection[str]) -> bool:
    """Whether a row group may hold rows of the segments, by its statistics where it has them."""
    known = opened.metadata.row_group(number).column(column).statistics
    if known is None or not known.has_min_max:
        return True
    return any(known.min <= segment <= known.max for segment in segments)
