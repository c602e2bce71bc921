"""Long searches run beside the requests: a few at once, in turn, cancelled at any time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from search import runs
from search.engine import Engine
from search.jobs import STOPPED, Jobs
from search.kept_runs import find
from search.partitions import Partitions
from search.query import Query
from storage import search_runs
from storage.clock import US
from storage.errors import Conflict, NotFound, ResourceExhausted
from storage.i18n import use_language
from tests.search.archive import ASKER, Floats, Words, asked
from tests.search.keeping import Keeping
from tests.storage.media import House

LONG_S = 60.0  # nobody waits so long unless something is broken


class Gate(Words):
    """An embedder that says when it is asked, and answers when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Semaphore(0)
        self.open = threading.Event()

    def embed_texts(self, texts: Sequence[str]) -> Floats:
        self.asked.release()
        assert self.open.wait(LONG_S)
        return super().embed_texts(texts)


class Desk:
    """Jobs over an archive with a bus in it, whose searches stop at a gate."""

    def __init__(self, keeping: Keeping) -> None:
        self.keeping = keeping
        self.directory = keeping.directory
        self.gate = Gate()
        self.made: list[Jobs] = []

    def jobs(self, **limits: int) -> Jobs:
        engine = Engine(self.directory, self.gate, Partitions(self.directory))
        self.made.append(Jobs(self.directory, lambda: engine, **limits))
        return self.made[-1]

    def state(self, token: str) -> str:
        return find(self.directory, token).run.state

    def running(self, jobs: Jobs, query: Query) -> str:
        """A search that is at the gate."""
        token = jobs.submit(query, ASKER)
        assert self.gate.asked.acquire(timeout=LONG_S)
        return token


def until(true: Callable[[], bool]) -> None:
    """Waits for what other threads bring about."""
    tick, most = threading.Event(), 6000
    while not true():
        most -= 1
        assert most
        tick.wait(0.01)


def alive_us(desk: Desk, token: str) -> int | None:
    with desk.directory.ledger.read() as tx:
        return search_runs.find(tx, token).alive_us


@pytest.fixture
def desk(house: House) -> Iterator[Desk]:
    keeping = Keeping(house)
    keeping.footage("gate", [*["road"] * 30, "bus", "bus", *["road"] * 30])
    made = Desk(keeping)
    yield made
    made.gate.open.set()
    for jobs in made.made:
        jobs.close()


def test_a_search_goes_its_way_from_waiting_to_done(desk: Desk) -> None:
    jobs = desk.jobs(at_once=1)
    first = desk.running(jobs, asked("bus"))
    second = jobs.submit(asked("road"), ASKER)
    assert (desk.state(first), desk.state(second)) == ("running", "waiting")
    desk.gate.open.set()
    for token in (first, second):
        kept = jobs.find(token, LONG_S)
        assert kept.run.state == "done"
        assert kept.answer is not None
        assert kept.answer["token"] == token
    straight = runs.ask(desk.keeping.archive.engine(), asked("bus"), ASKER)
    done = jobs.find(first)
    assert done.answer is not None
    assert done.answer["moments"] == straight.document["moments"]


def test_no_more_run_at_once_than_may(desk: Desk) -> None:
    jobs = desk.jobs(at_once=2)
    tokens = [desk.running(jobs, asked("bus")), desk.running(jobs, asked("road"))]
    tokens += [jobs.submit(asked("van"), ASKER) for _ in range(3)]
    states = [desk.state(token) for token in tokens]
    assert states == ["running", "running", "waiting", "waiting", "waiting"]
    desk.gate.open.set()
    assert {jobs.find(token, LONG_S).run.state for token in tokens} == {"done"}


def test_more_than_may_wait_are_refused_and_not_kept(desk: Desk) -> None:
    jobs = desk.jobs(at_once=1, most_waiting=2)
    desk.running(jobs, asked("bus"))
    waiting = [jobs.submit(asked("road"), ASKER) for _ in range(2)]
    with pytest.raises(ResourceExhausted, match="2 searches wait already"):
        jobs.submit(asked("van"), ASKER)
    with desk.directory.ledger.read() as tx:
        assert len(search_runs.listed(tx)) == 3
    jobs.cancel(waiting[0])  # makes room
    jobs.submit(asked("van"), ASKER)


def test_what_is_refused_takes_no_place(desk: Desk) -> None:
    jobs = desk.jobs(at_once=1, most_waiting=1)
    desk.running(jobs, asked("bus"))
    for _ in range(3):
        with pytest.raises(NotFound):
            jobs.submit(asked("bus", cameras=("nowhere",)), ASKER)
    assert desk.state(jobs.submit(asked("bus"), ASKER)) == "waiting"


