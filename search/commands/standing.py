"""`hindsight standing`: descriptions that are looked for in footage as it is indexed."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from search import standing_register
from search.commands.query_options import asked_query, query_options
from search.standing import INTERVAL_S, JOB, Round, Watch, follow
from search.standing_register import Wanted, firing_document, standing_document
from search.standing_telling import Telling
from storage.clock import US, local_text, parse_time
from storage.commandline import HindsightGroup, Invocation, json_option, pass_invocation
from storage.commands.options import length_text
from storage.errors import Unavailable
from storage.i18n import N_, tr
from storage.register import cameras
from storage.standing_firings import Firing

SHOWN = 50  # firings
DELIVERIES = {
    "none": N_("nobody was to be told"),
    "quiet": N_("nobody was told: quiet hours"),
    "waiting": N_("waits to be told"),
    "delivered": N_("told"),
    "failed": N_("could not be told"),
}


@click.group(
    cls=HindsightGroup,
    help=N_("Look for a description in footage as it is indexed, and tell of it. For scenes:"
            " smoke, flooding, a blocked lane, a fallen tree; never to wait for a person. Who wants"
            " it, for which case, why and until when is kept, and so is each time it fires."),
)  # fmt: skip
def group() -> None:
    """Holds the commands."""


@group.command(
    "add",
    help=N_("Look for a scene from now on, until it expires or its case is closed. Search for it"
            " first: what is not found with confidence does not fire."),
    example='hindsight standing add flood "water stands on the road" --site city/north'
    ' --case 2026-311 --reason "storm warning" --expires 2026-12-01T00:00+08:00'
    " --quiet 22:00-06:00 --webhook duty-desk",
)  # fmt: skip
@click.argument("name")
@query_options
@click.option("--expires", required=True, metavar="TIME",
              help=N_("it ends then, within 90 days; it can be extended"))  # fmt: skip
@click.option("--threshold", type=float, metavar="SCORE",
              help=N_("fires from this score on, 0.5 to 1; none: what counts as confident")
              )  # fmt: skip
@click.option("--quiet", metavar="HH:MM-HH:MM",
              help=N_("nobody is told of what happens then, by the clock at each camera")
              )  # fmt: skip
@click.option("--webhook", metavar="NAME",
              help=N_("whom to tell, as named in the settings; none: it is only listed")
              )  # fmt: skip
@json_option
@pass_invocation
def add_command(
    inv: Invocation,
    /,
    name: str,
    expires: str,
    threshold: float | None,
    quiet: str | None,
    webhook: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Says also what to expect of it."""
    query = asked_query(inv, options)
    wanted = Wanted(name, query, parse_time(expires), threshold, quiet, webhook)
    made, notes = standing_register.add(inv.directory, wanted, inv.actor())
    if as_json:
        inv.json({**_document(inv, made.name), "notes": notes})
        return
    inv.say(
        N_("{name} is looked for until {time}, from a score of {score} on."),
        name=made.name, time=local_text(made.expires_us, "UTC"), score=f"{made.threshold:g}",
    )  # fmt: skip
    for note in notes:
        inv.say("note: {warning}", warning=note)
    if not inv.directory.is_running(JOB):
        inv.say(
            N_("Nobody looks now; `hindsight serve` or `hindsight standing run --follow` does.")
        )


@group.command(
    "list",
    help=N_("List what is looked for, for which case, how long yet, and how often it fired."),
    example="hindsight standing list --all",
)
@click.option("--all", "every", is_flag=True, help=N_("ended ones too"))
@json_option
@pass_invocation
def list_command(inv: Invocation, every: bool, as_json: bool) -> None:
    """Oldest first, with how long ago the last look was that succeeded."""
    now_us = inv.directory.clock.now_us()
    found = [
        standing_document(one, now_us)
        for one in standing_register.listed(inv.directory, inv.actor(), ended=every)
    ]
    if as_json:
        inv.json({"running": inv.directory.is_running(JOB), "standing": found})
        return
    if not found:
        inv.say(N_("There is no standing query."))
        return
    inv.table(
        [N_("name"), N_("what"), N_("case"), N_("expires"), N_("fired"), N_("last fired"),
         N_("looked, ago"), N_("state")],
        [
            (one["name"], one["subject"], one["case"], one["expires"][:16], one["firings"],
             one["last_fired"] and one["last_fired"][:19], length_text(one["lag_s"]), _state(one))
            for one in found
        ],
    )  # fmt: skip
    if not inv.directory.is_running(JOB):
        inv.say(
            N_("Nobody looks now; `hindsight serve` or `hindsight standing run --follow` does.")
        )


@group.command(
    "show",
    help=N_("Show a standing query and what it noticed, newest first. That is audited."),
    example="hindsight standing show flood",
)
@click.argument("name")
@click.option("--limit", type=click.IntRange(1, 10_000), default=SHOWN, metavar="N",
              help=N_("so many"))  # fmt: skip
