"""`gaps`: what is missing, and why."""

from __future__ import annotations

import click

from storage.clock import US, local_text, optional_rfc3339, rfc3339
from storage.commandline import HindsightCommand, Invocation, json_option, pass_invocation
from storage.commands.options import asked_times, camera_and_span, chosen, length_text
from storage.i18n import N_, tr
from storage.timeline import gaps
from storage.vocabulary import Gap, GapCause

CAUSES: dict[GapCause, str] = {
    GapCause.CONNECT_FAILED: N_("could not connect"),
    GapCause.STALLED: N_("no pictures came"),
    GapCause.PTS_JUMP: N_("the camera's time jumped"),
    GapCause.DISK_SLOW: N_("the disk was too slow"),
    GapCause.DISK_FULL: N_("the disk was full"),
    GapCause.WRONG_VOLUME: N_("the volume was not there"),
    GapCause.SHUTDOWN: N_("the recorder was stopped"),
    GapCause.UNKNOWN: N_("cause unknown"),
}


@click.command(
    cls=HindsightCommand,
    help=N_("List what should have been recorded and was not, with the cause."),
    example="hindsight gaps --camera north-gate --from 2026-11-18T00:00:00+08:00",
)
@camera_and_span
@json_option
@pass_invocation
def command(
    invocation: Invocation,
    names: tuple[str, ...],
    from_text: str | None,
    to_text: str | None,
    as_json: bool,
) -> None:
    """Gap rows that overlap the span, by camera and start."""
    from_us, to_us = asked_times(from_text, to_text)
    now_us = invocation.directory.clock.now_us()
    with invocation.directory.ledger.read() as tx:
        cameras = chosen(tx, names)
        found = gaps(tx, camera_ids=list(cameras), from_us=from_us, to_us=to_us)
    if as_json:
        invocation.json([document(gap) for gap in found])
        return
    if not found:
        invocation.say(N_("No gap in that span."))
        return
    rows = []
    for gap in found:
        tz = cameras[gap.camera_id].tz
        end_us = now_us if gap.end_us is None else gap.end_us
        end = tr(N_("(lasts)")) if gap.end_us is None else local_text(gap.end_us, tz)
        rows.append(
            (gap.camera, local_text(gap.start_us, tz), end,
             length_text((end_us - gap.start_us) / US), tr(CAUSES[gap.cause]), gap.detail)
        )  # fmt: skip
    invocation.table(
        [N_("camera"), N_("start"), N_("end"), N_("length"), N_("cause"), N_("detail")], rows
    )


def document(gap: Gap) -> dict[str, object]:
    """A gap as the interface's JSON; `end` is null while it lasts."""
    return {
        "camera": gap.camera,
        "start": rfc3339(gap.start_us),
        "end": optional_rfc3339(gap.end_us),
        "cause": gap.cause.value,
        "detail": gap.detail,
    }
