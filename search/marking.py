"""Marking what a search has shown as right or wrong, and asking again with what was marked.

Whoever may see a case marks for it while it is open; without one, only who asked does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from search import runs
from search.admission import Keys, searched_keys
from search.engine import Engine
from search.kept_queries import read_back
from search.kept_runs import Kept
from search.pulse import Progress, Stop
from search.query import Marked, Query
from search.runs import Asked
from storage import audit, marks, search_runs
from storage.access import access_of
from storage.case_sight import open_case_for
from storage.clock import parse_time, rfc3339
from storage.directory import DataDirectory
from storage.errors import Conflict, Denied, Invalid, NotFound
from storage.i18n import N_
from storage.marks import Mark
from storage.register import find_camera
from storage.vocabulary import Actor

MOST_MARKS = 200  # of a query; whoever needs more had better describe something else
NOT_ITS_OWN = N_(
    "search {token} was asked by {who} outside a case, and only they mark it; ask it under a case"
    " to mark it together"
)


@dataclass(frozen=True, slots=True)
class Shown:
    """The best picture of a moment of an answer: what a mark is about."""

    frame_id: int
    segment_id: str
    camera: str  # slug
    at_us: int


def shown(kept: Kept) -> list[Shown]:
    """What a run has shown, first things first. Conflict: it has no answer."""
    if kept.answer is None:
        raise Conflict("search {token} has no answer; there is nothing to mark", token=kept.run.id)
    return [
        Shown(
            int(moment["best"]["frame"]), moment["best"]["segment"], moment["camera"],
            parse_time(moment["best"]["time"]),
        )
        for moment in kept.answer["moments"]
    ]  # fmt: skip


def numbered(kept: Kept, numbers: Sequence[int]) -> list[Shown]:
    """The moments with these numbers, from 1, each once. Invalid: the answer has no such."""
    found = shown(kept)
    for number in numbers:
        if not 1 <= number <= len(found):
            raise Invalid(
                "moment {number} is not in the answer of search {token}, which has {count};"
                " nothing was changed",
                number=number, token=kept.run.id, count=len(found),
            )  # fmt: skip
    return [found[number - 1] for number in dict.fromkeys(numbers)]


def bring_over(directory: DataDirectory, kept: Kept, others: Sequence[Kept], actor: Actor) -> None:
    """Give `kept` what is marked of `others`: further moments of the same answer, fetched later.
    What was said of those moments before no longer counts.

    Errors as of `admit`. What is not of the same case and asker is left where it is.
    """
    same = [
        one for one in others
        if (one.query.case_id, one.query.asked_by) == (kept.query.case_id, kept.query.asked_by)
    ]  # fmt: skip
    if not same:
        return
    now_us = directory.clock.now_us()
    with directory.ledger.write() as tx:
        admit(tx, kept, actor, now_us)
        own = {one.frame_id for one in shown(kept)}
        for one in same:
            rows = seen(tx, marks.of_query(tx, one.query.id), actor.name, directory)
            others_own = [each.frame_id for each in shown(one) if each.frame_id not in own]
            marks.take_back(tx, kept.query.id, others_own)
            marks.carry_over(tx, one.query.id, kept.query.id, [row.frame_id for row in rows])
        count = marks.count(tx, kept.query.id)
        if count > MOST_MARKS:
            raise Invalid(
                "{count} marks are too many; use at most {most}", count=count, most=MOST_MARKS
            )


def with_frame(kept: Kept, frame: str) -> Shown:
    """The moment whose best picture has this frame id. NotFound: the answer has no such."""
    for one in shown(kept):
        if str(one.frame_id) == frame:
            return one
    raise NotFound(
        "frame {frame} is not in the answer of search {token}; nothing was changed",
        frame=frame[:64], token=kept.run.id,
    )  # fmt: skip


def mark(
    directory: DataDirectory, kept: Kept, said: Sequence[tuple[Shown, bool]], actor: Actor
) -> list[Mark]:
    """Say of moments that they are right (True) or wrong; returns all marks of the query.

    What was said of one before no longer counts. Invalid: one is both, or too many are marked.
    Conflict, Denied: as of `admit`.
    """
    words: dict[int, tuple[Shown, bool]] = {}
    for one, right in said:
        if words.setdefault(one.frame_id, (one, right))[1] is not right:
            raise Invalid("a moment is right or wrong, not both; nothing was marked")
    now_us = directory.clock.now_us()
    with directory.ledger.write() as tx:
        admit(tx, kept, actor, now_us)
        before = {row.frame_id: row.right for row in marks.of_query(tx, kept.query.id)}
        if len(before.keys() | words.keys()) > MOST_MARKS:
            raise Invalid(
                "{count} marks are too many; use at most {most}",
                count=len(before.keys() | words.keys()), most=MOST_MARKS,
            )  # fmt: skip
        for one, right in words.values():
            marks.put(
                tx, query_id=kept.query.id, case_id=kept.query.case_id, frame_id=one.frame_id,
                segment_id=one.segment_id, camera_id=find_camera(tx, one.camera).id,
                ts_us=one.at_us, right=right, actor=actor.name, at_us=now_us,
            )  # fmt: skip
        rows = marks.of_query(tx, kept.query.id)
        changed = [row for row in rows if row.frame_id in words]
        _note(tx, kept, actor, changed, {row: before.get(row) for row in words}, now_us)
    return rows


def take_back(
    directory: DataDirectory, kept: Kept, frame_ids: Sequence[int], actor: Actor
) -> list[Mark]:
    """Undo marks; returns those that are left. NotFound: one of these is not marked."""
    with directory.ledger.write() as tx:
        admit(tx, kept, actor, directory.clock.now_us())
        known = seen(tx, marks.of_query(tx, kept.query.id), actor.name, directory)
        rows = {row.frame_id: row for row in known}
        for frame_id in frame_ids:
            if frame_id not in rows:
                raise NotFound(
                    "frame {frame} is not marked for search {token}; nothing was changed",
                    frame=frame_id, token=kept.run.id,
                )  # fmt: skip
        gone = [rows[frame_id] for frame_id in dict.fromkeys(frame_ids)]
        marks.take_back(tx, kept.query.id, [row.frame_id for row in gone])
        before: dict[int, bool | None] = {row.frame_id: row.right for row in gone}
        _note(tx, kept, actor, gone, before, directory.clock.now_us(), undone=True)
        return marks.of_query(tx, kept.query.id)


def refine(
    engine: Engine,
    kept: Kept,
    actor: Actor,
    *,
    stop: Stop | None = None,
    progress: Progress | None = None,
) -> Asked:
    """Ask the same again with what is marked: another stored query, which takes the marks along.

    Invalid: nothing is marked. Otherwise as `admit` and `runs.ask`.
    """
    token, query = enter_refined(engine.directory, kept, actor, state="running")
    return runs.carry_out(engine, token, query, actor, stop=stop, progress=progress)


def enter_refined(
    directory: DataDirectory, kept: Kept, actor: Actor, *, state: str
) -> tuple[str, Query]:
    """Store the query that `refine` asks, and a run of it. Errors as of `refine`."""
    with directory.ledger.read() as tx:
        admit(tx, kept, actor, directory.clock.now_us())
        said = seen(tx, marks.of_query(tx, kept.query.id), actor.name, directory)
        query = read_back(tx, kept.query.id)
    if not said:
        raise Invalid(
            "nothing is marked for search {token}; `hindsight mark` says what is right or wrong",
            token=kept.run.id,
        )
    query = query.model_copy(update={"marks": tuple(_marked(row) for row in said)})
    token = runs.enter(directory, query, actor, state=state)
    try:
        with directory.ledger.write() as tx:
            to_query = search_runs.find(tx, token).query_id
            marks.carry_over(tx, kept.query.id, to_query, [row.frame_id for row in said])
    except BaseException as error:  # whatever it was: nobody carries out this run
        runs.end(directory, token, error, stopped=False)
        raise
    return token, query


def seen(tx: Connection, rows: list[Mark], name: str, directory: DataDirectory) -> list[Mark]:
    """Those of cameras that somebody may search now."""
    access = access_of(tx, name, directory.clock.now_us())
    keys = {
        case: searched_keys(tx, directory, access, case) for case in {row.case_id for row in rows}
    }
    return [row for row in rows if _holds(keys[row.case_id], row.camera_id)]


def _holds(keys: Keys, camera_id: int) -> bool:
    return keys is None or camera_id in keys


def admit(tx: Connection, kept: Kept, actor: Actor, at_us: int) -> None:
    """Whether `actor` may mark: NotFound, Conflict: the case is another's, closed. Denied:
    somebody else's search."""
    if kept.query.case_id is not None:
        open_case_for(tx, access_of(tx, actor.name, at_us), kept.query.case_id)
    elif kept.query.asked_by != actor.name:
        raise Denied(NOT_ITS_OWN, token=kept.run.id, who=kept.query.asked_by)


