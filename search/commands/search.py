"""`hindsight search`: from a description to the moments, with what was not looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from search.answer import Answer, Moment
from search.commands.query_options import asked_query, query_options
from search.coverage import coverage_line
from search.engine import engine_of
from search.kept_runs import named
from search.marking import refine as ask_refined
from search.runs import Asked, ask
from storage.clock import local_text
from storage.commandline import HindsightCommand, Invocation, json_option, pass_invocation
from storage.errors import Invalid
from storage.i18n import N_, tr

WEAK_SHOWN = 3  # of moments that do not convince
BARS = 4


@click.command(
    cls=HindsightCommand,
    help=N_("Find the moments a description or a picture names, and say what was not looked at."),
    example='hindsight search "a white van on a wet road" --site city/north'
    " --from 2026-11-18T18:00+08:00 --between 18:00-23:00",
)
@query_options
@click.option("--refine", metavar="TOKEN",
              help=N_("ask an earlier search again with what was marked of it"))  # fmt: skip
@click.option("--explain", is_flag=True, help=N_("also say how it was searched"))
@json_option
@pass_invocation
def command(
    inv: Invocation, /, refine: str | None, explain: bool, as_json: bool, **options: Any
) -> None:
    """Ask the engine once."""
    if refine is None:
        query = asked_query(inv, options)
        actor = inv.actor(query.case_id, query.reason)
        asked = ask(engine_of(inv.directory), query, actor)
    else:
        asked = _refined(inv, refine, options)
    if as_json:
        plan = {"plan": asked.answer.plan} if explain else {}
        inv.json({**asked.document, **plan})
        return
    _show(inv, asked.answer, explain)
    inv.say("to ask again, and see what changed: hindsight query again {token}", token=asked.token)
    if asked.answer.moments:
        inv.say("to say what is right or wrong: hindsight mark {token} NUMBER", token=asked.token)


def _refined(inv: Invocation, token: str, options: dict[str, Any]) -> Asked:
    if any(value not in (None, ()) for value in options.values()):
        raise Invalid(
            "--refine asks the same again with what is marked; leave out everything else,"
            " or ask anew without it"
        )
    kept = named(inv.directory, token)
    return ask_refined(
        engine_of(inv.directory), kept, inv.actor(kept.query.case_id, kept.query.reason)
    )


def _show(inv: Invocation, answer: Answer, explain: bool) -> None:
    shown = answer.moments if answer.confident else answer.moments[:WEAK_SHOWN]
    if not answer.confident:
        inv.say("no confident match; try other words, a wider span, or a picture")
        if shown:
            inv.say("the nearest, for what they are worth:")
    if shown:
        _table(inv, shown)
    click.echo(coverage_line(answer.coverage))
    for warning in (*answer.warnings, *answer.notes):
        inv.say("note: {warning}", warning=warning)
    if explain:
        for line in answer.plan:
            click.echo(tr("plan: {line}", line=line))


def _table(inv: Invocation, shown: Sequence[Moment]) -> None:
    columns = ["#", N_("camera"), N_("place"), N_("local time"), N_("strength"), N_("pictures")]
    followed = any(moment.then is not None for moment in shown)
    rows = []
    for number, moment in enumerate(shown, 1):
        tz = moment.camera.tz
        row: list[object] = [
            number, moment.camera.name, moment.camera.site, local_text(moment.best.at_us, tz),
            f"{_bars(moment.score)} {moment.score:.2f}", moment.hits,
        ]  # fmt: skip
        if followed:
            row.insert(4, _afterwards(moment))
        rows.append(row)
    if followed:
        columns.insert(4, N_("then"))
    inv.table(columns, rows)


def _afterwards(moment: Moment) -> str | None:
    """When, and where it was another camera: by the clock of the first."""
    if moment.then is None:
        return None
    text = local_text(moment.then.at_us, moment.camera.tz)
    camera = moment.then.segment.camera
    return text if camera == moment.camera.slug else f"{text} · {camera}"


def _bars(score: float) -> str:
    full = max(1, min(BARS, round(score * BARS)))
    return "▮" * full + "▯" * (BARS - full)
