"""The health desk: who records, what is missing since when and why; on screen, paper, as CSV."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import (
    Blueprint,
    Response,
    current_app,
    make_response,
    render_template,
    request,
    url_for,
)
from werkzeug.wrappers import Response as AnyResponse

from storage.clock import US, rfc3339
from storage.completeness import Missing
from storage.errors import HindsightError, Invalid
from storage.health import Producer, health_now
from storage.i18n import tr
from storage.rights import Verb
from storage.vocabulary import Camera
from web import context, health_asked, health_files
from web.health_desk import WORKS, Mark, headline, hours, view
from web.places import tree

health = Blueprint("health", __name__, url_prefix="/health")


@health.get("")
def page() -> AnyResponse:
    """Now, and the span of the address."""
    cameras, refused = _register(), None
    try:
        asked = _asked(cameras)
    except HindsightError as error:  # the desk is there all the same, as without a day
        refused = error
        asked = _asked(cameras, day=False)
    folders, directory = context.knows_folders(), context.directory()
    top = headline(directory, cameras, asked.tz, folders=folders)
    found = view(directory, cameras, asked, top.now, folders=folders)
    rendered = render_template(
        "health.html", top=top, found=found, asked=found.asked, cameras=cameras,
        sites=_sites(cameras), departments=_departments(cameras), spans=health_asked.SPANS,
        orders=health_asked.ORDERS, tables=health_asked.TABLES, mark=Mark, hours=hours,
        files=health_files.FILES, standings=health_files.STANDINGS, shares=found.shares,
        error=refused.text() if refused else None, may_play=_may_play(found.cameras),
        timeline=_timeline, works=_works, archive=_archive,
    )  # fmt: skip
    return make_response(rendered, refused.http_status if refused else 200)


@health.get("/now")
def now() -> AnyResponse:
    """The part of the page that changes by itself; 304 while it is as it was."""
    cameras = _register()
    asked = _asked(cameras, day=False)
    top = headline(context.directory(), cameras, asked.tz, folders=context.knows_folders())
    response = make_response(
        render_template(
            "health_now.html", top=top, mark=Mark, cameras=cameras, works=_works, archive=_archive
        )
    )
    response.add_etag()
    return response.make_conditional(request)


@health.get("/export")
def export() -> Response:
    """A table of the page as CSV, of all cameras that fit."""
    what = request.args.get("what", "camera")
    if what not in health_files.FILES:
        raise Invalid("a file is of one of: {kinds}", kinds=", ".join(health_files.FILES))
    cameras = _register()
    asked = replace(_asked(cameras), table=what if what in health_asked.TABLES else "camera")
    directory = context.directory()
    found = view(
        directory, cameras, asked, health_now(directory, cameras),
        folders=context.knows_folders(), everything=True,
    )  # fmt: skip
    response = Response(health_files.csv_text(what, found), mimetype="text/csv")
    name = health_files.file_name(what, asked)
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response


def _register() -> list[Camera]:
    with context.directory().ledger.read() as tx:
        return context.access(tx).register(tx, Verb.SEE)


def _asked(cameras: list[Camera], *, day: bool = True) -> health_asked.Asked:
    values = request.args.copy()
    if not day:
        values.poplist("day")
    return health_asked.read(values, cameras, context.now_us())


def _works(one: Producer) -> str:
    return tr(WORKS[one])


def _archive() -> str | None:
    """Where volumes are looked after; None while no desk does it."""
    return url_for("archive.page") if "archive.page" in current_app.view_functions else None


def _timeline(camera: str, gap: Missing) -> str | None:
    """The gap with some time around it."""
    if "timeline.page" not in current_app.view_functions:
        return None
    around_us = max(gap.duration_us // 4, 60 * US)
    span = {"from": rfc3339(gap.start_us - around_us), "to": rfc3339(gap.end_us + around_us)}
    return url_for("timeline.page", camera=camera, **span)  # type: ignore[arg-type]


def _may_play(cameras: list[Camera]) -> frozenset[int]:
    """Of which the player is offered."""
    with context.directory().ledger.read() as tx:
        access = context.access(tx)
    return frozenset(one.id for one in cameras if access.may(Verb.PLAY, one))


def _sites(cameras: list[Camera]) -> list[tuple[str, int]]:
    """(path, depth) of every site, in order of the tree."""
    found: list[tuple[str, int]] = []

    def walk(place: Any, depth: int) -> None:
        for inside in place.places:
            found.append((inside.path, depth))
            walk(inside, depth + 1)

    walk(tree(cameras), 0)
    return found


def _departments(cameras: list[Camera]) -> list[str]:
    return sorted({one.department for one in cameras if one.department})
