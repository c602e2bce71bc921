"""Times one engine after the other on the same archive, filters and questions.

Every engine has a process of its own. Its questions go round all filters in turn, so that a
machine that slows down slows all of them down; a first round is not counted.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np

from benchmarks import big_lake
from benchmarks.big_lake import BigLake
from benchmarks.grown_vectors import Floats
from benchmarks.report import RESULTS
from benchmarks.search_asked import (
    DEPTH,
    EVERYTHING,
    Truth,
    facts_of,
    filters,
    is_picture,
    questions,
    truths,
)
from benchmarks.search_peers import NotHere, Peer

TOP = 100
ASKED = 200
# Of one engine, all filters together; warming up takes a quarter of it besides.
BUDGET_S = float(os.environ.get("HINDSIGHT_BENCH_SECONDS", "240"))
FEWEST = 3  # questions of each filter, however slow


@dataclass(frozen=True, slots=True)
class Memory:
    """Of a process, in bytes: its share of what lies in memory, its own and mapped files'."""

    anonymous: int
    file: int

    @property
    def total(self) -> int:
        """Both."""
        return self.anonymous + self.file


@dataclass(frozen=True, slots=True)
class Timed:
    """One filter's questions."""

    filter: str
    rows: int  # that qualify
    asked: int
    p50_ms: float
    p95_ms: float
    recall: float
    recall_pictures: float
    recall_words: float


@dataclass(frozen=True, slots=True)
class Measured:
    """One engine."""

    name: str
    told: str
    fill_s: float
    before: Memory
    after: Memory
    timed: tuple[Timed, ...]

    def of(self, name: str) -> Timed:
        """By the filter's name."""
        return next(one for one in self.timed if one.filter == name)

    def bytes_per_vector(self, vectors: int) -> float:
        """What it took to hold and to search them."""
        return (self.after.total - self.before.total) / vectors


def memory() -> Memory:
    """Of this process, now."""
    fields = {}
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]:
        name, value = line.split(":")
        fields[name] = int(value.split()[0]) * 1024
    return Memory(fields["Pss_Anon"], fields["Pss"] - fields["Pss_Anon"])


def compare(
    vectors: int, engines: Sequence[type[Peer]], *, days: int = big_lake.DAYS,
    unfiltered: bool = False,
) -> dict[str, Measured]:  # fmt: skip
    """All of them, each printed when it is done; name → what was measured.

    `unfiltered`: no filter is asked for.
    """
    made = big_lake.big_lake(vectors, days)
    known = truths_of(made, unfiltered=unfiltered)
    made.directory.close()
    found: dict[str, Measured] = {}
    for engine in engines:
        if vectors > engine.most:
            print(f"{engine.name}: not on {vectors} vectors: too large for this machine")  # noqa: T201
            continue
        result = apart(_run, engine, vectors, days, known)
        if isinstance(result, str):
            print(f"{engine.name}: {result}")  # noqa: T201
            continue
        found[engine.name] = result
        show(result, vectors)
        keep(result, vectors)
    return found


def truths_of(made: BigLake, *, unfiltered: bool = False) -> list[Truth]:
    """Of no filter and, unless only that is wanted, all nine; kept beside the archive."""
    wanted = [EVERYTHING] if unfiltered else [EVERYTHING, *filters(made, facts_of(made))]
    kept = made.directory.root / f"truth-{ASKED}-{len(wanted)}.npz"
    names = json.dumps([asdict(one) for one in wanted])
    if kept.is_file():
        with np.load(kept) as read:
            if str(read["names"]) == names:
                every = zip(wanted, read["rows"], read["best"], strict=True)
                return [Truth(one, int(rows), best) for one, rows, best in every]
    found = truths(made, questions(made, ASKED), wanted)
    np.savez(
        kept, names=names, rows=[one.rows for one in found],
        best=np.stack([one.best for one in found]),
    )  # fmt: skip
    return found


