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

import errno
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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
from storage.errors import DataLoss, Unavailable
from storage.vocabulary import Generation

ROW_GROUP = 4096
# What a file itself is to blame for. Any other number speaks of this machine, now: too many files
# open, no memory, a server that does not answer.
DAMAGE = {
    errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EIO, errno.ENODATA, errno.EILSEQ,
    errno.EBADMSG, errno.EUCLEAN,
}  # fmt: skip
Vectors = npt.NDArray[np.float16]

# quality flags
BLACK, BLURRED, FROZEN, OVEREXPOSED, COVERED, MOVED = 1, 2, 4, 8, 16, 32
DARK, INFRARED = 64, 128  # the light it was taken in; nothing is wrong with it


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
    boxes = [frame.box or (None, None, None, None) for frame in frames]
    facts = {
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
    }
    columns = schema(generation.dimension).remove(len(facts))
    _write(path, generation, pa.table(facts, schema=columns), lambda at, to: vectors[at:to])


def merge_parts(
    lake: Path, generation: Generation, pieces: Sequence[tuple[pa.Table, Vectors]], day: date
) -> str:
    """One durable part, sorted by camera and time, from rows as `read_part` gives them.

    Of the vectors only a row group at a time lies in memory once more.
    """
    table = pa.concat_tables([facts for facts, _ in pieces]).combine_chunks()
    order = np.lexsort(
        [table.column(name).to_numpy() for name in ("frame_id", "ts_us", "camera_id")]
    )
    piece = np.repeat(np.arange(len(pieces)), [len(vectors) for _, vectors in pieces])[order]
    begins = np.cumsum([0, *(len(vectors) for _, vectors in pieces)])

    def gather(at: int, to: int) -> Vectors:
        rows = np.empty((to - at, generation.dimension), dtype=np.float16)
        for number in np.unique(piece[at:to]):
            here = piece[at:to] == number
            rows[here] = pieces[number][1][order[at:to][here] - begins[number]]
        return rows

    part = f"{generation_folder(generation)}/day={day.isoformat()}/part-{ULID()}.parquet"
    _write(lake / part, generation, table.take(pa.array(order)), gather)
    return part


def _write(
    path: Path, generation: Generation, facts: pa.Table, vectors: Callable[[int, int], Vectors]
) -> None:
    """Write a part, a row group at a time; `vectors(at, to)` are those of rows [at, to)."""
    said = {
        "hindsight.model": generation.model,
        "hindsight.generation": str(generation.number),
        "hindsight.weights": generation.weights_hash,
        "hindsight.preprocess": generation.preprocess_hash,
        "hindsight.dimension": str(generation.dimension),
        "hindsight.count": str(facts.num_rows),
    }
    columns = schema(generation.dimension).with_metadata(said)
    digest = hashlib.sha256()
    with HashingFile(path) as target:
        with pq.ParquetWriter(
            pa.PythonFile(target, mode="w"), columns, compression="zstd",
            use_dictionary=["camera_id", "segment_id", "kind"], write_page_checksum=True,
        ) as writer:  # fmt: skip
            for at in range(0, facts.num_rows, ROW_GROUP):
                block = facts.slice(at, ROW_GROUP)
                raw = np.ascontiguousarray(vectors(at, at + block.num_rows)).tobytes()
                digest.update(raw)
                column = pa.FixedSizeBinaryArray.from_buffers(
                    columns.field("vector").type, block.num_rows, [None, pa.py_buffer(raw)]
                )
                whole = block.append_column(columns.field("vector"), column)
                writer.write_table(whole.cast(columns), row_group_size=ROW_GROUP)
            writer.add_key_value_metadata({"hindsight.vectors_sha256": digest.hexdigest()})
        target.publish()


def read_part(lake: Path, part: str, generation: Generation) -> tuple[pa.Table, Vectors]:
    """All rows of a part and its vectors (n, dimension) fp16, in row order.

    DataLoss when it is missing, cut short, or not of this generation. Unavailable when it may not
    be read: that is no loss.
    """
    with _opened(lake, part, generation) as (opened, said):
        rows = _read(opened, generation, range(opened.num_row_groups))
    if hashlib.sha256(rows[1].data).hexdigest() != said.get("hindsight.vectors_sha256"):
        raise DataLoss(
            "lake part {part} is damaged: its vectors have another SHA-256;"
            " run `hindsight index` to mend it",
            part=part,
        )
    return rows


