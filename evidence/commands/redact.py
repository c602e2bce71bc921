"""`redact`: a copy of a span with people and things hidden for good."""

from __future__ import annotations

from pathlib import Path

import click

from evidence.absences import CAUSE_WORDS, SEAM
from evidence.redaction import Redaction, redact, require_span
from evidence.redaction_recipe import Recipe, load_recipe
from storage.clock import US, local_text, parse_time
from storage.commandline import HindsightCommand, Invocation, json_option, pass_invocation
from storage.commands.options import length_text
from storage.i18n import N_, tr
from storage.register import find_cameras


@click.command(
    cls=HindsightCommand,
    help=N_(
        "Make a redacted copy of a span: what a recipe names is hidden and cannot be brought back."
    ),
    example="hindsight redact --camera north-gate --from 2026-11-18T18:00:00+08:00"
    " --to 2026-11-18T18:02:00+08:00 --recipe passers-by.json --out copy --time",
)
@click.option("--camera", "name", required=True, metavar=N_("NAME"), help=N_("the camera"))
@click.option(
    "--from", "from_text", required=True, metavar=N_("TIME"),
    help=N_("from this time on, with its zone"),
)  # fmt: skip
@click.option(
    "--to", "to_text", required=True, metavar=N_("TIME"), help=N_("before this time, with its zone")
)
@click.option(
    "--recipe", "recipe_file", type=click.Path(path_type=Path), metavar=N_("FILE"),
    help=N_("JSON that says what is hidden, and where; without it, only privacy zones are"),
)  # fmt: skip
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, metavar=N_("PATH"),
    help=N_("what to make: a folder, or a zip if the name ends in .zip; must not exist"),
)  # fmt: skip
@click.option(
    "--time",
    "burn_time",
    is_flag=True,
    help=N_("write each picture's time and the camera's name below it"),
)
@click.option("--case", "case_id", metavar=N_("ID"), help=N_("the open case it is for"))
@click.option(
    "--reason", metavar=N_("TEXT"), help=N_("why it is exported; goes into the audit log")
)
@json_option
@pass_invocation
def command(
    invocation: Invocation,
    name: str,
    from_text: str,
    to_text: str,
    recipe_file: Path | None,
    out: Path,
    burn_time: bool,
    case_id: str | None,
    reason: str | None,
    as_json: bool,
) -> None:
    """Film, document, sums, signature."""
    asked = require_span(parse_time(from_text), parse_time(to_text))
    recipe = Recipe() if recipe_file is None else load_recipe(recipe_file, asked)
    directory = invocation.directory
    with directory.ledger.read() as tx:
        camera = find_cameras(tx, [name])[0]
    with invocation.progress() as bar:
        task = bar.add_task(tr("redacting"), total=None)
        made = redact(
            directory, camera=camera, from_us=asked.start_us, to_us=asked.end_us, recipe=recipe,
            out=out, actor=invocation.actor(case_id, reason), burn_time=burn_time,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )  # fmt: skip
    if as_json:
        invocation.json({**made.document, "path": str(made.path)})
        return
    _tell(invocation, made, camera.tz)


def _tell(invocation: Invocation, made: Redaction, tz: str) -> None:
    for trail in made.trails:
        for span in trail.unsure:
            invocation.say(
                N_(
                    "{subject}: not followed for sure from {start} to {end}; more than the box is"
                    " hidden there. Draw another box for less"
                ),
                subject=trail.subject.name, start=local_text(span.start_us, tz),
                end=local_text(span.end_us, tz),
            )  # fmt: skip
    for gap in made.absences:
        if gap.cause != SEAM:
            invocation.say(
                N_("{camera} has a gap from {start} to {end}: {cause}"),
                camera=gap.camera, start=local_text(gap.start_us, tz),
                end=local_text(gap.end_us, tz), cause=tr(CAUSE_WORDS[gap.cause]),
            )  # fmt: skip
    invocation.say(
        N_("{path} holds {length} in {pictures} pictures; SHA-256 of {file}: {sha256}"),
        path=made.path, length=length_text(made.span.duration_us / US), pictures=made.pictures,
        file=made.file, sha256=made.sha256,
    )  # fmt: skip
    invocation.say(
        N_("Signed by {subject}; SHA-256 of the certificate: {sha256}"),
        subject=made.signer.subject, sha256=made.signer.sha256,
    )  # fmt: skip
    invocation.say(N_("Look at the copy from end to end before it leaves the house."))
