"""`clock`: what a camera's clock said, and corrections of recorded time."""

from __future__ import annotations

import math

import click

from storage import audit
from storage.camera_states import states
from storage.clock import LATEST_US, US, local_text, parse_time, rfc3339
from storage.clocks import Correction, Offset, correct, corrections, offsets
from storage.commandline import HindsightGroup, Invocation, json_option, pass_invocation
from storage.errors import Invalid
from storage.i18n import N_, tr
from storage.register import find_camera
from storage.vocabulary import Span


@click.group(
    cls=HindsightGroup, help=N_("The clocks of cameras, and corrections of recorded time.")
)
def group() -> None:
    """Holds the commands."""


@group.command(
    "show",
    help=N_("Show how far a camera's clock was off, and how its footage was corrected."),
    example="hindsight clock show north-gate",
)
@click.argument("name", metavar="NAME")
@click.option(
    "--top", type=click.IntRange(min=1), default=100, show_default=True,
    help=N_("at most so many measurements, the newest"),
)  # fmt: skip
@json_option
@pass_invocation
def show_command(invocation: Invocation, name: str, top: int, as_json: bool) -> None:
    """Measurements newest first; corrections in the order they were added, see
    `storage.clocks.in_force` for the one that counts."""
    with invocation.directory.ledger.read() as tx:
        camera = find_camera(tx, name)
        state = states(tx).get(camera.id)
        history = offsets(tx, camera.id, limit=top)
        added = corrections(tx, camera.id)
    now_us = None if state is None else state.clock_offset_us
    if as_json:
        invocation.json(
            {
                "camera": camera.slug,
                "offset_s": None if now_us is None else now_us / US,
                "history": [offset_document(one) for one in history],
                "corrections": [correction_document(one) for one in added],
            }
        )
        return
    if now_us is None:
        invocation.say(N_("Camera {camera} does not say what its clock shows."), camera=camera.slug)
    else:
        invocation.say(
            N_("The clock of camera {camera} is {offset} s from the recorder's."),
            camera=camera.slug, offset=f"{now_us / US:+.3f}",
        )  # fmt: skip
    if history:
        invocation.table(
            [N_("time"), N_("offset"), N_("footage dated by it")],
            [
                (local_text(one.at_us, camera.tz), f"{one.offset_us / US:+.3f} s",
                 tr(N_("yes")) if one.followed else tr(N_("no")))
                for one in history
            ],
        )  # fmt: skip
    if added:
        invocation.say(
            N_("Corrections; a person's count before the recorder's, and then the last one:")
        )
        invocation.table(
            [N_("start"), N_("end"), N_("offset"), N_("reason"), N_("who")],
            [
                (local_text(one.start_us, camera.tz), local_text(one.end_us, camera.tz),
                 f"{one.offset_us / US:+.3f} s", one.reason, one.actor)
                for one in added
            ],
        )  # fmt: skip


@group.command(
    "correct",
    help=N_("Say that footage was dated wrongly, and by how much; no segment is changed."),
    example="hindsight clock correct north-gate --from 2026-11-18T18:00:00+08:00"
    ' --to 2026-11-18T19:00:00+08:00 --offset -37.5 --reason "compared with the station clock"',
)
@click.argument("name", metavar="NAME")
@click.option(
    "--from", "from_text", required=True, metavar="TIME",
    help=N_("footage dated from this time on, with its zone"),
)  # fmt: skip
@click.option(
    "--to", "to_text", required=True, metavar="TIME",
    help=N_("footage dated before this time, with its zone"),
)  # fmt: skip
@click.option(
    "--offset", "offset_s", required=True, type=float, metavar="SECONDS",
    help=N_("to be added to the recorded time; 0 takes an earlier correction back"),
)  # fmt: skip
@click.option("--reason", required=True, metavar="TEXT", help=N_("how it is known"))
@json_option
@pass_invocation
def correct_command(
    invocation: Invocation,
    name: str,
    from_text: str,
    to_text: str,
    offset_s: float,
    reason: str,
    as_json: bool,
) -> None:
    """The correction and its audit row are one transaction."""
    if not math.isfinite(offset_s) or abs(offset_s) > LATEST_US / US:
        raise Invalid("offset {offset} is no number of seconds; nothing was corrected",
                      offset=offset_s)  # fmt: skip
    directory, actor = invocation.directory, invocation.actor(reason=reason)
    span = Span(parse_time(from_text), parse_time(to_text))
    now_us = directory.clock.now_us()
    with directory.ledger.write() as tx:
        camera = find_camera(tx, name)
        correction, found = correct(
            tx, camera, span, round(offset_s * US), reason=reason, actor=actor.name, at_us=now_us
        )
        audit.record(
            tx, actor, "clock.correct", camera.slug, at_us=now_us,
            detail={
                "correction": correction.id, "start": rfc3339(span.start_us),
                "end": rfc3339(span.end_us), "offset_s": offset_s, "segments": len(found),
            },
        )  # fmt: skip
    if as_json:
        invocation.json(correction_document(correction) | {"segments": len(found)})
        return
    invocation.say(
        N_("The footage of {camera} in that span is corrected by {offset} s: {n} segments."),
        camera=camera.slug, offset=f"{offset_s:+g}", n=len(found),
    )  # fmt: skip


def offset_document(one: Offset) -> dict[str, object]:
    """A measurement as the interface's JSON."""
    return {
        "time": rfc3339(one.at_us), "offset_s": one.offset_us / US, "followed": one.followed,
    }  # fmt: skip


def correction_document(one: Correction) -> dict[str, object]:
    """A correction as the interface's JSON."""
    return {
        "id": one.id,
        "start": rfc3339(one.start_us),
        "end": rfc3339(one.end_us),
        "offset_s": one.offset_us / US,
        "reason": one.reason,
        "actor": one.actor,
        "created": rfc3339(one.created_us),
    }
