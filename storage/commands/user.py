"""`user`: who may log in."""

from __future__ import annotations

import click

from storage import audit, second_factor
from storage.access import access_of
from storage.clock import rfc3339
from storage.commandline import HindsightGroup, Invocation, json_option, pass_invocation
from storage.departments import department_of, memberships, set_department
from storage.errors import Conflict, Invalid
from storage.grants import GRANTABLE
from storage.i18n import LANGUAGES, N_, current_language, tr
from storage.login_sessions import end_sessions
from storage.people import (
    add_user,
    find_user,
    guarded_users,
    one_time_password,
    set_user,
    users,
)
from storage.rights import RIGHTS
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
    now_us = invocation.directory.clock.now_us()
    password = one_time_password()
    with invocation.directory.ledger.write() as tx:
        user = add_user(
            tx, name, password, Role(role), created_us=now_us,
            lang=language or current_language(),
        )  # fmt: skip
        detail = {"role": role}
        if department is not None:
            set_department(tx, user.id, department)
            detail["department"] = department
        audit.record(tx, invocation.actor(), "user.add", user.name, at_us=now_us, detail=detail)
        seen = access_of(tx, user.name, now_us)
        sees = seen.everywhere or bool(seen.grants)
        own = department_of(tx, user.id)
    _tell_password(invocation, user, own, password, as_json)
    if not (sees or as_json):
        invocation.say(
            N_(
                "{user} can see no camera yet; grant it: hindsight grant add --to {user}"
                " --may {verbs} --site / --purpose TEXT"
            ),
            user=user.name,
            verbs=",".join(verb for verb in GRANTABLE if verb in RIGHTS[user.role]),
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
        everybody, belongs, guarded = users(tx), memberships(tx), guarded_users(tx)
    if as_json:
        invocation.json(
            [document(user, belongs.get(user.id)) | {"second_factor": user.id in guarded}
             for user in everybody]
        )  # fmt: skip
        return
    invocation.table(
        [N_("user"), N_("role"), N_("department"), N_("language"), N_("second factor"),
         N_("state")],
        [
            (user.name, tr(ROLES[user.role]), belongs.get(user.id), user.lang,
             tr(N_("yes")) if user.id in guarded else tr(N_("no")),
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
@click.option("--department", metavar="NAME", help=N_("to which they belong"))
@click.option("--no-department", is_flag=True, help=N_("they belong to none any more"))
@click.option("--reset-password", is_flag=True, help=N_("print a new one-time password, once"))
@click.option(
    "--reset-second-factor", is_flag=True, help=N_("take a lost second factor off; ends sessions")
)
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
    as_json: bool,
) -> None:
    """What is not named stays."""
    asked: dict[str, str | bool | None] = {
        "role": role, "lang": language, "enabled": enabled, "password": reset_password or None
    }  # fmt: skip
    changes: dict[str, str | bool | None] = {
        key: value for key, value in asked.items() if value is not None
    }
    if reset_second_factor:
        changes["second_factor"] = False
    moved = department is not None or no_department
    if department is not None and no_department:
        raise Invalid("name a department, or --no-department, not both; nothing was changed")
    if not changes and not moved:
        raise Invalid("nothing to change was named; see `hindsight user set --help`")
    now_us = invocation.directory.clock.now_us()
    password = one_time_password() if reset_password else None
    with invocation.directory.ledger.write() as tx:
        user = set_user(
            tx, find_user(tx, name), role=None if role is None else Role(role), enabled=enabled,
            lang=language, password=password, must_change=True if reset_password else None,
            at_us=now_us,
        )  # fmt: skip
        if reset_second_factor:
            if not second_factor.remove(tx, user):
                raise Conflict("{user} has no second factor; nothing was changed", user=user.name)
            end_sessions(tx, user)
        if moved:
            before = department_of(tx, user.id)
            set_department(tx, user.id, department)
            changes |= {"department": department, "department_before": before}
        audit.record(tx, invocation.actor(), "user.set", user.name, at_us=now_us, detail=changes)
        own = department_of(tx, user.id)
    if password is not None:
        _tell_password(invocation, user, own, password, as_json)
    elif as_json:
        invocation.json(document(user, own))
    else:
        invocation.say(N_("User {user} is changed."), user=user.name)


def document(user: User, department: str | None) -> dict[str, object]:
    """A person as JSON; never the password hash."""
    return {
        "name": user.name,
        "role": user.role.value,
        "department": department,
        "enabled": user.enabled,
        "language": user.lang,
        "must_change_password": user.must_change,
        "created": rfc3339(user.created_us),
    }


def _tell_password(
    invocation: Invocation, user: User, department: str | None, password: str, as_json: bool
) -> None:
    if as_json:
        invocation.json(document(user, department) | {"one_time_password": password})
    else:
        invocation.say(
            N_("Log in as {user} with the one-time password {password} (shown only now)."),
            user=user.name, password=password,
        )  # fmt: skip
