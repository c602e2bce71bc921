"""`case`: the purposes for which people look, and to whom they are handed over."""

from __future__ import annotations

from typing import Any

import click
from sqlalchemy import Connection

from storage import casework
from storage.access import Access, access_of
from storage.case_sight import cases_for
from storage.clock import local_text, optional_rfc3339, parse_time, rfc3339
from storage.commandline import HindsightGroup, Invocation, json_option, pass_invocation
from storage.errors import Invalid
from storage.exhibits import Exhibit
from storage.handing_over import HANDED, Handover, hand_over, take_back
from storage.i18n import N_, tr
from storage.rights import Verb
from storage.vocabulary import Case

STATES = {
    "in force": N_("handed over"),
    "expired": N_("expired"),
    "taken back": N_("taken back"),
    "case closed": N_("its case is closed"),
}
CLOSED = N_(
    "Case {case} is closed. Ended with it: {handovers} hand-overs, {grants} grants, {standing}"
    " standing queries. {holds} holds stay until they are released."
)


@click.group(cls=HindsightGroup, help=N_("Cases: the purposes for which people look."))
def group() -> None:
    """Holds the commands."""


@group.command(
    "open",
    help=N_("Open a case."),
    example='hindsight case open 2026-311 --reason "theft of a bicycle, north gate"'
    " --department north",
)
@click.argument("case_id", metavar="ID")
@click.option("--reason", required=True, metavar="TEXT", help=N_("what is looked for, and why"))
@click.option(
    "--department", metavar="NAME",
    help=N_("whose case it is; without, of everybody who works with cases"),
)  # fmt: skip
@json_option
@pass_invocation
def open_command(
    invocation: Invocation, case_id: str, reason: str, department: str | None, as_json: bool
) -> None:
    """Conflict when the number is taken."""
    with invocation.directory.ledger.write() as tx:
        access = _access(invocation, tx)
        case = casework.begin(tx, access, invocation.actor(), case_id, reason, department)
    if as_json:
        invocation.json(document(case))
    else:
        invocation.say(N_("Case {case} is open."), case=case.id)


@group.command(
    "list",
    help=N_("List cases, newest first."),
    example="hindsight case list --open",
)
@click.option("--open", "open_only", is_flag=True, help=N_("open ones only"))
@json_option
@pass_invocation
def list_command(invocation: Invocation, open_only: bool, as_json: bool) -> None:
    """Number, reason, department, who opened it and when."""
    with invocation.directory.ledger.read() as tx:
        found = cases_for(tx, _access(invocation, tx), open_only=open_only)
    if as_json:
        invocation.json([document(case) for case in found])
    elif not found:
        invocation.say(N_("There is no case."))
    else:
        invocation.table(
            [N_("case"), N_("reason"), N_("department"), N_("opened"), N_("opened by"),
             N_("closed")],
            [
                (c.id, c.reason, c.department, local_text(c.opened_us, "UTC"), c.opened_by,
                 None if c.closed_us is None else local_text(c.closed_us, "UTC"))
                for c in found
            ],
        )  # fmt: skip


@group.command(
    "show",
    help=N_("Show a case: its exhibits, holds, hand-overs, searches and standing queries."),
    example="hindsight case show 2026-311 --json",
)
@click.argument("case_id", metavar="ID")
@json_option
@pass_invocation
def show_command(invocation: Invocation, case_id: str, as_json: bool) -> None:
    """No picture is shown here, and so no look is recorded."""
    with invocation.directory.ledger.read() as tx:
        access = _access(invocation, tx)
        found = casework.contents(tx, access, case_id)
    told = contents_document(found, access)
    if as_json:
        invocation.json(told)
        return
    case = found.case
    invocation.say(
        N_("Case {case}: {reason} ({n} exhibits, {holds} holds, {standing} standing queries)."),
        case=case.id, reason=case.reason, n=sum(x.removed_us is None for x in found.exhibits),
        holds=len(found.holds), standing=sum(x.ended_us is None for x in found.standing),
    )  # fmt: skip
    if found.handovers:
        invocation.table(
            [N_("hand-over"), N_("department"), N_("until"), N_("state"), N_("by"), N_("reason")],
            [
                (one.id, one.department, local_text(one.until_us, "UTC"),
                 tr(STATES[one.state(access.at_us)]), one.made_by, one.reason)
                for one in found.handovers
            ],
        )  # fmt: skip


@group.command(
    "close",
    help=N_(
        "Close a case; nobody looks under it any more. Its grants, hand-overs and standing queries"
        " end with it; its holds stay until they are released."
    ),
    example="hindsight case close 2026-311",
)
@click.argument("case_id", metavar="ID")
@json_option
@pass_invocation
def close_command(invocation: Invocation, case_id: str, as_json: bool) -> None:
    """Conflict when it is closed already."""
    with invocation.directory.ledger.write() as tx:
        closed = casework.close(tx, _access(invocation, tx), invocation.actor(), case_id)
    if as_json:
        invocation.json(document(closed.case))
    else:
        invocation.say(CLOSED, **closed_fields(closed))


