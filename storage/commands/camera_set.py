"""`camera set`, `camera enable`, `camera disable`: changes to the register."""

from __future__ import annotations

import click

from storage import register_changes
from storage.commandline import HindsightCommand, Invocation, json_option, pass_invocation
from storage.commands.camera_facts import as_facts, camera_facts, document, source_of
from storage.errors import Invalid
from storage.i18n import N_
from storage.register import cameras_with_credentials, find_camera


@click.command(
    "set",
    cls=HindsightCommand,
    help=N_("Change what the register says of a camera; an empty value clears it."),
    example='hindsight camera set north-gate --class 1 --vendor ""',
)
@click.argument("name")
@click.option("--name", "new_name", metavar="TEXT", help=N_("what people call it"))
@click.option("--url", metavar="URL", help=N_("source; user and password in it replace the old"))
@camera_facts
@json_option
@pass_invocation
def set_command(
    invocation: Invocation,
    /,
    name: str,
    new_name: str | None,
    url: str | None,
    as_json: bool,
    **given: str | None,
) -> None:
    """Its slug, folder and history stay as they are."""
    directory = invocation.directory
    changes = as_facts(given, directory.settings.retention)
    if new_name is not None:
        changes["name"] = new_name
    credentials = None
    if url is not None:
        clean, credentials = source_of(url) if url.strip() else (None, None)
        changes["url"] = clean
    if not changes:
        raise Invalid("nothing to change was named; see `hindsight camera set --help`")
    with directory.ledger.write() as tx:
        before = find_camera(tx, name)
        actor = invocation.actor()
        camera = register_changes.change(tx, directory, actor, before, changes, credentials)
        shown = document(camera, sealed=camera.id in cameras_with_credentials(tx))
    if as_json:
        invocation.json(shown)
    else:
        invocation.say(N_("Camera {camera} is changed."), camera=camera.slug)


@click.command(
    "enable",
    cls=HindsightCommand,
    help=N_("Let a camera be recorded again."),
    example="hindsight camera enable north-gate",
)
@click.argument("name")
@pass_invocation
def enable_command(invocation: Invocation, name: str) -> None:
    """A running recorder takes it on by itself."""
    with invocation.directory.ledger.write() as tx:
        found, actor = find_camera(tx, name), invocation.actor()
        camera = register_changes.enable(tx, invocation.directory, actor, found)
    invocation.say(N_("Camera {camera} is enabled."), camera=camera.slug)


@click.command(
    "disable",
    cls=HindsightCommand,
    help=N_("Stop recording a camera; its footage stays."),
    example="hindsight camera disable north-gate",
)
@click.argument("name")
@pass_invocation
def disable_command(invocation: Invocation, name: str) -> None:
    """From now on nothing is expected of it, so nothing is missing either."""
    with invocation.directory.ledger.write() as tx:
        found, actor = find_camera(tx, name), invocation.actor()
        camera = register_changes.disable(tx, invocation.directory, actor, found)
    invocation.say(N_("Camera {camera} is disabled; its footage stays."), camera=camera.slug)
