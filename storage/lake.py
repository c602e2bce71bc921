"""The lake: Parquet parts of observations, written once, read by part and camera.

A part holds rows of one model, generation and UTC day:
  frame_id int64, camera_id int64, segment_id string, ts_us int64, pts int64,
  kind string ('frame' | 'region'), x,y,w,h int32 (null for a frame), novelty float32,
  quality int32 (bit flags), deep bool (made by a deep re-scan),
  vector fixed-size binary (dimension × fp16, L2-normalised).
Rows are sorted by camera and time; file metadata carries model id, weights hash, preprocessing
hash, dimension, count and the SHA-256 of the vectors, so a mismatch is found before a wrong hit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from ulid import ULID

from storage.clock import utc_day
from storage.durable import HashingFile
from storage.errors import DataLoss
from storage.vocabulary import Generation

ROW_GROUP = 4096
Vectors = npt.NDArray[np.float16]

# quality flags
BLACK, BLURRED, FROZEN, OVEREXPOSED, COVERED, MOVED = 1, 2, 4, 8, 16, 32


@dataclass(frozen=True, slots=True)
class Frame:
    """One observation: a keyframe or a changed region of it, with its vector kept apart."""

    frame_id: int
    camera_id: int
    segment_id: str
    ts_us: int
    pts: int
    kind: str
    box: tuple[int, int, int, int] | None
    novelty: float
    quality: int
    deep: bool = False


def frame_id(segment_id: str, pts: int, kind: str, box: tuple[int, int, int, int] | None) -> int:
    """Stable 63-bit key: the same picture gets the same id in every run and generation."""
    text = f"{segment_id}\0{pts}\0{kind}\0{box}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


def generation_folder(generation: Generation) -> str:
    """'frames/model=<id>/gen=<n>', relative to lake/."""
    return f"frames/model={quote(generation.model, safe='')}/gen={generation.number}"


def day_of(part: str) -> date:
    """The UTC day in a part's path."""
    name = next(piece for piece in part.split("/") if piece.startswith("day="))
    return date.fromisoformat(name.removeprefix("day="))


def schema(dimension: int) -> pa.Schema:
    """Columns of a part."""
    box = [pa.field(name, pa.int32(), nullable=True) for name in "xywh"]
    return pa.schema(
        [
            pa.field("frame_id", pa.int64(), nullable=False),
            pa.field("camera_id", pa.int64(), nullable=False),
            pa.field("segment_id", pa.string(), nullable=False),
            pa.field("ts_us", pa.int64(), nullable=False),
            pa.field("pts", pa.int64(), nullable=False),
            pa.field("kind", pa.string(), nullable=False),
            *box,
            pa.field("novelty", pa.float32(), nullable=False),
            pa.field("quality", pa.int32(), nullable=False),
            pa.field("deep", pa.bool_(), nullable=False),
            pa.field("vector", pa.binary(dimension * 2), nullable=False),
        ]
    )


def write_parts(
    lake: Path, generation: Generation, frames: Sequence[Frame], vectors: Vectors
) -> dict[str, list[str]]:
    """Write one durable part per UTC day. `vectors`: (len(frames), dimension), normalised.

    Returns part path (relative to lake/) → segment ids in it. A segment across midnight is put,
    whole, into the day of its first row, so that one ledger row names one part.
    """
    if vectors.shape != (len(frames), generation.dimension) or vectors.dtype != np.float16:
        raise ValueError(f"vectors {vectors.shape} {vectors.dtype} do not fit {generation}")
    first_day: dict[str, date] = {}
    for frame in frames:
        day = utc_day(frame.ts_us)
        first_day[frame.segment_id] = min(first_day.get(frame.segment_id, day), day)
    written: dict[str, list[str]] = {}
    for day in sorted(set(first_day.values())):
        rows = [i for i, frame in enumerate(frames) if first_day[frame.segment_id] == day]
        rows.sort(key=lambda i: (frames[i].camera_id, frames[i].ts_us, frames[i].frame_id))
        part = f"{generation_folder(generation)}/day={day.isoformat()}/part-{ULID()}.parquet"
        _write_part(lake / part, generation, [frames[i] for i in rows], vectors[rows])
        written[part] = [segment for segment, when in first_day.items() if when == day]
    return written


