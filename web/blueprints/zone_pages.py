"""The privacy zones of a camera: what is hidden, since when and why; drawn over its newest
picture, added and ended."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from sqlalchemy import Connection
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from storage import zone_making
from storage.clock import US
from storage.errors import HindsightError, Invalid, NotFound
from storage.i18n import N_, tr
from storage.rights import Verb
from storage.segments import neighbours
from storage.vocabulary import Camera, Segment
from storage.zones import UNKNOWN_ZONE, zones
from web import context
from web.addresses import picture_address
from web.asked import local_time
from web.formats import counted
from web.playback import record_view

zone_pages = Blueprint("zones", __name__, url_prefix="/cameras/<camera>/zones")


@zone_pages.get("")
def page(camera: str) -> str:
    """What is and was hidden; for who may change the camera, a picture to draw on."""
    return _page(camera, MultiDict())


@zone_pages.post("")
def add(camera: str) -> str | Response:
    """Hide what was drawn. What was typed stays in the form when it is refused."""
    form, directory = request.form, context.directory()
    with directory.ledger.read() as tx:
        found = _camera(tx, camera, Verb.MANAGE)
    try:
        made = zone_making.add(
            directory, context.actor(reason=form.get("reason", "")),
            lambda tx: _camera(tx, camera, Verb.MANAGE), name=form.get("name", ""),
            points=_corners(form.get("points", "")), from_us=_instant(form, "from", found),
            until_us=_instant(form, "until", found),
        )  # fmt: skip
    except HindsightError as error:
        flash(error.text(), "error")
        return _page(camera, form)
    flash(tr("Hidden from now on: {zone}.", zone=made.zone.name), "done")
    if made.segments:
        one = N_("Kept footage of that time is indexed again: {n} segment.")
        many = N_("Kept footage of that time is indexed again: {n} segments.")
        flash(counted(made.segments, one, many), "done")
    return redirect(url_for("zones.page", camera=found.slug))


@zone_pages.post("/<int:zone>/end")
def end(camera: str, zone: int) -> Response:
    """Hide it no more in footage to come."""
    directory = context.directory()
    with directory.ledger.read() as tx:
        found = _camera(tx, camera, Verb.MANAGE)
        if zone not in {one.id for one in zones(tx, found.id)}:
            raise NotFound(UNKNOWN_ZONE, zone=zone)
    try:
        actor = context.actor(reason=request.form.get("reason", ""))
        ended = zone_making.end(directory, actor, zone, context.access)
        flash(
            tr(
                "Hidden no more in footage to come: {zone}. What was recorded before stays hidden.",
                zone=ended.name,
            ),
            "done",
        )
    except HindsightError as error:
        flash(error.text(), "error")
    return redirect(url_for("zones.page", camera=found.slug))


def _page(camera: str, typed: MultiDict[str, str]) -> str:
    directory, now_us = context.directory(), context.now_us()
    with directory.ledger.read() as tx:
        access = context.access(tx)
        found = access.camera(tx, Verb.SEE, camera)
        all_zones = zones(tx, found.id)
        newest = neighbours(tx, found.id, now_us)[0]
    changes = access.may(Verb.MANAGE, found)
    return render_template(
        "zones.html", camera=found, typed=typed, changes=changes, now_us=now_us,
        zones=sorted(all_zones, key=lambda one: (_is_over(one.until_us, now_us), -one.id)),
        picture=_picture(found, newest) if changes and newest is not None else None, newest=newest,
    )  # fmt: skip


def _picture(camera: Camera, newest: Segment) -> str | None:
    """Address of its newest picture, if it may be looked at: audited, and masked as it is now."""
    if not record_view(context.directory(), context.actor(), [camera]):
        return None
    return picture_address(newest.id, max(newest.start_us, newest.end_us - US // 5)) + "&w=640"


def _is_over(until_us: int | None, now_us: int) -> bool:
    return until_us is not None and until_us <= now_us


def _camera(tx: Connection, name: str, verb: Verb) -> Camera:
    return context.access(tx).camera(tx, verb, name)


def _instant(form: MultiDict[str, str], field: str, camera: Camera) -> int | None:
    typed = form.get(field, "").strip()
    return local_time(typed, camera.tz) if typed else None


def _corners(text: str) -> list[tuple[float, float]]:
    """'x,y x,y …' as drawn or typed. Invalid when it is not that."""
    try:
        values = [float(each) for each in text.replace(",", " ").split()]
    except ValueError:
        values = []
    if not values or len(values) % 2:
        raise Invalid("draw the zone: at least three corners; nothing was added")
    return list(zip(values[::2], values[1::2], strict=True))
