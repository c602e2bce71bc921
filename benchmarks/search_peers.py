"""Others on the same vectors, filters and questions: FAISS, LanceDB, Qdrant, Milvus Lite, DuckDB.

Each is set up as its documentation advises and runs in a process of its own, one after the other.
What is not installed is left out and named (`pip install '.[bench]'`).
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks.big_lake import BigLake, facts_and_vectors, wanted
from benchmarks.grown_vectors import DIMENSION, Floats, Int64s
from benchmarks.search_asked import Facts, Wanted, facts_of, minutes

MILLION = 1_000_000
THREADS = len(os.sched_getaffinity(0))
Halves = npt.NDArray[np.float16]


class NotHere(Exception):
    """A peer that cannot take part, and why."""


class Peer(ABC):
    """Something that answers with the nearest rows."""

    name = ""
    told = ""  # how it was set up
    most = 10 * MILLION  # vectors it can be given on a machine of this size

    @abstractmethod
    def __init__(self, made: BigLake, folder: Path) -> None:
        """Filled and ready; `folder` is its own and empty."""

    @classmethod  # noqa: B027 - most need nothing
    def prepare(cls) -> None:
        """What it needs before it holds anything, so that memory is counted from there."""

    def can(self, filtered: Wanted) -> bool:
        """Whether it knows such a filter."""
        return True

    @abstractmethod
    def ask(self, vector: Floats, filtered: Wanted, most: int) -> Int64s:
        """Frame ids of the `most` nearest rows that qualify, nearest first."""


class _Faiss(Peer):
    """An index in memory; filters as bitmaps made beforehand, which is not timed."""

    def __init__(self, made: BigLake, folder: Path) -> None:
        import faiss

        faiss.omp_set_num_threads(THREADS)
        self.facts = facts_of(made)
        self.index = self.empty(made.vectors)
        first = True
        for _, vectors in facts_and_vectors(made):
            rows = vectors.astype(np.float32)
            if first:
                self.train(self.index, made)
                first = False
            self.index.add(rows)
        self._selectors: dict[str, tuple[Any, Any]] = {}

    @abstractmethod
    def empty(self, count: int) -> Any:
        """The index before anything is in it."""

    def train(self, index: Any, made: BigLake) -> None:
        """Most need none."""

    def parameters(self, selector: Any) -> Any:
        import faiss

        return None if selector is None else faiss.SearchParameters(sel=selector)

    def ask(self, vector: Floats, filtered: Wanted, most: int) -> Int64s:
        if filtered.name not in self._selectors:
            self._selectors[filtered.name] = _bitmap(filtered, self.facts)
        parameters = self.parameters(self._selectors[filtered.name][1])
        _, at = self.index.search(vector[None], most, params=parameters)
        found: Int64s = self.facts.frame_id[at[0][at[0] >= 0]]
        return found


class Flat(_Faiss):
    """Every vector compared in float32."""

    name, told, most = "FAISS Flat", "float32, in memory", 2 * MILLION

    def empty(self, count: int) -> Any:
        import faiss

        return faiss.IndexFlatIP(DIMENSION)


class FlatHalf(_Faiss):
    """Every vector compared in half precision: what fits of Flat at 10 M."""

    name, told = "FAISS SQfp16", "flat, half precision, in memory"

    def empty(self, count: int) -> Any:
        import faiss

        return faiss.IndexScalarQuantizer(
            DIMENSION, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        )


class Hnsw(_Faiss):
    """The graph index most people take."""

    name, told, most = "FAISS HNSW32", "efConstruction 80, efSearch 128, float32", MILLION

    def empty(self, count: int) -> Any:
        import faiss

        index = faiss.IndexHNSWFlat(DIMENSION, 32, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction, index.hnsw.efSearch = 80, 128
        return index

    def parameters(self, selector: Any) -> Any:
        import faiss

        if selector is None:
            return None
        return faiss.SearchParametersHNSW(efSearch=128, sel=selector)


class Lance(Peer):
    """Embedded columnar store: IVF_PQ, prefilter, refinement."""

    name, most = "LanceDB", MILLION
    told = "IVF_PQ 512 lists of 64-byte codes, nprobes 32, refine 10, prefilter, float32"

    def __init__(self, made: BigLake, folder: Path) -> None:
        import lancedb
        from lancedb.index import BTree, IvfPq

        rows = _batches(made, np.float32)
        first = next(rows)
        self.table = lancedb.connect(str(folder)).create_table(
            "rows", data=pa.RecordBatchReader.from_batches(first.schema, chain([first], rows))
        )
        lists = min(512, int(made.vectors**0.5))
        # Its own number of rounds, 50, takes 100 CPU-seconds at 100,000 vectors.
        self.table.create_index(
            "vector",
            config=IvfPq(
                distance_type="dot", num_partitions=lists, num_sub_vectors=64, max_iterations=10
            ),
        )
        for column in ("camera_id", "ts_us", "minute"):
            self.table.create_index(column, config=BTree())

    def ask(self, vector: Floats, filtered: Wanted, most: int) -> Int64s:
        search = self.table.search(vector).limit(most).nprobes(32).refine_factor(10)
        if sql := filtered.sql():
            search = search.where(sql, prefilter=True)
        found = search.select(["frame_id", "_distance"]).to_arrow()
        ids: Int64s = found.column("frame_id").to_numpy()
        return ids


class Qdrant(Peer):
    """Its local mode, which is brute force in Python; the server was not to be had here."""

    name, told, most = "Qdrant local mode", "brute force in Python, in memory", MILLION

    def __init__(self, made: BigLake, folder: Path) -> None:
        from qdrant_client import QdrantClient, models

        self.models = models
        self.client = QdrantClient(":memory:")
        self.client.create_collection(
            "rows",
            vectors_config=models.VectorParams(size=DIMENSION, distance=models.Distance.DOT),
        )
        for table, vectors in facts_and_vectors(made):
            ts_us = table.column("ts_us").to_numpy()
            values = zip(
                table.column("camera_id").to_pylist(), ts_us.tolist(),
                minutes(ts_us).tolist(), strict=True,
            )  # fmt: skip
            payload = [{"camera_id": c, "ts_us": t, "minute": m} for c, t, m in values]
            ids = table.column("frame_id").to_pylist()
            self.client.upload_collection(
                "rows", vectors=vectors.astype(np.float32), payload=payload, ids=ids
            )

    def ask(self, vector: Floats, filtered: Wanted, most: int) -> Int64s:
        models = self.models
        must: list[Any] = []
        if filtered.cameras is not None:
            some = models.MatchAny(any=list(filtered.cameras))
            must.append(models.FieldCondition(key="camera_id", match=some))
        if filtered.from_us is not None:
            span = models.Range(gte=filtered.from_us, lt=filtered.to_us)
            must.append(models.FieldCondition(key="ts_us", range=span))
        if filtered.between is not None:
            span = models.Range(gte=filtered.between[0], lt=filtered.between[1])
            must.append(models.FieldCondition(key="minute", range=span))
        found = self.client.query_points(
            "rows", query=vector, limit=most, with_payload=False,
            query_filter=models.Filter(must=must) if must else None,
        )  # fmt: skip
        return np.array([point.id for point in found.points], dtype=np.int64)


class Milvus(Peer):
    """Milvus Lite: FAISS HNSW under a database's interface."""

    name, told, most = "Milvus Lite", "HNSW M 16, efConstruction 100, ef 128", MILLION

    def __init__(self, made: BigLake, folder: Path) -> None:
        from pymilvus import DataType, MilvusClient

        self.client = MilvusClient(str(folder / "rows.db"))
        schema = self.client.create_schema(auto_id=False)
        schema.add_field("frame_id", DataType.INT64, is_primary=True)
        for name in ("camera_id", "ts_us", "minute"):
            schema.add_field(name, DataType.INT64)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=DIMENSION)
        index = self.client.prepare_index_params()
        index.add_index(
            "vector", index_type="HNSW", metric_type="IP",
            params={"M": 16, "efConstruction": 100},
        )  # fmt: skip
        # Asked for when the rows are there, it takes longer than its own client waits.
        self.client.create_collection("rows", schema=schema, index_params=index)
        for table, vectors in facts_and_vectors(made):
            lines = _lines(table, vectors)
            for start in range(0, len(lines), 5_000):
                self.client.insert("rows", lines[start : start + 5_000])
        self.client.flush("rows")
        self.client.load_collection("rows")

    def ask(self, vector: Floats, filtered: Wanted, most: int) -> Int64s:
        found = self.client.search(
            "rows", data=[vector.tolist()], limit=most, output_fields=["frame_id"],
            filter=_milvus_filter(filtered), search_params={"params": {"ef": 128}},
        )  # fmt: skip
        return np.array([hit["frame_id"] for hit in found[0]], dtype=np.int64)


