"""`promise`: how long footage of a class is kept, decided by people over the settings."""

from __future__ import annotations

import click

from storage import promise_changes
from storage.clock import optional_rfc3339, rfc3339
from storage.commandline import HindsightGroup, Invocation, json_option, pass_invocation
from storage.commands.options import size_text
from storage.i18n import N_
from storage.promise_changes import Change, Decision


@click.group(
    cls=HindsightGroup, help=N_("How long footage is kept, decided in place of the settings.")
)
def group() -> None:
    """Holds the commands."""


@group.command(
    "set",
    help=N_("Keep footage of a class for so many days: longer at once, shorter after 24 hours."),
    example='hindsight promise set 3 60 --reason "order of the city, 2026-11"',
)
@click.argument("site_class", metavar="CLASS")
@click.argument("days", metavar="DAYS", type=float)
@click.option("--reason", required=True, metavar="TEXT", help=N_("why it is changed"))
@click.option("--dry-run", is_flag=True, help=N_("only say what it would do"))
@json_option
@pass_invocation
def set_command(
    invocation: Invocation, site_class: str, days: float, reason: str, dry_run: bool, as_json: bool
) -> None:
    """Says what a shortening will delete, and when."""
    directory = invocation.directory
    now_us = directory.clock.now_us()
    made: Decision | None = None
    with directory.ledger.read() as tx:  # the writer is not kept from recording meanwhile
        change = promise_changes.propose(tx, directory.settings, site_class, days, now_us)
    if not dry_run:
        with directory.ledger.write() as tx:
            made = promise_changes.decide(
                tx, invocation.actor(reason=reason), directory.settings, change, now_us
            )
    if as_json:
        invocation.json({"dry_run": dry_run, **change_document(change),
                         "decision": None if made is None else document(made)})  # fmt: skip
        return
    invocation.say(
        N_("{rule}: {days} days from {time} on, for {n} cameras."),
        rule=change.rule, days=f"{change.days:g}", time=rfc3339(change.effective_us),
        n=len(change.cameras),
    )  # fmt: skip
    if change.shortens:
        invocation.say(
            N_("Then {hours} footage-hours are deleted: {n} segments, {size}. Until then"
               " `hindsight promise withdraw` takes it back."),
            hours=f"{change.loses.hours:.1f}", n=change.loses.segments,
            size=size_text(change.loses.size_bytes),
        )  # fmt: skip


@group.command(
    "withdraw",
    help=N_("Take a decision back before it takes effect."),
    example='hindsight promise withdraw 4 --reason "mistyped"',
)
@click.argument("number", metavar="ID", type=int)
@click.option("--reason", required=True, metavar="TEXT", help=N_("why it is taken back"))
@json_option
@pass_invocation
def withdraw_command(invocation: Invocation, number: int, reason: str, as_json: bool) -> None:
    """It stays in the list."""
    directory = invocation.directory
    with directory.ledger.write() as tx:
        found = promise_changes.withdraw(
            tx, invocation.actor(reason=reason), number, directory.clock.now_us()
        )
    if as_json:
        invocation.json(document(found))
    else:
        invocation.say(N_("Decision {number} is taken back."), number=number)


@group.command(
    "list", help=N_("List decisions about promises, the newest first."),
    example="hindsight promise list",
)  # fmt: skip
@json_option
@pass_invocation
def list_command(invocation: Invocation, as_json: bool) -> None:
    """Those taken back, too."""
    with invocation.directory.ledger.read() as tx:
        found = promise_changes.decisions(tx)
    if as_json:
        invocation.json([document(one) for one in found])
    elif not found:
        invocation.say(N_("Nothing was decided: the settings say how long footage is kept."))
    else:
        invocation.table(
            [N_("decision"), N_("rule"), N_("days"), N_("in force from"), N_("by"), N_("reason"),
             N_("taken back")],
            [
                (one.id, one.rule, f"{one.days:g}", rfc3339(one.effective_us), one.decided_by,
                 one.reason, optional_rfc3339(one.withdrawn_us))
                for one in found
            ],
        )  # fmt: skip


def document(one: Decision) -> dict[str, object]:
    """A decision as JSON."""
    return {
        "id": one.id,
        "class": promise_changes.class_of(one.rule),
        "rule": one.rule,
        "days": one.days,
        "before_days": one.before_days,
        "decided": rfc3339(one.decided_us),
        "decided_by": one.decided_by,
        "reason": one.reason,
        "effective": rfc3339(one.effective_us),
        "withdrawn": optional_rfc3339(one.withdrawn_us),
        "withdrawn_by": one.withdrawn_by,
        "withdraw_reason": one.withdraw_reason,
    }


def change_document(change: Change) -> dict[str, object]:
    """What a promise does, as JSON."""
    return {
        "rule": change.rule,
        "days": change.days,
        "before_days": change.before_days,
        "cameras": len(change.cameras),
        "effective": rfc3339(change.effective_us),
        "loses": {"segments": change.loses.segments, "bytes": change.loses.size_bytes,
                  "hours": round(change.loses.hours, 3)},
        "held": {"segments": change.held.segments, "bytes": change.held.size_bytes,
                 "hours": round(change.held.hours, 3)},
    }  # fmt: skip