def document(row: Mark) -> dict[str, Any]:
    """A mark as JSON. `kept`: its footage is there; one that has none refines nothing."""
    return {
        "frame": str(row.frame_id), "segment": row.segment_id, "camera": row.camera,
        "time": rfc3339(row.ts_us), "right": row.right, "by": row.actor,
        "at": rfc3339(row.created_us), "case": row.case_id, "kept": row.kept,
    }  # fmt: skip


def _marked(row: Mark) -> Marked:
    return Marked(frame_id=row.frame_id, segment_id=row.segment_id, right=row.right)


def _note(
    tx: Connection, kept: Kept, actor: Actor, rows: Sequence[Mark],
    before: dict[int, bool | None], at_us: int, *, undone: bool = False,
) -> None:  # fmt: skip
    """One audit row of what was said now, and what was said before."""
    said = [
        {"frame": str(row.frame_id), "camera": row.camera, "time": rfc3339(row.ts_us),
         "right": None if undone else row.right, "was": before[row.frame_id]}
        for row in rows
    ]  # fmt: skip
    who = actor.under(kept.query.case_id, actor.reason or kept.query.reason)
    detail = {"token": kept.run.id, "marks": said}
    audit.record(tx, who, "mark", kept.subject, at_us=at_us, detail=detail)
