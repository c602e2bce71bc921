"""`audit`: who looked at what and why; `audit verify`: has anybody touched that record?"""

from __future__ import annotations

import json

import click

from storage import audit
from storage.audit import AuditRow
from storage.check_ledger import audit_findings
from storage.clock import local_text, rfc3339
from storage.commandline import HindsightGroup, Invocation, json_option, pass_invocation
from storage.commands.findings import exit_code, findings_document
from storage.errors import DataLoss
from storage.i18n import N_

WIDEST = 120  # characters of a row's detail in the table; --json has all of it


@click.group(
    cls=HindsightGroup,
    invoke_without_command=True,
    help=N_("Show the audit log, newest first; reading it is logged too."),
    example="hindsight audit --actor li.wei --limit 20\nhindsight audit verify",
)
@click.option("--actor", metavar="NAME", help=N_("only what this person did"))
@click.option("--case", "case_id", metavar="ID", help=N_("only what was done under this case"))
@click.option("--action", metavar="WORD", help=N_("only this action, such as search or play"))
@click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True,
    help=N_("at most so many rows"),
)  # fmt: skip
@json_option
@click.pass_context
def group(
    ctx: click.Context,
    actor: str | None,
    case_id: str | None,
    action: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """The row that says so is committed before the first row is printed."""
    if ctx.invoked_subcommand is not None:
        return
    invocation = ctx.ensure_object(Invocation)
    asked = {"actor": actor, "case": case_id, "action": action, "limit": limit}
    _record(invocation, "audit.read", {k: v for k, v in asked.items() if v is not None})
    with invocation.directory.ledger.read() as tx:
        found = audit.rows(
            tx, actor=actor, case_id=case_id, action=action, limit=limit, newest_first=True
        )
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
    _record(invocation, "audit.verify", {})
    with invocation.directory.ledger.read() as tx:
        findings = list(audit_findings(tx, noted))
        head = audit.head(tx)
    assert head is not None  # this very look is in it
    if as_json:
        invocation.json(
            findings_document(findings) | {"rows": head[0], "head": head[1]},
        )
        return exit_code(findings)
    if findings:
        for finding in findings:
            click.echo(f"! {finding.what()}")
        raise DataLoss(
            "the audit chain is broken ({n} findings), first: {what}; restore the ledger from a"
            " backup to compare",
            n=len(findings), what=findings[0].what(),
        )  # fmt: skip
    invocation.say(N_("The audit chain is whole: {n} rows."), n=head[0])
    invocation.say(N_("Its head is {head}; note it elsewhere for --noted."), head=head[1])
    return 0


def document(row: AuditRow) -> dict[str, object]:
    """An audit row as JSON."""
    return {
        "row": row.seq,
        "time": rfc3339(row.ts_us),
        "actor": row.actor,
        "action": row.action,
        "subject": row.subject,
        "case": row.case_id,
        "reason": row.reason,
        "detail": _detail(row.detail),
        "hash": row.hash,
    }


def _detail(text: str) -> object:
    """The detail as JSON; a row tampered with may hold anything, and is shown as it is."""
    try:
        return json.loads(text)
    except ValueError:
        return str(text)


def _record(invocation: Invocation, action: str, detail: dict[str, object]) -> None:
    now_us = invocation.directory.clock.now_us()
    with invocation.directory.ledger.write() as tx:
        audit.record(tx, invocation.actor(), action, "audit", at_us=now_us, detail=detail)
