"""How long what was asked is kept, what is never kept, and how a run may end."""

from __future__ import annotations

import sqlite3
import threading
from typing import Any

import pytest
from sqlalchemy import event, insert

from search import runs
from search.differences import differences
from search.kept_runs import find
from search.pulse import Pulse
from storage import (
    cases,
    search_runs,
    stored_queries,
)
from storage.clock import US
from storage.errors import Conflict, Denied, Invalid, NotFound
from storage.search_tables import mark, search_run, stored_query
from tests.search.archive import ASKER, Words, asked
from tests.search.keeping import CASE, HOUR_US, Keeping

DAY_US = 24 * HOUR_US


def test_who_asks_without_a_case_is_forgotten_after_the_days_of_the_setting(
    keeping: Keeping,
) -> None:
    idle = keeping.ask("bus", case=None)
    runs.rename(keeping.directory, keeping.kept(idle), "the bus")
    cased = keeping.ask("bus")
    keeping.clock.forward(6 * DAY_US)
    again = keeping.again(idle)
    keeping.clock.forward(2 * DAY_US)
    keeping.ask("road", case=None)  # whoever asks next sweeps
    with pytest.raises(NotFound, match="no longer kept"):
        keeping.kept(idle)
    assert keeping.kept(again).answer == again.document  # younger: it has its own seven days
    keeping.clock.forward(8 * DAY_US)
    keeping.ask("road", case=None)
    with pytest.raises(NotFound):
        keeping.kept(again)
    assert keeping.kept(cased).answer == cased.document
    with keeping.directory.ledger.read() as tx:
        assert len(tx.execute(stored_query.select()).all()) == 2  # the case's, and the last


def test_what_is_due_is_forgotten_also_when_nobody_asks_and_however_much_it_is(
    keeping: Keeping,
) -> None:
    engine = keeping.archive.engine()
    cased = keeping.ask("bus")
    for number in range(7):
        runs.ask(engine, asked(f"bus {number}"), ASKER)
        runs.ask(engine, asked(f"bus {number}"), ASKER)
    running = runs.enter(keeping.directory, asked("van"), ASKER, state="running")
    keeping.clock.forward(8 * DAY_US)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored_queries, "AT_ONCE", 3)
        runs.keep_house(keeping.directory)
    assert [one.id for one in all_runs(keeping)] == [cased.token]
    assert keeping.kept(cased).answer == cased.document
    with pytest.raises(NotFound):  # it had been given up for dead, and is as old as the others
        find(keeping.directory, running)


def test_a_query_with_the_mark_of_a_case_outlives_its_days(keeping: Keeping) -> None:
    idle = keeping.ask("bus", case=None)
    plain = keeping.ask("road", case=None)
    segment = idle.document["moments"][0]["best"]["segment"]
    for one, case in ((idle, CASE), (plain, None)):
        with keeping.directory.ledger.write() as tx:
            tx.execute(
                insert(mark).values(
                    query_id=keeping.kept(one).query.id, case_id=case, frame_id=1,
                    segment_id=segment, camera_id=keeping.archive.cameras["gate"].id, ts_us=1,
                    right=True, actor="tester", created_us=1,
                )
            )  # fmt: skip
    query_id = keeping.kept(idle).query.id
    keeping.clock.forward(8 * DAY_US)
    keeping.ask("road")
    with keeping.directory.ledger.read() as tx:
        assert stored_queries.find(tx, query_id).case_id is None
        assert [row.case_id for row in tx.execute(mark.select())] == [CASE]


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"cameras": ("nowhere",)}, NotFound), ({"sites": ("no/where",)}, NotFound),
        ({"case": "unknown"}, NotFound), ({"case": "closed"}, Conflict),
    ],
)  # fmt: skip
def test_what_is_refused_is_not_kept(
    keeping: Keeping, more: dict[str, Any], error: type[Exception]
) -> None:
    with keeping.directory.ledger.write() as tx:
        cases.open_case(tx, "closed", "over", "ines", 1)
        cases.close_case(tx, "closed", 2)
    with pytest.raises(error):
        keeping.ask("bus", **more)
    with keeping.directory.ledger.read() as tx:
        assert tx.execute(stored_query.select()).all() == []
        assert tx.execute(search_run.select()).all() == []


def test_a_case_that_is_required_is_required_before_anything_is_kept(keeping: Keeping) -> None:
    search = keeping.directory.settings.search.model_copy(update={"require_case": True})
    keeping.directory.settings = keeping.directory.settings.model_copy(update={"search": search})
    with pytest.raises(Denied):
        keeping.ask("bus", case=None)
    with keeping.directory.ledger.read() as tx:
        assert tx.execute(stored_query.select()).all() == []


def test_a_closed_case_is_not_asked_in_again_but_its_answers_are_shown(keeping: Keeping) -> None:
    then = keeping.ask("bus")
    with keeping.directory.ledger.write() as tx:
        cases.close_case(tx, CASE, keeping.clock.now)
    with pytest.raises(Conflict, match="is closed"):
        keeping.again(then)
    assert keeping.kept(then).answer == then.document


