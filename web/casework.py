"""Cases for pages and the API, in the name of who is logged in."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from evidence.exhibiting import AROUND_S, Moment, collect
from storage import audit, casework
from storage.access import Access
from storage.approvals_needed import Approvals
from storage.case_sight import cases_for
from storage.casework import Closed, Contents
from storage.clock import US
from storage.exhibits import Added, Exhibit, add_note, remove_exhibit
from storage.handing_over import (
    HANDED,
    HandedOver,
    Handover,
    hand_over,
    handed_to,
    may_until,
    take_back,
)
from storage.i18n import tr
from storage.rights import Verb, may
from storage.search_runs import Listed
from storage.vocabulary import Case, Span
from web import context


@dataclass(frozen=True, slots=True)
class Shown:
    """An exhibit as somebody may see it on a page."""

    exhibit: Exhibit
    seen: bool  # the camera is there for them; else nothing is said of the exhibit
    picture: bool  # they may look at its still, under this case, now
    approval: int | None  # number of the one that its still is shown under
    export: bool
    play: bool


def open_cases() -> list[Case]:
    """Those that a moment may be collected into."""
    if not may(context.user(), Verb.SEARCH):
        return []
    with context.directory().ledger.read() as tx:
        return cases_for(tx, context.access(tx), open_only=True)


def listed(*, open_only: bool = False) -> list[Case]:
    """Those they know of, newest first."""
    with context.directory().ledger.read() as tx:
        return cases_for(tx, context.access(tx), open_only=open_only)


def looked_at(case_id: str) -> tuple[Contents, list[Shown], Access]:
    """A case with what of it may be shown; that somebody looks is committed before."""
    directory = context.directory()
    with directory.ledger.write() as tx:
        access = context.access(tx)
        found = casework.contents(tx, access, case_id)
        shown = [_shown(tx, access, found, one) for one in found.exhibits]
        cameras = sorted({one.exhibit.camera.slug for one in shown if one.seen})
        approvals = sorted({one.approval for one in shown if one.approval is not None})
        audit.record(
            tx, context.actor(found.case.id, found.case.reason), "case.view", found.case.id,
            at_us=access.at_us,
            detail={
                "cameras": cameras,
                "pictures": [one.exhibit.id for one in shown if one.picture],
                **({"approvals": approvals} if approvals else {}),
            },
        )  # fmt: skip
    return found, shown, access


def asked(one: Listed) -> tuple[str, dict[str, str] | None]:
    """What a search asked for, in words; and what to ask the search desk to see its answer again,
    where it asked in words alone and they are whose it is."""
    query = json.loads(one.document)
    parts = query.pop("parts", [])
    texts = [part["text"] for part in parts if part.get("text")]
    words = " + ".join(texts) or one.name or tr("a picture")
    rest = any(value for key, value in query.items() if key not in ("case", "reason", "diversify"))
    mine = one.run.asked_by == context.user().name and may(context.user(), Verb.SEARCH)
    if rest or not mine or len(parts) != 1 or not texts or parts[0].get("weight", 1) != 1:
        return words, None
    again = {"q": texts[0], "case": one.case_id or "", "reason": one.reason or ""}
    return words, {**again, "run": one.run.id}


def begin(case_id: str, reason: str) -> Case:
    """Of the department of whoever opens it."""
    with context.directory().ledger.write() as tx:
        return casework.begin(tx, context.access(tx), context.actor(), case_id, reason)


def close(case_id: str) -> Closed:
    """End what was done under it."""
    with context.directory().ledger.write() as tx:
        return casework.close(tx, context.access(tx), context.actor(), case_id)


def give(
    case_id: str, department: str, verbs: list[Verb], until_us: int, reason: str
) -> HandedOver:  # fmt: skip
    """Hand it over."""
    with context.directory().ledger.write() as tx:
        return hand_over(
            tx, context.access(tx), context.actor(), case_id, department=department,
            verbs=verbs, until_us=until_us, reason=reason,
        )  # fmt: skip


def end(case_id: str, number: int, reason: str) -> Handover:
    """Take it back."""
    with context.directory().ledger.write() as tx:
        return take_back(tx, context.access(tx), context.actor(), case_id, number, reason)


def add(moment: Moment) -> Added:
    """Collect a moment; what is around a picture of just now ends now."""
    now_us, at_us = context.now_us(), moment.at_us
    alone = at_us is not None and (moment.from_us, moment.to_us) == (None, None)
    if at_us is not None and alone and at_us < now_us < at_us + AROUND_S * US:
        moment = replace(moment, from_us=max(0, at_us - AROUND_S * US), to_us=now_us)
    return collect(context.directory(), context.access, context.actor(moment.case_id), moment)


def note(number: int, text: str) -> Exhibit:
    """Write something more about an exhibit."""
    with context.directory().ledger.write() as tx:
        return add_note(tx, context.access(tx), context.actor(), number, text)


def remove(number: int, reason: str) -> Exhibit:
    """Take one out of its case."""
    with context.directory().ledger.write() as tx:
        return remove_exhibit(tx, context.access(tx), context.actor(), number, reason)


def handable(found: Contents, access: Access, until_us: int) -> list[Verb]:
    """What they could hand over, with some camera of the case, until a time."""
    with context.directory().ledger.read() as tx:
        handed = handed_to(tx, access)
    return [
        verb for verb in HANDED
        if any(
            may_until(access, verb, one.camera, until_us, found.case.id, handed)
            for one in found.exhibits if one.removed_us is None
        )
    ]  # fmt: skip


def _shown(tx: Connection, access: Access, found: Contents, one: Exhibit) -> Shown:
    seen, is_open = access.sees(one.camera), found.case.closed_us is None
    looks = [verb for verb in (Verb.SEARCH, Verb.PLAY) if access.may(verb, one.camera)]
    picture, used = False, None
    if seen and is_open and one.still is not None and one.removed_us is None:
        approvals = Approvals(tx, context.directory().settings.access, access, found.case.id)
        at = Span(one.still.at_us, one.still.at_us + 1)
        allowed = [verb for verb in looks if approvals.allow(verb, one.camera, at, whole=False)]
        picture = Verb.SEARCH in access.verbs and bool(allowed)
        if picture:
            used = approvals.number(allowed[0], one.camera, at, whole=False)
    there = seen and is_open and one.removed_us is None
    return Shown(
        one, seen, picture, used, there and access.may(Verb.EXPORT, one.camera),
        there and access.may(Verb.PLAY, one.camera),
    )  # fmt: skip
