"""`token`: API tokens, with which programs ask in somebody's name."""

from __future__ import annotations

import click

from storage import audit
from storage.api_tokens import (
    LONGEST_DAYS,
    ApiToken,
    add_token,
    detail,
    find_token,
    revoke_token,
    tokens,
)
from storage.clock import optional_rfc3339, rfc3339
from storage.commandline import HindsightGroup, Invocation, json_option, pass_invocation
from storage.errors import Invalid
from storage.i18n import N_, tr
from storage.people import find_user
from storage.rights import Verb

STATES = {"works": N_("works"), "expired": N_("expired"), "revoked": N_("revoked")}


@click.group(
    cls=HindsightGroup, help=N_("API tokens, with which programs ask /api/v1 in somebody's name.")
)
def group() -> None:
    """Holds the commands."""


@group.command(
    "add",
    help=N_("Make a token for a person; prints it, once. It never may more than they may."),
    example='hindsight token add li.wei --name "nightly report" --may see --days 90',
)
@click.argument("user_name", metavar="USER")
@click.option("--name", required=True, metavar="TEXT", help=N_("what will use it"))
@click.option(
    "--may",
    "verbs_text",
    required=True,
    metavar="VERBS",
    help=N_("some of see, search, play, export, hold, manage, audit, with commas between"),
)
@click.option(
    "--days",
    type=click.IntRange(1, LONGEST_DAYS),
    required=True,
    help=N_("it ends after so many days"),
)
@json_option
@pass_invocation
def add_command(
    invocation: Invocation, user_name: str, name: str, verbs_text: str, days: int, as_json: bool
) -> None:
    """Only the hash is kept."""
    directory, actor = invocation.directory, invocation.actor()
    now_us = directory.clock.now_us()
    with directory.ledger.write() as tx:
        made, token = add_token(
            tx, find_user(tx, user_name), name, _verbs(verbs_text), days=days,
            created_by=actor.name, now_us=now_us,
        )  # fmt: skip
        audit.record(tx, actor, "token.add", made.owner, at_us=now_us, detail=detail(made))
    if as_json:
        invocation.json(document(made, now_us) | {"token": token})
    else:
        invocation.say(
            N_("API token {number} of {user}: {token} (shown only now)."),
            number=made.id, user=made.owner, token=token,
        )  # fmt: skip


@group.command(
    "list", help=N_("List tokens that work."), example="hindsight token list --user li.wei --all"
)
@click.option("--user", "user_name", metavar="USER", help=N_("of this person only"))
@click.option("--all", "every", is_flag=True, help=N_("ended ones too"))
@json_option
@pass_invocation
def list_command(invocation: Invocation, user_name: str | None, every: bool, as_json: bool) -> None:
    """By number."""
    now_us = invocation.directory.clock.now_us()
    with invocation.directory.ledger.read() as tx:
        owner = None if user_name is None else find_user(tx, user_name)
        found = tokens(tx, owner, works_us=None if every else now_us)
    if as_json:
        invocation.json([document(one, now_us) for one in found])
        return
    invocation.table(
        [N_("number"), N_("user"), N_("what for"), N_("may"), N_("ends"), N_("state")],
        [
            (one.id, one.owner, one.name, ", ".join(one.verbs), rfc3339(one.expires_us),
             tr(STATES[_state(one, now_us)]))
            for one in found
        ],
    )  # fmt: skip


@group.command(
    "revoke", help=N_("Revoke a token: it works no more."), example="hindsight token revoke 3"
)
@click.argument("number", type=int)
@json_option
@pass_invocation
def revoke_command(invocation: Invocation, number: int, as_json: bool) -> None:
    """For good."""
    directory, actor = invocation.directory, invocation.actor()
    now_us = directory.clock.now_us()
    with directory.ledger.write() as tx:
        find_token(tx, number)
        gone = revoke_token(tx, number, by=actor.name, now_us=now_us)
        audit.record(tx, actor, "token.revoke", gone.owner, at_us=now_us, detail=detail(gone))
    if as_json:
        invocation.json(document(gone, now_us))
    else:
        invocation.say(N_("API token {number} of {user} is revoked."),
                       number=number, user=gone.owner)  # fmt: skip


def document(one: ApiToken, now_us: int) -> dict[str, object]:
    """A token as JSON; never the token itself, nor its hash."""
    return {
        "number": one.id,
        "user": one.owner,
        "name": one.name,
        "may": [verb.value for verb in one.verbs],
        "created": rfc3339(one.created_us),
        "created_by": one.created_by,
        "expires": rfc3339(one.expires_us),
        "used": optional_rfc3339(one.used_us),
        "revoked": optional_rfc3339(one.revoked_us),
        "state": _state(one, now_us),
    }


def _state(one: ApiToken, now_us: int) -> str:
    if one.revoked_us is not None:
        return "revoked"
    return "works" if one.works(now_us) else "expired"


def _verbs(text: str) -> list[Verb]:
    names = [part.strip() for part in text.split(",") if part.strip()]
    try:
        return [Verb(name) for name in names]
    except ValueError:
        raise Invalid(
            "{verbs} cannot be read as verbs; name some of see, search, play, export, hold, manage,"
            " audit, with commas between",
            verbs=repr(text),
        ) from None
