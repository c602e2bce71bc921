"""`exhibit`: moments collected into a case."""

from __future__ import annotations

import click
from sqlalchemy import Connection

from evidence.exhibiting import Moment, collect
from storage.access import Access, access_of
from storage.clock import local_text, parse_time
from storage.commandline import HindsightGroup, Invocation, json_option, pass_invocation
from storage.commands.case import exhibit_document
from storage.commands.options import asked_times
from storage.exhibits import Added, Exhibit, add_note, exhibits_of, remove_exhibit
from storage.i18n import N_, tr

ADDED = N_("Exhibit {exhibit} of case {case}: {camera}.")
HELD = N_("Its footage is held (hold {hold}) until somebody releases it.")
MAY_EXPIRE = N_("Its footage is not held and may expire; who may hold it does so with a hold.")
OVERLAPS = N_("It shows a part of the same as exhibits {exhibits}.")
NO_PICTURE = N_("No picture of it could be read.")


@click.group(cls=HindsightGroup, help=N_("Exhibits: moments collected into a case."))
def group() -> None:
    """Holds the commands."""


@group.command(
    "add",
    help=N_(
        "Collect a moment into an open case, with its picture's hash; its footage is held with the"
        " case."
    ),
    example="hindsight exhibit add --case 2026-311 --camera north-gate"
    ' --at 2026-11-18T18:21:07+08:00 --note "the bicycle leaves"',
)
@click.option("--case", "case_id", required=True, metavar="ID", help=N_("into this case"))
@click.option("--camera", "camera", required=True, metavar="NAME", help=N_("which camera"))
@click.option(
    "--at", "at_text", metavar="TIME",
    help=N_("instant of its picture; without --from and --to, 10 s before and after are taken"),
)  # fmt: skip
@click.option("--from", "from_text", metavar="TIME", help=N_("footage from this time on"))
@click.option("--to", "to_text", metavar="TIME", help=N_("footage before this time"))
@click.option("--note", default="", metavar="TEXT", help=N_("what is to be seen"))
@click.option("--search", "token", metavar="TOKEN", help=N_("the search that found it"))
@click.option("--no-hold", "no_hold", is_flag=True, help=N_("do not hold its footage"))
@json_option
@pass_invocation
def add_command(
    invocation: Invocation,
    case_id: str,
    camera: str,
    at_text: str | None,
    from_text: str | None,
    to_text: str | None,
    note: str,
    token: str | None,
    no_hold: bool,
    as_json: bool,
) -> None:
    """Conflict when it is an exhibit already."""
    from_us, to_us = asked_times(from_text, to_text)
    at_us = None if at_text is None else parse_time(at_text)
    moment = Moment(
        case_id, camera, from_us, to_us, at_us, note=note, search=token, hold=not no_hold
    )
    added = collect(
        invocation.directory, lambda tx: _access(invocation, tx), invocation.actor(), moment
    )
    one = added.exhibit
    if as_json:
        with invocation.directory.ledger.read() as tx:
            told = exhibit_document(one, _access(invocation, tx))
        invocation.json(told | {"overlaps": list(added.overlaps)})
        return
    invocation.say(ADDED, exhibit=one.id, case=one.case_id, camera=one.camera.slug)
    for text in said_of(added):
        click.echo(text)


@group.command(
    "list",
    help=N_("List the exhibits of a case."),
    example="hindsight exhibit list --case 2026-311 --all",
)
@click.option("--case", "case_id", required=True, metavar="ID", help=N_("of this case"))
@click.option("--all", "every", is_flag=True, help=N_("removed ones too"))
@json_option
@pass_invocation
def list_command(invocation: Invocation, case_id: str, every: bool, as_json: bool) -> None:
    """By number."""
    with invocation.directory.ledger.read() as tx:
        access = _access(invocation, tx)
        found = [x for x in exhibits_of(tx, access, case_id) if every or x.removed_us is None]
    if as_json:
        invocation.json([exhibit_document(one, access) for one in found])
    elif not found:
        invocation.say(N_("The case has no exhibit."))
    else:
        invocation.table(
            [N_("exhibit"), N_("camera"), N_("start"), N_("end"), N_("hold"), N_("by"),
             N_("note"), N_("removed")],
            [
                (one.id, one.camera.slug, local_text(one.span.start_us, one.camera.tz),
                 local_text(one.span.end_us, one.camera.tz), one.hold_id, one.added_by,
                 one.notes[-1].text if one.notes else None, one.remove_reason)
                for one in found
            ],
        )  # fmt: skip


@group.command(
    "note",
    help=N_("Write something more about an exhibit; what was written before stays."),
    example='hindsight exhibit note 7 --text "the same bicycle as exhibit 3"',
)
@click.argument("number", metavar="ID", type=click.IntRange(1, 2**62))
@click.option("--text", required=True, metavar="TEXT", help=N_("what is to be seen"))
@json_option
@pass_invocation
def note_command(invocation: Invocation, number: int, text: str, as_json: bool) -> None:
    """Conflict when its case is closed."""
    with invocation.directory.ledger.write() as tx:
        access = _access(invocation, tx)
        one = add_note(tx, access, invocation.actor(), number, text)
    _told(invocation, one, access, N_("Noted of exhibit {exhibit}."), as_json)


@group.command(
    "remove",
    help=N_("Take an exhibit out of a case, with a reason; its row and its hold stay."),
    example='hindsight exhibit remove 7 --reason "another bicycle"',
)
@click.argument("number", metavar="ID", type=click.IntRange(1, 2**62))
@click.option("--reason", required=True, metavar="TEXT", help=N_("why it is taken out"))
@json_option
@pass_invocation
def remove_command(invocation: Invocation, number: int, reason: str, as_json: bool) -> None:
    """Conflict when its case is closed."""
    with invocation.directory.ledger.write() as tx:
        access = _access(invocation, tx)
        one = remove_exhibit(tx, access, invocation.actor(), number, reason)
    _told(invocation, one, access, N_("Exhibit {exhibit} is removed; its hold stays."), as_json)


def said_of(added: Added) -> list[str]:
    """What whoever collected it has to know."""
    one = added.exhibit
    said = [tr(MAY_EXPIRE) if one.hold_id is None else tr(HELD, hold=one.hold_id)]
    if added.overlaps:
        said.append(tr(OVERLAPS, exhibits=", ".join(map(str, added.overlaps))))
    if one.still is None:
        said.append(tr(NO_PICTURE))
    return said


def _told(
    invocation: Invocation, one: Exhibit, access: Access, text: str, as_json: bool
) -> None:  # fmt: skip
    if as_json:
        invocation.json(exhibit_document(one, access))
    else:
        invocation.say(text, exhibit=one.id)


def _access(invocation: Invocation, tx: Connection) -> Access:
    return access_of(tx, invocation.actor().name, invocation.directory.clock.now_us())