def test_a_search_that_fails_says_why_and_shows_nothing(keeping: Keeping) -> None:
    class Broken(Words):
        def embed_texts(self, texts: Any) -> Any:
            raise Invalid("the model chokes on {words}", words=texts[0])

    engine = keeping.archive.engine()
    engine._given = Broken()
    with pytest.raises(Invalid):
        runs.ask(engine, asked("bus"), ASKER)
    (one,) = all_runs(keeping)
    assert (one.state, one.error) == ("failed", "the model chokes on bus")
    failed = find(keeping.directory, one.id)
    assert failed.answer is None
    done = runs.ask_again(keeping.archive.engine(), failed, ASKER)
    with pytest.raises(Conflict, match="no answer to compare"):
        differences(keeping.directory, find(keeping.directory, one.id), keeping.kept(done))


def test_an_interrupted_search_is_cancelled(keeping: Keeping) -> None:
    class Interrupted(Words):
        def embed_texts(self, texts: Any) -> Any:
            raise KeyboardInterrupt

    engine = keeping.archive.engine()
    engine._given = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        runs.ask(engine, asked("bus"), ASKER)
    assert [one.state for one in all_runs(keeping)] == ["cancelled"]


def test_a_run_whose_process_died_is_failed_after_a_minute_of_silence(keeping: Keeping) -> None:
    token = runs.enter(keeping.directory, asked("bus"), ASKER, state="running")
    keeping.clock.forward(59 * US)
    assert find(keeping.directory, token).run.state == "running"
    keeping.clock.forward(2 * US)
    kept = find(keeping.directory, token)
    assert kept.run.state == "failed"
    assert kept.run.error == search_runs.DIED


def test_a_run_that_was_only_thought_dead_still_keeps_its_answer(keeping: Keeping) -> None:
    query = asked("bus")
    token = runs.enter(keeping.directory, query, ASKER, state="running")
    keeping.clock.forward(61 * US)
    assert find(keeping.directory, token).run.state == "failed"
    with Pulse(keeping.directory, token, None, every_s=0.01) as pulse:
        assert not pulse.stopped()
    done = runs.carry_out(keeping.archive.engine(), token, query, ASKER)
    kept = find(keeping.directory, token)
    assert (kept.run.state, kept.run.error, kept.answer) == ("done", None, done.document)


def test_a_run_that_was_cancelled_keeps_no_answer(keeping: Keeping) -> None:
    query = asked("bus")
    token = runs.enter(keeping.directory, query, ASKER, state="running")
    assert runs.cancel(keeping.directory, token)
    assert not runs.cancel(keeping.directory, token)
    with pytest.raises(Conflict, match="cancelled"):
        runs.carry_out(keeping.archive.engine(), token, query, ASKER)
    kept = find(keeping.directory, token)
    assert (kept.run.state, kept.answer) == ("cancelled", None)


def test_a_running_search_learns_that_another_process_cancelled_it(keeping: Keeping) -> None:
    token = runs.enter(keeping.directory, asked("bus"), ASKER, state="running")
    with Pulse(keeping.directory, token, None, every_s=0.01) as pulse:
        assert not pulse.stopped()
        runs.cancel(keeping.directory, token)
        tick = threading.Event()
        for _ in range(3000):
            if pulse.stopped():
                break
            tick.wait(0.01)
        assert pulse.stopped()


def test_a_busy_ledger_ends_no_search_that_says_how_far_it_is(keeping: Keeping) -> None:
    token = runs.enter(keeping.directory, asked("bus"), ASKER, state="running")
    engine = keeping.directory.ledger.engine
    event.listen(engine, "checkout", lambda held, *_: held.execute("PRAGMA busy_timeout=1"))
    other = sqlite3.connect(str(engine.url.database), isolation_level=None)
    with Pulse(keeping.directory, token, None) as pulse:
        report = pulse.reporting(None)
        for busy, share in ((True, 0.5), (False, 0.6)):
            keeping.clock.forward(2 * US)
            if busy:
                other.execute("BEGIN IMMEDIATE")
            report(share)
            if busy:
                other.execute("ROLLBACK")
    other.close()
    assert find(keeping.directory, token).run.progress == 0.6


def test_states_never_go_back(keeping: Keeping) -> None:
    token = runs.enter(keeping.directory, asked("bus"), ASKER, state="waiting")
    now_us = keeping.clock.now
    with keeping.directory.ledger.write() as tx:
        assert search_runs.start(tx, token, now_us)
        assert not search_runs.start(tx, token, now_us)
        search_runs.progressed(tx, token, 0.6)
        search_runs.progressed(tx, token, 0.4)
        assert search_runs.find(tx, token).progress == 0.6
        assert search_runs.beat(tx, [token, "unknown"], now_us) == {token}
        assert search_runs.finish(tx, token, at_us=now_us, model=None, generation=None, answer="{}")
        assert not search_runs.cancel(tx, token, now_us)
        assert not search_runs.fail(tx, token, now_us, "late")
        assert search_runs.beat(tx, [token], now_us) == set()
        assert search_runs.find(tx, token).state == "done"
    dead = runs.enter(keeping.directory, asked("bus"), ASKER, state="running")
    with keeping.directory.ledger.write() as tx:
        assert search_runs.give_up(tx, now_us + 1, now_us) == 1
        assert search_runs.beat(tx, [dead], now_us) == {dead}  # the clock was set, it lives


def all_runs(keeping: Keeping) -> list[search_runs.SearchRun]:
    with keeping.directory.ledger.read() as tx:
        return [one.run for one in search_runs.listed(tx)]
