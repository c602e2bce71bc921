"""Coverage with a ledger on a real PostgreSQL server: as exact, and nobody waits for anybody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from search.footage import Footage
from storage.ledger import Ledger
from tests.search.footage_world import (
    BASE_US,
    HOUR_US,
    World,
    in_order,
    new_world,
    questions,
    steps,
)
from tests.storage.test_postgresql import ledger, server_url

__all__ = ["ledger", "server_url"]  # fixtures
ALL: dict[str, Any] = {"from_us": None, "to_us": None, "between": None}


@pytest.fixture
def world(ledger: Ledger, tmp_path: Path) -> World:
    return new_world(ledger, tmp_path / "footage")


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=st.lists(steps, max_size=25), then=st.lists(steps, max_size=3), asked=questions)
def test_an_answer_covers_what_the_plain_reading_says(
    world: World, before: list[Any], then: list[Any], asked: dict[str, Any]
) -> None:
    world.clear()
    world.do(*before)
    world.agree(asked)
    for step in then:
        world.do(step)
        world.agree(asked)


def test_two_transactions_touch_the_same_hours_crosswise_and_neither_waits(world: World) -> None:
    """With one row for both, each would hold what the other wants: a deadlock."""
    for hour in (0, 1):
        for camera in (0, 1):
            world.do(("record", camera, BASE_US + hour * HOUR_US, 60_000_000))
    world.agree(ALL)
    early, early_too, late, late_too = world.ids
    with world.ledger.write() as one, world.ledger.write() as other:
        for tx, name in ((one, early), (other, late_too)):
            tx.exec_driver_sql("SET LOCAL lock_timeout = '5s'")
            world.change(tx, "expire", name)
        world.change(one, "expire", late)
        world.change(other, "expire", early_too)
    world.agree(ALL)


def test_what_is_not_committed_is_not_seen_and_then_it_is(world: World) -> None:
    world.do(("record", 0, BASE_US, HOUR_US))
    before = world.ask(world.footage, world.generations[0], **ALL)
    with world.ledger.write() as tx:
        world.change(tx, "expire", world.ids[0])
        assert world.ask(world.footage, world.generations[0], **ALL) == before
        assert world.ask(Footage(world.folder), world.generations[0], **ALL) == before
    after = world.ask(world.footage, world.generations[0], **ALL)
    assert (before.recorded_us, after.recorded_us) == (HOUR_US, 0)
    assert in_order(after) == in_order(world.ask(Footage(), world.generations[0], **ALL))
