"""`grant`: who may do what with which cameras, for how long and what for."""

from __future__ import annotations

import click

from storage.clock import local_text, parse_time
from storage.commandline import HindsightGroup, Invocation, json_option, pass_invocation
from storage.grant_changes import Asked, Wanted, document, give, grantee, listed, take_back
from storage.grants import GRANTABLE, Grant
from storage.i18n import N_, tr

STATES = {
    "in force": N_("in force"),
    "to come": N_("to come"),
    "expired": N_("expired"),
    "revoked": N_("revoked"),
    "case closed": N_("its case is closed"),
}


@click.group(
    cls=HindsightGroup, help=N_("Who may do what with which cameras, how long and what for.")
)
def group() -> None:
    """Holds the commands."""


@group.command(
    "add",
    help=N_(
        "Let a person or a department do something with some cameras. What the role forbids stays"
        " forbidden. Cameras of another department need --until."
    ),
    example="hindsight grant add --to li.wei --may search,play --site city/north"
    ' --until 2026-12-31T00:00:00+08:00 --purpose "thefts at the north gate" --case 2026-311',
)
@click.option("--to", "user_name", metavar="USER", help=N_("to this person"))
@click.option("--to-department", metavar="NAME", help=N_("to everybody of this department"))
@click.option(
    "--may",
    "verbs_text",
    required=True,
    metavar="VERBS",
    help=N_(
        "some of see, search, play, export, hold, manage, unmask, approve, with commas between"
    ),
)
@click.option("--site", metavar="PATH", help=N_("at this site and below; / is everywhere"))
@click.option("--camera", "camera_name", metavar="NAME", help=N_("with this camera"))
@click.option("--cameras-of", metavar="NAME", help=N_("with the cameras of this department"))
@click.option("--from", "from_text", metavar="TIME", help=N_("not before (default: now)"))
@click.option("--until", "until_text", metavar="TIME", help=N_("ends then (default: never)"))
@click.option("--purpose", required=True, metavar="TEXT", help=N_("what it is for"))
@click.option("--case", "case_id", metavar="ID", help=N_("ends when this case is closed"))
@json_option
@pass_invocation
def add_command(
    invocation: Invocation,
    user_name: str | None,
    to_department: str | None,
    verbs_text: str,
    site: str | None,
    camera_name: str | None,
    cameras_of: str | None,
    from_text: str | None,
    until_text: str | None,
    purpose: str,
    case_id: str | None,
    as_json: bool,
) -> None:
    """Exactly one grantee and one place."""
    directory = invocation.directory
    wanted = Wanted(
        verbs=verbs_text.split(","), purpose=purpose, user=user_name, department=to_department,
        site=site, camera=camera_name, cameras_of=cameras_of,
        from_us=None if from_text is None else parse_time(from_text),
        until_us=None if until_text is None else parse_time(until_text), case_id=case_id,
    )  # fmt: skip
    made = give(directory, invocation.actor(), wanted)
    if as_json:
        invocation.json(document(made, directory.clock.now_us()))
    else:
        invocation.say(
            N_("Grant {grant}: {who} may {verbs}: {place}."),
            grant=made.id, who=grantee(made), verbs=verbs_text_of(made), place=place_text(made),
        )  # fmt: skip


@group.command(
    "list",
    help=N_("List grants in force or to come."),
    example="hindsight grant list --to li.wei --all",
)
@click.option(
    "--to", "user_name", metavar="USER", help=N_("of this person, and of their department")
)
@click.option("--department", metavar="NAME", help=N_("to this department, or of its cameras"))
@click.option("--camera", metavar="NAME", help=N_("of this camera only"))
@click.option("--site", metavar="PATH", help=N_("about this site only"))
@click.option("--all", "every", is_flag=True, help=N_("ended ones too"))
@json_option
@pass_invocation
def list_command(
    invocation: Invocation,
    user_name: str | None,
    department: str | None,
    camera: str | None,
    site: str | None,
    every: bool,
    as_json: bool,
) -> None:
    """By number."""
    now_us = invocation.directory.clock.now_us()
    asked = Asked(user_name, department, camera, site, every)
    with invocation.directory.ledger.read() as tx:
        found = listed(tx, asked, now_us)
    if as_json:
        invocation.json([document(one, now_us) for one in found])
    elif not found:
        invocation.say(N_("No grant is in force."))
    else:
        invocation.table(
            [N_("grant"), N_("to"), N_("may"), N_("cameras"), N_("from"), N_("until"),
             N_("case"), N_("purpose"), N_("made by"), N_("state")],
            [
                (one.id, grantee(one), verbs_text_of(one), place_text(one),
                 local_text(one.from_us, "UTC"),
                 None if one.until_us is None else local_text(one.until_us, "UTC"),
                 one.case_id, one.purpose, one.made_by, tr(STATES[one.state(now_us)]))
                for one in found
            ],
        )  # fmt: skip


@group.command(
    "revoke",
    help=N_("End a grant now; what it allowed ends with the next request."),
    example='hindsight grant revoke 3 --reason "moved to another district"',
)
@click.argument("grant_id", metavar="ID", type=int)
@click.option("--reason", required=True, metavar="TEXT", help=N_("why it ends"))
@json_option
@pass_invocation
def revoke_command(invocation: Invocation, grant_id: int, reason: str, as_json: bool) -> None:
    """Its row stays in the list, with who ended it and why."""
    directory = invocation.directory
    ended = take_back(directory, invocation.actor(), grant_id, reason)
    if as_json:
        invocation.json(document(ended, directory.clock.now_us()))
    else:
        invocation.say(
            N_("Grant {grant} of {who} is revoked."), grant=ended.id, who=grantee(ended)
        )  # fmt: skip


def verbs_text_of(one: Grant) -> str:
    """'see, search'."""
    return ", ".join(verb.value for verb in GRANTABLE if verb in one.verbs)


def place_text(one: Grant) -> str:
    """Which cameras, in words."""
    if one.camera is not None:
        return one.camera
    if one.place.cameras_of is not None:
        return tr("cameras of {department}", department=one.place.cameras_of)
    return one.place.site or tr("everywhere")
