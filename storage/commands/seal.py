"""`seal`: signs what the ledger says of every segment; `seal show`, `seal verify`."""

from __future__ import annotations

import click

from storage import audit
from storage.audit_heads import document as head_document
from storage.check_media import open_volumes
from storage.check_seals import check_seals
from storage.clock import local_text, rfc3339
from storage.commandline import HindsightGroup, Invocation, json_option, pass_invocation
from storage.commands.findings import exit_code, findings_document
from storage.directory import SEAL_KEY
from storage.errors import DataLoss
from storage.findings import Level
from storage.i18n import N_
from storage.register import find_cameras
from storage.sealing import seal_day
from storage.seals import Seal, heads, key_id_of, public_pem, seals, signing_key


@click.group(
    cls=HindsightGroup,
    invoke_without_command=True,
    help=N_(
        "Put every segment row that is under no seal yet under a signed one. `hindsight record`"
        " does so once a day."
    ),
    example="hindsight seal\nhindsight seal show --json\nhindsight seal verify --noted 9f2c…",
)
@json_option
@click.pass_context
def group(ctx: click.Context, as_json: bool) -> None:
    """At once, whatever was sealed today. DataLoss, when all is sealed, where the audit chain lost
    rows that were signed."""
    if ctx.invoked_subcommand is not None:
        return
    invocation = ctx.ensure_object(Invocation)
    made = seal_day(invocation.directory, invocation.actor())
    if as_json:
        invocation.json(
            {"seals": [document(seal) for seal in made.seals], "segments": made.segments,
             "copies": made.copies,
             "audit_head": None if made.audit_head is None else head_document(made.audit_head)}
        )  # fmt: skip
    else:
        invocation.say(
            N_("Seals made: {n}, over {segments} segments. Copies written to volumes: {copies}."),
            n=len(made.seals), segments=made.segments, copies=made.copies,
        )  # fmt: skip
    if made.audit_failure is not None:
        raise made.audit_failure  # footage is sealed all the same; the keeper goes on


@group.command(
    "show",
    help=N_("Show the newest seal of each camera, and the public key: to be noted elsewhere."),
    example="hindsight seal show --json",
)
@click.option(
    "--camera", "names", multiple=True, metavar="NAME",
    help=N_("only this camera; give it again for more"),
)  # fmt: skip
@click.option("--all", "every", is_flag=True, help=N_("older seals too"))
@json_option
@pass_invocation
def show_command(
    invocation: Invocation, names: tuple[str, ...], every: bool, as_json: bool
) -> None:
    """NotFound for a camera that is not registered."""
    directory = invocation.directory
    with directory.ledger.read() as tx:
        chosen = {camera.id for camera in find_cameras(tx, names)}
        there = seals(tx) if every else heads(tx)
    shown = [seal for seal in there if seal.camera_id in chosen]
    key = None
    if (directory.root / "keys" / SEAL_KEY).exists():
        key = signing_key(directory).public_key()
    if as_json:
        invocation.json(
            {"seals": [document(seal) for seal in shown],
             "key_id": None if key is None else key_id_of(key),
             "public_key": None if key is None else public_pem(key)}
        )  # fmt: skip
        return
    invocation.table(
        [N_("camera"), N_("seal"), N_("time"), N_("segments"), N_("hash")],
        [(s.camera, s.number, local_text(s.sealed_us, "UTC"), s.segments, s.hash) for s in shown],
    )
    if key is not None:
        invocation.say(N_("Signed by key {key}:"), key=key_id_of(key))
        click.echo(public_pem(key), nl=False)


@group.command(
    "verify",
    help=N_("Hold every sealed row against its seal and name what was tampered with."),
    example="hindsight seal verify --noted 9f2c…",
)
@click.option(
    "--noted", multiple=True, metavar="HASH",
    help=N_("a seal shown earlier and kept elsewhere: it must still be there; again for more"),
)  # fmt: skip
@json_option
@pass_invocation
def verify_command(invocation: Invocation, noted: tuple[str, ...], as_json: bool) -> int:
    """Exit code 9 when a row or a seal does not hold."""
    directory = invocation.directory
    with directory.ledger.write() as tx:
        audit.record(
            tx, invocation.actor(), "seal.verify", "archive", at_us=directory.clock.now_us()
        )
    volumes, absent = open_volumes(directory)
    findings = [*absent, *check_seals(directory, Level.HASH, volumes, noted)]
    with directory.ledger.read() as tx:
        count = len(seals(tx))
    if as_json:
        invocation.json(findings_document(findings) | {"seals": count})
        return exit_code(findings)
    for finding in findings:
        click.echo(f"! {finding.what()}")
    if exit_code(findings):
        lost = [finding for finding in findings if finding.loss]
        raise DataLoss(
            "what was sealed does not hold ({n} findings), first: {what}; restore the ledger from a"
            " backup to compare",
            n=len(lost), what=lost[0].what(),
        )  # fmt: skip
    invocation.say(N_("Everything under {n} seals is as it was sealed."), n=count)
    return 0


def document(seal: Seal) -> dict[str, object]:
    """A seal as JSON."""
    return {
        "camera": seal.camera,
        "number": seal.number,
        "sealed": rfc3339(seal.sealed_us),
        "segments": seal.segments,
        "root": seal.root,
        "previous": seal.prev_hash,
        "hash": seal.hash,
        "key_id": seal.key_id,
        "signature": seal.signature.hex(),
    }
