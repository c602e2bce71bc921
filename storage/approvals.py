"""Approvals: somebody asks to look at cameras for a case, and a second person says yes or no.
Each of these is noted in the audit chain in the same transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, insert, or_, select, update

from storage import audit, schema
from storage.access import Access
from storage.approval_tables import approval, approval_camera
from storage.case_sight import open_case_for
from storage.cases import find_open_case
from storage.clock import US, rfc3339
from storage.errors import Conflict, Denied, Invalid, NotFound
from storage.i18n import N_
from storage.people import find_user
from storage.rights import Verb, refusal
from storage.settings import AccessSettings
from storage.vocabulary import Actor, Camera, Span

APPROVABLE = (Verb.SEARCH, Verb.PLAY, Verb.EXPORT)  # what a second person may have to agree to
LONGEST_TEXT = 1000
MOST_CAMERAS = 500  # of one request
HOUR_US = 3_600 * US
UNKNOWN = N_("request {request} is not known; `hindsight approval list --all` shows them")
NOT_ONES_OWN = N_("request {request} is your own: somebody else has to answer it")
_a, _case, _user = approval.c, schema.case_.c, schema.user.c
_CAMERA = [schema.camera.c[one.name] for one in fields(Camera)]


@dataclass(frozen=True, slots=True)
class Approval:
    """A request, and what became of it."""

    id: int
    user: str  # who wants to look
    case_id: str
    case_closed_us: int | None
    verbs: frozenset[Verb]
    cameras: tuple[Camera, ...]
    span: Span | None  # of the footage; None: of whatever time
    reason: str
    asked_by: str  # who entered it
    asked_us: int
    expires_us: int
    answer: str | None  # given, refused
    answered_us: int | None
    answered_by: str | None
    answer_reason: str | None
    revoked_us: int | None
    revoked_by: str | None
    revoke_reason: str | None

    def state(self, at_us: int) -> str:
        """'waiting' | 'in force' | 'refused' | 'revoked' | 'case closed' | 'expired'."""
        if self.revoked_us is not None:
            return "revoked"
        if self.answer == "refused":
            return "refused"
        if self.case_closed_us is not None:
            return "case closed"
        if at_us >= self.expires_us:
            return "expired"
        return "waiting" if self.answer is None else "in force"

    def of(self, cameras: Iterable[Camera]) -> Approval:
        """The same, as whoever sees only these cameras sees it."""
        return replace(self, cameras=tuple(cameras))

    def is_of(self, name: str) -> bool:
        """Whether somebody of this name wants to look, or entered it."""
        return name in (self.user, self.asked_by)


def request_approval(
    tx: Connection,
    settings: AccessSettings,
    access: Access,
    actor: Actor,
    *,
    verbs: Collection[Verb],
    cameras: Sequence[Camera],
    span: Span | None,
) -> Approval:
    """Ask that whom `access` is of may do `verbs` with these cameras, for the case of `actor`.

    Denied: they may not do it however it is approved. Invalid: what is missing, or none is
    needed. Conflict: the case is closed, or the same waits already.
    """
    if not access.person:
        raise Invalid("programs need no approval; name the person whom it is for")
    if not verbs or not set(verbs) <= set(APPROVABLE):
        raise Invalid("an approval is of some of: {verbs}", verbs=", ".join(APPROVABLE))
    if not 1 <= len(cameras) <= MOST_CAMERAS:
        raise Invalid("name 1 to {most} cameras; nothing was requested", most=MOST_CAMERAS)
    for camera in cameras:
        for verb in sorted(verbs):
            access.require_seen(verb, camera)
    reason = _text(actor.reason, N_("a request needs a reason; nothing was requested"))
    if actor.case_id is None:
        raise Invalid("a request names the open case it is for; nothing was requested")
    open_case_for(tx, access, actor.case_id)
    if span is not None and span.duration_us <= 0:
        raise Invalid("the span of the footage is empty; nothing was requested")
    if span is None and Verb.EXPORT in verbs:
        raise Invalid("to export, name the span of the footage: from when, to when")
    for camera in cameras:
        if not any(needs_approval(settings, verb, camera) for verb in verbs):
            raise Invalid(
                "for camera {camera} no approval is needed; nothing was requested",
                camera=camera.slug,
            )
    now_us, user_id = access.at_us, find_user(tx, access.name).id
    for one in _found(tx, _a.user_id == user_id, _waiting(now_us)):
        same = (one.case_id, one.verbs, one.span) == (actor.case_id, frozenset(verbs), span)
        if same and {each.id for each in one.cameras} == {each.id for each in cameras}:
            raise Conflict("request {request} for the same waits for its answer", request=one.id)
    start_us, end_us = (None, None) if span is None else (span.start_us, span.end_us)
    number: int = tx.execute(
        insert(approval).values(
            user_id=user_id, case_id=actor.case_id, reason=reason, asked_by=actor.name,
            verbs=",".join(verb for verb in APPROVABLE if verb in verbs), asked_us=now_us,
            start_us=start_us, end_us=end_us,
            expires_us=now_us + round(settings.approval_most_hours * HOUR_US),
        ).returning(_a.id)
    ).scalar_one()  # fmt: skip
    rows = [{"approval_id": number, "camera_id": key} for key in {one.id for one in cameras}]
    tx.execute(insert(approval_camera), rows)
    return _noted(tx, actor, "approval.request", number, now_us)


def give_approval(
    tx: Connection,
    settings: AccessSettings,
    access: Access,
    actor: Actor,
    number: int,
    *,
    reason: str,
    until_us: int | None = None,
) -> Approval:
    """Say yes, until a time (None: as long as the settings say).

    NotFound: unknown, or of a camera that `access` may not approve. Denied: one's own, or an API
    token. Conflict: answered, revoked or lapsed before, or its case is closed.
    """
    one = _decided(tx, access, actor, number)
    find_open_case(tx, one.case_id)
    now_us = access.at_us
    latest_us = now_us + round(settings.approval_most_hours * HOUR_US)
    if until_us is None:
        until_us = now_us + round(settings.approval_hours * HOUR_US)
    if not now_us < until_us <= latest_us:
        raise Invalid(
            "an approval ends in the future, by {latest} at the latest; nothing was approved",
            latest=rfc3339(latest_us),
        )
    return _answer(tx, one, actor, "given", reason, now_us, expires_us=until_us)


def refuse_approval(
    tx: Connection, access: Access, actor: Actor, number: int, *, reason: str
) -> Approval:
    """Say no. As `give_approval`."""
    one = _decided(tx, access, actor, number)
    return _answer(tx, one, actor, "refused", reason, access.at_us)


def revoke_approval(
    tx: Connection, access: Access, actor: Actor, number: int, *, reason: str
) -> Approval:
    """End a request or an approval now: whoever asked, and whoever may approve it, may.

    Conflict: it has ended already.
    """
    one = seen_approval(tx, access, number)
    reason = _text(reason, N_("revoking needs a reason; nothing was changed"))
    if one.state(access.at_us) not in ("waiting", "in force"):
        raise _over(one)
    changed = tx.execute(
        update(approval)
        .where(_a.id == number, _a.revoked_us.is_(None), _unrefused())
        .values(revoked_us=access.at_us, revoked_by=actor.name, revoke_reason=reason)
    )
    if changed.rowcount != 1:
        raise _over(one)
    who = actor.under(one.case_id, reason)
    return _noted(tx, who, "approval.revoke", number, access.at_us)


def find_approval(tx: Connection, number: int) -> Approval:
    """By number."""
    found = _found(tx, _a.id == number) if number < 2**63 else []
    if not found:
        raise NotFound(UNKNOWN, request=number)
    return found[0]


def seen_approval(tx: Connection, access: Access, number: int) -> Approval:
    """As `find_approval`, for somebody; what is hidden from them is unknown."""
    one = find_approval(tx, number)
    if not sees(access, one):
        raise NotFound(UNKNOWN, request=number)
    return one


def sees(access: Access, one: Approval) -> bool:
    """Whether a request is there at all, for them: their own, or theirs to answer or revoke."""
    return one.is_of(access.name) or may_answer(access, one)


def may_answer(access: Access, one: Approval) -> bool:
    """Whether they may approve looks at all of its cameras. Their own they may not all the same."""
    return all(access.may(Verb.APPROVE, camera) for camera in one.cameras)


def approvals(
    tx: Connection, access: Access, *, ended: bool = False, newest: int | None = None
) -> list[Approval]:
    """What somebody sees of those that wait or are in force; with `ended`, of all, or of so many
    of the `newest`. By number."""
    wanted = [] if ended else [_alive(access.at_us)]
    return [one for one in _found(tx, *wanted, newest=newest) if sees(access, one)]


def waiting_for(tx: Connection, access: Access) -> list[Approval]:
    """What waits for an answer that they may give."""
    if Verb.APPROVE not in access.verbs:
        return []
    found = _found(tx, _waiting(access.at_us))
    return [one for one in found if may_answer(access, one) and not one.is_of(access.name)]


def approvals_in_force(tx: Connection, name: str, case_id: str, at_us: int) -> list[Approval]:
    """What somebody has under a case at an instant."""
    mine = and_(_user.name == name, _a.case_id == case_id, _a.answer == "given")
    return [one for one in _found(tx, mine, _alive(at_us)) if one.state(at_us) == "in force"]


def waiting_of(tx: Connection, access: Access, case_id: str | None) -> list[Approval]:
    """Requests of theirs for a case that nobody has answered yet."""
    return _found(tx, _user.name == access.name, _a.case_id == case_id, _waiting(access.at_us))


def are_in_use(tx: Connection, settings: AccessSettings) -> bool:
    """Whether anything needs an approval here, or ever did."""
    if settings.approve_exports:
        return True
    sensitive = select(schema.camera.c.id).where(schema.camera.c.sensitive).limit(1)
    return bool(tx.execute(sensitive).first() or tx.execute(select(_a.id).limit(1)).first())


def needs_approval(settings: AccessSettings, verb: Verb, camera: Camera) -> bool:
    """Whether a person who does this needs a second one to agree."""
    if verb is Verb.EXPORT and settings.approve_exports:
        return True
    return camera.sensitive and verb in APPROVABLE


def _decided(tx: Connection, access: Access, actor: Actor, number: int) -> Approval:
    """The request, when they may answer it now."""
    one = seen_approval(tx, access, number)
    if Verb.APPROVE not in access.verbs:
        raise refusal(access.name, Verb.APPROVE)
    if one.is_of(access.name) or one.is_of(actor.name):
        raise Denied(NOT_ONES_OWN, request=number)
    if actor.token is not None:
        raise Denied("an API token cannot approve; log in with a password")
    if one.state(access.at_us) != "waiting":
        raise _over(one)
    return one


def _answer(
    tx: Connection, one: Approval, actor: Actor, answer: str, reason: str, at_us: int,
    **more: int,
) -> Approval:  # fmt: skip
    reason = _text(reason, N_("an answer needs a reason; the request still waits"))
    # On PostgreSQL two may have read that it waits: the first to write it has answered.
    changed = tx.execute(
        update(approval)
        .where(_a.id == one.id, _a.answer.is_(None), _a.revoked_us.is_(None))
        .values(
            answer=answer, answered_us=at_us, answered_by=actor.name, answer_reason=reason, **more
        )
    )
    if changed.rowcount != 1:
        raise _over(one)
    action = "approval.give" if answer == "given" else "approval.refuse"
    return _noted(tx, actor.under(one.case_id, reason), action, one.id, at_us)


def _noted(tx: Connection, actor: Actor, action: str, number: int, at_us: int) -> Approval:
    one = find_approval(tx, number)
    span = {} if one.span is None else {
        "from": rfc3339(one.span.start_us), "to": rfc3339(one.span.end_us)
    }  # fmt: skip
    audit.record(
        tx, actor, action, one.user, at_us=at_us,
        detail={
            "approval": number, "verbs": [verb for verb in APPROVABLE if verb in one.verbs],
            "cameras": [camera.slug for camera in one.cameras], **span,
            "expires": rfc3339(one.expires_us),
        },
    )  # fmt: skip
    return one


def _over(one: Approval) -> Conflict:
    return Conflict(
        "request {request} was answered, revoked or lapsed already; nothing was changed,"
        " `hindsight approval list --all` says more",
        request=one.id,
    )


def _text(text: str | None, missing: str) -> str:
    plain = (text or "").strip()
    if not plain:
        raise Invalid(missing)
    if len(plain) > LONGEST_TEXT:
        raise Invalid("a reason has at most {most} characters", most=LONGEST_TEXT)
    return plain


def _waiting(at_us: int) -> ColumnElement[bool]:
    return and_(_a.answer.is_(None), _alive(at_us))


def _alive(at_us: int) -> ColumnElement[bool]:
    return and_(
        _a.revoked_us.is_(None), _a.expires_us > at_us, _case.closed_us.is_(None), _unrefused()
    )  # fmt: skip


def _unrefused() -> ColumnElement[bool]:
    return or_(_a.answer.is_(None), _a.answer == "given")


def _found(
    tx: Connection, *wanted: ColumnElement[bool], newest: int | None = None
) -> list[Approval]:
    """By number, with their cameras; of many, so many of the newest."""
    found = tx.execute(
        select(approval, _user.name.label("user"), _case.closed_us.label("case_closed_us"))
        .join(schema.user, _user.id == _a.user_id)
        .join(schema.case_, _case.id == _a.case_id)
        .where(*wanted)
        .order_by(_a.id.desc())
        .limit(newest)
    )
    rows = found.all()[::-1]
    cameras = _cameras(tx, [row.id for row in rows])
    return [_approval(row, cameras.get(row.id, [])) for row in rows]


def _cameras(tx: Connection, numbers: Sequence[int]) -> dict[int, list[Camera]]:
    """Number of a request → its cameras, by slug."""
    found: dict[int, list[Camera]] = {}
    for start in range(0, len(numbers), 500):
        some = numbers[start : start + 500]
        for number, *row in tx.execute(
            select(approval_camera.c.approval_id, *_CAMERA)
            .join(schema.camera, schema.camera.c.id == approval_camera.c.camera_id)
            .where(approval_camera.c.approval_id.in_(some))
            .order_by(schema.camera.c.slug)
        ):
            found.setdefault(number, []).append(Camera(*row))
    return found


def _approval(row: Row[Any], cameras: Iterable[Camera]) -> Approval:
    values = dict(row._mapping)
    values.pop("user_id")
    start_us, end_us = values.pop("start_us"), values.pop("end_us")
    span = None if start_us is None else Span(start_us, end_us)
    verbs = frozenset(Verb(verb) for verb in values.pop("verbs").split(","))
    return Approval(**values, verbs=verbs, cameras=tuple(cameras), span=span)
