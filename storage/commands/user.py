"""`user`: who may log in."""

from __future__ import annotations

import click

from storage import audit
from storage.clock import rfc3339
from storage.commandline import HindsightGroup, Invocation, json_option, pass_invocation
from storage.errors import Invalid
from storage.i18n import LANGUAGES, N_, current_language, tr
from storage.people import add_user, find_user, one_time_password, set_user, users
from storage.vocabulary import Role, User

ROLES: dict[Role, str] = {
    Role.ADMINISTRATOR: N_("administrator"),
    Role.INVESTIGATOR: N_("investigator"),
    Role.OPERATOR: N_("operator"),
    Role.MANAGER: N_("archive manager"),
    Role.AUDITOR: N_("auditor"),
}
role_choice = click.Choice([role.value for role in Role])


@click.group(cls=HindsightGroup, help=N_("Who may log in, and as what."))
def group() -> None:
    """Holds the commands."""


@group.command(
    "add",
    help=N_("Add a person; prints the one-time password, once."),
    example="hindsight user add li.wei --role investigator --language zh",
)
@click.argument("name")
@click.option("--role", type=role_choice, required=True, help=N_("what the person may do"))
@click.option(
    "--language", type=click.Choice(LANGUAGES), help=N_("language of the web pages for them")
)
@json_option
@pass_invocation
def add_command(
    invocation: Invocation, name: str, role: str, language: str | None, as_json: bool
) -> None:
    """The password must be changed at the first login."""
    now_us = invocation.directory.clock.now_us()
    password = one_time_password()
    with invocation.directory.ledger.write() as tx:
        user = add_user(
            tx, name, password, Role(role), created_us=now_us,
            lang=language or current_language(),
        )  # fmt: skip
        audit.record(
            tx, invocation.actor(), "user.add", user.name, at_us=now_us, detail={"role": role}
        )
    _tell_password(invocation, user, password, as_json)


@group.command(
    "list",
    help=N_("List people."),
    example="hindsight user list",
)
@json_option
@pass_invocation
def list_command(invocation: Invocation, as_json: bool) -> None:
    """By name."""
    with invocation.directory.ledger.read() as tx:
        everybody = users(tx)
    if as_json:
        invocation.json([document(user) for user in everybody])
        return
    invocation.table(
        [N_("user"), N_("role"), N_("language"), N_("state")],
        [
            (user.name, tr(ROLES[user.role]), user.lang,
             tr(N_("enabled")) if user.enabled else tr(N_("disabled")))
            for user in everybody
        ],
    )  # fmt: skip


@group.command(
    "set",
    help=N_("Change a person; a new role, a new password or disabling ends their sessions."),
    example="hindsight user set li.wei --role auditor",
)
@click.argument("name")
@click.option("--role", type=role_choice, help=N_("what the person may do"))
@click.option(
    "--language", type=click.Choice(LANGUAGES), help=N_("language of the web pages for them")
)
@click.option("--enable/--disable", "enabled", default=None, help=N_("may log in, or may not"))
@click.option("--reset-password", is_flag=True, help=N_("print a new one-time password, once"))
@json_option
@pass_invocation
def set_command(
    invocation: Invocation,
    name: str,
    role: str | None,
    language: str | None,
    enabled: bool | None,
    reset_password: bool,
    as_json: bool,
) -> None:
    """What is not named stays."""
    asked = {"role": role, "lang": language, "enabled": enabled, "password": reset_password or None}
    changes = {key: value for key, value in asked.items() if value is not None}
    if not changes:
        raise Invalid("nothing to change was named; see `hindsight user set --help`")
    now_us = invocation.directory.clock.now_us()
    password = one_time_password() if reset_password else None
    with invocation.directory.ledger.write() as tx:
        user = set_user(
            tx, find_user(tx, name), role=None if role is None else Role(role), enabled=enabled,
            lang=language, password=password, must_change=True if reset_password else None,
        )  # fmt: skip
        audit.record(tx, invocation.actor(), "user.set", user.name, at_us=now_us, detail=changes)
    if password is not None:
        _tell_password(invocation, user, password, as_json)
    elif as_json:
        invocation.json(document(user))
    else:
        invocation.say(N_("User {user} is changed."), user=user.name)


def document(user: User) -> dict[str, object]:
    """A person as JSON; never the password hash."""
    return {
        "name": user.name,
        "role": user.role.value,
        "enabled": user.enabled,
        "language": user.lang,
        "must_change_password": user.must_change,
        "created": rfc3339(user.created_us),
    }


def _tell_password(invocation: Invocation, user: User, password: str, as_json: bool) -> None:
    if as_json:
        invocation.json(document(user) | {"one_time_password": password})
    else:
        invocation.say(
            N_("Log in as {user} with the one-time password {password} (shown only now)."),
            user=user.name, password=password,
        )  # fmt: skip
