"""The cameras desk: the board, and one camera with its day."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, render_template, request

from storage.discreet import without_folders
from storage.events import events
from storage.rights import Verb, may
from storage.timeline import gaps
from web import context
from web.board import Asked, Watch, by_place, watches
from web.board import board as board_of
from web.places import zones
from web.playback import record_view
from web.strip import day_of, day_span, parse_day, strip

EVENTS_SHOWN = 20
cameras = Blueprint("cameras", __name__, url_prefix="/cameras")


@cameras.get("")
def board() -> str:
    """Every camera, by site."""
    return _board("cameras.html")


@cameras.get("/live")
def live() -> str:
    """The rows alone, for the page that keeps itself fresh."""
    return _board("watches.html")


@cameras.get("/<camera>")
def page(camera: str) -> str:
    """One camera: facts, its day to look through, its gaps."""
    directory = context.directory()
    with directory.ledger.read() as tx:
        access = context.access(tx)
        found = access.camera(tx, Verb.SEE, camera)
    (one,) = watches(directory, [found], folders=context.knows_folders())
    newest_us = one.picture_us or context.now_us()
    asked = request.args.get("day")
    day = parse_day(asked) if asked else day_of(newest_us, found.tz)
    drawn = strip(directory, found, day, newest_us)
    span = day_span(day, found.tz)
    with directory.ledger.read() as tx:
        missing = gaps(
            tx, camera_ids=[found.id], from_us=span.start_us, to_us=span.end_us
        )  # fmt: skip
        happenings = events(tx, camera_ids=[found.id], limit=EVENTS_SHOWN)
    if not context.knows_folders():
        happenings = [
            replace(each, detail=without_folders(directory, each.detail)) for each in happenings
        ]
    return render_template(
        "camera.html", camera=found, watch=one, strip=drawn, gaps=missing, happenings=happenings,
        at=newest_us if one.last else None, plays=access.may(Verb.PLAY, found),
        changes=access.may(Verb.MANAGE, found),
    )  # fmt: skip


def _board(template: str) -> str:
    with context.directory().ledger.read() as tx:
        register = context.access(tx).register(tx, Verb.SEE)
    asked = Asked.of(request.args)
    found = board_of(context.directory(), register, asked, folders=context.knows_folders())
    pictures = frozenset() if request.args.get("pictures") == "0" else _may_look(found.watches)
    return render_template(
        template, board=found, asked=found.asked, places=by_place(found.watches),
        pictures=pictures, cameras=len(register), now_us=context.now_us(),
        tz=zones(register, context.now_us())[0][0],
    )  # fmt: skip


def _may_look(found: list[Watch]) -> frozenset[int]:
    """Keys of the cameras whose newest picture is shown: a look, so it is audited first."""
    shown = [one.camera for one in found if one.last is not None and may(context.user(), Verb.PLAY)]
    return record_view(context.directory(), context.actor(), shown)