class Duck(Peer):
    """Brute force in SQL over a native table; exact."""

    name, told, most = "DuckDB", "brute force over FLOAT[512]", MILLION

    def __init__(self, made: BigLake, folder: Path) -> None:
        import duckdb

        self.connection = duckdb.connect(str(folder / "rows.duckdb"))
        self.connection.execute("SET autoinstall_known_extensions=false")
        self.connection.execute(f"SET threads={THREADS}")
        self.connection.execute(
            "CREATE TABLE rows (frame_id BIGINT, camera_id BIGINT, ts_us BIGINT,"
            f" minute BIGINT, vector FLOAT[{DIMENSION}])"
        )
        for some in _batches(made, np.float32):
            self.connection.register("coming", pa.Table.from_batches([some]))
            self.connection.execute("INSERT INTO rows SELECT * FROM coming")
            self.connection.unregister("coming")

    def ask(self, vector: Floats, filtered: Wanted, most: int) -> Int64s:
        where = f"WHERE {filtered.sql()}" if filtered.sql() else ""
        found = self.connection.execute(
            f"SELECT frame_id FROM rows {where} ORDER BY"
            f" array_inner_product(vector, ?::FLOAT[{DIMENSION}]) DESC LIMIT {most}",
            [vector.tolist()],
        ).fetchnumpy()
        ids: Int64s = np.asarray(found["frame_id"], dtype=np.int64)
        return ids


