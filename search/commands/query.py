"""`hindsight query`: what was asked and answered, kept; shown as it was, asked again, compared."""

from __future__ import annotations

import click

from search import runs
from search.commands.query_texts import STATES, show_answer, show_differences, show_run
from search.differences import differences
from search.engine import engine_of
from search.kept_runs import listed_document, named, note_look, run_document, with_footage
from storage import cases, search_runs
from storage.commandline import HindsightGroup, Invocation, json_option, pass_invocation
from storage.i18n import N_, tr

LISTED = 50


@click.group(cls=HindsightGroup, help=N_("What was asked, kept with its answers."))
def group() -> None:
    """Holds the commands."""


@group.command(
    "list",
    help=N_("List what was asked, newest first."),
    example="hindsight query list --case 2026-311",
)
@click.option("--case", "case_id", metavar="ID", help=N_("of this case only"))
@click.option("--limit", type=click.IntRange(1, 10_000), default=LISTED, metavar="N",
              help=N_("so many"))  # fmt: skip
@json_option
@pass_invocation
def list_command(inv: Invocation, case_id: str | None, limit: int, as_json: bool) -> None:
    """Token, time, who, case, state, what was asked."""
    with inv.directory.ledger.read() as tx:
        if case_id is not None:
            cases.find_case(tx, case_id)
        found = [
            listed_document(one)
            for one in search_runs.listed(tx, case_id=case_id, limit=limit)
        ]  # fmt: skip
    if as_json:
        inv.json(found)
    elif not found:
        inv.say("Nothing that was asked is kept.")
    else:
        inv.table(
            [N_("token"), N_("asked"), N_("by"), N_("case"), N_("state"), N_("what"), N_("name")],
            [
                (one["token"], one["asked"], one["asked_by"], one["case"],
                 tr(STATES[one["state"]]), one["subject"], one["name"])
                for one in found
            ],
        )  # fmt: skip


@group.command(
    "show",
    help=N_("Show an answer as it was given, and whether its footage is still there."),
    example="hindsight query show 01KB3F6E0V8Q4YJ2M5T7W9XZAC",
)
@click.argument("token")
@json_option
@pass_invocation
def show_command(inv: Invocation, token: str, as_json: bool) -> None:
    """TOKEN, or the name that was given to the query."""
    kept = named(inv.directory, token)
    answer = kept.answer
    if answer is not None:
        answer = {**answer, "moments": with_footage(inv.directory, answer["moments"])}
        detail = {"moments": len(answer["moments"])}
        note_look(inv.directory, kept, inv.actor(), detail)
    if as_json:
        inv.json({**run_document(kept), "answer": answer})
        return
    show_run(inv, kept)
    if answer is not None:
        show_answer(inv, answer)


@group.command(
    "again",
    help=N_("Ask the same again, now, and say what is different and why."),
    example="hindsight query again 01KB3F6E0V8Q4YJ2M5T7W9XZAC --json",
)
@click.argument("token")
@json_option
@pass_invocation
def again_command(inv: Invocation, token: str, as_json: bool) -> None:
    """TOKEN, or the name that was given to the query."""
    directory = inv.directory
    then = named(directory, token)
    asked = runs.ask_again(engine_of(directory), then, inv.actor())
    changes = None
    if then.answer is not None:  # else it was cancelled, or failed: there is nothing to compare
        changes = differences(directory, then, named(directory, asked.token))
        note_look(directory, then, inv.actor(), {"moments": len(then.answer["moments"])})
    if as_json:
        inv.json({"token": asked.token, "answer": asked.document, "differences": changes})
        return
    show_answer(inv, {**asked.document})
    if changes is None:
        inv.say("There is no earlier answer to compare with: that search did not come to its end.")
    else:
        show_differences(inv, changes)


@group.command(
    "name",
    help=N_("Give what was asked a name, by which it is found as well."),
    example='hindsight query name 01KB3F6E0V8Q4YJ2M5T7W9XZAC "red bicycle, north gate"',
)
@click.argument("token")
@click.argument("text")
@pass_invocation
def name_command(inv: Invocation, token: str, text: str) -> None:
    """An empty TEXT takes the name away."""
    kept = named(inv.directory, token)
    runs.rename(inv.directory, kept, text)
    if kept.query.case_id is None:
        inv.say(
            "Named. It was asked without a case and is kept for {days} days.",
            days=f"{inv.directory.settings.search.keep_days:g}",
        )
    else:
        inv.say("Named. It is kept as long as case {case}.", case=kept.query.case_id)


@group.command(
    "cancel",
    help=N_("End a search that waits or runs."),
    example="hindsight query cancel 01KB3F6E0V8Q4YJ2M5T7W9XZAC",
)
@click.argument("token")
@pass_invocation
def cancel_command(inv: Invocation, token: str) -> None:
    """Also one of the server: it notices within seconds."""
    kept = named(inv.directory, token)
    if runs.cancel(inv.directory, kept.run.id):
        inv.say("Cancelled.")
    else:
        inv.say("It had ended already: {state}.", state=tr(STATES[kept.run.state]))
