"""The command line over a town: somebody of every role, cameras of two departments, cases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
from click.testing import CliRunner

from hindsight import cli
from storage.cases import close_case, open_case
from storage.clock import US
from storage.commandline import Invocation
from storage.departments import add_department, set_department
from storage.errors import HindsightError
from storage.grants import GRANTABLE, Place, add_grant
from storage.people import add_user
from storage.vocabulary import Role
from tests.storage.media import START_US, House, new_house

NOW_US = START_US + 3600 * US
UNTIL_US = NOW_US + 600 * US  # every grant ends then
OWN, OTHER = "own", "other"  # of the department of everybody here, and of another


@dataclass
class Terminal:
    """`hindsight` in this process on the town's own data directory, by its clock."""

    town: House

    def __call__(self, *words: str) -> tuple[int, str]:
        invocation = Invocation(self.town.directory.root)
        invocation._directory = self.town.directory
        command = cli.get_command(click.Context(cli), words[0])
        assert command is not None
        told = CliRunner().invoke(command, words[1:], obj=invocation, standalone_mode=False)
        if isinstance(told.exception, HindsightError):
            return told.exception.exit_code, told.exception.text()
        if isinstance(told.exception, click.ClickException):
            return told.exception.exit_code, told.exception.format_message()
        assert told.exception is None, (words, told.output, told.exc_info)
        return (told.return_value if isinstance(told.return_value, int) else 0), told.output


def built(folder: Path) -> Iterator[House]:
    """Somebody of every role, of one department; a camera of theirs and one of another's."""
    town = new_house(folder / "data", NOW_US)
    with town.ledger.write() as tx:
        for name in ("north", "south"):
            add_department(tx, name, NOW_US)
        for case in ("open-1", "closed-1"):
            open_case(tx, case, "thefts", "admin", NOW_US)
        close_case(tx, "closed-1", NOW_US)
    town.camera(OWN, department="north")
    town.camera(OTHER, department="south")
    with town.ledger.write() as tx:
        for role in Role:
            user = add_user(tx, f"one-{role.value}", None, role, created_us=NOW_US)
            set_department(tx, user.id, "north")
            add_grant(
                tx, user=user, verbs=GRANTABLE, place=Place(cameras_of="north"), from_us=0,
                until_us=UNTIL_US, purpose="thefts", made_by="admin", at_us=NOW_US,
            )  # fmt: skip
    yield town
    town.directory.close()
