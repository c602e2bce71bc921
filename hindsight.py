"""The front door: mounts each package's commands, nothing else."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import click

from storage.commandline import HindsightGroup, Invocation, run
from storage.i18n import LANGUAGES, N_
from storage.logs import configure_logging

# command → the module of its room that holds it; imported only when it is called, so that
# `hindsight gaps` does not wait for torch.
ROOMS = ("storage", "recorder", "indexer", "search", "evidence", "web")


class FrontDoor(HindsightGroup):
    """Finds a command in the rooms' tables of contents."""

    def _table(self) -> dict[str, str]:
        return {
            name: f"{room}.commands:{attribute}"
            for room in ROOMS
            for name, attribute in import_module(f"{room}.commands").COMMANDS.items()
        }

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the rooms."""
        return list(self._table())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module and return the command."""
        place = self._table().get(cmd_name)
        if place is None:
            return None
        package, attribute = place.split(":")
        module, _, name = attribute.rpartition(".")
        command: click.Command = getattr(import_module(f"{package}.{module}"), name)
        return command


@click.group(
    cls=FrontDoor,
    help=N_("Records camera streams bit-exactly, keeps them honestly, finds the moment described."),
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Path("data"),
    envvar="HINDSIGHT_DATA",
    help=N_("data directory (default: ./data, or HINDSIGHT_DATA)"),
)
@click.option(
    "--lang",
    type=click.Choice(LANGUAGES),
    expose_value=False,
    help=N_("language of what is printed"),
)
@click.version_option(package_name="hindsight-archive", help=N_("show the version"))
@click.pass_context
def cli(ctx: click.Context, data: Path) -> None:
    """Open nothing yet: a command opens the data directory when it needs it."""
    ctx.obj = Invocation(data)
    ctx.call_on_close(ctx.obj.close)


def main() -> None:
    """Entry point of `hindsight` and `python -m hindsight`."""
    configure_logging()
    sys.exit(run(cli))


if __name__ == "__main__":
    main()
