"""`events`: what befell cameras, volumes and the recorder."""

from __future__ import annotations

import click

from storage.clock import local_text, rfc3339
from storage.commandline import HindsightCommand, Invocation, json_option, pass_invocation
from storage.commands.gaps import CAUSES
from storage.commands.options import asked_times, camera_and_span, chosen
from storage.events import SENTENCES, Event, EventKind, events
from storage.i18n import N_, tr
from storage.vocabulary import GapCause


@click.command(
    cls=HindsightCommand,
    help=N_("List what befell cameras, volumes and the recorder, newest first."),
    example="hindsight events --camera north-gate --kind recording_lost --kind recording_back",
)
@camera_and_span
@click.option(
    "--kind", "kinds", multiple=True, type=click.Choice([kind.value for kind in EventKind]),
    metavar="KIND", help=N_("only events of this kind; give it again for more"),
)  # fmt: skip
@click.option(
    "--top", type=click.IntRange(min=1), default=100, show_default=True,
    help=N_("at most so many, the newest"),
)  # fmt: skip
@json_option
@pass_invocation
def command(
    invocation: Invocation,
    names: tuple[str, ...],
    from_text: str | None,
    to_text: str | None,
    kinds: tuple[str, ...],
    top: int,
    as_json: bool,
) -> None:
    """Times are in the zone of the camera; of volumes and the whole archive in UTC."""
    from_us, to_us = asked_times(from_text, to_text)
    with invocation.directory.ledger.read() as tx:
        cameras = chosen(tx, names)
        found = events(
            tx, camera_ids=list(cameras) if names else None, from_us=from_us, to_us=to_us,
            kinds=[EventKind(kind) for kind in kinds] or None, limit=top,
        )  # fmt: skip
    if as_json:
        invocation.json([document(event) for event in found])
        return
    if not found:
        invocation.say(N_("No event in that span."))
        return
    rows = []
    for event in found:
        camera = None if event.camera_id is None else cameras.get(event.camera_id)
        when = local_text(event.at_us, "UTC" if camera is None else camera.tz)
        rows.append((when, event.camera or event.volume, sentence(event), detail_text(event)))
    invocation.table([N_("time"), N_("camera or volume"), N_("what happened"), N_("detail")], rows)


def sentence(event: Event) -> str:
    """What happened, in the current language; a kind of a later version as it is."""
    known = {kind.value: text for kind, text in SENTENCES.items()}
    return tr(known[event.kind]) if event.kind in known else event.kind


def detail_text(event: Event) -> str | None:
    """The detail; a cause it begins with in the current language."""
    if event.detail is None:
        return None
    first, colon, rest = event.detail.partition(":")
    word, times, count = first.partition(" ×")
    if word not in set(GapCause):
        return event.detail
    return tr(CAUSES[GapCause(word)]) + times + count + colon + rest


def document(event: Event) -> dict[str, object]:
    """An event as the interface's JSON."""
    return {
        "time": rfc3339(event.at_us),
        "kind": event.kind,
        "camera": event.camera,
        "volume": event.volume,
        "detail": event.detail,
    }
