"""`check`: says, in the words of the invariants, what does not hold."""

from __future__ import annotations

import click

from storage.check import check
from storage.commandline import HindsightCommand, Invocation, json_option, pass_invocation
from storage.commands.findings import exit_code, findings_document, tell
from storage.commands.options import watching
from storage.findings import Level
from storage.i18n import N_


@click.command(
    cls=HindsightCommand,
    help=N_(
        "Check ledger and footage against the invariants. presence: every file is there; size: and"
        " as long as its row says; hash: and byte for byte the same. Changes nothing."
    ),
    example="hindsight check --level hash",
)
@click.option(
    "--level",
    type=click.Choice([level.value for level in Level]),
    default=Level.SIZE.value,
    show_default=True,
    help=N_("how deep to look"),
)
@json_option
@pass_invocation
def command(invocation: Invocation, level: str, as_json: bool) -> int:
    """Exit code 9 when anything is lost."""
    with watching(invocation, N_("checking")) as progress:
        findings = list(check(invocation.directory, Level(level), progress))
    if as_json:
        invocation.json(findings_document(findings))
    else:
        tell(invocation, findings)
    return exit_code(findings)