def apart(work: Any, *given: Any) -> Any:
    """`work(*given)` in a fresh process: what it took of memory is given back."""
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe(duplex=False)
    process = spawning.Process(target=_report_back, args=(theirs, work, given))
    process.start()
    theirs.close()
    try:
        result = ours.recv()
    except EOFError:
        result = f"its process ended with {process.exitcode}"
    process.join()
    return result


def _report_back(pipe: Connection, work: Any, given: Sequence[Any]) -> None:
    pipe.send(work(*given))
    pipe.close()


def _run(engine: type[Peer], vectors: int, days: int, known: list[Truth]) -> Measured | str:
    made = big_lake.big_lake(vectors, days)
    folder = Path(mkdtemp(prefix=f"{engine.__name__.lower()}-", dir=big_lake.cache()))
    asked = questions(made, ASKED)
    try:
        engine.prepare()
        before = memory()
        start = time.perf_counter()
        filled = engine(made, folder)
        fill_s = time.perf_counter() - start
        wanted = [one for one in known if filled.can(one.wanted)]
        _round(filled, asked, wanted, BUDGET_S / 4)
        seconds, recalls = _round(filled, asked, wanted, BUDGET_S)
        timed = tuple(
            _timed(one, seconds[number], recalls[number]) for number, one in enumerate(wanted)
        )
        return Measured(engine.name, engine.told, fill_s, before, memory(), timed)
    except (ImportError, NotHere) as error:
        return f"not here ({error})"
    finally:
        made.directory.close()
        shutil.rmtree(folder, ignore_errors=True)


def _round(
    engine: Peer, asked: Floats, known: Sequence[Truth], limit_s: float
) -> tuple[list[list[float]], list[list[float]]]:
    """Seconds and recall of each filter's questions."""
    seconds: list[list[float]] = [[] for _ in known]
    recalls: list[list[float]] = [[] for _ in known]
    begun = time.perf_counter()
    for question, vector in enumerate(asked):
        if question >= FEWEST and time.perf_counter() - begun > limit_s:
            break
        for number, truth in enumerate(known):
            start = time.perf_counter()
            found = engine.ask(vector, truth.wanted, TOP)
            seconds[number].append(time.perf_counter() - start)
            recalls[number].append(truth.recall(question, found))
    return seconds, recalls


def _timed(truth: Truth, seconds: list[float], recalls: list[float]) -> Timed:
    pictures = [value for question, value in enumerate(recalls) if is_picture(question)]
    words = [value for question, value in enumerate(recalls) if not is_picture(question)]
    p50, p95 = (1000 * float(value) for value in np.percentile(seconds, (50, 95)))
    return Timed(
        truth.wanted.name, truth.rows, len(seconds), p50, p95, float(np.mean(recalls)),
        float(np.mean(pictures)), float(np.mean(words)),
    )  # fmt: skip


def show(measured: Measured, vectors: int) -> None:
    """A line for the engine, and one for each filter."""
    held = measured.bytes_per_vector(vectors)
    mapped = (measured.after.file - measured.before.file) / vectors
    print(  # noqa: T201
        f"{measured.name} ({measured.told}): ready in {measured.fill_s:.1f} s,"
        f" {held:.0f} bytes a vector, {mapped:.0f} of them mapped",
        flush=True,
    )
    for one in measured.timed:
        print(  # noqa: T201
            f"  {one.filter:20} {one.rows:9} rows  p50 {one.p50_ms:8.2f}  p95 {one.p95_ms:8.2f} ms"
            f"  recall@{DEPTH} {one.recall:.3f} (pictures {one.recall_pictures:.3f}, words"
            f" {one.recall_words:.3f})  {one.asked} questions"
        )


def keep(measured: Measured, vectors: int) -> None:
    """All of it as JSON, beside the other results."""
    RESULTS.mkdir(exist_ok=True)
    slug = "".join(c if c.isalnum() else "_" for c in measured.name.lower())
    document = {**asdict(measured), "vectors": vectors}
    (RESULTS / f"search_{vectors}_{slug}.json").write_text(json.dumps(document, indent=1))
