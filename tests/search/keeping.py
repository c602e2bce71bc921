"""An archive on a clock that the tests move, and what happens to its footage between two runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import update

import search.engine
from hindsight import cli
from search import runs
from search.differences import differences
from search.kept_runs import Kept, find
from search.runs import Asked
from storage import cases, schema, segments
from storage.clock import US
from storage.commandline import run
from storage.directory import DataDirectory
from storage.vocabulary import Actor, Segment
from tests.search.archive import ASKER, START_US, Archive, asked, new_archive
from tests.storage.media import HandClock, House

CASE, REASON = "2026-311", "theft of a bicycle"
HOUR_US = 3600 * US
QUIET = ["road"] * 30
BUS = [*QUIET, "bus", "bus", *QUIET]
Run = Callable[..., tuple[int, str, str]]


class Keeping:
    """An archive, asked with cases, whose footage comes and goes."""

    def __init__(self, house: House) -> None:
        self.archive: Archive = new_archive(house.directory)
        self.clock: HandClock = house.clock
        with self.directory.ledger.write() as tx:
            cases.open_case(tx, CASE, REASON, "ines", house.clock.now)

    @property
    def directory(self) -> DataDirectory:
        return self.archive.directory

    def footage(self, name: str, words: Sequence[str], hour: int = 1, **facts: Any) -> Segment:
        """Pictures a second apart, entered and indexed at this very moment of the clock."""
        self.archive.camera(name, **facts)
        made = self.archive.footage(name, START_US + hour * HOUR_US, words)
        self.enter(made, created_us=self.clock.now)
        self.indexed(made)
        return made

    def enter(self, segment: Segment, **values: Any) -> None:
        with self.directory.ledger.write() as tx:
            mine = schema.segment.c.id == segment.id
            tx.execute(update(schema.segment).where(mine).values(**values))

    def indexed(self, segment: Segment) -> None:
        """Its index row says that it was done now."""
        with self.directory.ledger.write() as tx:
            mine = schema.index_work.c.segment_id == segment.id
            tx.execute(update(schema.index_work).where(mine).values(done_us=self.clock.now))

    def expire(self, segment: Segment | str, rule: str = "class 3: 30 days") -> None:
        key = segment if isinstance(segment, str) else segment.id
        with self.directory.ledger.write() as tx:
            segments.expire(tx, [key], rule, self.clock.now)

    def segment_of(self, token: str, camera: str) -> str:
        """The segment that the first moment of a camera in a kept answer was found in."""
        answer = find(self.directory, token).answer
        assert answer is not None
        return str(next(m for m in answer["moments"] if m["camera"] == camera)["best"]["segment"])

    def ask(
        self, text: str, *, case: str | None = CASE, actor: Actor = ASKER, **more: Any
    ) -> Asked:
        """Time goes on before and after: what happens next happened later."""
        self.clock.forward(US)
        reason = None if case is None else REASON
        query = asked(text, case_id=case, reason=reason, **more)
        made = runs.ask(self.archive.engine(), query, actor)
        self.clock.forward(US)
        return made

    def again(self, then: Asked, actor: Actor = ASKER) -> Asked:
        self.clock.forward(US)
        made = runs.ask_again(self.archive.engine(), self.kept(then), actor)
        self.clock.forward(US)
        return made

    def kept(self, one: Asked) -> Kept:
        return find(self.directory, one.token)

    def changes(self, then: Asked) -> dict[str, Any]:
        """The same query again, and how its answer differs."""
        now = self.again(then)
        return differences(self.directory, self.kept(then), self.kept(now))


def changed(changes: dict[str, Any]) -> list[dict[str, Any]]:
    """The moments that are not the same."""
    return [one for one in changes["moments"] if one["change"] != "same"]


def causes(found: Sequence[dict[str, Any]]) -> list[str]:
    return [one["cause"] for one in found]


def command_line(
    keeping: Keeping, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Run:
    """Runs a command in this process, on this archive and its clock: (exit code, out, err)."""
    directory = keeping.directory
    monkeypatch.setattr("storage.commandline.open_directory", lambda _: directory)
    monkeypatch.setattr(directory, "close", lambda: None)

    def command(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(search.engine, "_shared", keeping.archive.engine())
        capsys.readouterr()
        code = run(cli, ["--data", str(directory.root), *words])
        said = capsys.readouterr()
        keeping.clock.forward(US)
        return code, said.out, said.err

    return command
