"""A search that lasts tells what it has found: newer days first, nothing that does not stand."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from search import early
from search.answer import Answer
from search.early import Pace, SoFar
from search.engine import Engine
from search.jobs import Jobs
from search.kept_runs import find
from storage import search_runs
from storage.clock import US
from tests.search.archive import ASKER, START_US, Archive, Words, asked
from tests.search.keeping import Keeping
from tests.search.slow import AT_ONCE, LONG_S, Slow
from tests.storage.media import House

DAY_US = 86_400 * US
ROAD = ["road"] * 20


def buses(archive: Archive, days: int, cameras: int = 1) -> None:
    """Every camera films the road, and once a day a bus."""
    for day in range(days):
        for number in range(cameras):
            start_us = START_US + day * DAY_US + number * US
            archive.footage(f"camera{number}", start_us, [*ROAD, "bus", "bus", *ROAD])


def told(
    archive: Archive, text: str = "bus", *, strange: tuple[str, ...] = (), pace: Pace = AT_ONCE,
    **fields: Any,
) -> tuple[Answer, list[SoFar]]:  # fmt: skip
    seen: list[SoFar] = []
    engine = Engine(archive.directory, Words(strange), pace=pace)
    return engine.answer(asked(text, **fields), so_far=seen.append), seen


def test_newer_days_are_told_first_and_what_was_told_stays(archive: Archive) -> None:
    buses(archive, days=4)
    _, seen = told(archive)
    assert [(one.days_done, one.days) for one in seen] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    for before, after in itertools.pairwise(seen):
        assert after.moments[: len(before.moments)] == before.moments
    days = [one.best.at_us // DAY_US for one in seen[-1].moments]
    assert days == sorted(days, reverse=True)
    assert len(set(days)) == 4


def test_what_is_told_stands_in_the_answer_and_changes_nothing_of_it(archive: Archive) -> None:
    buses(archive, days=3, cameras=2)
    answer, seen = told(archive, top=50)
    assert answer.confident
    assert len(seen[-1].moments) == 6
    assert all(one in answer.moments for one in seen[-1].moments)
    assert archive.ask(text="bus", top=50).moments == answer.moments


def test_what_does_not_convince_is_not_told(archive: Archive) -> None:
    buses(archive, days=2)
    answer, seen = told(archive, "elephant")
    assert not answer.confident
    assert [one.moments for one in seen] == [(), ()]
    assert seen[-1].days_done == 2


@pytest.mark.parametrize(
    "how",
    [
        {"then_text": "road"},  # one is nothing without the other
        {"strange": ("bus",)},  # a model that does not know the word is sure of nothing
        {"pace": Pace(every_s=60)},  # answered sooner
        {"pace": Pace(every_s=0, share=0)},  # no time is left for it
    ],
)
def test_nothing_is_told_where_it_would_not_help(archive: Archive, how: dict[str, Any]) -> None:
    buses(archive, days=2)
    answer, seen = told(archive, **how)
    assert answer.moments
    assert seen == []


def test_untrained_weights_tell_nothing_of_words(archive: Archive) -> None:
    from storage import schema

    buses(archive, days=2)
    with archive.directory.ledger.write() as tx:
        tx.execute(schema.generation.update().values(meaningful=False))
    assert told(archive)[1] == []


def test_no_more_is_told_than_a_beginning(archive: Archive) -> None:
    buses(archive, days=early.MOST // early.OF_DAY + 1, cameras=early.OF_DAY + 1)
    _, seen = told(archive, top=200)
    assert len(seen[0].moments) == early.OF_DAY
    assert len(seen[-1].moments) == early.MOST
    assert seen[-1].days_done == seen[-1].days


# Beside the requests


@pytest.fixture
def slow(house: House) -> Iterator[tuple[Jobs, Slow]]:
    keeping = Keeping(house)
    for hour in (1, 30):  # of two days
        keeping.footage("gate", [*ROAD, "bus", "bus", *ROAD], hour)
    workers = Slow()
    engine = Engine(keeping.directory, Words(), workers=workers, pace=AT_ONCE)
    jobs = Jobs(keeping.directory, lambda: engine)
    yield jobs, workers
    workers.let_go()
    jobs.close()


def test_who_waits_is_told_what_is_found_before_the_end(slow: tuple[Jobs, Slow]) -> None:
    jobs, workers = slow
    token = jobs.submit(asked("bus"), ASKER)
    kept = jobs.find(token, LONG_S, known=0)
    assert (kept.run.state, kept.answer) == ("running", None)
    assert kept.so_far is not None
    [moment] = kept.so_far["moments"]
    assert (kept.so_far["days_done"], kept.so_far["days"]) == (1, 2)
    assert jobs.find(token, 0.01, known=1).run.state == "running"  # that is known
    workers.let_go()
    done = jobs.find(token, LONG_S)
    assert done.answer is not None
    assert moment in done.answer["moments"]
    assert done.so_far is None


@pytest.mark.parametrize("ended", ["cancelled", "failed"])
def test_nothing_stays_of_one_that_comes_to_no_answer(slow: tuple[Jobs, Slow], ended: str) -> None:
    jobs, _ = slow
    token = jobs.submit(asked("bus"), ASKER)
    assert jobs.find(token, LONG_S, known=0).so_far is not None
    if ended == "cancelled":
        jobs.cancel(token)
    else:
        with jobs.directory.ledger.write() as tx:
            search_runs.give_up(tx, 2**62, START_US)
    with jobs.directory.ledger.read() as tx:
        assert search_runs.answer(tx, token) is None
    kept = find(jobs.directory, token)
    assert (kept.run.state, kept.so_far) == (ended, None)
