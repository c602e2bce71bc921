"""`zone`: parts of a camera's picture that are hidden."""

from __future__ import annotations

import click

from storage import zone_making
from storage.clock import local_text, parse_time
from storage.commandline import HindsightGroup, Invocation, json_option, pass_invocation
from storage.errors import Invalid
from storage.i18n import N_
from storage.register import camera_by_id, find_camera
from storage.vocabulary import Camera
from storage.zones import Zone, zones


@click.group(
    cls=HindsightGroup, help=N_("Privacy zones: parts of a camera's picture that are hidden.")
)
def group() -> None:
    """Holds the commands."""


@group.command(
    "add",
    help=N_(
        "Hide a part of a camera's picture, in footage from now on, or from --from on. Kept"
        " footage of that time is indexed again without it."
    ),
    example="hindsight zone add north-gate windows --points 0.6,0,1,0,1,0.4,0.6,0.4"
    ' --reason "flats across the street"',
)
@click.argument("camera_name", metavar="CAMERA")
@click.argument("name", metavar="NAME")
@click.option(
    "--points",
    "points_text",
    required=True,
    metavar="X,Y,X,Y,…",
    help=N_("its corners, as fractions of width and height from the top left"),
)
@click.option("--reason", required=True, metavar="TEXT", help=N_("why it is hidden"))
@click.option(
    "--from", "from_text", metavar="TIME", help=N_("footage from then on (default: from now on)")
)
@click.option(
    "--until", "until_text", metavar="TIME", help=N_("footage before then (default: all)")
)
@json_option
@pass_invocation
def add_command(
    invocation: Invocation,
    camera_name: str,
    name: str,
    points_text: str,
    reason: str,
    from_text: str | None,
    until_text: str | None,
    as_json: bool,
) -> None:
    """Says how much kept footage it hides a part of."""
    made = zone_making.add(
        invocation.directory, invocation.actor(reason=reason),
        lambda tx: find_camera(tx, camera_name), name=name, points=_points(points_text),
        from_us=None if from_text is None else parse_time(from_text),
        until_us=None if until_text is None else parse_time(until_text),
    )  # fmt: skip
    if as_json:
        invocation.json(zone_making.document(made.zone, made.camera) | {"segments": made.segments})
        return
    invocation.say(
        N_("Privacy zone {zone} hides {name} of {camera}."),
        zone=made.zone.id, name=made.zone.name, camera=made.camera.slug,
    )  # fmt: skip
    if made.segments:
        invocation.say(
            N_("Kept footage of that time is indexed again: {n} segments."), n=made.segments
        )


@group.command(
    "list",
    help=N_("List privacy zones in force or to come."),
    example="hindsight zone list --camera north-gate --all",
)
@click.option("--camera", "camera_name", metavar="NAME", help=N_("of this camera only"))
@click.option("--all", "every", is_flag=True, help=N_("ended ones too"))
@json_option
@pass_invocation
def list_command(
    invocation: Invocation, camera_name: str | None, every: bool, as_json: bool
) -> None:
    """By number."""
    now_us = invocation.directory.clock.now_us()
    with invocation.directory.ledger.read() as tx:
        key = None if camera_name is None else find_camera(tx, camera_name).id
        found = [
            (one, camera_by_id(tx, one.camera_id))
            for one in zones(tx, key)
            if every or one.until_us is None or one.until_us > now_us
        ]
    if as_json:
        invocation.json([zone_making.document(one, camera) for one, camera in found])
    elif not found:
        invocation.say(N_("No privacy zone is in force."))
    else:
        invocation.table(
            [N_("zone"), N_("camera"), N_("name"), N_("from"), N_("until"), N_("reason"),
             N_("made by")],
            [_line(one, camera) for one, camera in found],
        )  # fmt: skip


@group.command(
    "end",
    help=N_("Hide it no more in footage to come; what was recorded before stays hidden."),
    example='hindsight zone end 3 --reason "the flats are gone"',
)
@click.argument("zone_id", metavar="ID", type=int)
@click.option("--reason", required=True, metavar="TEXT", help=N_("why it ends"))
@json_option
@pass_invocation
def end_command(invocation: Invocation, zone_id: int, reason: str, as_json: bool) -> None:
    """The zone stays in the list, with who ended it and why."""
    ended = zone_making.end(invocation.directory, invocation.actor(reason=reason), zone_id)
    with invocation.directory.ledger.read() as tx:
        camera = camera_by_id(tx, ended.camera_id)
    if as_json:
        invocation.json(zone_making.document(ended, camera))
    else:
        invocation.say(
            N_("Privacy zone {zone} of {camera} ends; what was recorded before stays hidden."),
            zone=ended.id, camera=camera.slug,
        )  # fmt: skip


def _points(text: str) -> list[tuple[float, float]]:
    try:
        values = [float(each) for each in text.replace(",", " ").split()]
    except ValueError:
        values = []
    if not values or len(values) % 2:
        raise Invalid(
            "{text} cannot be read as corners; give --points X,Y,X,Y,… as fractions of the picture",
            text=text,
        )
    return list(zip(values[::2], values[1::2], strict=True))


def _line(one: Zone, camera: Camera) -> tuple[object, ...]:
    return (
        one.id, camera.slug, one.name, local_text(one.from_us, camera.tz),
        None if one.until_us is None else local_text(one.until_us, camera.tz), one.reason,
        one.made_by,
    )  # fmt: skip
