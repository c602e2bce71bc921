"""`verify`: what verify.py does, from here."""

from __future__ import annotations

from pathlib import Path

import click

from evidence.verify_bundle import NotABundle, describe, told, verify
from evidence.verify_redaction import is_redaction, verify_redaction
from storage.commandline import HindsightCommand, Invocation, json_option, pass_invocation
from storage.errors import DataLoss, Invalid, NotFound
from storage.i18n import N_, current_language


@click.command(
    cls=HindsightCommand,
    help=N_(
        "Check an evidence bundle or a redacted copy, folder or zip: nothing changed, added or"
        " removed."
    ),
    example="hindsight verify bundle.zip",
)
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--fingerprint", metavar=N_("SHA-256"),
    help=N_(
        "the fingerprint you were given for it; of a redacted copy, the SHA-256 of its film"
    ),
)  # fmt: skip
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
    if is_redaction(path):
        return _copy(invocation, path, fingerprint, certificate, as_json)
    try:
        verdict = verify(path, fingerprint, certificate=certificate)
    except FileNotFoundError:
        raise NotFound("there is no {path}; nothing was verified", path=path) from None
    except NotABundle:
        raise Invalid(
            "{path} is not an evidence bundle; name the folder or zip that `hindsight export` made",
            path=path,
        ) from None
    lang, signer, sealed = current_language(), verdict.signer, verdict.sealed
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
                "sealed": None if sealed is None else sealed._asdict(),
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


def _copy(
    invocation: Invocation, path: Path, film: str | None, certificate: str | None, as_json: bool
) -> int:
    """The same for a redacted copy."""
    verdict = verify_redaction(path, film, certificate)
    if as_json:
        signed = verdict.certificate_sha256
        invocation.json(
            {
                "ok": not verdict.findings,
                "files": verdict.files,
                "sha256": verdict.sha256,
                "signed_by": None if signed is None else {
                    "subject": verdict.subject, "certificate_sha256": signed
                },
                "originals": verdict.originals,
                "findings": [
                    {"what": one.kind, "path": one.path, "text": one.text()}
                    for one in verdict.findings
                ],
            }
        )  # fmt: skip
        return DataLoss.exit_code if verdict.findings else 0
    for one in verdict.findings:
        click.echo(one.text())
    if verdict.findings:
        invocation.say(N_("NOT sound; findings: {count}."), count=len(verdict.findings))
        return DataLoss.exit_code
    invocation.say(
        N_("A redacted copy, sound: {files} files, made from {originals} originals that it names"),
        files=verdict.files, originals=verdict.originals,
    )  # fmt: skip
    invocation.say(
        N_("Signed by {subject}; SHA-256 of the certificate: {sha256}"),
        subject=verdict.subject, sha256=verdict.certificate_sha256,
    )  # fmt: skip
    return 0
