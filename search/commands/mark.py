"""`hindsight mark`: which moments of an answer are right or wrong, so that it can be refined."""

from __future__ import annotations

from collections.abc import Sequence

import click

from search import marking
from search.kept_runs import Kept, named, note_look
from storage import marks
from storage.clock import local_text
from storage.commandline import HindsightCommand, Invocation, json_option, pass_invocation
from storage.errors import Invalid
from storage.i18n import N_, tr
from storage.marks import Mark
from storage.register import cameras


@click.command(
    cls=HindsightCommand,
    help=N_(
        "Say which moments of an answer are right or wrong; `hindsight search --refine TOKEN` asks"
        " again with that. Without NUMBER: list what is marked."
    ),
    example="hindsight mark 01KB3F6E0V8Q4YJ2M5T7W9XZAC 1 4 --right",
)
@click.argument("token")
@click.argument("numbers", nargs=-1, metavar="[NUMBER]...")
@click.option("--right", is_flag=True, help=N_("they show what was asked for"))
@click.option("--wrong", is_flag=True, help=N_("they do not"))
@click.option("--undo", is_flag=True, help=N_("take back what was said of them"))
@json_option
@pass_invocation
def command(
    inv: Invocation, token: str, numbers: tuple[str, ...], right: bool, wrong: bool, undo: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """NUMBER: in the answer, from 1; to undo also the frame, as the list of marks has it."""
    kept = named(inv.directory, token)
    if right and wrong:
        raise Invalid("a moment is right or wrong, not both; nothing was marked")
    if numbers:
        if not (right or wrong or undo):
            raise Invalid("say --right, --wrong or --undo; nothing was marked")
        if undo and (right or wrong):
            raise Invalid("--undo takes back right and wrong alike; leave out the other option")
        rows = _changed(inv, kept, numbers, right, undo)
    else:
        if right or wrong or undo:
            raise Invalid("name the moments by their number in the answer; nothing was changed")
        with inv.directory.ledger.read() as tx:
            rows = marks.of_query(tx, kept.query.id)
        note_look(inv.directory, kept, inv.actor(), {"marks": len(rows)})
    if as_json:
        inv.json([marking.document(row) for row in rows])
    else:
        _show(inv, kept, rows)


def _changed(
    inv: Invocation, kept: Kept, words: Sequence[str], right: bool, undo: bool
) -> list[Mark]:
    if not undo:
        said = [(one, right) for one in marking.numbered(kept, [_number(word) for word in words])]
        return marking.mark(inv.directory, kept, said, inv.actor())
    # A frame id is a 63-bit hash: none is as small as the number of a moment.
    count = len(marking.shown(kept))
    frames = [
        number if number > count else marking.numbered(kept, [number])[0].frame_id
        for number in map(_number, words)
    ]  # fmt: skip
    return marking.take_back(inv.directory, kept, frames, inv.actor())


def _number(word: str) -> int:
    if not word.isdecimal():
        raise Invalid("{word} is not the number of a moment; nothing was changed", word=word)
    return int(word)


def _show(inv: Invocation, kept: Kept, rows: Sequence[Mark]) -> None:
    if not rows:
        inv.say("Nothing is marked.")
        return
    numbers = {one.frame_id: number for number, one in enumerate(marking.shown(kept), 1)}
    with inv.directory.ledger.read() as tx:
        zones = {camera.slug: camera.tz for camera in cameras(tx)}
    inv.table(
        ["#", N_("camera"), N_("local time"), N_("mark"), N_("by"), N_("footage"), N_("frame")],
        [
            (
                numbers.get(row.frame_id), row.camera,
                local_text(row.ts_us, zones.get(row.camera, "UTC")),
                tr("right") if row.right else tr("wrong"), row.actor,
                tr("kept") if row.kept else tr("gone"), row.frame_id,
            )
            for row in rows
        ],
    )  # fmt: skip
    inv.say("`hindsight search --refine {token}` asks again with these marks.", token=kept.run.id)
