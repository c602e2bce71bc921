"""`hindsight import`: take in foreign footage with a declared clock."""

from __future__ import annotations

import math
from pathlib import Path

import click

from recorder.intake import NOTE_CHARACTERS, Declaration, import_file
from recorder.probe import Prober
from storage.clock import US, parse_time, rfc3339
from storage.commandline import HindsightCommand, Invocation, json_option, pass_invocation
from storage.commands.segments import document
from storage.directory import DataDirectory
from storage.errors import Invalid, NotFound
from storage.i18n import N_, tr
from storage.register import find_camera, slug_of
from storage.vocabulary import Segment


@click.command(
    cls=HindsightCommand,
    help=N_(
        "Take in foreign footage: hashed at intake, kept bit-exact, with the declared clock."
        " Several files are laid end to end."
    ),
    example='hindsight import clip.avi --camera "Shop 12" --start 2026-11-18T21:04:00+08:00'
    " --clock-offset -37",
)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--camera", "name", required=True, metavar="NAME",
              help=N_("camera it belongs to; registered when it is new"))  # fmt: skip
@click.option("--start", required=True, metavar="TIME",
              help=N_("what the footage's clock showed at its first picture"))  # fmt: skip
@click.option("--clock-offset", type=float, default=0.0, metavar="S",
              help=N_("seconds to add to that clock to get true time"))  # fmt: skip
@click.option("--note", metavar="TEXT", help=N_("where it came from"))
@json_option
@pass_invocation
def command(
    inv: Invocation,
    files: tuple[Path, ...],
    name: str,
    start: str,
    clock_offset: float,
    note: str | None,
    as_json: bool,
) -> None:
    """Check every file first, then take them in one by one."""
    if not math.isfinite(clock_offset):
        raise Invalid("clock offset {value} is not a number of seconds", value=clock_offset)
    if len(note or "") > NOTE_CHARACTERS:
        raise Invalid("the note is longer than {most} characters", most=NOTE_CHARACTERS)
    offset_us = round(clock_offset * US)
    start_us = parse_time(start) + offset_us
    slug_of(name)
    directory = inv.directory
    with Prober() as prober:
        found = [(path, prober.look(path)) for path in files]
    is_new = not _is_registered(directory, name)
    taken: list[Segment] = []
    try:
        with inv.progress() as bar:
            task = bar.add_task(tr("importing"), total=sum(one.size_bytes for _, one in found))
            for path, probed in found:
                said = Declaration(name, start_us, offset_us, note)
                row = import_file(
                    directory, path, probed, said, inv.actor(),
                    progress=lambda size: bar.advance(task, size),
                )  # fmt: skip
                start_us = row.end_us
                taken.append(row)
    finally:  # what was taken in before a file was refused stays, and is told
        if taken or as_json:
            _tell(inv, taken, is_new=is_new, as_json=as_json)


def _tell(inv: Invocation, taken: list[Segment], *, is_new: bool, as_json: bool) -> None:
    if as_json:
        inv.json([document(row) | {"file": row.original_name} for row in taken])
        return
    if is_new:
        inv.say(
            "camera {camera} is new and was registered, without a source", camera=taken[0].camera
        )
    inv.table(
        (N_("segment"), N_("file"), N_("start"), N_("seconds"), N_("codec"), N_("note")),
        ((row.id, row.original_name, rfc3339(row.start_us), f"{row.duration_us / US:.1f}",
          row.codec, row.note) for row in taken),
    )  # fmt: skip


def _is_registered(directory: DataDirectory, name: str) -> bool:
    with directory.ledger.read() as tx:
        try:
            find_camera(tx, name)
        except NotFound:
            return False
    return True
