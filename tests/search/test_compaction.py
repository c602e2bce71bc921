"""Parts of the lake are merged and old ones removed while searches run: no answer changes."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from search.engine import Engine
from search.partitions import Partition, Partitions
from storage.lake_forgetting import forget_gone
from storage.lake_upkeep import keep_up
from storage.lake_work import all_names
from storage.vocabulary import Segment
from tests.search.archive import START_US, Archive, Floats, Words

MINUTE_US = 60_000_000
WORDS = [f"scene{i}" for i in range(8)]


def filled(archive: Archive, count: int) -> dict[str, tuple[Segment, Floats]]:
    made = {}
    for i in range(count):
        segment = archive.segment(f"camera{i % 3}", START_US + i * MINUTE_US, 8)
        vectors = Words().embed_texts([f"{word} place{i}" for word in WORDS])
        archive.index(segment, vectors)
        made[segment.id] = (segment, vectors)
    return made


def answer(archive: Archive, engine: Engine) -> list[dict[str, Any]]:
    found = archive.ask(engine, text="scene3", top=50)
    assert found.warnings == []
    return [moment.document() for moment in found.moments]


def age(archive: Archive) -> None:
    for path in archive.directory.lake.rglob("part-*"):
        os.utime(path, (time.time() - 3600,) * 2)


def test_who_searches_does_not_notice_that_parts_are_merged(archive: Archive) -> None:
    archive.stale_rows = 40
    made = filled(archive, 18)
    archive.build()
    first = answer(archive, archive.engine())
    assert len(first) > 5
    answers, over = [], threading.Event()

    def ask() -> None:
        engine = archive.engine()
        while not over.is_set():
            answers.append(answer(archive, engine) == first)

    asking = [threading.Thread(target=ask) for _ in range(2)]
    for thread in asking:
        thread.start()
    merged = 0
    try:
        for _ in range(6):
            merged += keep_up(archive.directory).merged
            age(archive)
            keep_up(archive.directory)  # and the old ones go
            archive.build()
            for segment, vectors in list(made.values())[::3]:
                archive.index(segment, vectors)
    finally:
        over.set()
        for thread in asking:
            thread.join()
    assert merged >= 18 + 5 * 7
    assert len(answers) > 6
    assert all(answers)


class _Expiring(Partitions):
    """Partitions that are opened just when footage, its vectors and their part go."""

    def __init__(self, archive: Archive, segment: Segment) -> None:
        super().__init__(archive.directory)
        self._once = [(archive, segment)]

    def open(self, *asked: Any) -> Partition:
        for archive, segment in self._once:
            archive.expire(segment)
            forget_gone(archive.directory)
        self._once = []
        return super().open(*asked)


def test_a_part_that_goes_with_its_footage_while_it_is_opened_is_no_lost_part(
    archive: Archive,
) -> None:
    made = filled(archive, 6)
    keep_up(archive.directory)
    first, *rest = made
    engine = Engine(archive.directory, Words(), _Expiring(archive, made[first][0]))
    found = archive.ask(engine, text="scene3", top=50)
    assert found.warnings == []
    assert {moment.best.segment.id for moment in found.moments} <= set(rest)
    assert found.moments
    with archive.directory.ledger.read() as tx:
        assert len(all_names(tx)) == 1