PEERS: tuple[type[Peer], ...] = (Flat, FlatHalf, Hnsw, Lance, Qdrant, Milvus, Duck)


def _bitmap(filtered: Wanted, facts: Facts) -> tuple[Any, Any]:
    """The bytes, which must outlive it, and a selector; none for everything."""
    import faiss

    if not filtered.sql():
        return None, None
    bits = np.packbits(filtered.keep(facts), bitorder="little")
    return bits, faiss.IDSelectorBitmap(bits)


def _batches(made: BigLake, dtype: npt.DTypeLike = np.float16) -> Iterator[pa.RecordBatch]:
    """frame_id, camera_id, ts_us, minute, vector."""
    for table, vectors in facts_and_vectors(made):
        flat = pa.array(vectors.astype(dtype, copy=False).reshape(-1))
        ts_us = table.column("ts_us").to_numpy()
        yield pa.record_batch(
            {
                "frame_id": table.column("frame_id").to_numpy(),
                "camera_id": table.column("camera_id").to_numpy(),
                "ts_us": ts_us, "minute": minutes(ts_us),
                "vector": pa.FixedSizeListArray.from_arrays(flat, DIMENSION),
            }
        )  # fmt: skip


def _lines(table: pa.Table, vectors: Halves) -> list[dict[str, Any]]:
    ts_us = table.column("ts_us").to_numpy()
    columns = (
        table.column("frame_id").to_pylist(), table.column("camera_id").to_pylist(),
        ts_us.tolist(), minutes(ts_us).tolist(), list(vectors.astype(np.float32)),
    )  # fmt: skip
    names = ("frame_id", "camera_id", "ts_us", "minute", "vector")
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _milvus_filter(filtered: Wanted) -> str:
    terms = []
    if filtered.cameras is not None:
        terms.append(f"camera_id in {list(filtered.cameras)}")
    if filtered.from_us is not None:
        terms.append(f"ts_us >= {filtered.from_us} and ts_us < {filtered.to_us}")
    if filtered.between is not None:
        terms.append(f"minute >= {filtered.between[0]} and minute < {filtered.between[1]}")
    return " and ".join(terms)


def main() -> None:
    """All that can, on as many vectors as the environment asks for, beside our own.

    `HINDSIGHT_BENCH_PEERS`: only these classes, with commas.
    """
    from benchmarks.search_ours import Rows, Whole
    from benchmarks.search_timing import compare

    names = os.environ.get("HINDSIGHT_BENCH_PEERS", "")
    every: tuple[type[Peer], ...] = (Rows, Whole, *PEERS)
    compare(wanted(), [one for one in every if not names or one.__name__ in names.split(",")])


if __name__ == "__main__":
    main()
