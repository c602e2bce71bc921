"""One shard: built from rows of the lake, mapped when opened, never changed.

A shard is files of one name in <data>/index/<model>/<generation>/<day>/:
  shard-<ulid>.arrow    Arrow IPC, one batch: the facts of its rows, a checksum of each row, and
                        its vector (fp16), sorted by camera and time
  shard-<ulid>.faiss    of a large shard: the codes of its vectors (search.codes)
  shard-<ulid>.pairs    JSON: which (segment, stamp) pairs of the lake it covers
  shard-<ulid>.sample   int64: places of rows that stand for what its cameras usually show
  shard-<ulid>.json     the header, written last: without it the others do not count
Opening reads the header. A row that is shown is held against its checksum; all bytes of a large
shard are read again by who builds shards (search.building).
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from ulid import ULID

from search.codes import CODED_ROWS, build_codes, open_codes
from search.rows import Int64s, Pair, Rows, checksums
from storage.durable import HashingFile, sha256_file, write_file
from storage.vocabulary import Generation

FORMAT = 3
WHOLE_CHECK_BYTES = 8 << 20  # a shard up to this size is hashed when it is opened: 7 ms


Reader = Callable[[Sequence[str], Int64s], list[npt.NDArray[Any]]]


class ShardDamaged(Exception):
    """A shard that is not what its header, or this generation, says. Never shown: it is rebuilt."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a shard says of itself."""

    path: Path  # of the .json
    version: int  # of its day (storage.lake_days) when it was built
    live: int  # rows the ledger named then; those of empty pictures are not in it
    count: int
    t0_us: int
    span_us: int
    cameras: tuple[int, ...]
    files: dict[str, tuple[int, str]]  # suffix → (size in bytes, SHA-256)

    @property
    def size_bytes(self) -> int:
        """Of all its files but the header."""
        return sum(size for size, _ in self.files.values())

    @property
    def coded(self) -> bool:
        """Whether it has codes."""
        return ".faiss" in self.files


def generation_folder(index: Path, generation: Generation) -> Path:
    """<index>/<model>/<generation number>."""
    return index / quote(generation.model, safe="") / str(generation.number)


def partition_folder(index: Path, generation: Generation, day: date) -> Path:
    """Where the shards of a partition lie."""
    return generation_folder(index, generation) / day.isoformat()


def build(folder: Path, generation: Generation, rows: Rows, *, version: int, live: int) -> Path:
    """Write a shard of `rows` durably; returns the path of its header.

    The bytes depend on the rows alone, so a deleted shard comes back identical.
    """
    path = folder / f"shard-{ULID()}.json"
    files: dict[str, tuple[int, str]] = {}
    lists = np.zeros(len(rows), dtype=np.uint16)
    if len(rows) >= CODED_ROWS:
        sha256, lists = build_codes(path.with_suffix(".faiss"), rows.vectors)
        files[".faiss"] = (path.with_suffix(".faiss").stat().st_size, sha256)
    batch = _batch(rows, lists, generation.dimension)
    with HashingFile(path.with_suffix(".arrow")) as target:
        with pa.ipc.new_file(pa.PythonFile(target, mode="w"), batch.schema) as writer:
            writer.write_batch(batch)
        files[".arrow"] = target.publish()
    pairs = json.dumps(rows.pairs(), separators=(",", ":")).encode()
    for suffix, raw in ((".pairs", pairs), (".sample", rows.drawn().tobytes())):
        with HashingFile(path.with_suffix(suffix)) as target:
            target.write(raw)
            files[suffix] = target.publish()
    header = Header(
        path, version, live, len(rows), rows.t0_us, rows.span_us, tuple(rows.cameras.tolist()),
        files,
    )  # fmt: skip
    _write(header, generation)
    return path


def restamp(header: Header, generation: Generation, version: int) -> None:
    """Say that a shard is right for a later version of its day as well: parts were only merged."""
    if header.version != version:
        _write(replace(header, version=version), generation)


