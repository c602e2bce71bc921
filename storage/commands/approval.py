"""`approval`: where a second person has to agree before somebody looks."""

from __future__ import annotations

import click
from sqlalchemy import Connection

from storage.access import Access, access_of
from storage.approvals import (
    APPROVABLE,
    Approval,
    approvals,
    give_approval,
    refuse_approval,
    request_approval,
    revoke_approval,
)
from storage.clock import local_text, optional_rfc3339, parse_time, rfc3339
from storage.commandline import HindsightGroup, Invocation, json_option, pass_invocation
from storage.commands.options import asked_times
from storage.errors import Invalid
from storage.i18n import N_, tr
from storage.people import find_user
from storage.register import find_camera
from storage.rights import Verb
from storage.vocabulary import Actor, Span

STATES = {
    "waiting": N_("waits for an answer"),
    "in force": N_("approved"),
    "refused": N_("refused"),
    "revoked": N_("revoked"),
    "expired": N_("expired"),
    "case closed": N_("its case is closed"),
}


@click.group(
    cls=HindsightGroup,
    help=N_("Looks at sensitive cameras, and exports, that a second person has to approve."),
)
def group() -> None:
    """Holds the commands."""


@group.command(
    "request",
    help=N_(
        "Ask for somebody that a second person approve: to search, play or export cameras, for an"
        " open case. Whoever enters it cannot answer it."
    ),
    example="hindsight approval request --for li.wei --camera clinic --may search,play"
    ' --case 2026-311 --reason "the suspect was seen going in"',
)
@click.option("--for", "user_name", required=True, metavar="USER", help=N_("who wants to look"))
@click.option(
    "--camera", "names", required=True, multiple=True, metavar="NAME",
    help=N_("this camera; give it again for more"),
)  # fmt: skip
@click.option(
    "--may", "verbs_text", required=True, metavar="VERBS",
    help=N_("some of search, play, export, with commas between"),
)  # fmt: skip
@click.option(
    "--from", "from_text", metavar="TIME", help=N_("footage from this time on; needed to export")
)
@click.option("--to", "to_text", metavar="TIME", help=N_("footage before this time"))
@click.option("--case", "case_id", required=True, metavar="ID", help=N_("for this open case"))
@click.option("--reason", required=True, metavar="TEXT", help=N_("why it is needed"))
@json_option
@pass_invocation
def request_command(
    invocation: Invocation,
    user_name: str,
    names: tuple[str, ...],
    verbs_text: str,
    from_text: str | None,
    to_text: str | None,
    case_id: str,
    reason: str,
    as_json: bool,
) -> None:
    """In the name of the command line, for a person."""
    directory = invocation.directory
    now_us, actor = directory.clock.now_us(), invocation.actor(case_id, reason)
    verbs, span = verbs_of(verbs_text), span_of(*asked_times(from_text, to_text))
    with directory.ledger.write() as tx:
        access = access_of(tx, find_user(tx, user_name).name, now_us)
        cameras = list({one.id: one for one in (find_camera(tx, n) for n in names)}.values())
        made = request_approval(
            tx, directory.settings.access, access, actor, verbs=verbs, cameras=cameras, span=span
        )
    _told(invocation, made, N_("Request {request} of {user} waits for an answer."), as_json)


@group.command(
    "list",
    help=N_("List what waits for an answer, and what is approved."),
    example="hindsight approval list --for li.wei --all",
)
@click.option("--for", "user_name", metavar="USER", help=N_("of this person only"))
@click.option("--all", "every", is_flag=True, help=N_("ended ones too"))
@json_option
@pass_invocation
def list_command(invocation: Invocation, user_name: str | None, every: bool, as_json: bool) -> None:
    """By number."""
    directory = invocation.directory
    now_us = directory.clock.now_us()
    with directory.ledger.read() as tx:
        wanted = None if user_name is None else find_user(tx, user_name).name
        access = access_of(tx, invocation.actor().name, now_us)
        found = [
            one for one in approvals(tx, access, ended=every) if wanted in (None, one.user)
        ]  # fmt: skip
    if as_json:
        invocation.json([document(one, now_us) for one in found])
    elif not found:
        invocation.say(N_("Nothing waits for an approval, and none is in force."))
    else:
        invocation.table(
            [N_("request"), N_("of"), N_("may"), N_("cameras"), N_("footage"), N_("case"),
             N_("reason"), N_("state"), N_("by"), N_("until")],
            [
                (one.id, one.user, verbs_text_of(one), ", ".join(c.slug for c in one.cameras),
                 _span_text(one), one.case_id, one.reason, tr(STATES[one.state(now_us)]),
                 one.answered_by, local_text(one.expires_us, "UTC"))
                for one in found
            ],
        )  # fmt: skip


