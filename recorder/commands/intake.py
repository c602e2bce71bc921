"""`hindsight import`: take in foreign footage with a declared clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from recorder import intake
from storage import register
from storage.clock import US, parse_time, rfc3339
from storage.commandline import HindsightCommand, Invocation, json_option, pass_invocation
from storage.directory import DataDirectory
from storage.errors import NotFound
from storage.i18n import N_, tr
from storage.vocabulary import Camera


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
    offset_us = round(clock_offset * US)
    start_us = parse_time(start) + offset_us
    directory = inv.directory
    for path in files:
        intake.probe(path)
    camera, is_new = _camera(directory, name)
    taken: list[dict[str, Any]] = []
    with inv.progress() as bar:
        total = sum(path.stat().st_size for path in files)
        task = bar.add_task(tr("importing"), total=total)
        for path in files:
            row = intake.import_file(
                directory, path, camera, start_us, inv.actor(), note=note,
                clock_offset_us=offset_us, progress=lambda size: bar.advance(task, size),
            )  # fmt: skip
            start_us = row.end_us
            taken.append(
                {
                    "id": row.id, "camera": row.camera, "file": str(path),
                    "start": rfc3339(row.start_us), "end": rfc3339(row.end_us),
                    "duration_s": row.duration_us / US, "sha256": row.sha256,
                    "size_bytes": row.size_bytes, "codec": row.codec, "note": row.note,
                }
            )  # fmt: skip
    if as_json:
        inv.json(taken)
        return
    if is_new:
        inv.say("camera {camera} is new and was registered, without a source", camera=camera.slug)
    inv.table(
        (N_("segment"), N_("file"), N_("start"), N_("seconds"), N_("codec"), N_("note")),
        ((t["id"], Path(t["file"]).name, t["start"], f"{t['duration_s']:.1f}", t["codec"],
          t["note"]) for t in taken),
    )  # fmt: skip


def _camera(directory: DataDirectory, name: str) -> tuple[Camera, bool]:
    with directory.ledger.write() as tx:
        try:
            return register.find_camera(tx, name), False
        except NotFound:
            now_us = directory.clock.now_us()
            return register.add_camera(tx, name=name, url=None, created_us=now_us), True
