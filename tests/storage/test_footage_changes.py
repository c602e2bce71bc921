"""A version moves with all that coverage is made of, and with nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, update

from storage import footage_changes, generations, schema, segments
from storage.clock import US
from storage.vocabulary import Generation, Segment
from tests.storage.media import House

DAY = footage_changes.DAY_SLOTS * footage_changes.SLOT_US


@pytest.fixture
def filmed(house: House) -> Segment:
    return house.footage()[0]


@pytest.fixture
def generation(house: House) -> Generation:
    with house.ledger.write() as tx:
        return generations.add_generation(
            tx, model="m", checkpoint=None, weights_hash="w", preprocess_hash="p", dimension=4,
            meaningful=True, state="active", at_us=1,
        )  # fmt: skip


@contextmanager
def moves(house: House, at_us: int, *, moved: bool = True) -> Iterator[None]:
    """What is done inside moves the version of the slot of that instant, and of its day; or not."""
    slot, day = at_us // footage_changes.SLOT_US, at_us // DAY

    def versions() -> tuple[int, int]:
        with house.ledger.read() as tx:
            of_slot = footage_changes.slot_versions(tx, day).get(slot, 0)
            return of_slot, footage_changes.day_versions(tx, day, day).get(day, 0)

    before = versions()
    yield
    after = versions()
    assert (after[0] > before[0], after[1] > before[1]) == (moved, moved)
    assert after[1] - before[1] >= after[0] - before[0]


def test_footage_that_comes_goes_or_changes_moves_the_version(house: House) -> None:
    rows = house.footage()
    one = rows[0]
    s = schema.segment
    with moves(house, one.start_us), house.ledger.write() as tx:
        segments.expire(tx, [one.id], "test", 5)
    with moves(house, one.start_us, moved=False), house.ledger.write() as tx:
        segments.mark_unlinked(tx, [one.id], 6)
        segments.expire(tx, [one.id], "test", 7)  # it is already
    with moves(house, one.start_us), house.ledger.write() as tx:
        back = {"state": "closed", "expired_us": None}
        tx.execute(update(s).where(s.c.id == one.id).values(back))
    with moves(house, one.start_us), house.ledger.write() as tx:
        tx.execute(update(s).where(s.c.id == one.id).values(end_us=one.end_us + 1))
    later_us = one.start_us + DAY
    with moves(house, later_us), moves(house, one.start_us), house.ledger.write() as tx:
        values = {"start_us": later_us, "end_us": later_us + US}
        tx.execute(update(s).where(s.c.id == one.id).values(values))
    with moves(house, later_us), house.ledger.write() as tx:
        tx.execute(s.delete().where(s.c.id == one.id))
    with moves(house, one.start_us, moved=False), house.ledger.write() as tx:
        tx.execute(update(s).values(note="seen"))


def test_a_new_segment_moves_the_slot_it_begins_in_alone(house: House) -> None:
    at_us = 10**15 - 10**15 % footage_changes.SLOT_US
    beside = (at_us - 1, at_us + footage_changes.SLOT_US)
    with moves(house, at_us), moves(house, beside[0] - DAY, moved=False):
        house.imported(start_us=at_us)
    with house.ledger.read() as tx:
        known = footage_changes.slot_versions(tx, at_us // DAY)
    assert [us // footage_changes.SLOT_US in known for us in beside] == [False, False]


def test_the_index_moves_it_when_it_says_something_new_and_not_by_claiming(
    house: House, filmed: Segment, generation: Generation
) -> None:
    at_us, key, ledger = filmed.start_us, generation.id, house.ledger

    def claim(now_us: int) -> None:
        with ledger.write() as tx:
            taken = generations.claim(
                tx, key, "w", among=[filmed.id], now_us=now_us, lease_us=5
            )  # fmt: skip
        assert len(taken) == 1

    with moves(house, at_us, moved=False):
        claim(1)
        with ledger.write() as tx:
            generations.renew(tx, [filmed.id], key, "w", lease_us=50)
            generations.lapse(tx, key, "w")
            generations.release(tx, filmed.id, key, "w")
        claim(2)
    with moves(house, at_us), ledger.write() as tx:
        generations.fail(tx, filmed.id, key, "w", "torn", retry_us=9)
    with moves(house, at_us):
        claim(100)
    for part in ("a.parquet", None):
        with moves(house, at_us), ledger.write() as tx:
            done = generations.Outcome(filmed.id, 1, part, 1, None, 0, None)
            assert generations.finish(tx, [done], key, "w", at_us=7)
            claimed = schema.index_work.c.segment_id == filmed.id
            tx.execute(update(schema.index_work).where(claimed).values(state="claimed"))
    with ledger.write() as tx:
        generations.finish(
            tx, [generations.Outcome(filmed.id, 1, "b.parquet", 1, None, 0, None)], key, "w",
            at_us=7,
        )  # fmt: skip
    work = update(schema.index_work).where(schema.index_work.c.segment_id == filmed.id)
    for values in ({"part": "merged.parquet"}, {"damaged": 2}, {"part": None}):
        with moves(house, at_us), ledger.write() as tx:
            tx.execute(work.values(values))
    with moves(house, at_us, moved=False), ledger.write() as tx:
        tx.execute(work.values(part=None, damaged=2, detail="said otherwise"))
    with moves(house, at_us), ledger.write() as tx:
        generations.forget(tx, [filmed.id], key)


def test_what_was_undone_moved_nothing(house: House, filmed: Segment) -> None:
    with moves(house, filmed.start_us, moved=False), house.ledger.engine.connect() as tx:
        segments.expire(tx, [filmed.id], "test", 5)
        tx.rollback()


def test_the_ledgers_of_yesterday_have_a_version_for_all_they_hold(house: House) -> None:
    from tests.storage.test_migrations import migrate

    rows = [*house.footage(), house.imported(start_us=10**15)]
    migrate(house.ledger, "0006", down=True)
    house.ledger.migrate()
    with house.ledger.read() as tx:
        slots: set[int] = set()
        for day in {row.start_us // DAY for row in rows}:
            slots |= footage_changes.slot_versions(tx, day).keys()
    assert slots == {row.start_us // footage_changes.SLOT_US for row in rows}


def test_no_question_walks_over_all_there_is(house: House) -> None:
    """Every one goes by an index, or a year of footage would take seconds."""
    asked: list[tuple[str, Any]] = []

    @event.listens_for(house.ledger.engine, "before_cursor_execute")
    def note(_c: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if statement.startswith("SELECT"):
            asked.append((statement, values))

    cameras, at_us = [1, 2, 3], 10**15
    with house.ledger.read() as tx:
        footage_changes.day_versions(tx, 3, None)
        footage_changes.slot_versions(tx, 3)
        footage_changes.footage(tx, 1, [7, 8, 20])
        footage_changes.days_reaching(tx, cameras, at_us)
        footage_changes.first_start_us(tx, cameras)
        footage_changes.oldest_start_us(tx)
        footage_changes.begins_from(tx, cameras, at_us)
        footage_changes.due_extent(tx, cameras, at_us)
        footage_changes.expectations(tx, cameras, at_us, at_us + DAY)
        footage_changes.gap_rows(tx, cameras, at_us, at_us + DAY)
        footage_changes.reasons(tx, 1, ["x"])
        plans = {
            statement: [
                row[3] for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            ]
            for statement, values in [*asked]
        }
    assert len(plans) >= 12
    walked = {said: plan for said, plan in plans.items() if "SCAN" in " ".join(plan)}
    assert walked == {}
