"""`retain`: lets go of what is older than its promise and not held."""

from __future__ import annotations

import json

import click

from storage.clock import local_text, rfc3339
from storage.commandline import HindsightCommand, Invocation, json_option, pass_invocation
from storage.commands.options import size_text, watching
from storage.directory import DataDirectory
from storage.errors import Unavailable
from storage.i18n import N_
from storage.register import cameras
from storage.retention import Pass, retain, would_expire
from storage.vocabulary import Segment


@click.command(
    cls=HindsightCommand,
    help=N_("Delete footage older than its promise, oldest first; what is held stays."),
    example="hindsight retain --dry-run",
)
@click.option("--dry-run", is_flag=True, help=N_("only say what would go"))
@json_option
@pass_invocation
def command(invocation: Invocation, dry_run: bool, as_json: bool) -> int:
    """Exit code 7 when a file could not be removed; the next run tries it again."""
    directory = invocation.directory
    if dry_run and as_json:
        _stream(invocation, retain(directory, invocation.actor(), dry_run=True))
        return 0
    with watching(invocation, N_("removing")) as progress:
        result = retain(directory, invocation.actor(), dry_run=dry_run, progress=progress)
        left = 0 if dry_run else _forget_gone(directory)
    if as_json:
        invocation.json(
            {
                "dry_run": False,
                "expired": [_line(segment, rule) for segment, rule in result.sample],
                **document(result),
                "lake_left": left,
            }
        )
    else:
        _tell(invocation, result)
        if left:
            invocation.say(
                N_(
                    "Vectors and decisions of deleted footage still lie in {n} parts of the lake;"
                    " the next run goes on."
                ),
                n=left,
            )
    return Unavailable.exit_code if result.failures else 0


def _forget_gone(directory: DataDirectory) -> int:
    """What indexing made of deleted footage goes in the same pass; how many parts could not yet."""
    if not directory.lake.is_dir():
        return 0
    from storage.lake_forgetting import forget_gone  # reads Parquet: only when there is something

    return forget_gone(directory).left


def document(result: Pass) -> dict[str, object]:
    """A pass in sums, as JSON."""
    return {
        "expired_segments": result.expired,
        "expired_bytes": result.expired_bytes,
        "early": result.early,
        "removed": result.removed,
        "freed_bytes": result.freed_bytes,
        "failures": result.failures,
        "failed": [
            {"segment": f.segment.id, "camera": f.segment.camera, "path": f.segment.path,
             "error": f.error}
            for f in result.failed
        ],
        "held": {"segments": result.held_segments, "bytes": result.held_bytes},
        "undecided": result.undecided,
    }  # fmt: skip


def _line(segment: Segment, rule: str) -> dict[str, object]:
    return {
        "segment": segment.id,
        "camera": segment.camera,
        "start": rfc3339(segment.start_us),
        "end": rfc3339(segment.end_us),
        "size_bytes": segment.size_bytes,
        "rule": rule,
    }


def _stream(invocation: Invocation, result: Pass) -> None:
    """One JSON document with a line for each of perhaps millions of segments."""
    click.echo('{\n "dry_run": true,\n "expired": [', nl=False)
    comma = ""
    for segment, rule in would_expire(invocation.directory):
        click.echo(f"{comma}\n  {json.dumps(_line(segment, rule), ensure_ascii=False)}", nl=False)
        comma = ","
    sums = json.dumps(document(result), ensure_ascii=False, indent=1)
    click.echo("\n ],\n" + sums.removeprefix("{\n"))


def _tell(invocation: Invocation, result: Pass) -> None:
    size = size_text(result.expired_bytes)
    if result.dry_run:
        with invocation.directory.ledger.read() as tx:
            zones = {camera.id: camera.tz for camera in cameras(tx)}
        if result.sample:
            invocation.table(
                [N_("camera"), N_("start"), N_("size"), N_("rule"), N_("segment")],
                [
                    (s.camera, local_text(s.start_us, zones[s.camera_id]),
                     size_text(s.size_bytes), rule, s.id)
                    for s, rule in result.sample
                ],
            )  # fmt: skip
        invocation.say(N_("Would be deleted: {n} segments, {size}."), n=result.expired, size=size)
    else:
        invocation.say(
            N_("Expired: {n} segments, {size}. Files removed: {removed}."),
            n=result.expired, size=size, removed=result.removed,
        )  # fmt: skip
    if result.early:
        invocation.say(
            N_("Of these before their promise, because the volume keeps nothing longer: {n}."),
            n=result.early,
        )
    if result.held_segments:
        invocation.say(
            N_("Past their promise but held, kept: {n} segments, {size}."),
            n=result.held_segments, size=size_text(result.held_bytes),
        )  # fmt: skip
    if result.undecided:
        invocation.say(
            N_("Nothing is deleted of {cameras}: no setting names their retention class."),
            cameras=", ".join(result.undecided),
        )  # fmt: skip
    if result.failed:
        invocation.say(
            N_("Files not removed, tried again next time: {n}. The first, {path}: {error}"),
            n=result.failures, path=result.failed[0].segment.path,
            error=result.failed[0].error,
        )  # fmt: skip
