"""`case`: the purposes for which people look."""

from __future__ import annotations

import click

from storage import audit
from storage.cases import cases, close_case, open_case
from storage.clock import local_text, optional_rfc3339, rfc3339
from storage.commandline import HindsightGroup, Invocation, json_option, pass_invocation
from storage.i18n import N_
from storage.vocabulary import Actor, Case


@click.group(cls=HindsightGroup, help=N_("Cases: the purposes for which people look."))
def group() -> None:
    """Holds the commands."""


@group.command(
    "open",
    help=N_("Open a case."),
    example='hindsight case open 2026-311 --reason "theft of a bicycle, north gate"',
)
@click.argument("case_id", metavar="ID")
@click.option("--reason", required=True, metavar="TEXT", help=N_("what is looked for, and why"))
@json_option
@pass_invocation
def open_command(invocation: Invocation, case_id: str, reason: str, as_json: bool) -> None:
    """Conflict when the number is taken."""
    now_us, actor = invocation.directory.clock.now_us(), invocation.actor(case_id, reason)
    with invocation.directory.ledger.write() as tx:
        case = open_case(tx, case_id, reason, actor.name, now_us)
        audit.record(tx, actor, "case.open", case.id, at_us=now_us)
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
    """Number, reason, who opened it and when."""
    with invocation.directory.ledger.read() as tx:
        found = cases(tx, open_only=open_only)
    if as_json:
        invocation.json([document(case) for case in found])
    elif not found:
        invocation.say(N_("There is no case."))
    else:
        invocation.table(
            [N_("case"), N_("reason"), N_("opened"), N_("opened by"), N_("closed")],
            [
                (c.id, c.reason, local_text(c.opened_us, "UTC"), c.opened_by,
                 None if c.closed_us is None else local_text(c.closed_us, "UTC"))
                for c in found
            ],
        )  # fmt: skip


@group.command(
    "close",
    help=N_("Close a case; nobody looks under it any more. Its holds stay."),
    example="hindsight case close 2026-311",
)
@click.argument("case_id", metavar="ID")
@json_option
@pass_invocation
def close_command(invocation: Invocation, case_id: str, as_json: bool) -> None:
    """Conflict when it is closed already."""
    now_us = invocation.directory.clock.now_us()
    with invocation.directory.ledger.write() as tx:
        case = close_case(tx, case_id, now_us)
        actor = Actor(invocation.actor().name, case.id)
        audit.record(tx, actor, "case.close", case.id, at_us=now_us)
    if as_json:
        invocation.json(document(case))
    else:
        invocation.say(N_("Case {case} is closed; its holds stay."), case=case.id)


def document(case: Case) -> dict[str, object]:
    """A case as JSON."""
    return {
        "id": case.id,
        "reason": case.reason,
        "opened": rfc3339(case.opened_us),
        "opened_by": case.opened_by,
        "closed": optional_rfc3339(case.closed_us),
    }