def test_a_cancelled_one_that_waited_never_runs(desk: Desk) -> None:
    jobs = desk.jobs(at_once=1)
    first = desk.running(jobs, asked("bus"))
    second = jobs.submit(asked("road"), ASKER)
    jobs.cancel(second)
    assert desk.state(second) == "cancelled"
    desk.gate.open.set()
    assert jobs.find(first, LONG_S).run.state == "done"
    third = jobs.submit(asked("van"), ASKER)
    assert jobs.find(third, LONG_S).run.state == "done"
    assert find(desk.directory, second).answer is None
    assert desk.state(second) == "cancelled"


def test_one_that_waited_and_was_cancelled_by_another_process_never_runs(desk: Desk) -> None:
    jobs = desk.jobs(at_once=1)
    desk.running(jobs, asked("bus"))
    second = jobs.submit(asked("road"), ASKER)
    assert runs.cancel(desk.directory, second)  # as `query cancel` does
    desk.gate.open.set()
    assert jobs.find(jobs.submit(asked("van"), ASKER), LONG_S).run.state == "done"
    assert find(desk.directory, second).answer is None
    assert desk.state(second) == "cancelled"


def test_one_that_waits_long_is_not_thought_dead(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.jobs.BEAT_S", 0.01)
    monkeypatch.setattr("search.pulse.BEAT_S", 0.01)
    jobs = desk.jobs(at_once=1)
    tokens = [desk.running(jobs, asked("bus")), jobs.submit(asked("road"), ASKER)]
    for _ in range(3):
        desk.keeping.clock.forward(50 * US)
        for token in tokens:
            until(lambda: alive_us(desk, token) == desk.keeping.clock.now)  # noqa: B023
    assert [desk.state(token) for token in tokens] == ["running", "waiting"]


def test_one_that_another_process_cancelled_makes_room_for_the_next(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.jobs.BEAT_S", 0.01)
    jobs = desk.jobs(at_once=1, most_waiting=1)
    desk.running(jobs, asked("bus"))
    waiting = jobs.submit(asked("road"), ASKER)
    with pytest.raises(ResourceExhausted):
        jobs.submit(asked("van"), ASKER)
    runs.cancel(desk.directory, waiting)
    until(lambda: not jobs._queue)
    assert desk.state(jobs.submit(asked("van"), ASKER)) == "waiting"


def test_a_running_one_that_is_cancelled_shows_nothing(desk: Desk) -> None:
    jobs = desk.jobs()
    token = desk.running(jobs, asked("bus"))
    jobs.cancel(token)
    assert desk.state(token) == "cancelled"  # at once, whatever it still does
    desk.gate.open.set()
    after = jobs.submit(asked("road"), ASKER)
    assert jobs.find(after, LONG_S).run.state == "done"
    assert find(desk.directory, token).answer is None
    jobs.cancel(after)  # it has ended: it stays as it is
    assert desk.state(after) == "done"


def test_who_waits_for_an_end_is_woken_by_it(desk: Desk) -> None:
    jobs = desk.jobs()
    token = desk.running(jobs, asked("bus"))
    seen: list[str] = []
    waiter = threading.Thread(target=lambda: seen.append(jobs.find(token, LONG_S).run.state))
    waiter.start()
    desk.gate.open.set()
    waiter.join(LONG_S)
    assert seen == ["done"]
    other = Desk(desk.keeping)
    assert other.jobs().find(token, LONG_S).run.state == "done"


def test_who_waits_is_woken_by_a_cancel(desk: Desk) -> None:
    jobs = desk.jobs()
    token = desk.running(jobs, asked("bus"))
    seen: list[str] = []
    waiter = threading.Thread(target=lambda: seen.append(jobs.find(token, LONG_S).run.state))
    waiter.start()
    jobs.cancel(token)
    waiter.join(LONG_S)
    assert seen == ["cancelled"]


def test_a_cancel_between_the_look_and_the_wait_is_not_missed(desk: Desk) -> None:
    jobs = desk.jobs()
    token = desk.running(jobs, asked("bus"))
    heard, kept = jobs._rung, jobs.find(token)
    jobs.cancel(token)
    seen: list[str] = []
    waiter = threading.Thread(
        target=lambda: seen.append(jobs._listen(kept, LONG_S, heard).run.state)
    )
    waiter.start()
    waiter.join(LONG_S / 4)
    assert seen == ["cancelled"]


def test_nobody_waits_where_as_many_wait_as_may(desk: Desk) -> None:
    jobs = desk.jobs(most_listening=1)
    token = desk.running(jobs, asked("bus"))
    assert jobs._listening.acquire(blocking=False)  # somebody waits already
    assert jobs.find(token, LONG_S).run.state == "running"
    jobs._listening.release()


def test_a_short_wait_ends_without_an_end(desk: Desk) -> None:
    jobs = desk.jobs()
    token = desk.running(jobs, asked("bus"))
    assert jobs.find(token, 0.05).run.state == "running"
    elsewhere = Desk(desk.keeping).jobs()
    assert elsewhere.find(token, 0.05).run.state == "running"


def test_the_server_that_stops_says_so_of_all_it_had(desk: Desk) -> None:
    jobs = desk.jobs(at_once=1)
    first = desk.running(jobs, asked("bus"))
    second = jobs.submit(asked("road"), ASKER)
    threading.Timer(0.05, desk.gate.open.set).start()
    jobs.close()
    for token in (first, second):
        kept = find(desk.directory, token)
        assert (kept.run.state, kept.run.error, kept.answer) == ("failed", STOPPED, None)
    with pytest.raises(ResourceExhausted):
        jobs.submit(asked("bus"), ASKER)


def test_the_server_that_was_killed_leaves_runs_that_fail_by_themselves(desk: Desk) -> None:
    waiting = runs.enter(desk.directory, asked("bus"), ASKER, state="waiting")
    running = runs.enter(desk.directory, asked("bus"), ASKER, state="running")
    desk.keeping.clock.forward(61 * US)
    jobs = desk.jobs()  # the next server
    for token in (waiting, running):
        kept = jobs.find(token)
        assert (kept.run.state, kept.run.error) == ("failed", search_runs.DIED)
    desk.gate.open.set()
    assert jobs.find(jobs.submit(asked("bus"), ASKER), LONG_S).run.state == "done"


def test_two_processes_do_not_disturb_each_other(desk: Desk) -> None:
    server = desk.jobs(at_once=1)
    token = desk.running(server, asked("bus"))
    waiting = server.submit(asked("road"), ASKER)
    other = Desk(desk.keeping)
    other.gate.open.set()
    second = other.jobs()
    done = second.find(second.submit(asked("van"), ASKER), LONG_S)
    assert done.run.state == "done"
    assert (desk.state(token), desk.state(waiting)) == ("running", "waiting")
    second.close()
    assert (desk.state(token), desk.state(waiting)) == ("running", "waiting")
    desk.gate.open.set()
    assert server.find(waiting, LONG_S).run.state == "done"


def test_a_search_that_fails_does_not_take_the_others_with_it(desk: Desk) -> None:
    jobs = desk.jobs(at_once=1)
    desk.gate.open.set()
    broken = desk.jobs(at_once=1)
    broken._engine = lambda: (_ for _ in ()).throw(RuntimeError("no engine"))
    token = broken.submit(asked("bus"), ASKER)
    kept = broken.find(token, LONG_S)
    assert (kept.run.state, kept.run.error) == ("failed", runs.UNEXPECTED)
    assert jobs.find(jobs.submit(asked("bus"), ASKER), LONG_S).run.state == "done"


def test_the_same_again_as_a_job(desk: Desk) -> None:
    desk.gate.open.set()
    jobs = desk.jobs()
    then = jobs.find(jobs.submit(asked("bus"), ASKER), LONG_S)
    now = jobs.find(jobs.again(then, ASKER), LONG_S)
    assert now.query.id == then.query.id
    assert then.answer is not None
    assert now.answer is not None
    assert now.answer["moments"] == then.answer["moments"]


def test_warnings_speak_the_language_of_who_asks(desk: Desk) -> None:
    desk.gate.open.set()
    engine = desk.keeping.archive.engine(strange=["bus"])
    jobs = Jobs(desk.directory, lambda: engine)
    desk.made.append(jobs)
    use_language("zh")
    token = jobs.submit(asked("bus"), ASKER)
    use_language("en")
    kept = jobs.find(token, LONG_S)
    assert kept.answer is not None
    assert any(ord(ch) > 0x4E00 for ch in "".join(kept.answer["warnings"]))


def test_many_come_and_go_at_once(desk: Desk) -> None:
    desk.gate.open.set()
    jobs = desk.jobs(at_once=2, most_waiting=1000)
    tokens: list[str] = []
    errors: list[BaseException] = []

    def person(number: int) -> None:
        try:
            for turn in range(4):
                token = jobs.submit(asked("bus"), ASKER)
                tokens.append(token)
                if (number + turn) % 3 == 0:
                    jobs.cancel(token)
        except BaseException as error:
            errors.append(error)

    people = [threading.Thread(target=person, args=(number,)) for number in range(6)]
    for one in people:
        one.start()
    for one in people:
        one.join(LONG_S)
    assert errors == []
    ended = [jobs.find(token, LONG_S).run for token in tokens]
    assert {one.state for one in ended} <= {"done", "cancelled"}
    assert len(tokens) == 24
    jobs.close()  # a run is told as ended a moment before its worker lets go of it
    assert jobs._jobs == {}


def test_a_cancelled_run_is_told_as_a_conflict_to_whoever_carries_it_out(desk: Desk) -> None:
    query = asked("bus")
    token = runs.enter(desk.directory, query, ASKER, state="running")
    desk.gate.open.set()
    engine = Engine(desk.directory, desk.gate, Partitions(desk.directory))
    with pytest.raises(Conflict, match="cancelled"):
        runs.carry_out(engine, token, query, ASKER, stop=lambda: True)
    assert desk.state(token) == "cancelled"
