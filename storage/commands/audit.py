"""`audit`: who looked at what and why; `audit verify`: has anybody touched that record?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from storage import audit
from storage.audit import Asked
from storage.audit_heads import document as head_document
from storage.audit_heads import newest
from storage.audit_reading import (
    asked_document,
    csv_lines,
    document,
    exported,
    json_lines,
    note,
    page,
)
from storage.check_audit import check_audit
from storage.check_media import open_volumes
from storage.clock import local_text
from storage.commandline import HindsightGroup, Invocation, json_option, pass_invocation
from storage.commands.findings import exit_code, findings_document
from storage.commands.options import asked_times, watching
from storage.durable import HashingFile
from storage.errors import Conflict, DataLoss
from storage.i18n import N_
from storage.register import find_camera
from storage.sealing import sign_audit
from storage.seals import public_pem, signing_key

F = TypeVar("F", bound=Callable[..., Any])
WIDEST = 120  # characters of a row's detail in the table; --json has all of it


def _filters(command: F) -> F:
    """Which rows: parameters that `_asked` reads."""
    for option in (
        click.option(
            "--to", "to_text", metavar="TIME", help=N_("before this time, with its zone")
        ),
        click.option(
            "--from", "from_text", metavar="TIME", help=N_("from this time on, with its zone")
        ),
        click.option(
            "--action", metavar="WORD", help=N_("only this action, such as search or play")
        ),
        click.option("--camera", metavar="NAME", help=N_("only what was done with this camera")),
        click.option(
            "--case", "case_id", metavar="ID", help=N_("only what was done under this case")
        ),
        click.option("--actor", metavar="NAME", help=N_("only what this person did")),
    ):  # fmt: skip
        command = option(command)
    return command


def _listing(command: F) -> F:
    """`_filters`, and how many."""
    for option in (
        json_option,
        click.option(
            "--limit", type=click.IntRange(min=1), default=100, show_default=True,
            help=N_("at most so many rows"),
        ),
    ):  # fmt: skip
        command = option(command)
    return _filters(command)


@click.group(
    cls=HindsightGroup,
    invoke_without_command=True,
    help=N_("Show the audit log, newest first; reading it is logged too."),
    example="hindsight audit --actor li.wei --limit 20\nhindsight audit verify",
)
@_listing
@click.pass_context
def group(ctx: click.Context, /, limit: int, as_json: bool, **filters: str | None) -> None:
    """As `audit list`, when nothing else is asked."""
    if ctx.invoked_subcommand is None:
        invocation = ctx.ensure_object(Invocation)
        _list(invocation, _asked(invocation, **filters), limit, as_json)


@group.command(
    "list",
    help=N_("Show the audit log, newest first; reading it is logged too."),
    example="hindsight audit list --camera gate --from 2026-03-01T00:00:00+08:00",
)
@_listing
@pass_invocation
def list_command(
    invocation: Invocation, /, limit: int, as_json: bool, **filters: str | None
) -> None:  # fmt: skip
    """The row that says so is committed before the first row is printed."""
    _list(invocation, _asked(invocation, **filters), limit, as_json)


@group.command(
    "export",
    help=N_(
        "Write the audit log, oldest first, with the hashes of its chain, so that it can be"
        " checked apart; exporting it is logged too."
    ),
    example="hindsight audit export --case 2026-311 --out case.jsonl",
)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="PATH",
    help=N_("a new file; without it, the rows are printed"),
)  # fmt: skip
@click.option(
    "--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True,
    help=N_("JSON Lines, or a table for spreadsheets"),
)  # fmt: skip
@_filters
@pass_invocation
def export_command(
    invocation: Invocation, /, out: Path | None, form: str, **filters: str | None
) -> None:  # fmt: skip
    """Conflict when the file exists."""
    directory = invocation.directory
    asked = _asked(invocation, **filters)
    if out is not None and out.exists():
        raise Conflict(
            "{file} exists already and is never overwritten; nothing was changed", file=out
        )
    note(directory, invocation.actor(), "audit.export", asked_document(asked) | {"format": form})
    lines = csv_lines if form == "csv" else json_lines
    rows = lines(exported(directory, asked))
    if out is None:
        for line in rows:
            click.echo(line, nl=False)
        return
    count = 0
    with HashingFile(out) as target:
        for line in rows:
            target.write(line.encode())
            count += 1
        target.publish()
    if form == "csv":
        count -= 1  # the names of the columns
    invocation.say(N_("Rows written to {file}: {n}."), file=out, n=count)


@group.command(
    "sign",
    help=N_(
        "Sign the audit chain as it is now, and copy what was signed to every volume. `hindsight"
        " record` does so once a day."
    ),
    example="hindsight audit sign --json",
)
@json_option
@pass_invocation
def sign_command(invocation: Invocation, as_json: bool) -> None:
    """A chain that nothing was added to is not signed again."""
    head = sign_audit(invocation.directory, invocation.actor())
    assert head is not None  # `init` wrote the first row
    if as_json:
        key = signing_key(invocation.directory).public_key()
        invocation.json(head_document(head) | {"public_key": public_pem(key)})
        return
    invocation.say(
        N_("Audit head {number} covers every row up to {row}: {hash}; note it elsewhere for"
           " --noted."),
        number=head.number, row=head.seq, hash=head.hash,
    )  # fmt: skip


@group.command(
    "verify",
    help=N_("Walk the chain of the audit log and name every row that was tampered with."),
    example="hindsight audit verify --noted 9f2c…",
)
@click.option(
    "--noted",
    metavar="HASH",
    help=N_("a head printed earlier and kept elsewhere: it must still be in the chain"),
)
@json_option
@pass_invocation
def verify_command(invocation: Invocation, noted: str | None, as_json: bool) -> int:
    """Exit code 9 when the chain is broken."""
    directory = invocation.directory
    note(directory, invocation.actor(), "audit.verify")
    volumes, absent = open_volumes(directory)
    with watching(invocation, N_("audit log")) as progress:
        findings = [*absent, *check_audit(directory, volumes, noted, progress)]
    with directory.ledger.read() as tx:
        head, signed = audit.head(tx), newest(tx)
    assert head is not None  # this very look is in it
    if as_json:
        invocation.json(
            findings_document(findings)
            | {"rows": head[0], "head": head[1],
               "signed": None if signed is None else head_document(signed)}
        )  # fmt: skip
        return exit_code(findings)
    for finding in findings:
        click.echo(f"! {finding.what()}")
    if lost := [finding for finding in findings if finding.loss]:
        raise DataLoss(
            "the audit chain is broken ({n} findings), first: {what}; restore the ledger from a"
            " backup to compare",
            n=len(lost), what=lost[0].what(),
        )  # fmt: skip
    invocation.say(N_("The audit chain is whole: {n} rows."), n=head[0])
    if signed is not None:
        invocation.say(N_("Rows up to {row} are signed."), row=signed.seq)
    else:
        invocation.say(N_("No row is signed yet; `hindsight audit sign` signs them."))
    invocation.say(N_("Its head is {head}; note it elsewhere for --noted."), head=head[1])
    return 0


def _list(invocation: Invocation, asked: Asked, limit: int, as_json: bool) -> None:
    directory = invocation.directory
    note(directory, invocation.actor(), "audit.read", asked_document(asked) | {"limit": limit})
    found = page(directory, asked, limit)
    if as_json:
        invocation.json([document(row) for row in found])
        return
    invocation.table(
        [N_("row"), N_("time"), N_("who"), N_("action"), N_("subject"), N_("case"), N_("reason"),
         N_("detail")],
        [
            (row.seq, local_text(row.ts_us, "UTC"), row.actor, row.action, row.subject,
             row.case_id, row.reason, "" if row.detail == "{}" else row.detail[:WIDEST])
            for row in found
        ],
    )  # fmt: skip


def _asked(
    invocation: Invocation, *, actor: str | None, case_id: str | None, camera: str | None,
    action: str | None, from_text: str | None, to_text: str | None,
) -> Asked:  # fmt: skip
    from_us, to_us = asked_times(from_text, to_text)
    if camera is not None:
        with invocation.directory.ledger.read() as tx:
            camera = find_camera(tx, camera).slug
    return Asked(actor, case_id, camera, action, from_us, to_us)
