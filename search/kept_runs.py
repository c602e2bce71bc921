"""Runs read back: the answer as it was given, and what became of its footage since."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from search.kept_queries import subject_of
from search.pulse import SILENT_S
from storage import audit, register, search_runs, stored_queries
from storage.clock import US, optional_rfc3339, parse_time, rfc3339
from storage.directory import DataDirectory
from storage.errors import DataLoss
from storage.footage_since import Footage, footage, footage_of
from storage.i18n import tr
from storage.search_runs import Listed, SearchRun
from storage.stored_queries import StoredQuery
from storage.vocabulary import Actor, Camera

TOKEN = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")  # a ULID; names may not look like one
BESIDE = "circumstances"  # the key under which they lie beside an answer


@dataclass(frozen=True, slots=True)
class Kept:
    """A run with what it is of, read back."""

    run: SearchRun
    query: StoredQuery
    answer: dict[str, Any] | None  # as it was given; None while there is none
    circumstances: dict[str, Any]
    so_far: dict[str, Any] | None = None  # of one that is running: search.early.SoFar.document

    @property
    def began(self) -> str:
        """When it began to look, RFC 3339: what happened later counts as since."""
        return str(self.circumstances.get("began") or rfc3339(self.run.asked_us))

    @property
    def subject(self) -> str:
        """What was asked, in one line."""
        return subject_of(self.query)


def named(directory: DataDirectory, word: str) -> Kept:
    """A run by its token, or the latest one of the query that has this name. NotFound: none."""
    word = word.strip()
    if not TOKEN.fullmatch(word.upper()):
        with directory.ledger.read() as tx:
            run = search_runs.newest_of_name(tx, " ".join(word.split()))
        word = word if run is None else run.id
    return find(directory, word)


def find(directory: DataDirectory, token: str) -> Kept:
    """A run by its token. NotFound: there is none, or not any more."""
    now_us = directory.clock.now_us()
    with directory.ledger.read() as tx:
        run = search_runs.find(tx, token)
    if not run.ended and (run.alive_us or 0) < now_us - SILENT_S * US:
        with directory.ledger.write() as tx:
            search_runs.give_up(tx, silent_since(now_us), now_us)
    with directory.ledger.read() as tx:
        run = search_runs.find(tx, run.id)
        query = stored_queries.find(tx, run.query_id)
        text = search_runs.answer(tx, run.id) if run.state in ("running", "done") else None
    if text is None:
        return Kept(run, query, None, {})
    try:
        document = json.loads(text)
        if run.state == "running":
            return Kept(run, query, None, {}, {**document, "moments": list(document["moments"])})
        return Kept(run, query, document, document.pop(BESIDE, {}))
    except (ValueError, AttributeError, TypeError, KeyError):
        raise DataLoss(
            "the kept answer of search {token} is damaged; restore the ledger from your backup, or"
            " ask again",
            token=run.id,
        ) from None


def note_look(
    directory: DataDirectory, kept: Kept, actor: Actor, detail: Mapping[str, Any]
) -> None:
    """The audit row of showing a kept answer, or what is found so far; to be committed before it
    is shown."""
    who = actor.under(kept.query.case_id, actor.reason or kept.query.reason)
    moments = (kept.answer or kept.so_far or {"moments": []})["moments"]
    shown = {one["camera"] for moment in moments for one in (moment, moment.get("then")) if one}
    detail = {"token": kept.run.id, **detail, "shown": sorted(shown)}
    if kept.so_far is not None and kept.so_far["approvals"]:  # an answer's own row names them
        detail["approvals"] = kept.so_far["approvals"]
    with directory.ledger.write() as tx:
        now_us = directory.clock.now_us()
        audit.record(tx, who, "search_shown", kept.subject, at_us=now_us, detail=detail)


def with_footage(
    directory: DataDirectory, moments: list[dict[str, Any]]
) -> list[dict[str, Any]]:  # fmt: skip
    """Each moment as it was given, and whether its footage is still there.

    `footage`: `state` is kept, partly (not all of the span) or gone (the pictures it was found
    by), then with `rule` and `expired` of the tombstone; null where the ledger knows none.
    """
    with directory.ledger.read() as tx:
        known = {camera.slug: camera for camera in register.cameras(tx)}
        needed = {segment for one in moments for segment in segments_of(one)}
        there = {one.segment_id: one for one in footage_of(tx, needed)}
        return [{**one, "footage": _footage(tx, known, there, one)} for one in moments]


def run_document(kept: Kept) -> dict[str, Any]:
    """A run as JSON, but for its answer."""
    run, query = kept.run, kept.query
    return {
        "token": run.id, "state": run.state, "progress": run.progress, "name": query.name,
        "subject": kept.subject, "case": query.case_id, "reason": query.reason,
        "asked_by": run.asked_by, "asked": rfc3339(run.asked_us),
        "finished": optional_rfc3339(run.finished_us), "model": run.model,
        "generation": run.generation, "code_version": run.code_version,
        "error": None if run.error is None else tr(run.error),
    }  # fmt: skip


def listed_document(one: Listed) -> dict[str, Any]:
    """As `run_document`, of a list."""
    stored = StoredQuery(
        one.run.query_id, one.case_id, one.reason, one.run.asked_by, one.run.asked_us, one.name,
        one.document,
    )  # fmt: skip
    return run_document(Kept(one.run, stored, None, {}))


def segments_of(moment: Mapping[str, Any]) -> set[str]:
    """The segments that hold the pictures a moment was found by; what follows may be elsewhere."""
    return {best["segment"] for best in (moment["best"], moment.get("then")) if best}


def silent_since(now_us: int) -> int:
    """Whose last sign of life is older than this is dead."""
    return now_us - round(SILENT_S * US)


def _footage(
    tx: Connection,
    known: Mapping[str, Camera],
    there: Mapping[str, Footage],
    moment: Mapping[str, Any],
) -> dict[str, Any]:
    needed, camera = segments_of(moment), known.get(moment["camera"])
    found = {name: there[name] for name in needed if name in there}
    if camera is not None:
        span = parse_time(moment["start"]), parse_time(moment["end"])
        found |= {one.segment_id: one for one in footage(tx, camera.id, *span)}
    gone = [one for one in found.values() if one.expired_us is not None]
    lost = needed - {one.segment_id for one in found.values() if one.expired_us is None}
    if not gone and not lost:
        return {"state": "kept"}
    first = next((one for one in gone if one.segment_id in needed), gone[0] if gone else None)
    return {
        "state": "gone" if lost else "partly",
        "rule": None if first is None else first.expired_rule,
        "expired": None if first is None else optional_rfc3339(first.expired_us),
    }
