"""Group commit: looks of several threads in one commit, refusals apart, and nothing half-done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, event

from storage import audit
from storage.errors import Denied, Unavailable
from storage.group_commit import GroupCommit
from storage.vocabulary import Actor
from tests.storage.media import House

THREADS = 8


def look(name: str, then: Callable[[], None] = lambda: None) -> Callable[[Connection], int]:
    def work(tx: Connection) -> int:
        seq = audit.record(tx, Actor(name), "play", "gate", at_us=1)
        then()
        return seq

    return work


def refuse() -> None:
    raise Denied("the test says no")


def spoil() -> None:
    raise ZeroDivisionError


def in_a_row(house: House, works: list[Callable[[Connection], int]]) -> list[Any]:
    """The first holds the transaction open until all others wait, so that they go together."""
    together = house.ledger._together
    held, going = threading.Event(), threading.Event()

    def first(tx: Connection) -> int:
        going.set()
        assert held.wait(30)
        return look("first")(tx)

    def outcome(work: Callable[[Connection], int]) -> Any:
        try:
            return house.ledger.write_together(work)
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(works) + 1) as pool:
        leader = pool.submit(outcome, first)
        assert going.wait(30)
        others = [pool.submit(outcome, work) for work in works]
        while len(together._waiting) < len(works):
            pass
        held.set()
        assert isinstance(leader.result(30), int)
        return [one.result(30) for one in others]


def names(house: House) -> list[str]:
    with house.ledger.read() as tx:
        assert list(audit.verify(tx)) == []
        return sorted(row.actor for row in audit.rows(tx, action="play"))


@pytest.fixture
def commits(house: House) -> list[str]:
    seen: list[str] = []
    event.listen(house.ledger.engine, "commit", lambda _: seen.append("commit"))
    return seen


def test_looks_that_wait_are_committed_together(house: House, commits: list[str]) -> None:
    got = in_a_row(house, [look(f"p{i}") for i in range(THREADS)])
    assert sorted(got) == list(range(3, 3 + THREADS))  # after those of `init` and the first
    assert names(house) == ["first", *(f"p{i}" for i in range(THREADS))]
    assert len(commits) == 2  # the first, and the eight


def test_a_refusal_takes_no_other_look_with_it(house: House) -> None:
    got = in_a_row(house, [look("a"), look("b", refuse), look("c")])
    assert isinstance(got[1], Denied)
    assert names(house) == ["a", "c", "first"]


def test_a_defect_in_one_look_is_told_to_its_own_thread(house: House) -> None:
    got = in_a_row(house, [look("a"), look("b", spoil), look("c")])
    assert isinstance(got[1], ZeroDivisionError)
    assert names(house) == ["a", "c", "first"]


def test_a_look_alone_that_is_refused_writes_nothing(house: House) -> None:
    with pytest.raises(Denied):
        house.ledger.write_together(look("a", refuse))
    assert house.ledger.write_together(look("b")) == 2
    assert names(house) == ["b"]


def test_looks_that_wait_in_vain_for_a_locked_ledger_wait_for_it_once(house: House) -> None:
    """Not one after the other: the sixty-fourth would wait for half an hour."""
    asked: list[int] = []

    @contextmanager
    def locked() -> Iterator[Connection]:
        asked.append(1)
        if len(asked) > 1:
            raise Unavailable("the ledger does not answer")
        with house.ledger.write() as tx:  # of the first, for whom the others wait
            yield tx

    house.ledger._together = GroupCommit(locked)
    got = in_a_row(house, [look(f"p{i}") for i in range(THREADS)])
    assert {type(one) for one in got} == {Unavailable}
    assert len(asked) == 2
    assert names(house) == ["first"]
