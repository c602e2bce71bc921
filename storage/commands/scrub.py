"""`scrub`: verifies footage a bit at a time."""

from __future__ import annotations

import click

from storage.clock import optional_rfc3339
from storage.commandline import HindsightCommand, Invocation, json_option, pass_invocation
from storage.commands.findings import exit_code, findings_document, tell
from storage.commands.options import size_text, watching
from storage.i18n import N_
from storage.scrub import scrub


@click.command(
    cls=HindsightCommand,
    help=N_("Re-hash footage, longest unverified first. Changes nothing."),
    example="hindsight scrub --budget-s 600",
)
@click.option(
    "--budget-s",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help=N_("stop after so long; the next run goes on from there"),
)
@json_option
@pass_invocation
def command(invocation: Invocation, budget_s: float | None, as_json: bool) -> int:
    """Exit code 9 when damage is found."""
    with watching(invocation, N_("verifying")) as progress:
        result = scrub(invocation.directory, budget_s, progress)
    if as_json:
        invocation.json(
            findings_document(result.findings)
            | {
                "segments": result.segments,
                "bytes": result.size_bytes,
                "seconds": result.seconds,
                "never_verified": result.never,
                "longest_unverified_since": optional_rfc3339(result.oldest_us),
            }
        )
    else:
        tell(invocation, result.findings)
        invocation.say(
            N_("Verified: {n} segments, {size}, in {seconds} s. Never verified yet: {left}."),
            n=result.segments, size=size_text(result.size_bytes),
            seconds=f"{result.seconds:.1f}", left=result.never,
        )  # fmt: skip
    return exit_code(result.findings)
