"""`export`: hand footage over as a bundle that can be checked."""

from __future__ import annotations

from pathlib import Path

import click

from evidence.absences import CAUSE_WORDS, SEAM
from evidence.export import ExportResult, export
from evidence.report_words import REASON_WORDS
from storage.clock import US, local_text, parse_time
from storage.commandline import HindsightCommand, Invocation, json_option, pass_invocation
from storage.commands.options import length_text, size_text
from storage.directory import DataDirectory
from storage.i18n import N_, tr
from storage.register import find_cameras


@click.command(
    cls=HindsightCommand,
    help=N_("Export the original footage of a span as an evidence bundle."),
    example="hindsight export --camera north-gate --from 2026-11-18T18:00:00+08:00"
    " --to 2026-11-18T18:10:00+08:00 --out bundle.zip --case A-117 --reason 'theft, report 88'",
)
@click.option(
    "--camera", "names", multiple=True, required=True, metavar=N_("NAME"),
    help=N_("a camera to export; give it again for more"),
)  # fmt: skip
@click.option(
    "--from", "from_text", required=True, metavar=N_("TIME"),
    help=N_("from this time on, with its zone"),
)  # fmt: skip
@click.option(
    "--to", "to_text", required=True, metavar=N_("TIME"), help=N_("before this time, with its zone")
)
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, metavar=N_("PATH"),
    help=N_("what to make: a folder, or a zip if the name ends in .zip; must not exist"),
)  # fmt: skip
@click.option("--case", "case_id", metavar=N_("ID"), help=N_("the open case it is for"))
@click.option(
    "--reason", metavar=N_("TEXT"), help=N_("why it is exported; goes into the audit log")
)
@click.option(
    "--search", "search_word", metavar=N_("TOKEN"),
    help=N_("the search that found it, by token or name (`query list`); the bundle will say so"),
)  # fmt: skip
@click.option(
    "--keep", is_flag=True,
    help=N_("when it is interrupted (Ctrl-C), leave what was copied so far, for --resume"),
)  # fmt: skip
@click.option(
    "--resume", is_flag=True,
    help=N_("go on with what an interrupted export to the same PATH left; without, it is removed"),
)  # fmt: skip
@json_option
@pass_invocation
def command(
    invocation: Invocation,
    names: tuple[str, ...],
    from_text: str,
    to_text: str,
    out: Path,
    case_id: str | None,
    reason: str | None,
    search_word: str | None,
    keep: bool,
    resume: bool,
    as_json: bool,
) -> None:
    """Originals, playable cut, manifest, gaps, custody, report and verifier."""
    from_us, to_us = parse_time(from_text), parse_time(to_text)
    directory = invocation.directory
    with directory.ledger.read() as tx:
        cameras = find_cameras(tx, names)
    found = None if search_word is None else _found(directory, search_word)
    with invocation.progress() as bar:
        task = bar.add_task(tr("exporting"), total=None)
        result = export(
            directory, cameras=cameras, from_us=from_us, to_us=to_us, out=out,
            actor=invocation.actor(case_id, reason), search=found, keep=keep, resume=resume,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )  # fmt: skip
    if as_json:
        invocation.json(result.document())
        return
    _tell(invocation, result, {camera.slug: camera.tz for camera in cameras})


def _found(directory: DataDirectory, word: str) -> dict[str, object]:
    """What the manifest tells of the search."""
    from evidence.found_by import found_by  # 0.4 s and 30 MB that other exports do not need
    from search.kept_runs import named

    return found_by(directory, named(directory, word))


def _tell(invocation: Invocation, result: ExportResult, zones: dict[str, str]) -> None:
    invocation.table(
        [N_("camera"), N_("segments"), N_("recorded"), N_("missing"), N_("to play")],
        [
            (one.camera, one.segments, length_text(one.recorded_us / US),
             length_text((result.asked.duration_us - one.recorded_us) / US), len(one.playable))
            for one in result.cameras
        ],
    )  # fmt: skip
    for one in result.cameras:
        for gap in one.absences:
            if gap.cause != SEAM:
                invocation.say(
                    N_("{camera} has a gap from {start} to {end}: {cause}"),
                    camera=one.camera, start=local_text(gap.start_us, zones[one.camera]),
                    end=local_text(gap.end_us, zones[one.camera]),
                    cause=tr(CAUSE_WORDS[gap.cause]),
                )  # fmt: skip
        for each in one.not_playable:
            invocation.say(
                N_("{camera}: no playable copy, originals: {count}; {reason} ({detail})"),
                camera=one.camera, count=len(each.originals),
                reason=tr(REASON_WORDS[each.reason]), detail=each.detail,
            )  # fmt: skip
    invocation.say(
        N_("{path} holds {size} of originals. Fingerprint: {fingerprint}"),
        path=result.path, size=size_text(result.size_bytes), fingerprint=result.fingerprint,
    )  # fmt: skip
    invocation.say(
        N_("Signed by {subject}; SHA-256 of the certificate: {sha256}"),
        subject=result.signer.subject, sha256=result.signer.sha256,
    )  # fmt: skip
    if result.timestamp is not None and result.timestamp.made:
        invocation.say(N_("{authority} gave a time stamp"), authority=result.timestamp.authority)
    elif result.timestamp is not None:
        invocation.say(
            N_("NO time stamp: {authority} gave none ({detail}); the bundle says so"),
            authority=result.timestamp.authority, detail=result.timestamp.detail,
        )  # fmt: skip
    invocation.say(
        N_(
            "Hand the fingerprint and the certificate's SHA-256 over apart from the bundle;"
            " verify.py compares them."
        )
    )
