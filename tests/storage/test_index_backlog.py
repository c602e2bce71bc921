"""The index's backlog: what is kept and not indexed, wherever it lies, from versions and not from
walks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event

from storage import generations, schema, segments
from storage.clock import US
from storage.index_backlog import Backlog, Backlogs, IndexBacklog, backlog_of, index_backlog
from storage.ledger import Ledger
from storage.vocabulary import Generation, Segment
from tests.search.footage_world import World, new_world, steps
from tests.storage.backlog_world import agree
from tests.storage.media import START_US, House

HOUR_US = 3600 * US


@pytest.fixture
def generation(house: House) -> Generation:
    return add(house, "m", "active")


def add(house: House, model: str, state: str) -> Generation:
    with house.ledger.write() as tx:
        return generations.add_generation(
            tx, model=model, checkpoint=None, weights_hash="w", preprocess_hash="p", dimension=4,
            meaningful=True, state=state, at_us=1,
        )  # fmt: skip


def work(house: House, generation: Generation, some: list[Segment], state: str = "done") -> None:
    """As an indexer leaves it."""
    with house.ledger.write() as tx:
        w = schema.index_work.c
        mine = w.segment_id.in_([one.id for one in some]) & (w.generation_id == generation.id)
        tx.execute(schema.index_work.delete().where(mine))
        tx.execute(
            schema.index_work.insert(),
            [
                {"segment_id": one.id, "generation_id": generation.id, "state": state,
                 "worker": "w", "attempts": 1, "frames": 1, "done_us": 1}
                for one in some
            ],
        )  # fmt: skip


def asked(house: House, generation: Generation, of: IndexBacklog | None = None) -> Backlogs:
    with house.ledger.read() as tx:
        return (of or backlog_of(house.directory)).behind(tx, generation)


def rows_read(house: House) -> tuple[list[str], Callable[[], None]]:
    """Statements that join the index work, from now on; and what ends the listening."""
    said: list[str] = []

    def note(_c: object, _k: object, statement: str, *_: object) -> None:
        if "JOIN index_work" in statement:
            said.append(statement)

    event.listen(house.ledger.engine, "before_cursor_execute", note)
    return said, lambda: event.remove(house.ledger.engine, "before_cursor_execute", note)


def test_an_hour_in_the_middle_that_is_not_indexed_is_the_backlog(
    house: House, generation: Generation
) -> None:
    rows = [house.segment("gate", START_US - (10 - n) * HOUR_US) for n in range(10)]
    key = rows[0].camera_id
    assert asked(house, generation).of(key) == Backlog(10, 20 * US)
    work(house, generation, [*rows[:4], *rows[6:]])
    work(house, generation, [rows[5]], "failed")
    found = asked(house, generation)
    assert (found.of(key), found.unread_hours) == (Backlog(2, 4 * US, failed=1), 0)
    work(house, generation, rows[4:6])
    assert asked(house, generation) == Backlogs({}, 0)


def test_what_is_claimed_waits_what_is_deleted_or_of_another_generation_does_not_count(
    house: House, generation: Generation
) -> None:
    rows = house.footage()
    other = add(house, "n", "building")
    work(house, other, rows)
    work(house, generation, rows[:1], "claimed")
    key = rows[0].camera_id
    assert asked(house, generation).of(key) == Backlog(3, 6 * US)
    assert asked(house, other).of(key) == Backlog()
    with house.ledger.write() as tx:
        segments.expire(tx, [rows[0].id], "test", 5)
    assert asked(house, generation).of(key) == Backlog(2, 4 * US)
    with house.ledger.write() as tx:
        generations.activate(tx, other.id, at_us=2)
    found = index_backlog(house.directory)
    assert found is not None
    assert found.by_camera == {}


def test_nothing_is_said_of_a_backlog_before_anything_is_indexed(house: House) -> None:
    house.footage()
    assert index_backlog(house.directory) is None


def test_sums_are_of_the_cameras_that_are_asked_for(house: House, generation: Generation) -> None:
    gate, yard = house.footage("gate"), house.footage("yard", count=2)
    found = asked(house, generation)
    assert found.total([gate[0].camera_id]) == Backlog(3, 6 * US)
    assert found.total([gate[0].camera_id, yard[0].camera_id]) == Backlog(5, 10 * US)
    assert found.total([]) == Backlog()


def test_what_did_not_change_is_not_read_again(house: House, generation: Generation) -> None:
    rows = [house.segment("gate", START_US - n * HOUR_US) for n in (3, 2, 1)]
    said, end = rows_read(house)
    asked(house, generation)
    assert len(said) == 3
    asked(house, generation)
    assert len(said) == 3
    work(house, generation, rows[:1])
    assert asked(house, generation).of(rows[0].camera_id) == Backlog(2, 4 * US)
    assert len(said) == 4
    end()


def test_what_there_is_no_time_for_is_said_and_read_behind(
    house: House, generation: Generation
) -> None:
    rows = [house.segment("gate", START_US - n * HOUR_US) for n in range(20, 0, -1)]
    work(house, generation, rows[10:])
    mine = IndexBacklog(house.directory.cache / "backlog.npz")
    with house.ledger.read() as tx:
        found = mine.behind(tx, generation, budget_s=0)
    assert (found.unread_hours, found.by_camera) == (4, {})  # the newest was looked at, and is done
    mine.catch_up(house.ledger)
    said, end = rows_read(house)
    found = asked(house, generation, mine)
    assert (found.unread_hours, found.of(rows[0].camera_id)) == (0, Backlog(10, 20 * US))
    assert asked(house, generation, IndexBacklog(house.directory.cache / "backlog.npz")) == found
    assert said == []  # another process reads its file
    end()


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 no", b"\x93NUMPY"])
def test_a_damaged_or_foreign_file_is_made_anew(
    house: House, generation: Generation, damage: bytes
) -> None:
    rows = house.footage()
    file = house.directory.cache / "backlog.npz"
    IndexBacklog(file).catch_up(house.ledger)
    other = add(house, "n", "building")
    work(house, other, rows)
    assert asked(house, other, IndexBacklog(file)).by_camera == {}
    file.write_bytes(damage)
    assert asked(house, generation, IndexBacklog(file)).of(rows[0].camera_id).segments == 3


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("backlog")
    ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}")
    ledger.migrate()
    yield new_world(ledger, folder / "footage")
    ledger.close()


@given(before=st.lists(steps, max_size=25), then=st.lists(steps, max_size=5))
def test_whatever_happens_to_a_ledger_the_backlog_is_what_its_rows_say(
    world: World, before: list[Any], then: list[Any]
) -> None:
    lasting = [IndexBacklog(), IndexBacklog(world.folder / "backlog.npz")]
    world.clear()
    world.do(*before)
    agree(world, lasting)
    for step in then:
        world.do(step)
        agree(world, lasting)
