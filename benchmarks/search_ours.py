"""Our own engine at two depths: the nearest rows, as others give them, and the whole answer.

`Rows` opens partitions, lets filters choose, preselects by codes and compares exactly: what a
vector store does. `Whole` is `search.engine.Engine.search`: scores, moments, the ledger's word on
each, coverage and the audit row besides.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from benchmarks import big_lake
from benchmarks.big_lake import BigLake, Given
from benchmarks.grown_vectors import DIMENSION, Floats, Int64s
from benchmarks.search_asked import Wanted, query, questions
from benchmarks.search_peers import Peer
from search import scan
from search.building import build_due
from search.engine import Engine
from search.filters import Filters
from search.partitions import Partition, Partitions
from search.selecting import qualifying
from search.similarity import similarities
from storage import register
from storage.lake_days import day_versions
from storage.vocabulary import Actor, Camera

ASKER = Actor("benchmark")
SMALL = 1_000


def never() -> bool:
    """Nobody stops it."""
    return False


def embedder(made: BigLake) -> Given:
    """Knows the vectors of `questions` by their number."""
    return Given(questions(made), made.texts)


def with_shards(made: BigLake) -> None:
    """Build what is due; nothing when all is built."""
    build_due(made.directory)


def opened(made: BigLake, partitions: Partitions) -> list[Partition]:
    """All days."""
    with made.directory.ledger.read() as tx:
        versions = day_versions(tx, made.generation.id)
    return [
        partitions.open(made.generation, day, version) for day, version in sorted(versions.items())
    ]


def cameras_of(made: BigLake) -> list[Camera]:
    """All."""
    with made.directory.ledger.read() as tx:
        return register.find_cameras(tx, (), ())


class Nearest:
    """The nearest rows of opened partitions: filters, codes, exact cosines."""

    def __init__(self, partitions: list[Partition], cameras: Iterable[Camera]) -> None:
        self._partitions = partitions
        self._cameras = {camera.id: camera for camera in cameras}
        self._workers = scan.Workers()

    def __call__(self, vector: Floats, filtered: Wanted, most: int) -> Int64s:
        some = self._cameras if filtered.cameras is None else filtered.cameras
        filters = Filters(
            tuple(self._cameras[key] for key in some), filtered.from_us, filtered.to_us,
            filtered.between,
        )  # fmt: skip
        plan = scan.plan(qualifying(self._partitions, filters))
        direction = vector[None]
        chosen = scan.everything(plan.exact)
        if plan.coded:
            chosen += scan.candidates(plan.coded, direction, self._workers, never)[0]
        if not chosen:
            return np.zeros(0, dtype=np.int64)

        def cosines(one: scan.Chosen) -> Floats:
            return similarities(one.selection.rows.gather(one.places), direction)[:, 0]

        found = np.concatenate(self._workers.each(cosines, chosen, never))
        keys = np.concatenate([one.selection.rows.frame_id[one.places] for one in chosen])
        few = min(most, found.size)
        best = np.argpartition(-found, few - 1)[:few]
        nearest: Int64s = keys[best[np.argsort(-found[best])]]
        return nearest


class Rows(Peer):
    """The layer that others can be compared with."""

    name, told = "Hindsight, rows", "shards by day, opened when made; exact cosines"

    @classmethod
    def prepare(cls) -> None:
        """An engine over next to nothing has loaded and answered: its memory is not counted."""
        warmed()

    def __init__(self, made: BigLake, folder: Path) -> None:
        self._nearest = Nearest(opened(made, Partitions(made.directory)), cameras_of(made))

    def ask(self, vector: Floats, filtered: Wanted, most: int) -> Int64s:
        return self._nearest(vector, filtered, most)


class Whole(Peer):
    """The engine as people use it. Its moments are scored, not measured by cosine: no recall."""

    name = "Hindsight, whole answers"
    told = "Engine.search: moments by score, so recall says little; coverage, audit row"

    @classmethod
    def prepare(cls) -> None:
        """As of `Rows`."""
        warmed()

    def __init__(self, made: BigLake, folder: Path) -> None:
        self._engine = Engine(made.directory, embedder(made), Partitions(made.directory))
        self._slugs = {camera.id: camera.slug for camera in cameras_of(made)}
        self._numbers = {one.tobytes(): number for number, one in enumerate(questions(made))}

    def ask(self, vector: Floats, filtered: Wanted, most: int) -> Int64s:
        asked = query(self._numbers[vector.tobytes()], filtered, self._slugs, most)
        answer = self._engine.search(asked, ASKER)
        return np.array([one.best.frame_id for one in answer.moments], dtype=np.int64)


def warmed() -> None:
    """Everything imported, and used once on a small archive."""
    small = big_lake.big_lake(SMALL, days=1)
    with_shards(small)
    nearest = Nearest(opened(small, Partitions(small.directory)), cameras_of(small))
    nearest(np.ones(DIMENSION, dtype=np.float32), Wanted("unfiltered"), 10)
    engine = Engine(small.directory, embedder(small), Partitions(small.directory))
    engine.search(query(0, Wanted("unfiltered"), {}, 10), ASKER)
    small.directory.close()