@group.command(
    "hand-over",
    help=N_(
        "Let another department see a case, and the cameras of its exhibits, until a time. It ends"
        " then, with the case, or when it is taken back."
    ),
    example="hindsight case hand-over 2026-311 --to south --until 2026-12-01T00:00:00+08:00"
    ' --reason "the suspect lives there"',
)
@click.argument("case_id", metavar="ID")
@click.option("--to", "to_department", required=True, metavar="DEPARTMENT", help=N_("to whom"))
@click.option("--until", "until_text", required=True, metavar="TIME", help=N_("ends then"))
@click.option(
    "--may", "verbs_text", default="search,play", show_default=True, metavar="VERBS",
    help=N_("some of search, play, export, with commas between"),
)  # fmt: skip
@click.option("--reason", required=True, metavar="TEXT", help=N_("why it is handed over"))
@json_option
@pass_invocation
def hand_over_command(
    invocation: Invocation,
    case_id: str,
    to_department: str,
    until_text: str,
    verbs_text: str,
    reason: str,
    as_json: bool,
) -> None:
    """Cameras of later exhibits are not among them: hand it over again."""
    until_us, verbs = parse_time(until_text), handed_verbs(verbs_text.split(","))
    with invocation.directory.ledger.write() as tx:
        access = _access(invocation, tx)
        made = hand_over(
            tx, access, invocation.actor(), case_id, department=to_department, verbs=verbs,
            until_us=until_us, reason=reason,
        )  # fmt: skip
    one = made.handover
    if as_json:
        invocation.json(handover_document(one, access.at_us))
    else:
        invocation.say(
            N_("Case {case} is handed over to {department} until {until}, with {n} cameras."),
            case=one.case_id, department=one.department, until=local_text(one.until_us, "UTC"),
            n=len(made.cameras),
        )  # fmt: skip


@group.command(
    "take-back",
    help=N_("End a hand-over now; what it allowed ends with the next request."),
    example='hindsight case take-back 2026-311 1 --reason "done"',
)
@click.argument("case_id", metavar="ID")
@click.argument("number", metavar="HAND-OVER", type=click.IntRange(1, 2**62))
@click.option("--reason", required=True, metavar="TEXT", help=N_("why it ends"))
@json_option
@pass_invocation
def take_back_command(
    invocation: Invocation, case_id: str, number: int, reason: str, as_json: bool
) -> None:
    """Its row stays."""
    with invocation.directory.ledger.write() as tx:
        access = _access(invocation, tx)
        one = take_back(tx, access, invocation.actor(), case_id, number, reason)
    if as_json:
        invocation.json(handover_document(one, access.at_us))
    else:
        invocation.say(
            N_("Case {case} is no longer handed over to {department}."),
            case=one.case_id, department=one.department,
        )  # fmt: skip


def handed_verbs(words: list[str]) -> list[Verb]:
    """Invalid when one is not handed over."""
    named = [word.strip() for word in words if word.strip()]
    if not named or not set(named) <= {verb.value for verb in HANDED}:
        raise Invalid("what is handed over is some of: {verbs}", verbs=", ".join(HANDED))
    return [Verb(word) for word in named]


def closed_fields(done: casework.Closed) -> dict[str, Any]:
    """Of the sentence CLOSED."""
    return {
        "case": done.case.id, "handovers": done.handovers, "grants": done.grants,
        "standing": done.standing, "holds": done.holds,
    }  # fmt: skip


def document(case: Case) -> dict[str, object]:
    """A case as JSON."""
    return {
        "id": case.id,
        "reason": case.reason,
        "department": case.department,
        "opened": rfc3339(case.opened_us),
        "opened_by": case.opened_by,
        "closed": optional_rfc3339(case.closed_us),
    }


def handover_document(one: Handover, now_us: int) -> dict[str, object]:
    """A hand-over as JSON."""
    return {
        "id": one.id,
        "case": one.case_id,
        "department": one.department,
        "until": rfc3339(one.until_us),
        "reason": one.reason,
        "state": one.state(now_us),
        "grants": list(one.grants),
        "made_by": one.made_by,
        "made": rfc3339(one.made_us),
        "ended": optional_rfc3339(one.ended_us),
        "ended_by": one.ended_by,
        "end_reason": one.end_reason,
    }


def exhibit_document(one: Exhibit, access: Access) -> dict[str, object]:
    """An exhibit as JSON; of a camera that its reader does not see, only that it is there."""
    seen = access.sees(one.camera)
    still = one.still if seen else None
    return {
        "id": one.id,
        "case": one.case_id,
        "camera": one.camera.slug if seen else None,
        "start": rfc3339(one.span.start_us) if seen else None,
        "end": rfc3339(one.span.end_us) if seen else None,
        "still": None if still is None else {
            "time": rfc3339(still.at_us), "sha256": still.sha256, "segment": still.segment_id,
            "box": None if still.box is None else list(still.box),
        },
        "search": one.search if seen else None,
        "hold": one.hold_id if seen else None,
        "added_by": one.added_by,
        "added": rfc3339(one.added_us),
        "removed": optional_rfc3339(one.removed_us),
        "removed_by": one.removed_by,
        "remove_reason": one.remove_reason if seen else None,
        "notes": [
            {"text": note.text, "by": note.made_by, "at": rfc3339(note.made_us)}
            for note in (one.notes if seen else ())
        ],
    }  # fmt: skip


def contents_document(found: casework.Contents, access: Access) -> dict[str, object]:
    """A case with all there is of it, as JSON."""
    return {
        **document(found.case),
        "exhibits": [exhibit_document(one, access) for one in found.exhibits],
        "handovers": [handover_document(one, access.at_us) for one in found.handovers],
        "holds": [
            {"id": one.id, "camera": one.camera, "start": rfc3339(one.start_us),
             "end": rfc3339(one.end_us), "reason": one.reason, "owner": one.owner}
            for one in found.holds
        ],
        "standing": [one.name for one in found.standing if one.ended_us is None],
        "searches": [one.run.id for one in found.searches],
        "exports": [one.id for one in found.exports],
    }  # fmt: skip


def _access(invocation: Invocation, tx: Connection) -> Access:
    return access_of(tx, invocation.actor().name, invocation.directory.clock.now_us())
