"""How commands print findings: lines, JSON, exit code."""

from __future__ import annotations

from collections.abc import Sequence

from storage.commandline import Invocation
from storage.errors import DataLoss
from storage.findings import INVARIANTS, Finding
from storage.i18n import N_, tr


def exit_code(findings: Sequence[Finding]) -> int:
    """9 when anything is lost, 0 for notices only."""
    return DataLoss.exit_code if any(finding.loss for finding in findings) else 0


def findings_document(findings: Sequence[Finding]) -> dict[str, object]:
    """{"ok", "findings"}: ok unless anything is lost."""
    return {
        "ok": exit_code(findings) == 0,
        "findings": [finding.document() for finding in findings],
    }


def tell(invocation: Invocation, findings: Sequence[Finding]) -> None:
    """One line per finding, then the verdict."""
    if findings:
        invocation.table(
            [N_("invariant"), N_("kind"), N_("finding"), N_("volume")],
            [
                (f"{f.invariant} {tr(INVARIANTS[f.invariant])}",
                 tr(N_("loss")) if f.loss else tr(N_("notice")), f.what(), f.volume)
                for f in findings
            ],
        )  # fmt: skip
    lost = sum(finding.loss for finding in findings)
    if lost:
        invocation.say(N_("Findings of loss: {n}."), n=lost)
    else:
        invocation.say(N_("Nothing is lost."))
