"""Standing queries at work: what was indexed since the last look is looked at, once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import Connection

from search.admission import searched_keys
from search.kept_queries import read_back
from search.query import Query
from search.standing_answers import Answering, Noticed
from search.standing_register import why_over
from search.standing_telling import Telling
from search.time_of_day import mask
from storage import audit, generations, standing_firings, standing_queries
from storage.access import access_of
from storage.clock import US, parse_time_of_day, rfc3339
from storage.directory import DataDirectory
from storage.errors import Conflict, HindsightError
from storage.lake import row_count
from storage.rights import Verb
from storage.standing_queries import EXPIRED, NewFootage, StandingQuery
from storage.vocabulary import Actor, Generation

if TYPE_CHECKING:
    from search.answer import Moment
    from search.engine import Engine

JOB = "standing"  # of the lock: one process at a time looks
INTERVAL_S = 5.0
OVERLAP_US = 300 * US  # a commit comes at most so late (30 s for the lock), clocks differ by less
NOTE_US = 60 * US  # where nothing was noticed, that it was looked for is noted so often
IN_ONE = 2000  # segments that are looked at together
LONGEST_PAUSE_US = 300 * US  # after failures
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Round:
    """What one look came to."""

    queries: int = 0
    segments: int = 0  # new ones, each counted once for every query that looked at it
    fired: int = 0
    continued: int = 0  # moments that went on
    ended: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)  # name → why


@dataclass(frozen=True, slots=True, eq=False)
class _Fresh:
    """What is new since an instant, and names for it that change when it is indexed anew."""

    rows: tuple[NewFootage, ...]
    keys: frozenset[tuple[int, str, int]]  # generation, segment, when it was done
    lost: str | None  # a part of the lake that cannot be read now; its segments are not in `rows`


class Watch:
    """Looks at what is new for every standing query. In one process at a time: see JOB.

    Killed at any instant and begun again, it neither loses nor doubles a firing: how far it looked
    is noted after what it noticed, and a moment that is found again is the same one.
    """

    def __init__(
        self,
        directory: DataDirectory,
        engine: Engine | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._directory = directory
        self._given = engine
        self._stop = stop
        self._answering = Answering(directory, self._engine, stop)
        self._queries: dict[int, Query] = {}
        # What lies in the overlap and was looked at: after a restart it is looked at once more.
        self._looked: dict[int, frozenset[tuple[int, str, int]]] = {}
        self._last: dict[int, _Fresh] = {}
        self._read: set[str] = set()  # parts of the lake that could be read
        self._pauses: dict[int, tuple[int, int]] = {}  # query → (until, how long), monotonic

    def look(self, *, note: bool = False) -> Round:
        """Look once. `note`: note in the ledger how far, also where nothing was noticed."""
        clock, ledger = self._directory.clock, self._directory.ledger
        now_us = clock.now_us()  # before the ledger is read: what is committed later is newer
        done = Round()
        with ledger.read() as tx:
            known = standing_queries.standing_queries(tx)
            over = {one.id: why for one in known if (why := _over(tx, one, now_us))}
            generation = generations.active_generation(tx) if known else None
        for one in known:
            if one.id in over:
                self._end(one, now_us, done)
        asked = [one for one in known if one.id not in over and not self._pauses_now(one)]
        done.queries = len(asked)
        fresh = self._fresh(asked, generation, now_us)
        seen: list[StandingQuery] = []
        for one in asked:
            if self._stop():
                return done
            new = fresh[_since(one, now_us)]
            if self._look_for(one, generation, new, now_us, done):
                if new.lost is None:
                    seen.append(one)
                else:  # looked at again, from the same instant on, when it can be read
                    self._say(one, f"lake part {new.lost} cannot be read", done)
        due = [
            one.id for one in seen if note or abs(now_us - one.seen_us) >= NOTE_US or one.trouble
        ]
        if due:
            with ledger.write() as tx:
                standing_queries.looked(tx, due, now_us)
        return done

    def _fresh(
        self, asked: Sequence[StandingQuery], generation: Generation | None, now_us: int
    ) -> dict[int, _Fresh]:
        """Since when → what is new since then: one look into the ledger for all that keep pace."""
        recorded: dict[int, int] = {}  # since when → when the first of them was made
        for one in asked:
            since_us = _since(one, now_us)
            recorded[since_us] = min(one.created_us, recorded.get(since_us, one.created_us))
        if generation is None:
            return dict.fromkeys(recorded, _Fresh((), frozenset(), None))
        late_us = round(self._directory.settings.search.standing_late_s * US)
        found = {}
        with self._directory.ledger.read() as tx:
            for since_us, recorded_us in recorded.items():
                rows = standing_queries.new_footage(
                    tx, generation.id, seen_us=since_us, overlap_us=OVERLAP_US, late_us=late_us,
                    recorded_after_us=recorded_us,
                )  # fmt: skip
                lost = self._unreadable(rows)
                readable = tuple(row for row in rows if row.part not in lost)
                keys = frozenset((generation.id, row.segment_id, row.done_us) for row in readable)
                # The same again is the very same: then no query has to compare it.
                same = (one.keys for one in self._last.values() if one.keys == keys)
                found[since_us] = _Fresh(readable, next(same, keys), min(lost, default=None))
        self._last = found
        return found

    def _unreadable(self, rows: Sequence[NewFootage]) -> set[str]:
        """Parts that cannot be read now: what they show would be lost, if it counted as seen."""
        parts = {row.part for row in rows if row.part is not None}
        lake = self._directory.lake
        lost = {part for part in parts - self._read if row_count(lake, part) is None}
        self._read = parts - lost
        return lost

    def _look_for(
        self,
        one: StandingQuery,
        generation: Generation | None,
        fresh: _Fresh,
        now_us: int,
        done: Round,
    ) -> bool:
        """Whether all that is new to this query was looked at; what it shows is entered."""
        looked = self._looked.get(one.id, frozenset())
        new: list[NewFootage] = []
        if generation is not None and fresh.keys is not looked:
            new = [
                row
                for row in fresh.rows
                if row.end_us > one.created_us
                and (generation.id, row.segment_id, row.done_us) not in looked
            ]
        try:
            if generation is not None and new:
                whole = self._answer_all(one, generation, new, now_us, done)
                if not whole:
                    return False
        except Exception as error:
            # One query that cannot be answered (a damaged picture, a camera that is gone) must
            # not keep the others from being asked.
            if not self._stop():
                self._fail(one, error, done)
            return False
        self._looked[one.id] = fresh.keys
        self._pauses.pop(one.id, None)
        return True

    def _answer_all(
        self,
        one: StandingQuery,
        generation: Generation,
        new: list[NewFootage],
        now_us: int,
        done: Round,
    ) -> bool:
        """False when another generation answers by now, or the query has ended."""
        query = self._query(one)
        with self._directory.ledger.read() as tx:
            owner = access_of(tx, one.created_by, now_us)  # who may search less by now finds less
            asked = owner.cameras(tx, Verb.SEARCH, query.cameras, query.sites)
            within = searched_keys(tx, self._directory, owner, one.case_id)
            asked = [each for each in asked if within is None or each.id in within]
        cameras = {camera.id: camera.slug for camera in asked}
        new = [row for row in new if row.camera_id in cameras]
        done.segments += len(new)
        for start in range(0, len(new), IN_ONE):
            some = new[start : start + IN_ONE]
            answers = self._answering.noticed(one, query, generation, cameras, some, within)
            for answered, found in answers:
                if answered is None or answered.id != generation.id:
                    return False
                if found and not self._enter(one, query, generation, found, now_us, done):
                    return False
        return True

    def _enter(
        self,
        one: StandingQuery,
        query: Query,
        generation: Generation,
        found: Sequence[Noticed],
        now_us: int,
        done: Round,
    ) -> bool:
        """Enter what was noticed, in one transaction; False when the query has ended."""
        again_us = self._answering.again_us
        fired = continued = 0
        with self._directory.ledger.write() as tx:
            current = standing_queries.locked(tx, one.id)
            if _over(tx, current, now_us):
                return False
            for each in sorted(found, key=_when):
                moment = each.moment
                before = standing_firings.near(
                    tx, one.id, moment.camera.id, moment.start_us - again_us,
                    moment.end_us + again_us,
                )  # fmt: skip
                if before is not None:
                    continued += standing_firings.widen(tx, before, moment.start_us, moment.end_us)
                elif each.score is not None and not standing_firings.knows_frame(
                    tx, one.id, moment.best.frame_id
                ):
                    _fire(tx, current, query, generation, moment, each.score, now_us)
                    fired += 1
        done.fired += fired
        done.continued += continued
        return True

    def _end(self, one: StandingQuery, now_us: int, done: Round) -> None:
        with self._directory.ledger.write() as tx:
            current = standing_queries.locked(tx, one.id)
            why = _over(tx, current, now_us)
            if why is None or current.ended_us is not None:
                return  # extended, or ended by somebody, meanwhile
            ended_us = current.expires_us if why == EXPIRED else now_us
            standing_queries.end(tx, one.id, why, ended_us)
            who = Actor(f"standing query {one.name}", one.case_id)
            audit.record(
                tx, who, "standing_ended", one.name, at_us=now_us, detail={"why": why}
            )  # fmt: skip
        done.ended.append(one.name)
        self._queries.pop(one.id, None)
        self._looked.pop(one.id, None)
        self._pauses.pop(one.id, None)

    def _fail(self, one: StandingQuery, error: Exception, done: Round) -> None:
        """Say why, and wait longer each time before it is tried again."""
        if isinstance(error, HindsightError):
            said = error.text("en")
        else:
            said = f"{type(error).__name__}: {error}"
        self._say(one, said, done)
        _, before_us = self._pauses.get(one.id, (0, round(INTERVAL_S * US) // 2))
        pause_us = min(LONGEST_PAUSE_US, 2 * before_us)
        self._pauses[one.id] = (self._directory.clock.monotonic_us() + pause_us, pause_us)

    def _say(self, one: StandingQuery, trouble: str, done: Round) -> None:
        log.warning("standing query %s could not be answered: %s", one.name, trouble)
        done.failed[one.name] = trouble
        if one.trouble != trouble[: standing_queries.TROUBLE_CHARACTERS]:
            with self._directory.ledger.write() as tx:
                standing_queries.note_trouble(tx, one.id, trouble)

    def _pauses_now(self, one: StandingQuery) -> bool:
        until_us, _ = self._pauses.get(one.id, (0, 0))
        return self._directory.clock.monotonic_us() < until_us and one.id in self._pauses

    def _query(self, one: StandingQuery) -> Query:
        if one.id not in self._queries:
            with self._directory.ledger.read() as tx:
                self._queries[one.id] = read_back(tx, one.query_id)
        return self._queries[one.id]

    def _engine(self) -> Engine:
        if self._given is None:
            from search.engine import engine_of  # a second of libraries: only when asked

            self._given = engine_of(self._directory)
        return self._given


def follow(
    directory: DataDirectory,
    stop: threading.Event,
    *,
    engine: Engine | None = None,
    interval_s: float = INTERVAL_S,
    each: Callable[[Round], None] = lambda _: None,
) -> None:
    """Look and tell until `stop` is set; stands by while another process does it."""
    watch, telling = Watch(directory, engine, stop.is_set), Telling(directory)
    while not stop.is_set():
        with ExitStack() as stack:
            try:
                stack.enter_context(directory.exclusive(JOB))
            except (Conflict, OSError):
                stop.wait(interval_s)
                continue
            while not stop.is_set():
                try:
                    each(watch.look())
                    telling.begin()
                except Exception as error:
                    # A ledger that is locked or a disk that is full now may be well in a while.
                    log.warning("standing queries were not looked after: %s", error)
                stop.wait(interval_s)
            telling.stop()


def _since(one: StandingQuery, now_us: int) -> int:
    """A clock that was set back must not leave a hole."""
    return min(one.seen_us, now_us)


def _over(tx: Connection, one: StandingQuery, now_us: int) -> str | None:
    closed = standing_queries.case_is_closed(tx, one.case_id)
    return why_over(one, case_closed=closed, now_us=now_us)


def _fire(
    tx: Connection, one: StandingQuery, query: Query, generation: Generation, moment: Moment,
    score: float, now_us: int,
) -> None:  # fmt: skip
    best = moment.best
    if one.quiet is not None and _is_quiet(one.quiet, best.at_us, moment.camera.tz):
        delivery = "quiet"
    else:
        delivery = "none" if one.webhook is None else "waiting"
    key = standing_firings.add(
        tx, standing_id=one.id, at_us=now_us, camera_id=moment.camera.id,
        segment_id=best.segment.id, frame_id=best.frame_id, start_us=moment.start_us,
        end_us=moment.end_us, ts_us=best.at_us, score=score, model=generation.model,
        generation=generation.number, delivery=delivery,
    )  # fmt: skip
    detail = {
        "firing": key, "query": query.subject, "camera": moment.camera.slug,
        "start": rfc3339(moment.start_us), "end": rfc3339(moment.end_us),
        "time": rfc3339(best.at_us), "segment": best.segment.id, "frame": str(best.frame_id),
        "score": round(score, 4), "model": generation.model,
        "generation": generation.number, "delivery": delivery,
    }  # fmt: skip
    who = Actor(f"standing query {one.name}", one.case_id, query.reason)
    audit.record(tx, who, "standing_fired", one.name, at_us=now_us, detail=detail)


def _when(found: Noticed) -> tuple[int, int]:
    return found.moment.start_us, found.moment.best.frame_id


def _is_quiet(quiet: str, at_us: int, tz: str) -> bool:
    """By when it happened, not when it was noticed: so it is the same whoever looks when."""
    return bool(mask(np.array([at_us], dtype=np.int64), tz, parse_time_of_day(quiet))[0])
