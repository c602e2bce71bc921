"""`init`: makes a data directory and says what to do next."""

from __future__ import annotations

import hashlib

import click

from storage.commandline import HindsightCommand, Invocation, json_option, pass_invocation
from storage.directory import SEAL_KEY, init_directory
from storage.i18n import N_, current_language

KEYS = ("secrets.key", "session.key", SEAL_KEY)


@click.command(
    cls=HindsightCommand,
    help=N_("Make a data directory: keys, settings, ledger, first administrator."),
    example="hindsight --data /srv/hindsight init",
)
@click.option(
    "--admin",
    default="admin",
    show_default=True,
    metavar="NAME",
    help=N_("login name of the first administrator"),
)
@json_option
@pass_invocation
def command(invocation: Invocation, admin: str, as_json: bool) -> None:
    """The one-time password is printed here and kept nowhere."""
    directory, password = init_directory(
        invocation.data, administrator=admin, lang=current_language()
    )
    try:
        prints = {name: fingerprint(directory.key(name)) for name in KEYS}
    finally:
        directory.close()
    if as_json:
        invocation.json(
            {
                "directory": str(directory.root),
                "administrator": admin,
                "one_time_password": password,
                "keys": prints,
            }
        )
        return
    invocation.say(N_("{directory} is ready."), directory=directory.root)
    invocation.say(
        N_("Log in as {user} with the one-time password {password} (shown only now)."),
        user=admin, password=password,
    )  # fmt: skip
    invocation.say(N_("Keys, by the SHA-256 of their content (back up {directory}/keys):"),
                   directory=directory.root)  # fmt: skip
    for name, text in prints.items():
        click.echo(f"  {name}  {text}")
    invocation.say(
        N_("Next: `hindsight camera add NAME URL`, then `hindsight record` and `hindsight serve`.")
    )


def fingerprint(key: bytes) -> str:
    """SHA-256 of a key in groups of four, enough to compare by eye."""
    digest = hashlib.sha256(key).hexdigest()[:32]
    return " ".join(digest[i : i + 4] for i in range(0, 32, 4))
