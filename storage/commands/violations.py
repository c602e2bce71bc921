"""`violations`: footage that went before its promise, and why."""

from __future__ import annotations

import click

from storage.clock import local_text, rfc3339
from storage.commandline import HindsightCommand, Invocation, json_option, pass_invocation
from storage.commands.options import asked_times, camera_and_span, chosen, size_text
from storage.i18n import N_
from storage.violations import Violation, violations
from storage.volume_states import in_words


@click.command(
    cls=HindsightCommand,
    help=N_("List footage that was deleted before its promise, by when it was deleted, and why."),
    example="hindsight violations --from 2026-11-18T00:00:00+08:00",
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
    """One line per camera, volume, promise and UTC day of deletion."""
    from_us, to_us = asked_times(from_text, to_text)
    with invocation.directory.ledger.read() as tx:
        cameras = chosen(tx, names)
        ids = list(cameras) if names else None
        found = violations(tx, camera_ids=ids, from_us=from_us, to_us=to_us)
    if as_json:
        invocation.json([document(one) for one in found])
        return
    if not found:
        invocation.say(N_("No footage was deleted before its promise."))
        return
    invocation.table(
        [N_("deleted"), N_("camera"), N_("volume"), N_("from"), N_("to"), N_("segments"),
         N_("size"), N_("promised until"), N_("promise"), N_("reason")],
        [
            (local_text(v.at_us, tz), v.camera, v.volume, local_text(v.start_us, tz),
             local_text(v.end_us, tz), v.segments, size_text(v.size_bytes),
             local_text(v.promised_until_us, tz), v.promise, in_words(v.reason))
            for v in found
            for tz in (cameras[v.camera_id].tz,)
        ],
    )  # fmt: skip


def document(one: Violation) -> dict[str, object]:
    """A violation as the interface's JSON."""
    return {
        "at": rfc3339(one.at_us),
        "camera": one.camera,
        "volume": one.volume,
        "start": rfc3339(one.start_us),
        "end": rfc3339(one.end_us),
        "segments": one.segments,
        "size_bytes": one.size_bytes,
        "promised_until": rfc3339(one.promised_until_us),
        "promise": one.promise,
        "reason": in_words(one.reason),
    }