@json_option
@pass_invocation
def show_command(inv: Invocation, name: str, limit: int, as_json: bool) -> None:
    """Its firings with their delivery."""
    one, firings = standing_register.shown(inv.directory, name, inv.actor(), limit=limit)
    document = standing_document(one, inv.directory.clock.now_us())
    if as_json:
        inv.json({**document, "fired": [firing_document(firing) for firing in firings]})
        return
    inv.say(
        N_("{name}: {what}. Case {case}: {reason}. {state}."),
        name=document["name"], what=document["subject"], case=document["case"],
        reason=document["reason"], state=_state(document),
    )  # fmt: skip
    if not firings:
        inv.say(N_("It has not fired."))
        return
    with inv.directory.ledger.read() as tx:
        zones = {camera.id: camera.tz for camera in cameras(tx)}
    inv.table(
        ["#", N_("camera"), N_("local time"), N_("lasted"), N_("score"), N_("noticed"),
         N_("delivery"), N_("error")],
        [
            (firing.id, firing.camera, local_text(firing.ts_us, zones[firing.camera_id]),
             length_text((firing.end_us - firing.start_us) / US), f"{firing.score:.2f}",
             local_text(firing.at_us, zones[firing.camera_id]), tr(DELIVERIES[firing.delivery]),
             _error(firing))
            for firing in firings
        ],
    )  # fmt: skip


@group.command(
    "extend",
    help=N_("Let a standing query go on until another time, within 90 days from now."),
    example='hindsight standing extend flood --expires 2026-12-31T00:00+08:00 --reason "still wet"',
)
@click.argument("name")
@click.option("--expires", required=True, metavar="TIME", help=N_("it ends then"))
@click.option("--reason", required=True, metavar="TEXT", help=N_("why it goes on"))
@json_option
@pass_invocation
def extend_command(inv: Invocation, name: str, expires: str, reason: str, as_json: bool) -> None:
    """Its case must be open still."""
    made = standing_register.extend(inv.directory, name, parse_time(expires), reason, inv.actor())
    if as_json:
        inv.json(_document(inv, made.name))
        return
    inv.say(
        N_("{name} is looked for until {time}."),
        name=made.name, time=local_text(made.expires_us, "UTC"),
    )  # fmt: skip


@group.command(
    "end",
    help=N_("Look for it no more; what it noticed stays."),
    example='hindsight standing end flood --reason "the road is dry"',
)
@click.argument("name")
@click.option("--reason", required=True, metavar="TEXT", help=N_("why it ends"))
@json_option
@pass_invocation
def end_command(inv: Invocation, name: str, reason: str, as_json: bool) -> None:
    """What waits to be told is told no more."""
    made = standing_register.end(inv.directory, name, reason, inv.actor())
    if as_json:
        inv.json(_document(inv, made.name))
    else:
        inv.say(N_("{name} is looked for no more."), name=made.name)


@group.command(
    "run",
    help=N_("Look once at what is new, and tell what is due; or go on until stopped."
            " `hindsight serve` does it too: one process at a time looks."),
    example="hindsight standing run --follow",
)  # fmt: skip
@click.option("--follow", "follows", is_flag=True, help=N_("go on until stopped"))
@json_option
@pass_invocation
def run_command(inv: Invocation, follows: bool, as_json: bool) -> None:
    """Once: 7 when a query could not be answered, 5 when another process looks already."""
    if follows:
        if inv.directory.is_running(JOB) and not as_json:
            inv.say(N_("Another process looks; this one takes over when that ends."))
        with _stop_on_signal() as stop:
            follow(
                inv.directory, stop, interval_s=INTERVAL_S, each=lambda one: _say(inv, one, as_json)
            )
        return
    with inv.directory.exclusive(JOB):
        found = Watch(inv.directory).look(note=True)
        telling = Telling(inv.directory)
        telling.begin()
        telling.wait()
    if as_json:
        inv.json(_round_document(found))
    else:
        inv.say(
            N_("{queries} standing queries saw {segments} new segments and fired {fired} times."),
            queries=found.queries, segments=found.segments, fired=found.fired,
        )  # fmt: skip
    for name, why in found.failed.items():
        raise Unavailable(
            "{count} standing queries could not be answered, {name} among them: {error}",
            count=len(found.failed), name=name, error=why,
        )  # fmt: skip


def _say(inv: Invocation, one: Round, as_json: bool) -> None:
    """Of a following run only what happened."""
    if not (one.fired or one.ended or one.failed):
        return
    if as_json:
        inv.json(_round_document(one))
        return
    if one.fired:
        inv.say(N_("fired {fired} times"), fired=one.fired)
    for name in one.ended:
        inv.say(N_("{name} has ended"), name=name)


def _round_document(one: Round) -> dict[str, Any]:
    return {
        "queries": one.queries, "segments": one.segments, "fired": one.fired,
        "continued": one.continued, "ended": one.ended, "failed": one.failed,
    }  # fmt: skip


def _document(inv: Invocation, name: str) -> dict[str, Any]:
    one = standing_register.named(inv.directory, name, inv.actor())
    return standing_document(one, inv.directory.clock.now_us())


def _state(document: dict[str, Any]) -> str:
    if document["ended"] is not None:
        return tr("ended: {reason}", reason=document["end_reason"])
    if document["trouble"] is not None:
        return tr("in trouble: {error}", error=document["trouble"])
    return tr("in force")


def _error(firing: Firing) -> str | None:
    return None if firing.error is None else tr(firing.error)


@contextmanager
def _stop_on_signal() -> Iterator[threading.Event]:
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
