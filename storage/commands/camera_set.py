"""`camera set`, `camera enable`, `camera disable`: changes to the register."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import click
from sqlalchemy import Connection

from storage import audit
from storage.commandline import HindsightCommand, Invocation, json_option, pass_invocation
from storage.commands.camera_facts import as_facts, camera_facts, document, source_of
from storage.errors import Invalid
from storage.i18n import N_
from storage.register import cameras_with_credentials, find_camera, set_camera, set_credentials
from storage.timeline import close_gap, end_expectation
from storage.vocabulary import Camera


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
        if credentials:
            set_credentials(tx, before.id, credentials, directory.vault())
        elif "url" in changes and _another_host(before.url, changes["url"]):
            set_credentials(tx, before.id, None, directory.vault())
        camera = set_camera(tx, before, **changes)
        shown = document(camera, sealed=camera.id in cameras_with_credentials(tx))
        detail = _differences(before, camera)
        if credentials:
            detail["credentials"] = "replaced"
        _audit(invocation, tx, "camera.set", camera, detail)
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
        camera = set_camera(tx, find_camera(tx, name), enabled=True)
        _audit(invocation, tx, "camera.enable", camera, {})
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
    now_us = invocation.directory.clock.now_us()
    with invocation.directory.ledger.write() as tx:
        camera = set_camera(tx, find_camera(tx, name), enabled=False)
        close_gap(tx, camera.id, now_us)
        end_expectation(tx, camera.id, now_us)
        _audit(invocation, tx, "camera.disable", camera, {})
    invocation.say(N_("Camera {camera} is disabled; its footage stays."), camera=camera.slug)


def _audit(
    invocation: Invocation, tx: Connection, action: str, camera: Camera, detail: dict[str, Any]
) -> None:
    now_us = invocation.directory.clock.now_us()
    audit.record(tx, invocation.actor(), action, camera.slug, at_us=now_us, detail=detail)


def _differences(before: Camera, after: Camera) -> dict[str, Any]:
    """Fact → [before, after], for the audit row."""
    old, new = document(before), document(after)
    return {key: [old[key], new[key]] for key in old if old[key] != new[key]}


def _another_host(before: str | None, after: str | None) -> bool:
    """Whether keeping the password would send it to somebody else."""
    if before is None or after is None:
        return True
    old, new = urlsplit(before), urlsplit(after)
    return (old.hostname, old.port) != (new.hostname, new.port)
