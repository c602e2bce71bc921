"""The search engine's numbers on a large archive, against their limits and against FAISS.

`HINDSIGHT_BENCH_VECTORS=10_000_000` for the size the limits are meant for; one million else. Other
peers: `python -m benchmarks search_peers`; growth: `search_growth`.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np

from benchmarks import search_ours
from benchmarks.big_lake import HOUR_US, BigLake, big_lake, wanted
from benchmarks.big_lake_copies import copy_of, drop
from benchmarks.grown_vectors import DIMENSION
from benchmarks.real_vectors import available
from benchmarks.report import report
from benchmarks.search_asked import EVERYTHING, query, questions
from benchmarks.search_ours import ASKER, Rows, Whole, embedder, opened, with_shards
from benchmarks.search_peers import MILLION, Flat, FlatHalf, Hnsw
from benchmarks.search_timing import TOP, Measured, apart, compare
from search.engine import Engine
from search.partitions import Partitions
from storage import lake, schema, timeline
from storage.clock import US
from storage.segments import insert_segment, segments
from storage.vocabulary import Segment
from storage.volumes import segment_path

P95_MS, RECALL, FILTERED_RECALL = 40.0, 0.98, 0.99
FASTER, LEANER, BYTES, OPEN_S, SLOWED = 10.0, 5.0, 120.0, 1.0, 1.2
ADDED, AT_ONCE, EVERY_S = 10_000, 500, 0.5  # as a dozen busy indexers would
FEWEST_VECTORS = 100_000  # a filter of 0.01 % lets ten through
QUIET = 100  # searches before and after


def main() -> None:
    """All limits, in a quarter of an hour for a million vectors that lie there already."""
    if not available():
        print("real clips are absent: nothing to grow an archive from")  # noqa: T201
        return
    vectors = wanted()
    if vectors < FEWEST_VECTORS:
        print(f"{vectors} vectors have no filter of 0.01 %: {FEWEST_VECTORS} at least")  # noqa: T201
        return
    made = big_lake(vectors)
    with_shards(made)
    made.directory.close()
    flat = Flat if vectors <= Flat.most else FlatHalf
    found = compare(vectors, (Rows, Whole, flat))
    graph = compare(min(vectors, MILLION), (Hnsw,), unfiltered=True)
    if absent := [one.name for one in (Rows, Whole, flat) if one.name not in found]:
        print(f"nothing to compare: {', '.join(absent)} did not take part")  # noqa: T201
        return
    rows, whole, plain = found[Rows.name], found[Whole.name], found[flat.name]
    _speed(vectors, rows, whole, plain)
    _filters(vectors, rows, whole)
    if Hnsw.name in graph:
        _memory(vectors, rows, whole, graph[Hnsw.name])
    open_s, first_s, told = apart(_cold, vectors)
    report(f"search_cold_open_{vectors}", open_s, "s", "limit", OPEN_S)
    print(f"cold: {told}; the first answer after {first_s:.2f} s")  # noqa: T201
    before, during, after = apart(_while_adding, vectors)
    report(f"search_adding_{vectors}", during / before, "p95 while 10 k rows come", "limit", SLOWED)
    print(  # noqa: T201
        f"p95 before {before:.1f} ms, while {ADDED} rows come in {during:.1f} ms, after"
        f" {after:.1f} ms"
    )


def _speed(vectors: int, rows: Measured, whole: Measured, plain: Measured) -> None:
    name = EVERYTHING.name
    report(f"search_rows_p95_{vectors}", rows.of(name).p95_ms, "ms, top 100", "limit", P95_MS)
    report(f"search_answer_p95_{vectors}", whole.of(name).p95_ms, "ms, top 100", "limit", P95_MS)
    report(f"search_recall_{vectors}", rows.of(name).recall, "recall@10", "limit", RECALL)
    faster = plain.of(name).p50_ms / rows.of(name).p50_ms
    report(f"search_against_flat_{vectors}", faster, f"times {plain.name}'s speed", "limit", FASTER)


def _filters(vectors: int, rows: Measured, whole: Measured) -> None:
    """The worst of each selectivity, by camera, day and time of day."""
    for share in dict.fromkeys(one.filter.split()[-1] for one in rows.timed[1:]):
        slug = f"{share.rstrip('%').replace('.', '_')}_{vectors}"
        some = [one for one in rows.timed if one.filter.endswith(f" {share}")]
        recall = min(one.recall for one in some)
        report(f"search_recall_{slug}", recall, f"recall@10 of {share}, worst", "limit",
               FILTERED_RECALL)  # fmt: skip
        for layer, what in ((rows, "rows"), (whole, "answer")):
            wide = layer.of(EVERYTHING.name)
            worst = max(layer.of(one.filter).p95_ms for one in some)
            report(f"search_{what}_p95_{slug}", worst, f"ms p95 of {share}, worst", "unfiltered",
                   wide.p95_ms)  # fmt: skip


def _memory(vectors: int, rows: Measured, whole: Measured, graph: Measured) -> None:
    held = graph.bytes_per_vector(min(vectors, MILLION))
    for layer, what in ((rows, "rows"), (whole, "answers")):
        own = layer.bytes_per_vector(vectors)
        report(f"search_bytes_{what}_{vectors}", own, "resident bytes a vector", "limit", BYTES)
    ours = rows.bytes_per_vector(vectors)
    report(f"search_leaner_than_hnsw_{vectors}", held / ours, "times less memory", "limit", LEANER)


def _later(model: Segment, number: int) -> Segment:
    """A segment of AT_ONCE seconds in the archive's last day, of a camera of its own minute."""
    start_us = model.start_us + number * HOUR_US // (ADDED // AT_ONCE)
    name = f"{'Z' * 20}{number:06d}"
    return replace(
        model, id=name, start_us=start_us, end_us=start_us + AT_ONCE * US,
        duration_us=AT_ONCE * US, path=segment_path(model.camera, start_us, name, "mp4"),
    )  # fmt: skip


