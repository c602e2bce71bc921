"""One FAISS shard: built from rows of the lake, verified when opened, never changed.

A shard is three files of one name in <data>/index/<model>/<generation>/<day>/:
  shard-<ulid>.faiss    IndexIDMap2 over IndexScalarQuantizer fp16, inner product; ids = frame_id
  shard-<ulid>.parquet  the facts of its rows, in the order of the vectors
  shard-<ulid>.json     the header, written last: without it the other two do not count
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from ulid import ULID

from search.rows import Pair, Rows, facts_table, rows_of_facts
from storage.durable import HashingFile, sha256_file, write_file
from storage.vocabulary import Generation

FORMAT = 1
log = logging.getLogger(__name__)


class ShardDamaged(Exception):
    """A shard that is not what its header, or this generation, says. Never shown: it is rebuilt."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a shard says of itself, and which (part, segment) pairs of the lake it covers."""

    path: Path  # of the .json
    count: int
    index_sha256: str
    facts_sha256: str
    pairs: tuple[Pair, ...]

    @property
    def index_path(self) -> Path:
        """Where its vectors lie."""
        return self.path.with_suffix(".faiss")

    @property
    def facts_path(self) -> Path:
        """Where its facts lie."""
        return self.path.with_suffix(".parquet")


def generation_folder(index: Path, generation: Generation) -> Path:
    """<index>/<model>/<generation number>."""
    return index / quote(generation.model, safe="") / str(generation.number)


def partition_folder(index: Path, generation: Generation, day: date) -> Path:
    """Where the shards of a partition lie."""
    return generation_folder(index, generation) / day.isoformat()


def build(folder: Path, generation: Generation, rows: Rows) -> Path:
    """Write a shard of `rows` durably; returns the path of its header.

    The bytes depend on the rows alone, so a deleted shard comes back identical.
    """
    name = f"shard-{ULID()}"
    quantizer = faiss.IndexScalarQuantizer(
        generation.dimension, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    index = faiss.IndexIDMap2(quantizer)
    if len(rows):
        index.add_with_ids(rows.vectors.astype(np.float32), rows.frame_id)
    with HashingFile(folder / f"{name}.parquet") as target:
        pq.write_table(facts_table(rows), pa.PythonFile(target, mode="w"), compression="zstd")
        _, facts_sha256 = target.publish()
    with HashingFile(folder / f"{name}.faiss") as target:
        faiss.write_index(index, faiss.PyCallbackIOWriter(target.write))
        _, index_sha256 = target.publish()
    parts: dict[str, list[str]] = {}
    for part, segment in rows.pairs:
        parts.setdefault(part, []).append(segment)
    header = {
        **_identity(generation),
        "count": len(rows),
        "index_sha256": index_sha256,
        "facts_sha256": facts_sha256,
        "parts": parts,
    }
    path = folder / f"{name}.json"
    write_file(path, json.dumps(header, indent=1).encode())
    return path


def headers(folder: Path, generation: Generation) -> tuple[list[Header], list[Path]]:
    """Shards of a partition that are of this generation, oldest first, and the paths of others."""
    good: list[Header] = []
    bad: list[Path] = []
    for path in sorted(folder.glob("shard-*.json")):
        try:
            good.append(_header(path, generation))
        except FileNotFoundError:
            continue  # replaced by a newer one while we looked
        except ShardDamaged as error:
            log.warning("shard %s is not used: %s; it is rebuilt from the lake", path, error)
            bad.append(path)
    return good, bad


def open_shard(header: Header, generation: Generation) -> Rows:
    """Verify checksums, dimension, count and ids, then map the vectors.

    ShardDamaged on any mismatch, FileNotFoundError when it was replaced meanwhile.
    """
    for path, due in (
        (header.index_path, header.index_sha256),
        (header.facts_path, header.facts_sha256),
    ):
        if sha256_file(path) != due:
            raise ShardDamaged(f"{path.name} has another SHA-256 than its header says")
    # Mapped, not read: a shard costs memory for its facts only. Its file is never written to
    # again, and unlinking it leaves the map whole.
    outer = faiss.read_index(str(header.index_path), faiss.IO_FLAG_MMAP_IFC)
    inner = faiss.downcast_index(outer.index)
    facts = pq.read_table(header.facts_path)
    if inner.d != generation.dimension or not facts.num_rows == outer.ntotal == header.count:
        raise ShardDamaged(f"{header.path.name} has another dimension or count than its files")
    if inner.metric_type != faiss.METRIC_INNER_PRODUCT:
        raise ShardDamaged(f"{header.path.name} measures another distance")
    ids = faiss.vector_to_array(outer.id_map)
    if not np.array_equal(ids, facts.column("frame_id").to_numpy()):
        raise ShardDamaged(f"the ids of {header.path.name} are not those of its facts")
    if header.count:
        size = header.count * generation.dimension * 2
        codes = faiss.rev_swig_ptr(inner.codes.data(), size).view(np.float16)
    else:
        codes = np.zeros(0, dtype=np.float16)
    vectors = codes.reshape(header.count, generation.dimension)
    return rows_of_facts(facts, header.pairs, vectors, _Kept(outer, inner))


class _Kept:
    """The inner index, and the outer one that owns it, alive as long as the views of them."""

    def __init__(self, outer: Any, inner: Any) -> None:
        self._outer = outer
        self.inner = inner


def _header(path: Path, generation: Generation) -> Header:
    try:
        raw = json.loads(path.read_bytes())
    except ValueError:
        raise ShardDamaged("its header cannot be read") from None
    if not isinstance(raw, dict):
        raise ShardDamaged("its header is not one")
    for key, due in _identity(generation).items():
        if raw.get(key) != due:
            raise ShardDamaged(f"its {key} is {raw.get(key)!r}, not {due!r}")
    try:
        return Header(
            path=path, count=int(raw["count"]), index_sha256=str(raw["index_sha256"]),
            facts_sha256=str(raw["facts_sha256"]), pairs=_pairs(raw["parts"]),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ShardDamaged("its header is incomplete") from None


def _pairs(parts: Mapping[str, list[str]]) -> tuple[Pair, ...]:
    return tuple((part, segment) for part, segments in parts.items() for segment in segments)


def _identity(generation: Generation) -> dict[str, object]:
    return {
        "format": FORMAT,
        "model": generation.model,
        "generation": generation.number,
        "weights_sha256": generation.weights_hash,
        "preprocess_sha256": generation.preprocess_hash,
        "dimension": generation.dimension,
    }
