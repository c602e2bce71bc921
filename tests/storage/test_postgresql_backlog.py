"""The index's backlog with a ledger on a real PostgreSQL server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.index_backlog import IndexBacklog
from storage.ledger import Ledger
from tests.search.footage_world import World, new_world, steps
from tests.storage.backlog_world import agree
from tests.storage.test_postgresql import ledger, server_url

__all__ = ["ledger", "server_url"]  # fixtures


@pytest.fixture
def world(ledger: Ledger, tmp_path: Path) -> World:
    return new_world(ledger, tmp_path / "footage")


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=st.lists(steps, max_size=25), then=st.lists(steps, max_size=3))
def test_the_backlog_is_what_the_rows_say(world: World, before: list[Any], then: list[Any]) -> None:
    lasting = [IndexBacklog(), IndexBacklog(world.folder / "backlog.npz")]
    world.clear()
    world.do(*before)
    agree(world, lasting)
    for step in then:
        world.do(step)
        agree(world, lasting)
