"""Approvals for the browser and the API: asked, answered and revoked in the name of who is logged
in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import g, has_request_context, url_for

from storage.access import Access
from storage.approvals import (
    APPROVABLE,
    Approval,
    approvals,
    are_in_use,
    give_approval,
    may_answer,
    refuse_approval,
    request_approval,
    revoke_approval,
    waiting_for,
)
from storage.approvals_needed import ApprovalNeeded
from storage.clock import rfc3339
from storage.errors import HindsightError, Invalid
from storage.i18n import N_, tr
from storage.register import find_cameras
from storage.rights import Verb, may
from storage.vocabulary import Camera, Span, User
from web import context

NEWEST = 500  # requests among which those that have ended are listed
# What a request asks for, in words for people.
WORDS: dict[Verb, str] = {
    Verb.SEARCH: N_("search"),
    Verb.PLAY: N_("watch"),
    Verb.EXPORT: N_("export"),
}


@dataclass(frozen=True, slots=True)
class Listed:
    """A request as somebody sees it."""

    approval: Approval
    state: str
    answerable: bool  # it waits for an answer that they may give
    revocable: bool


def listed(*, ended: bool = False) -> list[Listed]:
    """What who is logged in sees, newest first; of their own, only the cameras they see now. With
    `ended`, also those that have ended among the newest."""
    with context.directory().ledger.read() as tx:
        access = context.access(tx)
        found = {one.id: one for one in approvals(tx, access)}
        if ended:
            some = approvals(tx, access, ended=True, newest=NEWEST)
            found = {one.id: one for one in some} | found
        seen = {one.id: _as_seen(access, one) for one in found.values()}
    shown = []
    for _, one in sorted(found.items(), reverse=True):
        if not seen[one.id].cameras:
            continue
        state = one.state(access.at_us)
        mine = one.is_of(access.name)
        shown.append(
            Listed(
                seen[one.id], state,
                answerable=state == "waiting" and not mine and may_answer(access, one),
                revocable=state in ("waiting", "in force"),
            )
        )  # fmt: skip
    return shown


def choice() -> list[Camera]:
    """The cameras for which somebody may have to ask."""
    directory = context.directory()
    with directory.ledger.read() as tx:
        register = context.access(tx).register(tx, Verb.SEARCH)
    every = directory.settings.access.approve_exports
    return [one for one in register if every or one.sensitive]


def ask(
    verbs: Sequence[str], names: Sequence[str], span: Span | None, case: str | None,
    reason: str | None,
) -> Approval:  # fmt: skip
    """Request it for oneself. NotFound, Denied, Invalid, Conflict: see storage.approvals."""
    directory = context.directory()
    wanted = [verb for verb in APPROVABLE if verb.value in verbs]
    if not wanted or len(wanted) < len({*verbs}):
        raise Invalid("an approval is of some of: {verbs}", verbs=", ".join(APPROVABLE))
    if not names:
        raise Invalid("choose at least one camera; nothing was requested")
    with directory.ledger.write() as tx:
        access = context.access(tx)
        cameras = find_cameras(tx, names, (), access.sees)
        return request_approval(
            tx, directory.settings.access, access, context.actor(case, reason),
            verbs=wanted, cameras=cameras, span=span,
        )  # fmt: skip


def give(number: int, reason: str, until_us: int | None) -> Approval:
    """Say yes."""
    directory = context.directory()
    with directory.ledger.write() as tx:
        access = context.access(tx)
        one = give_approval(
            tx, directory.settings.access, access, context.actor(), number,
            reason=reason, until_us=until_us,
        )  # fmt: skip
        return _as_seen(access, one)


def refuse(number: int, reason: str) -> Approval:
    """Say no."""
    with context.directory().ledger.write() as tx:
        access = context.access(tx)
        return _as_seen(
            access, refuse_approval(tx, access, context.actor(), number, reason=reason)
        )  # fmt: skip


def revoke(number: int, reason: str) -> Approval:
    """End it."""
    with context.directory().ledger.write() as tx:
        access = context.access(tx)
        return _as_seen(
            access, revoke_approval(tx, access, context.actor(), number, reason=reason)
        )  # fmt: skip


def _as_seen(access: Access, one: Approval) -> Approval:
    """What was asked may be of a camera that is hidden from whoever asked, by now."""
    return one.of([camera for camera in one.cameras if access.sees(camera)])


def approvals_desk(user: User) -> str | None:
    """The page's name in the navigation, with the number that waits for this person; None: it is
    not for them, or nothing needs an approval here."""
    if not (may(user, Verb.SEARCH) or may(user, Verb.APPROVE)):
        return None
    with context.directory().ledger.read() as tx:
        if not are_in_use(tx, context.directory().settings.access):
            return None
        waiting = len(waiting_for(tx, context.access(tx)))
    return tr("Approvals ({n})", n=waiting) if waiting else tr("Approvals")


def request_address(refused: HindsightError) -> str | None:
    """Where to ask for what was refused for want of an approval; None: it was for another reason,
    or it waits already."""
    if not isinstance(refused, ApprovalNeeded) or not has_request_context() or not g.get("user"):
        return None
    filled: dict[str, Any] = {
        "verb": refused.verb.value, "camera": refused.cameras, "case": refused.case_id
    }  # fmt: skip
    if refused.verb is Verb.EXPORT and refused.span is not None:
        filled |= {"from": rfc3339(refused.span.start_us), "to": rfc3339(refused.span.end_us)}
    return url_for("approvals.page", **filled, _anchor=None if refused.waits else "request")