def _write_part(
    path: Path, generation: Generation, frames: Sequence[Frame], vectors: Vectors
) -> None:
    raw = np.ascontiguousarray(vectors).tobytes()
    width = generation.dimension * 2
    boxes = [frame.box or (None, None, None, None) for frame in frames]
    table = pa.table(
        {
            "frame_id": [frame.frame_id for frame in frames],
            "camera_id": [frame.camera_id for frame in frames],
            "segment_id": [frame.segment_id for frame in frames],
            "ts_us": [frame.ts_us for frame in frames],
            "pts": [frame.pts for frame in frames],
            "kind": [frame.kind for frame in frames],
            **{name: [box[i] for box in boxes] for i, name in enumerate("xywh")},
            "novelty": [frame.novelty for frame in frames],
            "quality": [frame.quality for frame in frames],
            "deep": [frame.deep for frame in frames],
            "vector": pa.FixedSizeBinaryArray.from_buffers(
                pa.binary(width), len(frames), [None, pa.py_buffer(raw)]
            ),
        },
        schema=schema(generation.dimension).with_metadata(
            {
                "hindsight.model": generation.model,
                "hindsight.generation": str(generation.number),
                "hindsight.weights": generation.weights_hash,
                "hindsight.preprocess": generation.preprocess_hash,
                "hindsight.dimension": str(generation.dimension),
                "hindsight.count": str(len(frames)),
                "hindsight.vectors_sha256": hashlib.sha256(raw).hexdigest(),
            }
        ),
    )
    with HashingFile(path) as target:
        pq.write_table(
            table, pa.PythonFile(target, mode="w"), row_group_size=ROW_GROUP, compression="zstd",
            use_dictionary=["camera_id", "segment_id", "kind"], write_page_checksum=True,
        )  # fmt: skip
        target.publish()


def read_part(lake: Path, part: str, generation: Generation) -> tuple[pa.Table, Vectors]:
    """All rows of a part and its vectors (n, dimension) fp16, in row order.

    DataLoss when it is missing, cut short, or not of this generation.
    """
    path = lake / part
    try:
        # partitioning=None: the folder names are ours to read, not columns.
        table = pq.read_table(path, partitioning=None, page_checksum_verification=True)
    except FileNotFoundError:
        raise DataLoss(
            "lake part {part} is missing; run `hindsight index` to mend it", part=part
        ) from None
    except (OSError, pa.ArrowException) as error:
        raise DataLoss(
            "lake part {part} is damaged ({error}); run `hindsight index` to mend it",
            part=part, error=error,
        ) from None  # fmt: skip
    facts = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    due = {
        "hindsight.weights": generation.weights_hash,
        "hindsight.preprocess": generation.preprocess_hash,
        "hindsight.dimension": str(generation.dimension),
        "hindsight.count": str(table.num_rows),
    }
    for key, value in due.items():
        if facts.get(key) != value:
            raise DataLoss(
                "lake part {part} does not belong to generation {number} of {model}: {key} differs;"
                " run `hindsight index` to mend it",
                part=part, number=generation.number, model=generation.model, key=key,
            )  # fmt: skip
    raw = b"".join(
        chunk.buffers()[1]
        .slice(chunk.offset * generation.dimension * 2, len(chunk) * generation.dimension * 2)
        .to_pybytes()
        for chunk in table.column("vector").chunks
    )
    if hashlib.sha256(raw).hexdigest() != facts.get("hindsight.vectors_sha256"):
        raise DataLoss(
            "lake part {part} is damaged: its vectors have another SHA-256;"
            " run `hindsight index` to mend it",
            part=part,
        )
    vectors = np.frombuffer(raw, dtype=np.float16).reshape(table.num_rows, generation.dimension)
    return table.drop_columns(["vector"]), vectors
