"""Exhibits: moments collected into a case. None is ever changed: notes are added, and one that is
removed stays as a row with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, insert, select, update

from storage import audit, search_runs
from storage.access import Access
from storage.approvals_needed import ApprovalNeeded, Approvals
from storage.case_sight import case_for, open_case_for
from storage.case_tables import exhibit, exhibit_note
from storage.cases import add_hold
from storage.clock import rfc3339
from storage.errors import Conflict, Invalid, NotFound
from storage.i18n import N_
from storage.purpose import require_look
from storage.register import camera_by_id
from storage.rights import Verb
from storage.segments import segments
from storage.settings import Settings
from storage.vocabulary import Actor, Camera, Case, Span

LONGEST_TEXT = 1000
LONGEST_S = 86_400  # whoever keeps days says so with `hold add`, and exports them
UNKNOWN = N_("exhibit {exhibit} is not known; `hindsight exhibit list` shows those of a case")
_e = exhibit.c
_n = exhibit_note.c


@dataclass(frozen=True, slots=True)
class Still:
    """The picture an exhibit is known by."""

    at_us: int  # UTC, of the picture
    sha256: str  # of its pixels: RGB, 8 bits, row by row; what privacy zones hide filled
    segment_id: str
    box: tuple[int, int, int, int] | None = None  # x, y, w, h in its pixels


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody wrote about an exhibit."""

    text: str
    made_by: str
    made_us: int


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A span of a camera, kept for a case."""

    id: int
    case_id: str
    camera: Camera
    span: Span
    still: Still | None  # None: no picture could be read
    search: str | None  # token of the run it was found by
    hold_id: int | None
    added_by: str
    added_us: int
    removed_us: int | None
    removed_by: str | None
    remove_reason: str | None
    notes: tuple[Note, ...]  # oldest first


@dataclass(frozen=True, slots=True)
class Wanted:
    """A moment to be collected."""

    case_id: str
    camera: Camera
    span: Span
    note: str = ""
    still: Still | None = None
    search: str | None = None
    hold: bool | None = None  # None: where they may


@dataclass(frozen=True, slots=True)
class Added:
    """What came of it."""

    exhibit: Exhibit
    overlaps: tuple[int, ...]  # exhibits of the case that show a part of the same
    may_expire: bool  # no hold was placed, for want of the right or of the wish


def require_collecting(
    tx: Connection, settings: Settings, access: Access, actor: Actor, wanted: Wanted
) -> Case:
    """The open case. NotFound, Denied, Conflict unless they may look at all of this footage under
    it; Invalid: an empty or endless span, or one to come; Conflict: it is an exhibit already."""
    return _collecting(tx, settings, access, actor, wanted)[0]


def _collecting(
    tx: Connection, settings: Settings, access: Access, actor: Actor, wanted: Wanted
) -> tuple[Case, list[int]]:
    """The case, and the approvals that collecting rests on."""
    verbs = [verb for verb in (Verb.PLAY, Verb.SEARCH) if access.may(verb, wanted.camera)]
    access.require(verbs[0] if verbs else Verb.SEARCH, wanted.camera)
    case = open_case_for(tx, access, wanted.case_id)
    if wanted.span.duration_us <= 0:
        raise Invalid("an exhibit ends after it begins; nothing was collected")
    if wanted.span.duration_us > LONGEST_S * 1_000_000:
        raise Invalid("an exhibit is at most a day long; nothing was collected")
    if wanted.span.end_us > access.at_us:
        raise Invalid("an exhibit ends before now; nothing was collected")
    if len(wanted.note.strip()) > LONGEST_TEXT:
        raise Invalid("a note has at most {most} characters", most=LONGEST_TEXT)
    who = actor.under(case.id, actor.reason or case.reason)
    approvals = _looked(tx, settings, access, who, verbs, wanted)
    if wanted.search is not None:
        run = search_runs.find(tx, wanted.search)
        if run.asked_by != access.name and not access.everywhere:
            raise NotFound(search_runs.UNKNOWN, token=wanted.search[:64])
    for one in _of_camera(tx, case, wanted.camera):
        if one.span == wanted.span:
            raise Conflict(
                "exhibit {exhibit} of case {case} is of the same span already; add a note to it."
                " Nothing was collected",
                exhibit=one.id, case=case.id,
            )  # fmt: skip
    if not segments(
        tx, camera_ids=[wanted.camera.id], from_us=wanted.span.start_us,
        to_us=wanted.span.end_us, limit=1,
    ):  # fmt: skip
        raise NotFound(
            "camera {camera} has no footage in this span; nothing was collected",
            camera=wanted.camera.slug,
        )
    return case, approvals


def _looked(
    tx: Connection, settings: Settings, access: Access, actor: Actor, verbs: Sequence[Verb],
    wanted: Wanted,
) -> list[int]:  # fmt: skip
    """The approvals under which they may look at it, in whichever way. All of the span has to be
    approved, though it may be played by a part: a hold keeps all of it."""
    refused: ApprovalNeeded | None = None
    approvals = Approvals(tx, settings.access, access, actor.case_id)
    for verb in verbs:
        try:
            require_look(tx, settings, access, actor, verb, [wanted.camera], wanted.span)
            return approvals.require(verb, [wanted.camera], wanted.span)
        except ApprovalNeeded as error:
            refused = refused or error
    assert refused is not None  # nobody comes here without a verb
    raise refused


def add_exhibit(
    tx: Connection, settings: Settings, access: Access, actor: Actor, wanted: Wanted
) -> Added:
    """Collect it, and hold its footage: where they may, unless they say otherwise.

    As `require_collecting`; Denied besides when a hold is asked for that they may not place.
    """
    case, approvals = _collecting(tx, settings, access, actor, wanted)
    camera, span, now_us, note = wanted.camera, wanted.span, access.at_us, wanted.note.strip()
    others = tuple(
        one.id for one in _of_camera(tx, case, camera)
        if one.span.start_us < span.end_us and span.start_us < one.span.end_us
    )  # fmt: skip
    holds = access.may(Verb.HOLD, camera) if wanted.hold is None else wanted.hold
    hold_id = None
    who = actor.under(case.id, note or actor.reason or case.reason)
    if holds:
        access.require_seen(Verb.HOLD, camera)
        hold_id = add_hold(
            tx, camera.id, span.start_us, span.end_us, reason=note or case.reason,
            owner=actor.name, at_us=now_us, case_id=case.id,
        ).id  # fmt: skip
    still = wanted.still
    key: int = tx.execute(
        insert(exhibit).values(
            case_id=case.id, camera_id=camera.id, start_us=span.start_us, end_us=span.end_us,
            still_us=None if still is None else still.at_us,
            still_sha256=None if still is None else still.sha256,
            still_segment=None if still is None else still.segment_id,
            box=None if still is None or still.box is None else ",".join(map(str, still.box)),
            search=None if wanted.search is None else wanted.search.upper(), hold_id=hold_id,
            added_by=actor.name, added_us=now_us,
        ).returning(_e.id)
    ).scalar_one()  # fmt: skip
    if note:
        _note(tx, key, note, actor.name, now_us)
    told: dict[str, Any] = {
        "exhibit": key,
        "from": rfc3339(span.start_us),
        "to": rfc3339(span.end_us),
    }
    if still is not None:
        told |= {"still": rfc3339(still.at_us), "sha256": still.sha256}
    if wanted.search is not None:
        told |= {"search": wanted.search}
    if approvals:
        told |= {"approvals": approvals}
    audit.record(tx, who, "exhibit.add", camera.slug, at_us=now_us, detail=told)
    if hold_id is not None:
        kept = {"hold": hold_id, "start": told["from"], "end": told["to"], "exhibit": key}
        audit.record(tx, who, "hold.add", camera.slug, at_us=now_us, detail=kept)
    return Added(_one(tx, key), others, hold_id is None)


def add_note(tx: Connection, access: Access, actor: Actor, number: int, text: str) -> Exhibit:
    """Write something more about it; what was written before stays."""
    one, text = _changed(tx, access, number), text.strip()
    if not text or len(text) > LONGEST_TEXT:
        raise Invalid("a note has 1 to {most} characters", most=LONGEST_TEXT)
    _note(tx, one.id, text, actor.name, access.at_us)
    audit.record(
        tx, actor.under(one.case_id, text), "exhibit.note", one.camera.slug, at_us=access.at_us,
        detail={"exhibit": one.id},
    )  # fmt: skip
    return _one(tx, one.id)


def remove_exhibit(
    tx: Connection, access: Access, actor: Actor, number: int, reason: str
) -> Exhibit:
    """It no longer counts; its row, its notes and its hold stay."""
    one, reason = _changed(tx, access, number), reason.strip()
    if not reason or len(reason) > LONGEST_TEXT:
        raise Invalid("removing an exhibit needs a reason; it is still there")
    tx.execute(
        update(exhibit).where(_e.id == one.id).values(
            removed_us=access.at_us, removed_by=actor.name, remove_reason=reason
        )
    )  # fmt: skip
    audit.record(
        tx, actor.under(one.case_id, reason), "exhibit.remove", one.camera.slug,
        at_us=access.at_us, detail={"exhibit": one.id},
    )  # fmt: skip
    return _one(tx, one.id)


def exhibits_of(tx: Connection, access: Access, case_id: str) -> list[Exhibit]:
    """All of a case, removed ones too, by number. NotFound: the case, as of `case_for`.

    Those of cameras that `access` does not see are among them: whoever shows them says no more of
    them than that they are there.
    """
    return _rows(tx, _e.case_id == case_for(tx, access, case_id).id)


def find_exhibit(tx: Connection, access: Access, number: int) -> Exhibit:
    """By number. NotFound when it, its case or its camera is unknown to them."""
    found = _rows(tx, _e.id == number) if 0 < number < 2**63 else []
    if found and access.sees(found[0].camera):
        try:
            case_for(tx, access, found[0].case_id)
            return found[0]
        except NotFound:
            pass  # told as below
    raise NotFound(UNKNOWN, exhibit=number)


def _changed(tx: Connection, access: Access, number: int) -> Exhibit:
    one = find_exhibit(tx, access, number)
    open_case_for(tx, access, one.case_id)
    access.require_seen(Verb.PLAY if access.may(Verb.PLAY, one.camera) else Verb.SEARCH, one.camera)
    if one.removed_us is not None:
        raise Conflict("exhibit {exhibit} was removed; nothing was changed", exhibit=number)
    return one


def _of_camera(tx: Connection, case: Case, camera: Camera) -> list[Exhibit]:
    """Those of a case that count."""
    return _rows(
        tx, _e.case_id == case.id, _e.camera_id == camera.id, _e.removed_us.is_(None)
    )  # fmt: skip


def _note(tx: Connection, key: int, text: str, by: str, at_us: int) -> None:
    tx.execute(
        insert(exhibit_note).values(exhibit_id=key, text=text, made_by=by, made_us=at_us)
    )  # fmt: skip


def _one(tx: Connection, key: int) -> Exhibit:
    return _rows(tx, _e.id == key)[0]


def _rows(tx: Connection, *where: ColumnElement[bool]) -> list[Exhibit]:
    query = select(exhibit).where(*where).order_by(_e.id)
    rows = list(tx.execute(query).mappings())
    written = _notes(tx, [row["id"] for row in rows])
    known: dict[int, Camera] = {}
    for row in rows:
        if row["camera_id"] not in known:
            known[row["camera_id"]] = camera_by_id(tx, row["camera_id"])
    return [_exhibit(row, known[row["camera_id"]], written) for row in rows]


def _notes(tx: Connection, keys: Sequence[int]) -> dict[int, list[Note]]:
    found: dict[int, list[Note]] = {}
    query = (
        select(exhibit_note)
        .join(exhibit, _e.id == _n.exhibit_id)
        .where(_e.case_id.in_(select(_e.case_id).where(_e.id.in_(keys[:1]))))
        .order_by(_n.id)
    )  # of the one case they are all of
    for row in tx.execute(query).mappings():
        note = Note(row["text"], row["made_by"], row["made_us"])
        found.setdefault(row["exhibit_id"], []).append(note)
    return found


def _exhibit(row: RowMapping, camera: Camera, notes: dict[int, list[Note]]) -> Exhibit:
    still = None
    if row["still_us"] is not None:
        box = None
        if row["box"] is not None:
            x, y, w, h = (int(part) for part in row["box"].split(","))
            box = (x, y, w, h)
        still = Still(row["still_us"], row["still_sha256"], row["still_segment"], box)
    return Exhibit(
        row["id"], row["case_id"], camera, Span(row["start_us"], row["end_us"]), still,
        row["search"], row["hold_id"], row["added_by"], row["added_us"], row["removed_us"],
        row["removed_by"], row["remove_reason"], tuple(notes.get(row["id"], ())),
    )  # fmt: skip