def _cold(vectors: int) -> tuple[float, float, str]:
    """Seconds to open all days and to the first answer, with nothing of it in the page cache."""
    made = big_lake(vectors)
    search_ours.warmed()
    asked = embedder(made)
    told = _let_go(made.directory.root)
    start = time.perf_counter()
    engine = Engine(made.directory, asked, partitions := Partitions(made.directory))
    count = len(opened(made, partitions))
    open_s = time.perf_counter() - start
    engine.search(query(0, EVERYTHING, {}, TOP), ASKER)
    first_s = time.perf_counter() - start
    made.directory.close()
    return open_s, first_s, f"{told}; {count} days opened"


def _let_go(root: Path) -> str:
    """Tell the system to forget the pages of every file: no privilege is needed for that."""
    os.sync()
    size = 0
    for path in root.rglob("*"):
        if path.is_file():
            handle = os.open(path, os.O_RDONLY)
            size += path.stat().st_size
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)
    return f"posix_fadvise(DONTNEED) on {size / 1e9:.1f} GB"


def _while_adding(vectors: int) -> tuple[float, float, float]:
    """p95 in milliseconds before, while and after another process adds rows to a copy."""
    made = big_lake(vectors)
    copy = copy_of(made)
    made.directory.close()
    try:
        engine = Engine(copy.directory, embedder(copy), Partitions(copy.directory))
        count = len(questions(copy))
        for number in range(count):
            engine.search(query(number, EVERYTHING, {}, TOP), ASKER)
        adding = _Adding(copy)
        before = [_search(engine, number % count) for number in range(QUIET)]
        adding.begin()
        during: list[float] = []
        while adding.goes_on():
            during.append(_search(engine, len(during) % count))
        after = [_search(engine, number % count) for number in range(QUIET)]
    finally:
        drop(copy)
    p95 = [1000 * float(np.percentile(some, 95)) for some in (before, during, after)]
    return p95[0], p95[1], p95[2]


def _search(engine: Engine, number: int) -> float:
    start = time.perf_counter()
    engine.search(query(number, EVERYTHING, {}, TOP), ASKER)
    return time.perf_counter() - start


class _Adding:
    """Another process that adds ADDED rows; it has started, as an indexer has, before it is told
    to begin."""

    def __init__(self, made: BigLake) -> None:
        import multiprocessing

        spawning = multiprocessing.get_context("spawn")
        ready, self._begun = spawning.Event(), spawning.Event()
        self._process = spawning.Process(
            target=add, args=(str(made.directory.root), made.end_us, ready, self._begun)
        )
        self._process.start()
        while not ready.wait(1):
            self.goes_on()

    def begin(self) -> None:
        """The rows come from now on."""
        self._begun.set()

    def goes_on(self) -> bool:
        """Whether it still adds. RuntimeError: it failed."""
        if self._process.is_alive():
            return True
        self._process.join()
        if self._process.exitcode:
            raise RuntimeError(f"the process that adds rows ended with {self._process.exitcode}")
        return False


def add(root: str, last_us: int, ready: Event, begun: Event) -> None:
    """New footage, indexed as it comes: a part every half second, a segment in each."""
    from storage.directory import open_directory
    from storage.generations import active_generation

    directory = open_directory(Path(root))
    rng = np.random.default_rng(11)
    with directory.ledger.read() as tx:
        generation = active_generation(tx)
        newest = segments(tx, from_us=last_us - HOUR_US, limit=1)[0]
    assert generation is not None
    made = rng.standard_normal((ADDED // AT_ONCE, AT_ONCE, DIMENSION)).astype(np.float32)
    made /= np.linalg.norm(made, axis=2, keepdims=True)
    ready.set()
    begun.wait()
    due = time.monotonic()
    for number, vectors in enumerate(made):
        one = _later(newest, number)
        frames = [
            lake.Frame(
                lake.frame_id(one.id, pts, "frame", None), one.camera_id, one.id,
                one.start_us + pts, pts, "frame", None, 0.0, 0,
            )
            for pts in range(0, AT_ONCE * US, US)
        ]  # fmt: skip
        (part,) = lake.write_parts(directory.lake, generation, frames, vectors.astype(np.float16))
        with directory.ledger.write() as tx:
            insert_segment(tx, one)
            timeline.expect(tx, one.camera_id, one.start_us, one.end_us)
            tx.execute(
                schema.index_work.insert().values(
                    segment_id=one.id, generation_id=generation.id, state="done",
                    worker="benchmark", attempts=1, frames=AT_ONCE, part=part,
                    done_us=one.end_us,
                )
            )  # fmt: skip
        due += EVERY_S
        time.sleep(max(0.0, due - time.monotonic()))
    directory.close()


if __name__ == "__main__":
    main()
