"""`rebuild`: restores segment rows from the media alone."""

from __future__ import annotations

import click

from storage.commandline import HindsightCommand, Invocation, json_option, pass_invocation
from storage.commands.findings import exit_code
from storage.commands.options import watching
from storage.directory import init_directory, is_initialised, open_directory
from storage.errors import NotFound
from storage.i18n import N_, current_language
from storage.people import users
from storage.rebuild import Rebuilt, rebuild


@click.command(
    cls=HindsightCommand,
    help=N_(
        "Restore segment rows from what the media files say of themselves. Adds what the ledger"
        " lacks; changes and removes nothing."
    ),
    example="hindsight rebuild --adopt",
)
@click.option(
    "--adopt",
    is_flag=True,
    help=N_("make a new ledger when the old one is lost, and take in volumes it does not know"),
)
@json_option
@pass_invocation
def command(invocation: Invocation, adopt: bool, as_json: bool) -> int:
    """With --adopt also where not even the data directory is left, only its volumes."""
    password = None
    if adopt and not is_initialised(invocation.data):
        directory, password = init_directory(invocation.data, lang=current_language(), adopt=True)
    elif not is_initialised(invocation.data):
        raise NotFound(
            "{directory} is not a data directory; with --adopt a new one is made around the volumes"
            " that its settings name",
            directory=invocation.data.absolute(),
        )
    else:
        directory = open_directory(invocation.data, adopt=adopt)
    try:
        with watching(invocation, N_("reading media")) as progress:
            result = rebuild(directory, invocation.actor(), progress)
        with directory.ledger.read() as tx:
            nobody = not users(tx)
    finally:
        directory.close()
    if as_json:
        invocation.json(document(result) | {"one_time_password": password})
        return exit_code(result.findings)
    _tell(invocation, result)
    if password is not None:
        invocation.say(
            N_("Log in as {user} with the one-time password {password} (shown only now)."),
            user="admin", password=password,
        )  # fmt: skip
    if nobody:
        invocation.say(N_("Nobody can log in yet: `hindsight user add NAME --role administrator`."))
    return exit_code(result.findings)


def document(result: Rebuilt) -> dict[str, object]:
    """A rebuild as JSON."""
    return {
        "added": [
            {"segment": s.id, "camera": s.camera, "volume": s.volume, "path": s.path}
            for s in result.added
        ],
        "cameras": result.cameras,
        "seals": result.seals,
        "findings": [finding.document() for finding in result.findings],
    }


def _tell(invocation: Invocation, result: Rebuilt) -> None:
    for finding in result.findings:
        click.echo(f"! {finding.what()}")
    invocation.say(N_("Segments back in the ledger: {n}."), n=len(result.added))
    if result.seals:
        invocation.say(N_("Seals back in the ledger: {n}."), n=result.seals)
    if result.cameras:
        invocation.say(
            N_("Registered from their folders, disabled and without a source: {cameras}. Complete"
               " them with `hindsight camera set`."),
            cameras=", ".join(result.cameras),
        )  # fmt: skip
