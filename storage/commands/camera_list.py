"""`camera list` and `camera show`: the register as it is."""

from __future__ import annotations

import click
from sqlalchemy import Connection

from storage.camera_states import states
from storage.commandline import HindsightCommand, Invocation, json_option, pass_invocation
from storage.commands.camera_facts import document
from storage.commands.status import STATES
from storage.i18n import N_, tr
from storage.promises import decided, promise
from storage.register import cameras, cameras_with_credentials, find_camera
from storage.status import effective_state
from storage.vocabulary import Camera


@click.command(
    "list",
    cls=HindsightCommand,
    help=N_("List the register."),
    example="hindsight camera list --json",
)
@json_option
@pass_invocation
def list_command(invocation: Invocation, as_json: bool) -> None:
    """All cameras, by slug."""
    with invocation.directory.ledger.read() as tx:
        shown = _documents(invocation, tx, cameras(tx))
    if as_json:
        invocation.json(shown)
    elif not shown:
        invocation.say(N_("No camera is registered; `hindsight camera add` adds one."))
    else:
        invocation.table(
            [N_("camera"), N_("name"), N_("site"), N_("class"), N_("state"), N_("source")],
            [
                (one["slug"], one["name"], one["site"], one["class"],
                 tr(STATES.get(str(one["state"]), str(one["state"]))), one["url"])
                for one in shown
            ],
        )  # fmt: skip


@click.command(
    "show",
    cls=HindsightCommand,
    help=N_("Show everything the register says of one camera."),
    example="hindsight camera show north-gate",
)
@click.argument("name")
@json_option
@pass_invocation
def show_command(invocation: Invocation, name: str, as_json: bool) -> None:
    """By slug, name or GB code."""
    with invocation.directory.ledger.read() as tx:
        camera = find_camera(tx, name)
        (shown,) = _documents(invocation, tx, [camera])
        terms = decided(tx, invocation.directory.clock.now_us())
    shown["promise"] = promise(invocation.directory.settings.retention, camera, terms).rule
    if as_json:
        invocation.json(shown)
    else:
        invocation.table(
            [N_("fact"), N_("value")],
            [(key, value) for key, value in shown.items() if value not in (None, "")],
        )


def _documents(
    invocation: Invocation, tx: Connection, chosen: list[Camera]
) -> list[dict[str, object]]:
    now_us = invocation.directory.clock.now_us()
    known, sealed = states(tx), cameras_with_credentials(tx)
    return [
        document(camera, effective_state(camera, known.get(camera.id), now_us), camera.id in sealed)
        for camera in chosen
    ]
