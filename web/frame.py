"""The frame of every page: its desks and how many fit beside one another, and the case at hand."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask import g, has_request_context, request, url_for

from storage.case_sight import cases_for
from storage.rights import Verb, may
from storage.vocabulary import Case
from web import access, context

# Pages of one desk that lie under the address of another.
BELONGS = {"grants": "people", "zones": "cameras", "redaction": "export",
           "register": "cameras", "standing_desk": "search"}  # fmt: skip
# Desks whose pages look under a case: it goes along in their addresses, and nowhere else.
CASE_DESKS = frozenset({"search", "player", "timeline", "map", "export", "redaction"})
# How wide a name is drawn, px, at the frame's 14 px: letters, characters, padding with the gap.
LETTER, CHARACTER, AROUND, MORE = 7.4, 14.0, 22.0, 78.0
STEP = 48  # of css/desks.css
STEPS = 24


@dataclass(frozen=True, slots=True)
class Desk:
    """A link of the navigation."""

    address: str
    text: str
    current: str  # of aria-current: "page", "true" for a page below it, or ""
    step: int  # it is in the bar from so many STEPs of room on, else in the menu


@dataclass(frozen=True, slots=True)
class CaseAtHand:
    """The case in the address of this page, and the ways to another."""

    id: str  # "" where the page could look under one and does not
    reason: str
    address: str | None  # of its page, if they know of it
    others: tuple[tuple[Case, str], ...]  # with the address that changes to it
    without: str | None  # the address that looks under none


def desks() -> list[Desk]:
    """Those this person may work at, in their order."""
    found = access.desks_of(context.user())
    room = 0.0
    ends = [room := room + _width(text) for _, text in found]
    carried = _carried()
    here = BELONGS.get(request.blueprint or "", request.blueprint or "")
    made = []
    for (endpoint, text), end in zip(found, ends, strict=True):
        blueprint = endpoint.split(".")[0]
        current = "page" if endpoint == request.endpoint else "true" if blueprint == here else ""
        values: dict[str, Any] = {**carried} if blueprint in CASE_DESKS else {}
        step = -(-min(end + MORE, room) // STEP)
        made.append(Desk(url_for(endpoint, **values), text, current, min(STEPS, int(step))))
    return made


def case_at_hand() -> CaseAtHand | None:
    """None on a page that has nothing to do with a case."""
    here = request.blueprint or ""
    shown = _case_id()
    if not shown and here not in CASE_DESKS:
        return None
    user = context.user()
    if g.get("held_back") or not (may(user, Verb.SEARCH) or shown):
        return None
    with context.directory().ledger.read() as tx:
        known = {one.id: one for one in cases_for(tx, context.access(tx))}
    one = known.get(shown)
    others = tuple(
        (other, _instead(other.id, other.reason))
        for other in known.values()
        if other.closed_us is None and other.id != shown
    )
    if not shown and not others:
        return None
    return CaseAtHand(
        shown, one.reason if one else "", url_for("cases.case", case_id=one.id) if one else None,
        others[:12], _instead("", "") if shown and here in CASE_DESKS else None,
    )  # fmt: skip


def _case_id() -> str:
    below = (request.view_args or {}).get("case_id")
    return str(below or (request.args.get("case", "") if request.blueprint in CASE_DESKS else ""))


def _carried() -> dict[str, str]:
    """The case goes along to the other desks in their addresses."""
    if not has_request_context() or not (case := _case_id()):
        return {}
    reason = request.args.get("reason", "")
    return {"case": case, **({"reason": reason} if reason else {})}


def _instead(case: str, reason: str) -> str:
    """This address, for another case or for none."""
    if (request.view_args or {}).get("case_id"):
        return url_for("cases.case", case_id=case)
    pairs = [(k, v) for k, v in request.args.items(multi=True) if k not in ("case", "reason")]
    pairs += [("case", case), ("reason", reason)] if case else []
    return request.path + ("?" + urlencode(pairs) if pairs else "")


def _width(text: str) -> float:
    wide = sum(unicodedata.east_asian_width(each) in "WF" for each in text)
    return wide * CHARACTER + (len(text) - wide) * LETTER + AROUND
