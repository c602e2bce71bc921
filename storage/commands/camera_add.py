"""`camera add`: registers one camera."""

from __future__ import annotations

import click

from storage.commandline import HindsightCommand, Invocation, json_option, pass_invocation
from storage.commands.camera_facts import as_facts, camera_facts, document, source_of
from storage.i18n import N_
from storage.register_changes import add


@click.command(
    "add",
    cls=HindsightCommand,
    help=N_(
        "Register a camera. URL: rtsp, rtmp, http(s), srt or file. Without a URL it only takes in"
        " imported footage."
    ),
    example="hindsight camera add north-gate rtsp://user:password@10.0.0.7/main"
    " --site city/east/gate --class 1 --tz Asia/Shanghai",
)
@click.argument("name")
@click.argument("url", required=False)
@camera_facts
@json_option
@pass_invocation
def command(
    invocation: Invocation, /, name: str, url: str | None, as_json: bool, **given: str | None
) -> None:
    """User and password are taken out of the URL, sealed, and never shown again."""
    directory = invocation.directory
    facts = as_facts(given, directory.settings.retention)
    clean, credentials = (None, None) if url is None else source_of(url)
    given_facts = facts | {"name": name, "url": clean}
    with directory.ledger.write() as tx:
        camera = add(tx, directory, invocation.actor(), given_facts, credentials)
        shown = document(camera, sealed=credentials is not None)
    if as_json:
        invocation.json(shown)
    else:
        invocation.say(N_("Camera {camera} is registered."), camera=camera.slug)