def headers(folder: Path, generation: Generation) -> tuple[list[Header], list[Path]]:
    """Shards of a partition that are of this generation, oldest first, and the paths of others."""
    good: list[Header] = []
    bad: list[Path] = []
    for path in sorted(folder.glob("shard-*.json")):
        try:
            good.append(_header(path, generation))
        except FileNotFoundError:
            continue  # replaced by a newer one while we looked
        except (ShardDamaged, OSError):
            bad.append(path)
    return good, bad


def open_shard(header: Header, generation: Generation) -> Rows:
    """Map a shard. ShardDamaged when it is not what its header says; FileNotFoundError: gone."""
    for suffix, (size, _) in header.files.items():
        if header.path.with_suffix(suffix).stat().st_size != size:
            raise ShardDamaged(f"{header.path.stem}{suffix} has another size than its header says")
    if header.size_bytes <= WHOLE_CHECK_BYTES:
        verify(header)
    mapped = _mapped(header.path.with_suffix(".arrow"))
    try:
        with pa.ipc.open_file(pa.BufferReader(pa.py_buffer(mapped))) as reader:
            batch = reader.get_batch(0)
            if reader.num_record_batches != 1 or batch.schema != _schema(generation.dimension):
                raise ShardDamaged(f"{header.path.stem}.arrow has other columns")
    except pa.ArrowException as error:
        raise ShardDamaged(str(error)) from None
    if batch.num_rows != header.count:
        raise ShardDamaged(f"{header.path.stem}.arrow has another count than its header says")
    column = {name: _view(batch, name) for name in batch.schema.names}
    sample = np.frombuffer(_read(header, ".sample"), dtype=np.int64)
    codes = None
    if header.coded:
        codes = open_codes(header.path.with_suffix(".faiss"), column["list"])
        if codes.dimension != generation.dimension:
            raise ShardDamaged(f"{header.path.stem}.faiss has another dimension")
    return Rows(
        cameras=np.array(header.cameras, dtype=np.int64), t0_us=header.t0_us,
        span_us=header.span_us, key=column["key"], frame_id=column["frame_id"],
        kind=column["kind"], quality=column["quality"], box=column["box"], pair=column["pair"],
        vectors=column["vector"], pairs=_reader_of_pairs(header), crc=column["crc"],
        sample=sample, codes=codes,
        reader=_reader(header, mapped, column),
    )  # fmt: skip


def verify(header: Header) -> None:
    """Read every byte; ShardDamaged when one differs from what was written."""
    for suffix, (_, sha256) in header.files.items():
        if sha256_file(header.path.with_suffix(suffix)) != sha256:
            raise ShardDamaged(f"{header.path.stem}{suffix} has another SHA-256")


def _batch(rows: Rows, lists: npt.NDArray[np.uint16], dimension: int) -> pa.RecordBatch:
    values = {
        "key": rows.key, "frame_id": rows.frame_id, "kind": rows.kind, "quality": rows.quality,
        "box": rows.box, "pair": rows.pair, 
        "crc": checksums(rows), "list": lists, "vector": rows.vectors,
    }  # fmt: skip
    columns = _schema(dimension)
    arrays = []
    for field in columns:
        buffer = pa.py_buffer(np.ascontiguousarray(values[field.name]))
        if pa.types.is_fixed_size_list(field.type):
            size = field.type.list_size
            flat = pa.Array.from_buffers(field.type.value_type, len(rows) * size, [None, buffer])
            arrays.append(pa.FixedSizeListArray.from_arrays(flat, type=field.type))
        else:
            arrays.append(pa.Array.from_buffers(field.type, len(rows), [None, buffer]))
    return pa.record_batch(arrays, schema=columns)


@cache
def _schema(dimension: int) -> pa.Schema:
    def listed(value: pa.DataType, size: int) -> pa.DataType:
        return pa.list_(pa.field("item", value, nullable=False), size)

    types = {
        "key": pa.int64(), "frame_id": pa.int64(), "kind": pa.uint8(), "quality": pa.int32(),
        "box": listed(pa.int32(), 4), "pair": pa.int32(),
        "crc": pa.uint32(), "list": pa.uint16(),
        "vector": pa.binary(dimension * 2),
    }  # fmt: skip
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in types.items()])


