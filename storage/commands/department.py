"""`department`: to whom people and cameras belong."""

from __future__ import annotations

import click

from storage.commandline import HindsightGroup, Invocation, json_option, pass_invocation
from storage.departments import departments
from storage.i18n import N_
from storage.people_changes import make_department


@click.group(cls=HindsightGroup, help=N_("Departments: to whom people and cameras belong."))
def group() -> None:
    """Holds the commands."""


@group.command(
    "add",
    help=N_("Register a department, so that people can belong to it."),
    example='hindsight department add "traffic police"',
)
@click.argument("name")
@json_option
@pass_invocation
def add_command(invocation: Invocation, name: str, as_json: bool) -> None:
    """Conflict when it is there already."""
    made = make_department(invocation.directory, invocation.actor(), name)
    with invocation.directory.ledger.read() as tx:
        _, people, cameras = next(one for one in departments(tx) if one[0] == made)
    if as_json:
        invocation.json({"name": made, "people": people, "cameras": cameras})
    else:
        invocation.say(
            N_(
                "Department {department} is registered; cameras that name it: {cameras}. People"
                " join it with `hindsight user set NAME --department`."
            ),
            department=made, cameras=cameras,
        )  # fmt: skip


@group.command(
    "list",
    help=N_("List departments, with how many people and cameras they have."),
    example="hindsight department list",
)
@json_option
@pass_invocation
def list_command(invocation: Invocation, as_json: bool) -> None:
    """By name."""
    with invocation.directory.ledger.read() as tx:
        found = departments(tx)
    if as_json:
        invocation.json(
            [{"name": name, "people": people, "cameras": own} for name, people, own in found]
        )
    elif not found:
        invocation.say(N_("There is no department."))
    else:
        invocation.table([N_("department"), N_("people"), N_("cameras")], found)
