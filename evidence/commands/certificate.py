"""`certificate show`: the certificate that signs bundles, to be handed over apart from them."""

from __future__ import annotations

from pathlib import Path

import click

from evidence.content_credentials import credentials
from evidence.signing import signer
from storage.commandline import (
    HindsightCommand,
    HindsightGroup,
    Invocation,
    json_option,
    pass_invocation,
)
from storage.errors import Conflict, Denied, NotFound
from storage.i18n import N_


@click.group(
    cls=HindsightGroup,
    help=N_("The certificate that evidence bundles are signed with."),
    example="hindsight certificate show --out hindsight.pem",
)
def group() -> None:
    """Only `show` so far."""


@group.command(
    "show",
    cls=HindsightCommand,
    help=N_("Show the certificate's SHA-256, which is told apart from bundles; made on first use."),
    example="hindsight certificate show --out hindsight.pem",
)
@click.option(
    "--out", type=click.Path(path_type=Path), metavar=N_("PATH"),
    help=N_("write the certificate (PEM) here; must not exist"),
)  # fmt: skip
@json_option
@pass_invocation
def show_command(invocation: Invocation, out: Path | None, as_json: bool) -> None:
    """Nothing of it is secret."""
    who = signer(invocation.directory, invocation.actor())
    above = credentials(invocation.directory, who, invocation.actor())
    if out is not None:
        _write(out, who.pem)
    if as_json:
        invocation.json(
            {**who.document(), "certificate": who.pem, "content_credentials_root": above.root_pem,
             "content_credentials_root_sha256": above.root_sha256}
        )  # fmt: skip
        return
    facts = who.document()
    invocation.say(
        N_("{subject}, valid until {until}"), subject=facts["subject"], until=facts["valid_until"]
    )
    invocation.say(N_("SHA-256 of the certificate: {sha256}"), sha256=who.sha256)
    invocation.say(
        N_("SHA-256 of the root of content credentials: {sha256}"), sha256=above.root_sha256
    )
    if out is None:
        click.echo(who.pem, nl=False)
    else:
        invocation.say(N_("{file} holds the certificate"), file=out)


def _write(out: Path, text: str) -> None:
    try:
        with out.open("x", encoding="ascii") as target:
            target.write(text)
    except FileExistsError:
        raise Conflict(
            "{out} exists already; nothing was changed, name another place", out=out
        ) from None
    except FileNotFoundError:
        raise NotFound(
            "folder {folder} does not exist; make it first, nothing was written", folder=out.parent
        ) from None
    except PermissionError:
        raise Denied("{out} may not be written; name another place", out=out) from None