def row_count(lake: Path, part: str) -> int | None:
    """How many rows a part of lake or looks says it has; None when it cannot be read."""
    try:
        with pq.ParquetFile(lake / part) as opened:
            return int(opened.metadata.num_rows)
    except (OSError, pa.ArrowException):
        return None


@contextmanager
def opened_part(lake: Path, part: str) -> Iterator[pq.ParquetFile]:
    """A part of lake or looks; what goes wrong while it is read is said in our words.

    DataLoss when it is missing or damaged. Unavailable when it may not be read, or cannot be read
    now: that is no loss.
    """
    try:
        with pq.ParquetFile(lake / part, page_checksum_verification=True) as opened:
            yield opened
    except FileNotFoundError:
        raise DataLoss(
            "lake part {part} is missing; run `hindsight index` to mend it", part=part
        ) from None
    except PermissionError:
        raise Unavailable(
            "lake part {part} may not be read; see who owns {folder}, and run this again",
            part=part, folder=lake,
        ) from None  # fmt: skip
    except (OSError, MemoryError, pa.ArrowException) as error:
        if not _is_damage(error):
            raise Unavailable(
                "lake part {part} cannot be read now ({error}); its segments stay as they are;"
                " run this again",
                part=part, error=error,
            ) from None  # fmt: skip
        raise DataLoss(
            "lake part {part} is damaged ({error}); run `hindsight index` to mend it",
            part=part, error=error,
        ) from None  # fmt: skip


def _is_damage(error: BaseException) -> bool:
    """Whether another try would fail as well. Arrow gives what it cannot parse no number."""
    if isinstance(error, MemoryError):
        return False
    number = error.errno if isinstance(error, OSError) else None
    return number is None or number in DAMAGE


@contextmanager
def _opened(
    lake: Path, part: str, generation: Generation
) -> Iterator[tuple[pq.ParquetFile, dict[str, str]]]:
    """A part of this generation and what it says of itself."""
    with opened_part(lake, part) as opened:
        raw = opened.metadata.metadata or {}
        said = {
            key.decode(): value.decode() for key, value in raw.items()
            if key.startswith(b"hindsight.")
        }  # fmt: skip
        due = {
            "hindsight.weights": generation.weights_hash,
            "hindsight.preprocess": generation.preprocess_hash,
            "hindsight.dimension": str(generation.dimension),
            "hindsight.count": str(opened.metadata.num_rows),
        }
        for key, value in due.items():
            if said.get(key) != value:
                raise DataLoss(
                    "lake part {part} does not belong to generation {number} of {model}: {key}"
                    " differs; run `hindsight index` to mend it",
                    part=part, number=generation.number, model=generation.model, key=key,
                )  # fmt: skip
        yield opened, said


def _read(
    opened: pq.ParquetFile, generation: Generation, groups: Sequence[int]
) -> tuple[pa.Table, Vectors]:
    """Rows of some row groups. One group at a time, so that no vector lies in memory twice."""
    count = sum(opened.metadata.row_group(number).num_rows for number in groups)
    vectors = np.empty((count, generation.dimension), dtype=np.float16)
    tables = [schema(generation.dimension).empty_table().drop_columns(["vector"])]
    at = 0
    for number in groups:
        table = opened.read_row_group(number)
        for chunk in table.column("vector").chunks:
            raw = np.frombuffer(chunk.buffers()[1], dtype=np.float16)
            rows = raw.reshape(-1, generation.dimension)[chunk.offset : chunk.offset + len(chunk)]
            vectors[at : at + len(chunk)] = rows
            at += len(chunk)
        tables.append(table.drop_columns(["vector"]).replace_schema_metadata())
    vectors.flags.writeable = False
    return pa.concat_tables(tables), vectors
