"""The full player: one camera, one instant, its whole day; the address is the state."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from storage import segments
from storage.clock import parse_time
from storage.rights import Verb
from storage.vocabulary import Camera
from web import context
from web.strip import day_of, parse_day, strip

player = Blueprint("player", __name__, url_prefix="/player")


@player.get("")
def page() -> str:
    """Ready to play `camera` at `at`; without `at`, its newest footage."""
    directory = context.directory()
    with directory.ledger.read() as tx:
        access = context.access(tx)
        register = access.register(tx, Verb.PLAY)
        asked = request.args.get("camera")
        camera = access.camera(tx, Verb.PLAY, asked) if asked else None
        newest = segments.neighbours(tx, camera.id, context.now_us())[0] if camera else None
    at_us = _instant(camera, None if newest is None else newest.start_us)
    drawn = None
    if camera is not None:
        looked_us = at_us or context.now_us()
        drawn = strip(directory, camera, day_of(looked_us, camera.tz), looked_us)
    return render_template(
        "player.html", camera=camera, cameras=register, at=at_us, strip=drawn,
        case=request.args.get("case"), reason=request.args.get("reason"),
    )  # fmt: skip


@player.get("/<camera>/strip")
def day(camera: str) -> str:
    """Another day of the camera, for the strip under the player."""
    directory = context.directory()
    with directory.ledger.read() as tx:
        found = context.access(tx).camera(tx, Verb.PLAY, camera)
    at = request.args.get("at", type=int)
    asked = day_of(at, found.tz) if at else parse_day(request.args.get("day", ""))
    return render_template("strip.html", strip=strip(directory, found, asked, at), camera=found)


def _instant(camera: Camera | None, newest_us: int | None) -> int | None:
    asked = request.args.get("at")
    if camera is None or not asked:
        return newest_us
    return int(asked) if asked.isdecimal() and len(asked) <= 17 else parse_time(asked)
