"""Rows that are searched together: facts as columns, vectors as one matrix, sorted for filters.

Rows lie by camera, then time. Camera and time are one number, `key`, so that "these cameras in
these spans" is a binary search, and the rows it finds are neighbours on disk.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from storage.lake import BLACK, COVERED, FROZEN, OVEREXPOSED, Vectors
from storage.vocabulary import Span

if TYPE_CHECKING:
    from search.codes import Codes

FRAME, REGION = 0, 1
KIND_NAMES = ("frame", "region")
NO_BOX = -1
SAMPLE_ROWS = 64  # of a camera and kind: what it usually shows
CHUNK_ROWS = 8192
# A picture without content matches anything a little, and a frozen one shows another time.
EMPTY_PICTURE = BLACK | FROZEN | OVEREXPOSED | COVERED
# columns that lie beside the vectors, in the order in which a row's checksum takes them
FACTS = ("key", "frame_id", "kind", "quality", "box", "pair")

Pair = tuple[str, str]  # (segment, stamp of storage.lake_days): what makes rows count
Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Rows:
    """n rows of one partition, at least one; never changed once made. `at`: positions (k,)."""

    cameras: Int64s  # keys of the cameras that occur, ascending
    t0_us: int  # of the earliest row
    span_us: int  # latest − earliest + 1
    key: Int64s  # (n,) ascending: place of the camera in `cameras` × span_us + (ts − t0_us)
    frame_id: Int64s
    kind: npt.NDArray[np.uint8]  # FRAME or REGION
    quality: Int32s
    box: Int32s  # (n, 4) x, y, w, h; NO_BOX for a frame
    pair: Int32s  # index into pairs()
    vectors: Vectors  # (n, dimension) fp16; of a shard: a view of its mapped file
    pairs: Callable[[], tuple[Pair, ...]]
    crc: npt.NDArray[np.uint32] | None = None  # of a shard: one per row
    sample: Int64s | None = None  # of a shard: drawn(), as it was when it was written
    codes: Codes | None = None  # of a large shard
    reader: Callable[[Sequence[str], Int64s], list[npt.NDArray[Any]]] | None = None  # of a shard

    def __len__(self) -> int:
        return len(self.key)

    @property
    def within(self) -> Span:
        """From the earliest row to just after the latest."""
        return Span(self.t0_us, self.t0_us + self.span_us)

    @property
    def memory_bytes(self) -> int:
        """What it holds in memory; a shard's columns are the system's page cache."""
        if self.crc is not None:
            return 0 if self.codes is None else self.codes.memory_bytes
        columns = (self.key, self.frame_id, self.kind, self.quality, self.box, self.pair)
        return sum(one.nbytes for one in columns) + self.vectors.nbytes

    def camera(self, at: Int64s) -> Int64s:
        """Camera keys of some rows."""
        return self.cameras[self.key[at] // self.span_us]

    def ts_us(self, at: Int64s) -> Int64s:
        """Times of some rows, UTC microseconds."""
        return self.key[at] % self.span_us + self.t0_us

    def places_of(self, keys: Int64s) -> Int64s:
        """Which of `cameras` are among these keys (ascending): their places."""
        if not keys.size:
            return np.zeros(0, dtype=np.int64)
        at = np.searchsorted(keys, self.cameras).clip(max=keys.size - 1)
        return np.flatnonzero(keys[at] == self.cameras)

    def clipped(self, windows: Int64s) -> Int64s:
        """(w, 2) UTC spans, apart and in order → those that reach rows, from t0_us, cut off."""
        first = np.searchsorted(windows[:, 1], self.t0_us, side="right")
        last = np.searchsorted(windows[:, 0], self.t0_us + self.span_us, side="left")
        return np.clip(windows[first:last] - self.t0_us, 0, self.span_us)

    def ranges_at(self, places: Int64s, bounds: Int64s) -> Int64s:
        """(r, 2) half-open ranges of rows, of the cameras at `places` and times as `clipped`."""
        everything = len(bounds) == 1 and bounds[0, 0] == 0 and bounds[0, 1] == self.span_us
        if everything and places.size == self.cameras.size:
            return np.array([[0, len(self)]], dtype=np.int64)
        wanted = (places[:, None, None] * self.span_us + bounds[None]).reshape(-1)
        found = np.searchsorted(self.key, wanted).reshape(-1, 2)
        return _joined(found[found[:, 0] < found[:, 1]])

    def run(self, camera: int, span: Span) -> tuple[int, int]:
        """Half-open range of the rows of one camera in a span."""
        place = int(self.cameras.searchsorted(camera))
        if place == len(self.cameras) or self.cameras[place] != camera:
            return 0, 0
        bounds = [
            place * self.span_us + min(max(at_us - self.t0_us, 0), self.span_us)
            for at_us in (span.start_us, span.end_us)
        ]
        start, end = self.key.searchsorted(bounds).tolist()
        return start, end

    def fetch(self, names: Sequence[str], at: Int64s) -> list[npt.NDArray[Any]]:
        """Columns of some rows. Of a shard they are read from the file, not from the mapping:
        there a page that is touched brings many others into our memory.
        """
        if self.reader is not None:
            return self.reader(names, at)
        return [getattr(self, name)[at] for name in names]

    def gather(self, at: Int64s) -> Vectors:
        """(k, dimension) vectors of some rows."""
        return self.fetch(["vectors"], at)[0]

    def drawn(self, alive: Bools | None = None) -> Int64s:
        """Places of the SAMPLE_ROWS smallest ids of each camera and kind, of rows that count."""
        if self.sample is not None and alive is None:
            return self.sample
        places = np.arange(len(self)) if alive is None else np.flatnonzero(alive)
        group = self.key[places] // self.span_us * 2 + self.kind[places]
        order = np.lexsort((self.frame_id[places], group))
        ordered = group[order]
        rank = np.arange(order.size) - np.searchsorted(ordered, ordered)
        drawn: Int64s = places[order[rank < SAMPLE_ROWS]]
        return drawn

    def checked(self, at: Int64s) -> dict[str, npt.NDArray[Any]] | None:
        """FACTS of some rows; None: they are not what they were when the shard was written."""
        if self.crc is None:
            return dict(zip(FACTS, self.fetch(FACTS, at), strict=True))
        *columns, vectors, crc = self.fetch([*FACTS, "vectors", "crc"], at)
        facts = dict(zip(FACTS, columns, strict=True))
        return facts if np.array_equal(_checksums(facts, vectors), crc) else None


def rows_of_part(table: pa.Table, vectors: Vectors, stamps: dict[str, str]) -> Rows | None:
    """A lake part: rows of the segments in `stamps` that show something; None: there are none."""
    names = table.column("segment_id").combine_chunks().dictionary_encode()
    if isinstance(names, pa.ChunkedArray):
        names = names.combine_chunks()
    here = names.dictionary.to_pylist()
    pairs = tuple((name, stamps[name]) for name in here if name in stamps)
    code = np.full(len(here) + 1, -1, dtype=np.int32)
    code[:-1][[name in stamps for name in here]] = np.arange(len(pairs))
    pair = code[names.indices.to_numpy(zero_copy_only=False)]
    quality = _ints(table, "quality").astype(np.int32)
    keep = np.flatnonzero((pair >= 0) & ((quality & EMPTY_PICTURE) == 0))
    if not keep.size:
        return None
    return arranged(
        camera=_ints(table, "camera_id")[keep], ts_us=_ints(table, "ts_us")[keep],
        frame_id=_ints(table, "frame_id")[keep], kind=_kinds(table)[keep], quality=quality[keep],
        box=_boxes(table)[keep], pair=pair[keep],         vectors=vectors[keep], pairs=pairs,
    )  # fmt: skip


def arranged(
    *, camera: Int64s, ts_us: Int64s, frame_id: Int64s, kind: npt.NDArray[np.uint8],
    quality: Int32s, box: Int32s, pair: Int32s, vectors: Vectors,
    pairs: tuple[Pair, ...],
) -> Rows:  # fmt: skip
    """Rows in any order → sorted by camera, time and id, without doubles."""
    order = np.lexsort((frame_id, ts_us, camera))
    _, first = np.unique(frame_id[order], return_index=True)
    if first.size < order.size:
        order = order[np.sort(first)]
    cameras, place = np.unique(camera[order], return_inverse=True)
    times = ts_us[order]
    t0_us = int(times.min())
    span_us = int(times.max()) - t0_us + 1
    return Rows(
        cameras=cameras, t0_us=t0_us, span_us=span_us, key=place * span_us + (times - t0_us),
        frame_id=frame_id[order], kind=kind[order], quality=quality[order], box=box[order],
        pair=pair[order],  vectors=vectors[order],
        pairs=lambda: pairs,
    )  # fmt: skip


def merged(blocks: Sequence[tuple[Rows, frozenset[Pair] | None]]) -> Rows | None:
    """One of several: the rows whose pair is wanted (None: all of them). None: there are none."""
    named = [
        [pair if wanted is None or pair in wanted else None for pair in rows.pairs()]
        for rows, wanted in blocks
    ]
    pairs = tuple(sorted({pair for some in named for pair in some if pair is not None}))
    code = {pair: number for number, pair in enumerate(pairs)}
    columns: dict[str, list[npt.NDArray[Any]]] = {}
    for (rows, _), some in zip(blocks, named, strict=True):
        codes = np.array([-1 if pair is None else code[pair] for pair in some], dtype=np.int32)
        pair = codes[rows.pair]
        at = np.flatnonzero(pair >= 0)
        made: dict[str, npt.NDArray[Any]] = {
            "camera": rows.camera(at), "ts_us": rows.ts_us(at), "frame_id": rows.frame_id[at],
            "kind": rows.kind[at], "quality": rows.quality[at], "box": rows.box[at],
            "pair": pair[at],  "vectors": rows.vectors[at],
        }  # fmt: skip
        for name, values in made.items():
            columns.setdefault(name, []).append(values)
    if not pairs:
        return None
    joined: dict[str, Any] = {}
    for name in list(columns):  # one after the other, so that no vector lies in memory twice
        joined[name] = np.concatenate(columns.pop(name))
    return arranged(**joined, pairs=pairs) if len(joined["pair"]) else None


def checksums(rows: Rows) -> npt.NDArray[np.uint32]:
    """One for each row, over its facts and its vector."""
    found = np.empty(len(rows), dtype=np.uint32)
    for start in range(0, len(rows), CHUNK_ROWS):
        piece = slice(start, start + CHUNK_ROWS)
        facts = {name: getattr(rows, name)[piece] for name in FACTS}
        found[piece] = _checksums(facts, rows.vectors[piece])
    return found


def _checksums(facts: dict[str, npt.NDArray[Any]], vectors: Vectors) -> npt.NDArray[np.uint32]:
    count = len(vectors)
    raw = [np.ascontiguousarray(facts[name]).view(np.uint8).reshape(count, -1) for name in FACTS]
    raw.append(np.ascontiguousarray(vectors).view(np.uint8).reshape(count, -1))
    lines = np.concatenate(raw, axis=1)
    return np.array([zlib.crc32(line) for line in lines], dtype=np.uint32)


def _joined(ranges: Int64s) -> Int64s:
    """Ranges in ascending order, those that touch made one."""
    if len(ranges) < 2:
        return ranges
    new = np.concatenate([[True], ranges[1:, 0] > ranges[:-1, 1]])
    first = np.flatnonzero(new)
    last = np.concatenate([first[1:], [len(ranges)]]) - 1
    return np.stack([ranges[first, 0], ranges[last, 1]], axis=1)


def _ints(table: pa.Table, name: str) -> Int64s:
    values: Int64s = table.column(name).to_numpy().astype(np.int64, copy=False)
    return values


def _kinds(table: pa.Table) -> npt.NDArray[np.uint8]:
    is_region = pa.compute.equal(table.column("kind"), KIND_NAMES[REGION])
    return is_region.to_numpy().astype(np.uint8)  # type: ignore[no-any-return]


def _boxes(table: pa.Table) -> Int32s:
    sides = [pa.compute.fill_null(table.column(name), NO_BOX).to_numpy() for name in "xywh"]
    return np.stack(sides, axis=1).astype(np.int32)
