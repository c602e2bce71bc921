"""`grant`: who may do what with which cameras, for how long and what for."""

from __future__ import annotations

import click
from sqlalchemy import Connection

from storage import audit
from storage.clock import local_text, optional_rfc3339, parse_time, rfc3339
from storage.commandline import HindsightGroup, Invocation, json_option, pass_invocation
from storage.departments import find_department
from storage.errors import Invalid
from storage.grants import GRANTABLE, Grant, Place, add_grant, grants, revoke_grant
from storage.i18n import N_, tr
from storage.people import find_user
from storage.register import find_camera
from storage.rights import Verb
from storage.vocabulary import Actor

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
    help=N_("some of see, search, play, export, hold, manage, with commas between"),
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
    if (user_name is None) == (to_department is None):
        raise Invalid("name one grantee: --to USER or --to-department NAME")
    directory = invocation.directory
    now_us = directory.clock.now_us()
    actor = invocation.actor(case_id, purpose)
    with directory.ledger.write() as tx:
        made = add_grant(
            tx,
            user=None if user_name is None else find_user(tx, user_name),
            department=None if to_department is None else find_department(tx, to_department),
            verbs=_verbs(verbs_text),
            place=_place(tx, site, camera_name, cameras_of),
            from_us=now_us if from_text is None else parse_time(from_text),
            until_us=None if until_text is None else parse_time(until_text),
            purpose=purpose,
            case_id=case_id,
            made_by=actor.name,
            at_us=now_us,
        )
        detail = document(made, now_us)
        audit.record(tx, actor, "grant.add", _grantee(made), at_us=now_us, detail=detail)
    if as_json:
        invocation.json(detail)
    else:
        invocation.say(
            N_("Grant {grant}: {who} may {verbs}: {place}."),
            grant=made.id, who=_grantee(made), verbs=_verbs_text(made), place=_place_text(made),
        )  # fmt: skip


@group.command(
    "list",
    help=N_("List grants in force or to come."),
    example="hindsight grant list --to li.wei --all",
)
@click.option("--to", "user_name", metavar="USER", help=N_("of this person only"))
@click.option("--all", "every", is_flag=True, help=N_("ended ones too"))
@json_option
@pass_invocation
def list_command(invocation: Invocation, user_name: str | None, every: bool, as_json: bool) -> None:
    """By number."""
    now_us = invocation.directory.clock.now_us()
    with invocation.directory.ledger.read() as tx:
        wanted = None if user_name is None else find_user(tx, user_name).name
        found = [
            one
            for one in grants(tx)
            if (wanted is None or one.user == wanted)
            and (every or one.state(now_us) in ("in force", "to come"))
        ]
    if as_json:
        invocation.json([document(one, now_us) for one in found])
    elif not found:
        invocation.say(N_("No grant is in force."))
    else:
        invocation.table(
            [N_("grant"), N_("to"), N_("may"), N_("cameras"), N_("from"), N_("until"),
             N_("case"), N_("purpose"), N_("made by"), N_("state")],
            [
                (one.id, _grantee(one), _verbs_text(one), _place_text(one),
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
    now_us, actor = invocation.directory.clock.now_us(), invocation.actor()
    with invocation.directory.ledger.write() as tx:
        ended = revoke_grant(tx, grant_id, reason, actor.name, now_us)
        who = Actor(actor.name, ended.case_id, reason)
        audit.record(
            tx, who, "grant.revoke", _grantee(ended), at_us=now_us, detail={"grant": ended.id}
        )  # fmt: skip
    if as_json:
        invocation.json(document(ended, now_us))
    else:
        invocation.say(
            N_("Grant {grant} of {who} is revoked."), grant=ended.id, who=_grantee(ended)
        )  # fmt: skip


def document(one: Grant, now_us: int) -> dict[str, object]:
    """A grant as JSON."""
    return {
        "id": one.id,
        "user": one.user,
        "department": one.department,
        "verbs": [verb.value for verb in GRANTABLE if verb in one.verbs],
        "site": one.place.site,
        "camera": one.camera,
        "cameras_of": one.place.cameras_of,
        "from": rfc3339(one.from_us),
        "until": optional_rfc3339(one.until_us),
        "purpose": one.purpose,
        "case": one.case_id,
        "state": one.state(now_us),
        "made_by": one.made_by,
        "made": rfc3339(one.made_us),
        "revoked": optional_rfc3339(one.revoked_us),
        "revoked_by": one.revoked_by,
        "revoke_reason": one.revoke_reason,
    }


def _verbs(text: str) -> list[Verb]:
    try:
        return [Verb(word.strip()) for word in text.split(",") if word.strip()]
    except ValueError:
        raise Invalid("a grant names some of: {verbs}", verbs=", ".join(GRANTABLE)) from None


def _place(
    tx: Connection, site: str | None, camera_name: str | None, cameras_of: str | None
) -> Place:
    if [site, camera_name, cameras_of].count(None) != 2:
        raise Invalid("name one place: --site PATH, --camera NAME or --cameras-of DEPARTMENT")
    if camera_name is not None:
        return Place(camera_id=find_camera(tx, camera_name).id)
    if cameras_of is not None:
        return Place(cameras_of=find_department(tx, cameras_of))
    return Place(site="/".join(part.strip() for part in (site or "").split("/") if part.strip()))


def _grantee(one: Grant) -> str:
    return str(one.user if one.user is not None else one.department)


def _verbs_text(one: Grant) -> str:
    return ", ".join(verb.value for verb in GRANTABLE if verb in one.verbs)


def _place_text(one: Grant) -> str:
    if one.camera is not None:
        return one.camera
    if one.place.cameras_of is not None:
        return tr("cameras of {department}", department=one.place.cameras_of)
    return one.place.site or tr("everywhere")
