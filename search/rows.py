"""Rows that are searched together: facts as columns, vectors as one matrix, read from the lake."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.lake import BLACK, COVERED, FROZEN, OVEREXPOSED, Vectors

FRAME, REGION = 0, 1
KIND_NAMES = ("frame", "region")
NO_BOX = -1
# A picture without content matches anything a little, and a frozen one shows another time.
EMPTY_PICTURE = BLACK | FROZEN | OVEREXPOSED | COVERED

Pair = tuple[str, str]  # (part, segment): what the ledger's word makes rows count
Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """n rows of one partition, in the order of `vectors`; never changed once made."""

    frame_id: Int64s
    camera_id: Int64s
    ts_us: Int64s
    kind: npt.NDArray[np.uint8]  # FRAME or REGION
    box: npt.NDArray[np.int32]  # (n, 4) x, y, w, h; NO_BOX for a frame
    quality: npt.NDArray[np.int32]
    pair: npt.NDArray[np.int32]  # index into `pairs`
    pairs: tuple[Pair, ...]
    vectors: Vectors  # (n, dimension) fp16; of a shard: a view of its mapped file
    index: Any = None  # of a shard: the faiss index whose codes `vectors` views

    def __len__(self) -> int:
        return len(self.frame_id)

    @property
    def memory_bytes(self) -> int:
        """What it holds in memory; a shard's vectors are the system's page cache."""
        facts = (self.frame_id, self.camera_id, self.ts_us, self.kind, self.box, self.quality)
        held = sum(column.nbytes for column in facts) + self.pair.nbytes
        return held + (self.vectors.nbytes if self.index is None else 0)

    def dead(self, wanted: Collection[Pair]) -> int:
        """How many rows do not count, because their (part, segment) is not wanted."""
        counts = np.bincount(self.pair, minlength=len(self.pairs))
        return sum(int(n) for n, pair in zip(counts, self.pairs, strict=True) if pair not in wanted)

    def counting(self, wanted: Collection[Pair]) -> Bools:
        """Which rows count: their (part, segment) is wanted and their picture shows something."""
        alive = np.array([pair in wanted for pair in self.pairs], dtype=bool)
        if not alive.any():
            return np.zeros(len(self), dtype=bool)
        counts: Bools = alive[self.pair] & ((self.quality & EMPTY_PICTURE) == 0)
        return counts


def rows_of_part(part: str, table: pa.Table, vectors: Vectors) -> Rows:
    """A lake part as it lies: the hot tail that no shard covers yet."""
    segment = table.column("segment_id").combine_chunks().dictionary_encode()
    if isinstance(segment, pa.ChunkedArray):
        segment = segment.combine_chunks()
    names = segment.dictionary.to_pylist()
    return Rows(
        frame_id=_ints(table, "frame_id"),
        camera_id=_ints(table, "camera_id"),
        ts_us=_ints(table, "ts_us"),
        kind=_kinds(table),
        box=_boxes(table),
        quality=_ints(table, "quality").astype(np.int32),
        pair=segment.indices.to_numpy(zero_copy_only=False).astype(np.int32),
        pairs=tuple((part, name) for name in names),
        vectors=vectors,
    )


def merged(blocks: list[Rows], wanted: Mapping[int, Collection[Pair]]) -> Rows:
    """Rows of several blocks whose pair is wanted, sorted by camera, time and id, without doubles.

    `wanted` goes by the block's place in the list. Rows of empty pictures are kept: whether
    they answer is the search's decision, not the shard's.
    """
    pairs = sorted({pair for i, block in enumerate(blocks) for pair in block.pairs
                    if pair in wanted[i]})  # fmt: skip
    code = {pair: number for number, pair in enumerate(pairs)}
    picked: list[Rows] = []
    for i, block in enumerate(blocks):
        codes = np.array(
            [code[pair] if pair in wanted[i] else -1 for pair in block.pairs], dtype=np.int32
        )
        new = codes[block.pair] if len(block) else np.zeros(0, dtype=np.int32)
        picked.append(_take(block, np.flatnonzero(new >= 0), new, tuple(pairs)))
    whole = _concatenated(picked, tuple(pairs))
    order = np.lexsort((whole.frame_id, whole.ts_us, whole.camera_id))
    _, first = np.unique(whole.frame_id[order], return_index=True)
    order = order[np.sort(first)]
    return _take(whole, order, whole.pair, whole.pairs)


def facts_table(rows: Rows) -> pa.Table:
    """The facts as they lie beside a shard."""
    columns = {
        "frame_id": rows.frame_id, "camera_id": rows.camera_id, "ts_us": rows.ts_us,
        "kind": rows.kind, "quality": rows.quality, "pair": rows.pair,
    }  # fmt: skip
    boxes = {name: rows.box[:, i] for i, name in enumerate("xywh")}
    return pa.table({name: pa.array(values) for name, values in {**columns, **boxes}.items()})


def rows_of_facts(
    table: pa.Table, pairs: tuple[Pair, ...], vectors: Vectors, index: object
) -> Rows:
    """The other way round, with the vectors of an opened shard."""
    column = {name: table.column(name).to_numpy() for name in table.column_names}
    return Rows(
        frame_id=column["frame_id"], camera_id=column["camera_id"], ts_us=column["ts_us"],
        kind=column["kind"], quality=column["quality"], pair=column["pair"],
        box=np.stack([column[name] for name in "xywh"], axis=1),
        pairs=pairs, vectors=vectors, index=index,
    )  # fmt: skip


def _take(rows: Rows, order: Int64s, pair: npt.NDArray[np.int32], pairs: tuple[Pair, ...]) -> Rows:
    return Rows(
        frame_id=rows.frame_id[order], camera_id=rows.camera_id[order], ts_us=rows.ts_us[order],
        kind=rows.kind[order], box=rows.box[order], quality=rows.quality[order],
        pair=pair[order], pairs=pairs, vectors=rows.vectors[order],
    )  # fmt: skip


def _concatenated(blocks: list[Rows], pairs: tuple[Pair, ...]) -> Rows:
    def joined(name: str) -> Any:
        return np.concatenate([getattr(block, name) for block in blocks])

    return Rows(
        frame_id=joined("frame_id"), camera_id=joined("camera_id"), ts_us=joined("ts_us"),
        kind=joined("kind"), box=joined("box"), quality=joined("quality"), pair=joined("pair"),
        pairs=pairs, vectors=joined("vectors"),
    )  # fmt: skip


def _ints(table: pa.Table, name: str) -> Int64s:
    values: Int64s = table.column(name).to_numpy().astype(np.int64, copy=False)
    return values


def _kinds(table: pa.Table) -> npt.NDArray[np.uint8]:
    is_region = pa.compute.equal(table.column("kind"), KIND_NAMES[REGION])
    return is_region.to_numpy().astype(np.uint8)  # type: ignore[no-any-return]


def _boxes(table: pa.Table) -> npt.NDArray[np.int32]:
    sides = [pa.compute.fill_null(table.column(name), NO_BOX).to_numpy() for name in "xywh"]
    return np.stack(sides, axis=1).astype(np.int32)
