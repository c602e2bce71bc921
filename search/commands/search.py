"""`hindsight search`: from a description to the moments, with what was not looked at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from search.answer import Answer, Moment
from search.coverage import coverage_line
from search.engine import search
from search.query import Query, parse_box
from storage.clock import local_text, parse_time, parse_time_of_day
from storage.commandline import HindsightCommand, Invocation, json_option, pass_invocation
from storage.i18n import N_, tr

WEAK_SHOWN = 3  # of moments that do not convince
BARS = 4


@click.command(
    cls=HindsightCommand,
    help=N_("Find the moments a description or a picture names, and say what was not looked at."),
    example='hindsight search "a white van on a wet road" --site city/north'
    " --from 2026-11-18T18:00+08:00 --between 18:00-23:00",
)
@click.argument("text", required=False)
@click.option("--image", type=click.Path(path_type=Path), metavar="FILE",
              help=N_("a picture to search with"))  # fmt: skip
@click.option("--box", metavar="X,Y,W,H", help=N_("the part of the picture that matters, pixels"))
@click.option("--not", "nots", multiple=True, metavar="TEXT", help=N_("what it must not show"))
@click.option("--then", metavar="TEXT", help=N_("what happens afterwards, at the same camera"))
@click.option("--within", type=float, metavar="S", help=N_("how soon afterwards, seconds"))
@click.option("--camera", "cameras", multiple=True, metavar="NAME",
              help=N_("only this camera; may be repeated"))  # fmt: skip
@click.option("--site", "sites", multiple=True, metavar="PATH",
              help=N_("only this site and what lies below it; may be repeated"))  # fmt: skip
@click.option("--from", "start", metavar="TIME", help=N_("not before this time"))
@click.option("--to", "end", metavar="TIME", help=N_("before this time"))
@click.option("--between", metavar="HH:MM-HH:MM",
              help=N_("only at this time of day, by the clock at each camera"))  # fmt: skip
@click.option("--top", type=int, metavar="N", help=N_("so many moments"))
@click.option("--case", "case_id", metavar="ID", help=N_("case this is for"))
@click.option("--reason", metavar="TEXT", help=N_("why it is looked for"))
@click.option("--explain", is_flag=True, help=N_("also say how it was searched"))
@json_option
@pass_invocation
def command(
    inv: Invocation,
    text: str | None,
    image: Path | None,
    box: str | None,
    nots: tuple[str, ...],
    then: str | None,
    within: float | None,
    cameras: tuple[str, ...],
    sites: tuple[str, ...],
    start: str | None,
    end: str | None,
    between: str | None,
    top: int | None,
    case_id: str | None,
    reason: str | None,
    explain: bool,
    as_json: bool,
) -> None:
    """Ask the engine once."""
    query = Query(
        text=text, image=image, box=None if box is None else parse_box(box), not_texts=nots,
        then_text=then, within_s=within, cameras=cameras, sites=sites,
        from_us=None if start is None else parse_time(start),
        to_us=None if end is None else parse_time(end),
        between=None if between is None else parse_time_of_day(between),
        top=top, case_id=case_id, reason=reason,
    )  # fmt: skip
    answer = search(inv.directory, query, inv.actor(case_id, reason))
    if as_json:
        document = answer.document()
        inv.json({**document, "plan": answer.plan} if explain else document)
        return
    _show(inv, answer, explain)


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
            row.insert(4, moment.then and local_text(moment.then.at_us, tz))
        rows.append(row)
    if followed:
        columns.insert(4, N_("then"))
    inv.table(columns, rows)


def _bars(score: float) -> str:
    full = max(1, min(BARS, round(score * BARS)))
    return "▮" * full + "▯" * (BARS - full)
