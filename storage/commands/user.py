"""`user`: who may log in."""

from __future__ import annotations

import click

from storage.clock import local_text
from storage.commandline import HindsightGroup, Invocation, json_option, pass_invocation
from storage.commands import user_link
from storage.grants import GRANTABLE
from storage.i18n import LANGUAGES, N_, current_language, tr
from storage.people_changes import (
    Change,
    Changed,
    add_person,
    change_person,
    document,
    people,
)
from storage.rights import RIGHTS, Verb
from storage.vocabulary import Role

RARE = {Verb.UNMASK, Verb.APPROVE}  # granted to few: not among what a hint names
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


for _command in (user_link.link_command, user_link.unlink_command, user_link.links_command):
    group.add_command(_command)


@group.command(
    "add",
    help=N_("Add a person; prints the one-time password, once."),
    example='hindsight user add li.wei --role investigator --department "traffic police"',
)
@click.argument("name")
@click.option("--role", type=role_choice, required=True, help=N_("what the person may do"))
@click.option(
    "--language", type=click.Choice(LANGUAGES), help=N_("language of the web pages for them")
)
@click.option("--department", metavar="NAME", help=N_("to which they belong"))
@json_option
@pass_invocation
def add_command(
    invocation: Invocation,
    name: str,
    role: str,
    language: str | None,
    department: str | None,
    as_json: bool,
) -> None:
    """The password must be changed at the first login."""
    made = add_person(
        invocation.directory, invocation.actor(), name, Role(role),
        lang=language or current_language(), department=department,
    )  # fmt: skip
    user = made.now.user
    _tell_password(invocation, made, as_json)
    if not (made.sees or as_json):
        invocation.say(
            N_(
                "{user} can see no camera yet; grant it: hindsight grant add --to {user}"
                " --may {verbs} --site / --purpose TEXT"
            ),
            user=user.name,
            verbs=",".join(verb for verb in GRANTABLE if verb in RIGHTS[user.role] - RARE),
        )


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
        everybody = people(tx)
    if as_json:
        invocation.json([document(one) for one in everybody])
        return
    invocation.table(
        [N_("user"), N_("role"), N_("department"), N_("language"), N_("second factor"),
         N_("last login"), N_("state")],
        [
            (one.user.name, tr(ROLES[one.user.role]), one.department, one.user.lang,
             tr(N_("yes")) if one.guarded else tr(N_("no")),
             None if one.last_login_us is None else local_text(one.last_login_us, "UTC"),
             tr(N_("enabled")) if one.user.enabled else tr(N_("disabled")))
            for one in everybody
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
@click.option("--department", metavar="NAME", help=N_("to which they belong"))
@click.option("--no-department", is_flag=True, help=N_("they belong to none any more"))
@click.option("--reset-password", is_flag=True, help=N_("print a new one-time password, once"))
@click.option(
    "--reset-second-factor", is_flag=True, help=N_("take a lost second factor off; ends sessions")
)
@click.option("--end-sessions", is_flag=True, help=N_("log them out everywhere"))
@json_option
@pass_invocation
def set_command(
    invocation: Invocation,
    name: str,
    role: str | None,
    language: str | None,
    enabled: bool | None,
    department: str | None,
    no_department: bool,
    reset_password: bool,
    reset_second_factor: bool,
    end_sessions: bool,
    as_json: bool,
) -> None:
    """What is not named stays."""
    change = Change(
        role=None if role is None else Role(role), enabled=enabled, lang=language,
        department=department, no_department=no_department, reset_password=reset_password,
        reset_second_factor=reset_second_factor, end_sessions=end_sessions,
    )  # fmt: skip
    changed = change_person(invocation.directory, invocation.actor(), name, change)
    if changed.password is not None:
        _tell_password(invocation, changed, as_json)
    elif as_json:
        invocation.json(document(changed.now))
    else:
        invocation.say(N_("User {user} is changed."), user=changed.now.user.name)


def _tell_password(invocation: Invocation, changed: Changed, as_json: bool) -> None:
    if as_json:
        invocation.json(document(changed.now) | {"one_time_password": changed.password})
    else:
        invocation.say(
            N_("Log in as {user} with the one-time password {password} (shown only now)."),
            user=changed.now.user.name, password=changed.password,
        )  # fmt: skip
