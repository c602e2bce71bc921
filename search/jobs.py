"""Searches that take long run beside the requests: a few at once, the others wait their turn.

The ledger knows the state of each, so that any process may ask for it or cancel it. What lies in
memory here is only who waits, in which order, and the bell that wakes those who wait for an end.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from search import kept_runs, marking, runs
from search.kept_runs import Kept
from search.pulse import BEAT_S
from search.query import Query
from storage import search_runs
from storage.directory import DataDirectory
from storage.errors import HindsightError, ResourceExhausted
from storage.i18n import N_, current_language, use_language
from storage.vocabulary import Actor

if TYPE_CHECKING:
    from search.engine import Engine

AT_ONCE = 2  # each reads much and computes on every core that is free
MOST_WAITING = 100
ELSEWHERE_S = 1.0  # a run of another process rings no bell here: the ledger is asked so often
LEAVE_S = 5.0  # a search looks whether it is still wanted more often than this
STOPPED = N_("the server was stopped before this search was done; ask again")
log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Job:
    """One search of this process that has not ended."""

    token: str
    query: Query
    actor: Actor
    lang: str
    progress: float = 0.0
    stop: threading.Event = field(default_factory=threading.Event)


class Jobs:
    """The searches of one process. Threads start with the first one; `close` ends them all."""

    def __init__(
        self,
        directory: DataDirectory,
        engine: Callable[[], Engine],
        *,
        at_once: int = AT_ONCE,
        most_waiting: int = MOST_WAITING,
        most_listening: int = 2,
    ) -> None:
        self.directory = directory
        self._engine = engine
        self._at_once = at_once
        self._most_waiting = most_waiting
        # Who waits for an end holds a thread of the server: some must be left for the others.
        self._listening = threading.BoundedSemaphore(most_listening)
        self._bell = threading.Condition()
        self._rung = 0  # how often it rang
        self._jobs: dict[str, _Job] = {}  # waiting and running
        self._queue: deque[_Job] = deque()
        self._entering = 0
        self._threads: list[threading.Thread] = []
        self._closed = threading.Event()

    def submit(self, query: Query, actor: Actor) -> str:
        """Take in a search; its token. As `runs.enter`; ResourceExhausted: too many wait."""
        return self._take_in(
            lambda: (runs.enter(self.directory, query, actor, state="waiting"), query), actor
        )

    def again(self, kept: Kept, actor: Actor) -> str:
        """As `submit`, for a stored query."""
        return self._take_in(
            lambda: runs.enter_again(self.directory, kept, actor, state="waiting"), actor
        )

    def refine(self, kept: Kept, actor: Actor) -> str:
        """As `submit`, with what is marked. Errors also as of `marking.refine`."""
        return self._take_in(
            lambda: marking.enter_refined(self.directory, kept, actor, state="waiting"), actor
        )

    def cancel(self, token: str) -> None:
        """End a search, of this process or another; nothing happens when it has ended."""
        runs.cancel(self.directory, token)
        with self._bell:
            job = self._jobs.get(token)
            if job is not None:
                job.stop.set()
                if job in self._queue:
                    self._queue.remove(job)
                    del self._jobs[token]
            self._ring()

    def find(self, token: str, wait_s: float = 0.0, known: int | None = None) -> Kept:
        """A run; when it has not ended, that is waited for, at most `wait_s`. NotFound: none.

        `known`: days looked through that who asks knows of; more of them end the waiting, too.
        Nobody is made to wait while as many wait already as may.
        """
        heard = self._rung  # before it is looked at: what rings from here on is not missed
        kept = kept_runs.find(self.directory, token)
        if wait_s <= 0 or _says_more(kept, known) or not self._listening.acquire(blocking=False):
            return kept
        try:
            return self._listen(kept, wait_s, heard, known)
        finally:
            self._listening.release()

    def progress(self, kept: Kept) -> float:
        """How far a run is, 0..1: of this process as it last said, of another as it noted."""
        job = self._jobs.get(kept.run.id)
        return kept.run.progress if job is None else max(kept.run.progress, job.progress)

    def close(self) -> None:
        """End all: what runs or waits is marked failed, as stopped with the server."""
        with self._bell:
            self._closed.set()
            left = list(self._jobs.values())
            self._queue.clear()
        now_us = self.directory.clock.now_us()
        if left:
            with self.directory.ledger.write() as tx:
                for job in left:
                    search_runs.fail(tx, job.token, now_us, STOPPED)
        with self._bell:
            for job in left:
                job.stop.set()
            self._ring()
        until_s = time.monotonic() + LEAVE_S
        for thread in self._threads:
            thread.join(max(0.0, until_s - time.monotonic()))

    def _take_in(self, enter: Callable[[], tuple[str, Query]], actor: Actor) -> str:
        with self._bell:
            if self._closed.is_set() or len(self._queue) + self._entering >= self._most_waiting:
                raise ResourceExhausted(
                    "{n} searches wait already; this one was not taken in, ask again in a minute",
                    n=len(self._queue),
                )
            self._entering += 1
        try:
            token, query = enter()
        except BaseException:
            with self._bell:
                self._entering -= 1
            raise
        job = _Job(token, query, actor, current_language())
        with self._bell:
            self._entering -= 1
            self._jobs[token] = job
            self._queue.append(job)
            self._begin()
            self._ring()
        return token

    def _begin(self) -> None:
        if self._threads:
            return
        names = [(self._work, f"search {n}") for n in range(self._at_once)]
        for target, name in [*names, (self._keep_alive, "searches that wait")]:
            thread = threading.Thread(target=target, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        while True:
            with self._bell:
                while not self._queue and not self._closed.is_set():
                    self._bell.wait()
                if self._closed.is_set():
                    return
                job = self._queue.popleft()
            try:
                context = Context()  # warnings in the answer speak the language of who asks
                context.run(use_language, job.lang)
                context.run(self._run, job)
            except HindsightError as error:  # it stands in the ledger, too
                log.info("search %s ended: %s", job.token, error)
                runs.end(self.directory, job.token, error, stopped=job.stop.is_set())
            except Exception as error:  # whatever it was, the next search must run
                log.exception("search %s failed", job.token)
                runs.end(self.directory, job.token, error, stopped=job.stop.is_set())
            finally:
                with self._bell:
                    self._jobs.pop(job.token, None)
                    self._ring()

    def _run(self, job: _Job) -> None:
        with self.directory.ledger.write() as tx:
            if not search_runs.start(tx, job.token, self.directory.clock.now_us()):
                return  # cancelled while it waited, by another process
        with self._bell:
            self._ring()

        def report(share: float) -> None:
            job.progress = max(job.progress, share)  # damaged rows make the engine look again

        def told() -> None:
            with self._bell:
                self._ring()

        runs.carry_out(
            self._engine(), job.token, job.query, job.actor, stop=job.stop.is_set, progress=report,
            told=told,
        )  # fmt: skip

    def _keep_alive(self) -> None:
        """Signs of life of those who wait; those who run give their own."""
        while not self._closed.wait(BEAT_S):
            with self._bell:
                waiting = [job.token for job in self._queue]
            if not waiting:
                continue
            try:
                with self.directory.ledger.write() as tx:
                    wanted = search_runs.beat(tx, waiting, self.directory.clock.now_us())
            except HindsightError as error:  # a busy ledger: the next beat will do
                log.warning("searches that wait could not give a sign of life: %s", error)
                continue
            with self._bell:  # the others were cancelled by another process
                for job in [one for one in self._queue if one.token in set(waiting) - wanted]:
                    self._queue.remove(job)
                    self._jobs.pop(job.token, None)
                self._ring()

    def _ring(self) -> None:
        """Tell all who wait that something changed; who calls holds the bell."""
        self._rung += 1
        self._bell.notify_all()

    def _listen(self, kept: Kept, wait_s: float, heard: int, known: int | None = None) -> Kept:
        token, until_s = kept.run.id, time.monotonic() + wait_s
        while not _says_more(kept, known) and not self._closed.is_set():
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                break
            with self._bell:
                here = token in self._jobs
                if here and self._rung == heard:
                    self._bell.wait(left_s)
                heard = self._rung
            kept = kept_runs.find(self.directory, token)
            if not here and not _says_more(
                kept, known
            ):  # of another process, which rings no bell here
                self._closed.wait(min(left_s, ELSEWHERE_S))
                kept = kept_runs.find(self.directory, token)
        return kept


def _says_more(kept: Kept, known: int | None) -> bool:
    """Whether there is something new for who knows of so many days, or waits for the end."""
    if kept.run.ended or known is None or kept.so_far is None:
        return kept.run.ended
    return bool(kept.so_far["days_done"] > known)
