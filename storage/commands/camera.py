"""`camera`: the register. Its commands, each in a file of its own."""

from __future__ import annotations

import click

from storage.commandline import HindsightGroup
from storage.commands import camera_add, camera_import, camera_list, camera_set
from storage.i18n import N_


@click.group(cls=HindsightGroup, help=N_("The register of cameras."))
def group() -> None:
    """Holds the commands."""


group.add_command(camera_add.command)
group.add_command(camera_import.command)
group.add_command(camera_list.list_command)
group.add_command(camera_list.show_command)
group.add_command(camera_set.set_command)
group.add_command(camera_set.enable_command)
group.add_command(camera_set.disable_command)