def _view(batch: pa.RecordBatch, name: str) -> npt.NDArray[Any]:
    """A column as numpy, without a copy."""
    array = batch.column(name)
    kind = array.type
    if pa.types.is_fixed_size_list(kind):
        flat = np.frombuffer(array.values.buffers()[1], dtype=kind.value_type.to_pandas_dtype())
        return flat[: len(array) * kind.list_size].reshape(len(array), kind.list_size)
    if pa.types.is_fixed_size_binary(kind):
        wide = kind.byte_width // 2
        halves = np.frombuffer(array.buffers()[1], dtype=np.float16)
        return halves[: len(array) * wide].reshape(len(array), wide)
    return np.frombuffer(array.buffers()[1], dtype=kind.to_pandas_dtype())[: len(array)]


def _mapped(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return mapped


def _reader(header: Header, mapped: mmap.mmap, columns: dict[str, npt.NDArray[Any]]) -> Reader:
    """Reads rows of the file itself; of the mapping when the file was replaced meanwhile."""
    path = header.path.with_suffix(".arrow")
    begins = np.frombuffer(mapped, dtype=np.uint8).ctypes.data

    def read(names: Sequence[str], at: Int64s) -> list[npt.NDArray[Any]]:
        wanted = [columns["vector" if name == "vectors" else name] for name in names]
        runs = [*np.flatnonzero(np.diff(at, prepend=-2) != 1).tolist(), len(at)]
        firsts = at[runs[:-1]].tolist()
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return [column[at] for column in wanted]
        found = []
        try:
            for column in wanted:
                start, wide = column.ctypes.data - begins, column.strides[0]
                rows = np.empty((len(at), *column.shape[1:]), dtype=column.dtype)
                into: Any = rows.reshape(-1).view(np.uint8)
                for place, (first, last) in zip(firsts, pairwise(runs), strict=True):
                    piece = into[first * wide : last * wide]
                    if os.preadv(file, [piece], start + place * wide) != len(piece):
                        raise ShardDamaged(f"{path.name} is cut short")
                found.append(rows)
        finally:
            os.close(file)
        return found

    return read


def _reader_of_pairs(header: Header) -> Callable[[], tuple[Pair, ...]]:
    @cache
    def pairs() -> tuple[Pair, ...]:
        raw = _read(header, ".pairs")
        return tuple((segment, stamp) for segment, stamp in json.loads(raw))

    return pairs


def _read(header: Header, suffix: str) -> bytes:
    """A small file of a shard, whole."""
    raw = header.path.with_suffix(suffix).read_bytes()
    if hashlib.sha256(raw).hexdigest() != header.files[suffix][1]:
        raise ShardDamaged(f"{header.path.stem}{suffix} has another SHA-256")
    return raw


def _header(path: Path, generation: Generation) -> Header:
    try:
        raw = json.loads(path.read_bytes())
    except ValueError:
        raise ShardDamaged("its header cannot be read") from None
    if not isinstance(raw, dict) or raw.pop("sha256", None) != _digest(raw):
        raise ShardDamaged("its header is not what was written")
    for key, due in _identity(generation).items():
        if raw.get(key) != due:
            raise ShardDamaged(f"its {key} is {raw.get(key)!r}, not {due!r}")
    return Header(
        path=path, version=raw["version"], live=raw["live"], count=raw["count"],
        t0_us=raw["t0_us"],
        span_us=raw["span_us"], cameras=tuple(raw["cameras"]),
        files={suffix: (size, sha256) for suffix, (size, sha256) in raw["files"].items()},
    )  # fmt: skip


def _write(header: Header, generation: Generation) -> None:
    facts = {
        **_identity(generation), "version": header.version, "live": header.live,
        "count": header.count, "t0_us": header.t0_us, "span_us": header.span_us,
        "cameras": header.cameras, "files": header.files,
    }  # fmt: skip
    signed = {**facts, "sha256": _digest(facts)}
    write_file(header.path, json.dumps(signed, indent=1).encode())


def _digest(header: dict[str, Any]) -> str:
    canonical = json.dumps(header, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _identity(generation: Generation) -> dict[str, object]:
    return {
        "format": FORMAT,
        "model": generation.model,
        "generation": generation.number,
        "weights_sha256": generation.weights_hash,
        "preprocess_sha256": generation.preprocess_hash,
        "dimension": generation.dimension,
    }