@group.command(
    "give",
    help=N_("Approve a request. It ends by itself, with its case, or when it is revoked."),
    example='hindsight approval give 3 --reason "as agreed with the prosecutor"'
    " --until 2026-11-30T00:00:00+08:00",
)
@click.argument("number", metavar="ID", type=click.IntRange(1, 2**62))
@click.option("--until", "until_text", metavar="TIME", help=N_("ends then (default: settings)"))
@click.option("--reason", required=True, metavar="TEXT", help=N_("why it is approved"))
@json_option
@pass_invocation
def give_command(
    invocation: Invocation, number: int, until_text: str | None, reason: str, as_json: bool
) -> None:
    """Not by whoever wants it, nor by whoever entered it."""
    directory = invocation.directory
    until_us = None if until_text is None else parse_time(until_text)
    with directory.ledger.write() as tx:
        access, actor = _who(invocation, tx)
        given = give_approval(
            tx, directory.settings.access, access, actor, number, reason=reason, until_us=until_us
        )
    _told(invocation, given, N_("Request {request} of {user} is approved until {until}."), as_json)


@group.command(
    "refuse",
    help=N_("Refuse a request; another one may be made."),
    example='hindsight approval refuse 3 --reason "the case does not need it"',
)
@click.argument("number", metavar="ID", type=click.IntRange(1, 2**62))
@click.option("--reason", required=True, metavar="TEXT", help=N_("why it is refused"))
@json_option
@pass_invocation
def refuse_command(invocation: Invocation, number: int, reason: str, as_json: bool) -> None:
    """Not by whoever wants it, nor by whoever entered it."""
    with invocation.directory.ledger.write() as tx:
        access, actor = _who(invocation, tx)
        refused = refuse_approval(tx, access, actor, number, reason=reason)
    _told(invocation, refused, N_("Request {request} of {user} is refused."), as_json)


@group.command(
    "revoke",
    help=N_("End a request or an approval now; what it allowed ends with the next request."),
    example='hindsight approval revoke 3 --reason "the suspect was found"',
)
@click.argument("number", metavar="ID", type=click.IntRange(1, 2**62))
@click.option("--reason", required=True, metavar="TEXT", help=N_("why it ends"))
@json_option
@pass_invocation
def revoke_command(invocation: Invocation, number: int, reason: str, as_json: bool) -> None:
    """Its row stays in the list, with who ended it and why."""
    with invocation.directory.ledger.write() as tx:
        access, actor = _who(invocation, tx)
        ended = revoke_approval(tx, access, actor, number, reason=reason)
    _told(invocation, ended, N_("Request {request} of {user} is revoked."), as_json)


def document(one: Approval, now_us: int) -> dict[str, object]:
    """A request as JSON, with what became of it."""
    return {
        "id": one.id,
        "user": one.user,
        "verbs": [verb.value for verb in APPROVABLE if verb in one.verbs],
        "cameras": [camera.slug for camera in one.cameras],
        "from": None if one.span is None else rfc3339(one.span.start_us),
        "to": None if one.span is None else rfc3339(one.span.end_us),
        "case": one.case_id,
        "reason": one.reason,
        "state": one.state(now_us),
        "asked_by": one.asked_by,
        "asked": rfc3339(one.asked_us),
        "expires": rfc3339(one.expires_us),
        "answer": one.answer,
        "answered": optional_rfc3339(one.answered_us),
        "answered_by": one.answered_by,
        "answer_reason": one.answer_reason,
        "revoked": optional_rfc3339(one.revoked_us),
        "revoked_by": one.revoked_by,
        "revoke_reason": one.revoke_reason,
    }


def verbs_of(text: str) -> list[Verb]:
    """'search,play' → verbs. Invalid when one is not approved by anybody."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words or not set(words) <= set(APPROVABLE):
        raise Invalid("an approval is of some of: {verbs}", verbs=", ".join(APPROVABLE))
    return [verb for verb in APPROVABLE if verb in words]


def span_of(from_us: int | None, to_us: int | None) -> Span | None:
    """Of the footage; both ends or none."""
    if (from_us is None) != (to_us is None):
        raise Invalid("name both ends of the footage, or none; nothing was requested")
    return None if from_us is None or to_us is None else Span(from_us, to_us)


def verbs_text_of(one: Approval) -> str:
    """'search, play'."""
    return ", ".join(verb.value for verb in APPROVABLE if verb in one.verbs)


def _span_text(one: Approval) -> str | None:
    if one.span is None:
        return None
    return f"{local_text(one.span.start_us, 'UTC')} – {local_text(one.span.end_us, 'UTC')}"


def _who(invocation: Invocation, tx: Connection) -> tuple[Access, Actor]:
    actor = invocation.actor()
    return access_of(tx, actor.name, invocation.directory.clock.now_us()), actor


def _told(invocation: Invocation, one: Approval, message: str, as_json: bool) -> None:
    if as_json:
        invocation.json(document(one, invocation.directory.clock.now_us()))
    else:
        invocation.say(
            message, request=one.id, user=one.user, until=local_text(one.expires_us, "UTC")
        )
