"""Kept searches with a ledger on a real PostgreSQL server."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from search import runs
from search.jobs import Jobs
from search.kept_runs import find
from storage import schema, search_runs
from storage.clock import US
from storage.directory import DataDirectory
from storage.errors import NotFound
from storage.ledger import Ledger
from storage.settings import Settings
from storage.volumes import Archive
from tests.search.archive import ASKER, asked
from tests.search.keeping import BUS, HOUR_US, Keeping, causes, changed
from tests.storage.media import START_US, HandClock, House
from tests.storage.test_postgresql import ledger, server_url

__all__ = ["ledger", "server_url"]  # fixtures


def test_searches_are_kept_compared_and_forgotten_as_with_sqlite(
    ledger: Ledger, tmp_path: Path
) -> None:
    directory = DataDirectory(tmp_path, Settings(), ledger, Archive({}), HandClock(START_US))
    with ledger.write() as tx:
        tx.execute(schema.volume.insert().values(name="main", uuid="u", created_us=1))
    keeping = Keeping(House(directory, directory.clock))  # type: ignore[arg-type]
    keeping.footage("gate", BUS)
    keeping.footage("yard", BUS, hour=2)
    then = keeping.ask("bus", image=np.zeros((4, 4, 3), dtype=np.uint8))
    assert keeping.changes(then)["changed"] is False
    keeping.expire(keeping.segment_of(then.token, "yard"), "class 3: 30 days")
    gone = [one for one in changed(keeping.changes(then)) if one["change"] == "gone"]
    assert {tuple(causes(one["why"])) for one in gone} == {("footage_expired",)}
    idle = keeping.ask("bus", case=None)
    dead = runs.enter(directory, asked("van"), ASKER, state="waiting")
    keeping.clock.forward(61 * US)
    assert find(directory, dead).run.error == search_runs.DIED
    jobs = Jobs(directory, keeping.archive.engine)
    assert jobs.find(jobs.submit(asked("bus"), ASKER), 60).run.state == "done"
    jobs.close()
    keeping.clock.forward(8 * 24 * HOUR_US)
    keeping.ask("road")
    with pytest.raises(NotFound):
        keeping.kept(idle)
    assert keeping.kept(then).answer == then.document
