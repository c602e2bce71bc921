"""The upkeep of the lake with a ledger on a real PostgreSQL server."""

from __future__ import annotations

from pathlib import Path

from storage import schema
from storage.clock import utc_day
from storage.directory import DataDirectory
from storage.lake_forgetting import Forgotten, forget_gone
from storage.lake_upkeep import keep_up
from storage.ledger import Ledger
from storage.settings import Settings
from storage.volumes import Archive
from tests.storage.made_lake import ROWS, MadeLake
from tests.storage.media import DAY_US, START_US, HandClock, House
from tests.storage.test_postgresql import ledger, server_url

__all__ = ["ledger", "server_url"]  # fixtures


def test_parts_are_merged_and_let_go_as_with_sqlite(ledger: Ledger, tmp_path: Path) -> None:
    clock = HandClock(START_US + 2 * DAY_US)
    directory = DataDirectory(tmp_path, Settings(), ledger, Archive({}), clock)
    with ledger.write() as tx:
        tx.execute(schema.volume.insert().values(name="main", uuid="u", created_us=1))
    lake = MadeLake(House(directory, clock))
    keys = [lake.put(minute, deep=minute == 1) for minute in range(4)]
    before, looks = lake.rows(), lake.looks()
    assert keep_up(directory).merged == 8
    assert (lake.rows(), lake.looks()) == (before, looks)
    assert len(lake.named()) == 3
    lake.expire(*keys[:2])
    assert forget_gone(directory) == Forgotten(removed=9, rewritten=2)  # with what was replaced
    assert lake.traces(*keys[:2]) == []
    assert len(lake.rows()) == 2 * ROWS
    assert {part.split("day=")[1][:10] for part in lake.named()} == {utc_day(START_US).isoformat()}
