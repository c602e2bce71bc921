"""An archive that grows under a clock the test moves, and standing queries that look at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sqlalchemy import update

from search import standing_register
from search.engine import Engine
from search.query import Part, Query
from search.standing import Round, Watch
from search.standing_register import Wanted
from storage import audit, cases, schema, standing_firings, standing_queries
from storage.audit import AuditRow
from storage.clock import US
from storage.directory import DataDirectory
from storage.settings import Settings
from storage.standing_firings import Firing
from storage.standing_queries import StandingQuery
from storage.vocabulary import Actor, Segment
from tests.search.archive import START_US, Archive, Words, asked, new_archive
from tests.storage.media import HandClock

NOW_US = START_US + 3600 * US
DAY_US = 86_400 * US
CASE = "2026-311"
ASKER = Actor("ines")
STREET = ["street"] * 20
FLOOD = [*STREET, "flood", *STREET]
NINE = np.full((8, 8, 3), 9, dtype=np.uint8)


def boxed_picture() -> Query:
    """More like this: a box on a picture."""
    part = Part(image=NINE, box=(0, 0, 8, 8))
    return Query(parts=(part,), case_id=CASE, reason="storm warning")


@dataclass
class Lookout:
    """`watch` is the process that looks; another one is a process that was started again."""

    archive: Archive
    clock: HandClock
    engine: Engine
    watch: Watch = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    @property
    def directory(self) -> DataDirectory:
        return self.archive.directory

    def restart(self) -> None:
        """A new process: what the last one kept in memory is gone."""
        self.watch = Watch(self.directory, self.engine)

    def set(self, **search: Any) -> None:
        """Settings of [search]."""
        document = self.directory.settings.model_dump()
        document["search"] |= search
        document["webhooks"] = dict(self.directory.settings.webhooks)
        self.directory.settings = Settings.model_validate(document)

    def open_case(self, number: str) -> None:
        with self.directory.ledger.write() as tx:
            cases.open_case(tx, number, "storm warning", "ines", self.clock.now)

    def close_case(self, number: str = CASE) -> None:
        with self.directory.ledger.write() as tx:
            cases.close_case(tx, number, self.clock.now)

    def add(
        self, name: str = "flood", query: Query | None = None, *, days: float = 10, **facts: Any
    ) -> StandingQuery:
        query = query or asked(text=name, case_id=CASE, reason="storm warning")
        wanted = Wanted(name, query, self.clock.now + round(days * DAY_US), **facts)
        made, _ = standing_register.add(self.directory, wanted, ASKER)
        return made

    def film(
        self, camera: str, words: Sequence[str], *, every_s: float = 1.0, lag_s: float = 5
    ) -> Segment:
        """Recorded from now on, and indexed `lag_s` after its end."""
        segment = self.archive.footage(camera, self.clock.now, words, every_s)
        self.clock.now = segment.end_us + round(lag_s * US)
        self.done(segment, self.clock.now)
        return segment

    def done(self, segment: Segment, at_us: int | None) -> None:
        """When it became done; None: it is not yet."""
        w = schema.index_work.c
        state = "claimed" if at_us is None else "done"
        with self.directory.ledger.write() as tx:
            tx.execute(
                update(schema.index_work)
                .where(w.segment_id == segment.id, w.generation_id == self.archive.generation.id)
                .values(state=state, done_us=at_us)
            )

    def look(self) -> Round:
        return self.watch.look()

    def firings(self, name: str = "flood") -> list[Firing]:
        """Oldest first."""
        with self.directory.ledger.read() as tx:
            found = standing_queries.find(tx, name)
            return standing_firings.firings(tx, found.id)[::-1]

    def now(self, name: str = "flood") -> StandingQuery:
        with self.directory.ledger.read() as tx:
            return standing_queries.find(tx, name)

    def audited(self, action: str) -> list[AuditRow]:
        with self.directory.ledger.read() as tx:
            return audit.rows(tx, action=action)


def new_lookout(directory: DataDirectory, *, meaningful: bool = True) -> Lookout:
    """Two cameras that have shown a street for a while, and an open case."""
    clock = HandClock(START_US)
    directory.clock = clock
    archive = new_archive(directory, meaningful=meaningful)
    made = Lookout(archive, clock, Engine(directory, Words()))
    made.open_case(CASE)
    for name in ("gate", "bridge"):
        archive.footage(name, START_US, STREET * 3)
    clock.now = NOW_US
    return made
