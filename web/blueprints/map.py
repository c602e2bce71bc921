"""The map: cameras by place, how each stands, what a search found there; and its ground."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from flask import (
    Blueprint,
    Response,
    current_app,
    make_response,
    redirect,
    render_template,
    request,
    send_file,
)
from flask import url_for as address_of
from werkzeug.wrappers import Response as AnyResponse

from search.kept_runs import note_look
from storage.errors import HindsightError
from storage.rights import Verb, may, require
from web import cityplan, context, searching
from web.approvals import request_address
from web.asked import Asked, read
from web.board import Watch, watches
from web.cityplan import MARKS, Hits
from web.ground import Ground, ground_of, pmtiles_file, tile_file
from web.headers import content_security
from web.places import zones
from web.playback import record_view

TILE_S = 86_400  # a browser keeps tiles so long before it asks again
map_desk = Blueprint("map", __name__)


@map_desk.get("/map")
def page() -> AnyResponse:
    """The plan with its tree; `place`, `state` narrow it, and a search lies on it."""
    asked = read(request.args, _zone())
    found, error, status, request_at = None, None, 200, None
    try:
        found = _hits(asked, request.args.get("search", ""))
    except HindsightError as refused:  # the map is there all the same
        error, status, request_at = refused.text(), refused.http_status, request_address(refused)
    if found is not None and asked.anything and asked.run != found.looked.token:
        return redirect(_with_run(found.looked.token))  # loaded again, it asks nothing anew
    directory = context.directory()
    with directory.ledger.read() as tx:
        plan = cityplan.city(tx, context.access(tx), context.now_us())
    site, marks = request.args.get("place", ""), request.args.getlist("state")
    shown = cityplan.asked_for(plan, site, set(marks) & MARKS.keys())
    under, back = ground_of(directory, plan.cameras), _back(asked, found, plan)
    response = make_response(
        render_template(
            "map.html", plan=plan, root=cityplan.branches(plan, shown), shown=shown, marks=MARKS,
            chosen=marks, site=site, found=found, asked=asked, error=error, request_at=request_at,
            under=under, installed=_is_installed(), config=_config(under, found, back), back=back,
        ),
        status,
    )  # fmt: skip
    if under.origin is not None:
        response.headers["Content-Security-Policy"] = content_security(under.origin)
    return response


@map_desk.get("/map/cameras/<camera>")
def card(camera: str) -> str:
    """One camera as a card: how it stands, its newest picture with its age, where to go on."""
    directory = context.directory()
    with directory.ledger.read() as tx:
        access = context.access(tx)
        found = access.camera(tx, Verb.SEE, camera)
        plan = cityplan.city_of(tx, [found], context.now_us())
    (one,) = watches(directory, [found], folders=context.knows_folders())
    case, reason = request.args.get("case", ""), request.args.get("reason", "")
    return render_template(
        "map_card.html", camera=found, watch=one, mark_name=plan.marks[found.id], marks=MARKS,
        picture=_may_look(one), timeline=_timeline(found.slug),
        plays=access.may(Verb.PLAY, found), searches=access.may(Verb.SEARCH, found),
        exports=access.may(Verb.EXPORT, found), case=case, reason=reason,
    )  # fmt: skip


@map_desk.get("/media/map/ground.pmtiles")
def ground_file() -> Response:
    """The configured PMTiles file, by byte range."""
    path = pmtiles_file(context.directory())
    stat = path.stat()
    response = send_file(
        path, mimetype="application/vnd.pmtiles", conditional=True, max_age=TILE_S,
        etag=f"{stat.st_mtime_ns:x}-{stat.st_size:x}",
    )  # fmt: skip
    response.headers["Cache-Control"] = f"private, max-age={TILE_S}"
    return response


@map_desk.get("/media/map/tiles/<int:zoom>/<int:x>/<int:y>")
def tile(zoom: int, x: int, y: int) -> Response:
    """A tile of the configured folder; nothing (204) where it has none."""
    found = tile_file(context.directory(), zoom, x, y)
    if found is None:
        return make_response("", 204)
    response = send_file(found[0], mimetype=found[1], conditional=True, max_age=TILE_S)
    response.headers["Cache-Control"] = f"private, max-age={TILE_S}"
    return response


def _is_installed() -> bool:
    """Whether the map's part from npm is there, see setup.py."""
    return Path(current_app.static_folder or "", "vendor", "leaflet.js").is_file()


def _hits(asked: Asked, token: str) -> Hits | None:
    """What the address asks, or the kept search that it names; audited before it is shown."""
    directory = context.directory()
    if asked.anything:
        require(context.user(), Verb.SEARCH)
        return cityplan.hits(directory, searching.look(asked))
    if not token:
        return None
    kept = searching.readable(token)
    if kept.answer is not None:
        detail = {"moments": len(kept.answer["moments"]), "on": "map"}
        note_look(directory, kept, context.actor(), detail)
    return cityplan.hits(directory, searching.Looked(kept, {}, again=True))


def _zone() -> str:
    """In whose zone times without one are: that of the search desk, for whoever came from there."""
    if not {"from", "to"} & request.args.keys() or request.args.get("tz"):
        return "UTC"
    with context.directory().ledger.read() as tx:
        return zones(context.access(tx).register(tx, Verb.SEARCH), context.now_us())[0][0]


def _with_run(token: str) -> str:
    pairs = [pair for pair in request.args.items(multi=True) if pair[0] != "run"]
    return f"{address_of('map.page')}?{urlencode([*pairs, ('run', token)])}"


def _back(asked: Asked, found: Hits | None, plan: cityplan.City) -> str:
    """The search desk with the same search, as well as its address can say it."""
    if asked.anything or found is None:
        return address_of("search.desk") + (asked.address() if asked.anything else "")
    kept = found.looked.kept
    return address_of("search.desk", **cityplan.address_fields(kept, plan), run=kept.run.id)


def _config(under: Ground, found: Hits | None, back: str) -> dict[str, Any]:
    """What the modules need to know; their words come with the page."""
    addresses = {
        "raster": address_of("map.ground_file"), "vector": address_of("map.ground_file"),
        "folder": address_of("map.tile", zoom=0, x=0, y=0).removesuffix("0/0/0") + "{z}/{x}/{y}",
        "server": under.address, "plain": "",
    }  # fmt: skip
    return {
        "ground": {
            "kind": under.kind, "address": addresses[under.kind], "credit": under.credit,
            "min": under.min_zoom, "max": under.max_zoom,
        },
        "facts": address_of("api.map_cameras"), "states": address_of("api.map_states"),
        "card": address_of("map.card", camera="CAMERA"), "back": back,
        "searches": may(context.user(), Verb.SEARCH),
        "hits": {} if found is None else found.document,
        "weak": found is not None and found.answer is not None and not found.answer.confident,
        "searching": found is not None and found.answer is not None,
        "case": None if found is None else found.looked.kept.query.case_id,
        "reason": None if found is None else found.looked.kept.query.reason,
    }  # fmt: skip


def _timeline(camera: str) -> str | None:
    """The timeline of a camera, where there is that desk."""
    there = "timeline.page" in current_app.view_functions
    return address_of("timeline.page", camera=camera) if there else None


def _may_look(one: Watch) -> bool:
    """Whether its newest picture is shown: a look, so it is audited first."""
    if one.last is None:
        return False
    shown = record_view(context.directory(), context.actor(), [one.camera])
    return one.camera.id in shown
