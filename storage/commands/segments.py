"""`segments`: what is kept."""

from __future__ import annotations

import click

from storage.clock import US, local_text, rfc3339
from storage.commandline import HindsightCommand, Invocation, json_option, pass_invocation
from storage.commands.options import asked_times, camera_and_span, chosen, length_text, size_text
from storage.i18n import N_
from storage.segments import segments
from storage.vocabulary import Segment


@click.command(
    cls=HindsightCommand,
    help=N_("List the footage that is kept."),
    example="hindsight segments --camera north-gate --from 2026-11-18T18:00:00+08:00",
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
    """Closed segments that overlap the span, by camera and start."""
    from_us, to_us = asked_times(from_text, to_text)
    with invocation.directory.ledger.read() as tx:
        cameras = chosen(tx, names)
        found = segments(tx, camera_ids=list(cameras), from_us=from_us, to_us=to_us)
    if as_json:
        invocation.json([document(segment) for segment in found])
        return
    if not found:
        invocation.say(N_("No footage is kept in that span."))
        return
    invocation.table(
        [N_("camera"), N_("start"), N_("length"), N_("size"), N_("codec"), N_("clock"),
         N_("segment")],
        [
            (s.camera, local_text(s.start_us, cameras[s.camera_id].tz),
             length_text(s.duration_us / US), size_text(s.size_bytes), s.codec,
             f"{s.clock_source.value} ±{s.clock_error_us / US:g} s", s.id)
            for s in found
        ],
    )  # fmt: skip


def document(segment: Segment) -> dict[str, object]:
    """A segment as the interface's JSON."""
    return {
        "id": segment.id,
        "camera": segment.camera,
        "start": rfc3339(segment.start_us),
        "end": rfc3339(segment.end_us),
        "duration_s": segment.duration_us / US,
        "size_bytes": segment.size_bytes,
        "sha256": segment.sha256,
        "prev_sha256": segment.prev_sha256,
        "container": segment.container,
        "codec": segment.codec,
        "audio_codec": segment.audio_codec,
        "width": segment.width,
        "height": segment.height,
        "fps": segment.fps,
        "volume": segment.volume,
        "path": segment.path,
        "state": segment.state.value,
        "clock": {"source": segment.clock_source.value, "error_s": segment.clock_error_us / US},
        "recovered": segment.recovered,
        "origin": segment.origin,
        "original_name": segment.original_name,
        "note": segment.note,
    }
