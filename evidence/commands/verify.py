"""`verify`: what verify.py does, from here."""

from __future__ import annotations

from pathlib import Path

import click

from evidence.verify_bundle import NotABundle, describe, told, verify
from storage.commandline import HindsightCommand, Invocation, json_option, pass_invocation
from storage.errors import DataLoss, Invalid, NotFound
from storage.i18n import N_, current_language


@click.command(
    cls=HindsightCommand,
    help=N_("Check an evidence bundle, folder or zip: nothing changed, added or removed."),
    example="hindsight verify bundle.zip",
)
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--fingerprint", metavar=N_("SHA-256"), help=N_("the fingerprint you were given for it")
)
@click.option(
    "--certificate", metavar=N_("SHA-256"),
    help=N_("SHA-256 of the certificate you were given: somebody else's signature is a finding"),
)  # fmt: skip
@json_option
@pass_invocation
def command(
    invocation: Invocation, path: Path, fingerprint: str | None, certificate: str | None,
    as_json: bool,
) -> int:  # fmt: skip
    """Exit 0 when it is sound, 9 when there are findings."""
    try:
        verdict = verify(path, fingerprint, certificate=certificate)
    except FileNotFoundError:
        raise NotFound("there is no {path}; nothing was verified", path=path) from None
    except NotABundle:
        raise Invalid(
            "{path} is not an evidence bundle; name the folder or zip that `hindsight export` made",
            path=path,
        ) from None
    lang, signer, proven = current_language(), verdict.signer, verdict.proven
    if as_json:
        invocation.json(
            {
                "ok": not verdict.findings,
                "fingerprint": verdict.fingerprint,
                "files": verdict.files,
                "signed_by": None if signer is None else {
                    "subject": signer.subject, "certificate_sha256": signer.sha256
                },
                "timestamp": verdict.stamped,
                "proven": None if proven is None else proven._asdict(),
                "findings": [
                    {"what": one.kind, "path": one.path, "other": one.other or None,
                     "text": describe(one, lang)}
                    for one in verdict.findings
                ],
            }
        )  # fmt: skip
    else:
        click.echo("\n".join(told(verdict, lang)))
    return DataLoss.exit_code if verdict.findings else 0
