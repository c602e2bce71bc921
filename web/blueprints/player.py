"""The full player: up to four cameras on one clock, one instant, the day of the first; the address
is the state."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, render_template, request

from storage import segments
from storage.errors import Invalid
from storage.rights import Verb
from storage.vocabulary import Actor, Camera, Span
from web import context
from web.addresses import picture_address, scrub_address
from web.instants import instant
from web.nearby import nearby
from web.scrub import COUNTS_US, begin
from web.strip import day_of, parse_day, strip

player = Blueprint("player", __name__, url_prefix="/player")
MOST = 4  # cameras on one clock


@player.get("")
def page() -> str:
    """Ready to play `camera` at `at`; without `at`, its newest footage."""
    directory = context.directory()
    with directory.ledger.read() as tx:
        access = context.access(tx)
        register = access.register(tx, Verb.PLAY)
        asked = list(dict.fromkeys(filter(None, request.args.getlist("camera"))))
        if len(asked) > MOST:
            raise Invalid(
                "{most} cameras play on one clock at most, {count} were asked for; take some away",
                most=MOST, count=len(asked),
            )  # fmt: skip
        chosen = [access.camera(tx, Verb.PLAY, one) for one in asked]
        camera = chosen[0] if chosen else None
        newest = segments.neighbours(tx, camera.id, context.now_us())[0] if camera else None
    at_us = _instant(camera, None if newest is None else newest.start_us)
    drawn = None
    if camera is not None:
        looked_us = at_us or context.now_us()
        drawn = strip(directory, camera, day_of(looked_us, camera.tz), looked_us)
    return render_template(
        "player.html", camera=camera, others=chosen[1:], most=MOST, cameras=register, at=at_us,
        strip=drawn, preview=request.args.get("preview"),
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


@player.get("/<camera>/near")
def near(camera: str) -> str:
    """What the cameras near it saw at `at`: small pictures, an audited look."""
    at_us = instant("at")
    found, seen = nearby(
        context.directory(), _actor(), camera, at_us, request.args.getlist("beside")
    )
    return render_template(
        "near.html", camera=found, near=seen, at=at_us,
        beside=request.args.getlist("beside"), most=MOST, case=request.args.get("case"),
        reason=request.args.get("reason"), picture=picture_address,
    )  # fmt: skip


@player.get("/<camera>/scrub.json")
def scrub(camera: str) -> Response:
    """Where small pictures of a span can be had for a minute: an audited look."""
    span = Span(instant("from"), instant("to"))
    look = begin(context.directory(), _actor(), camera, span)
    case = request.args.get("case")
    address = scrub_address(
        look.camera.slug, look.span.start_us, look.span.end_us, look.until_us, case
    )  # fmt: skip
    return jsonify(picture=address, ms=COUNTS_US // 1000)


def _actor() -> Actor:
    return context.actor(request.args.get("case", ""), request.args.get("reason"))


def _instant(camera: Camera | None, newest_us: int | None) -> int | None:
    asked = request.args.get("at")
    if camera is None or not asked:
        return newest_us
    return instant("at")
