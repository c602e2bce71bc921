"""The timeline: what cameras have of a span, from a month down to a second; page and API."""

from __future__ import annotations

from flask import (
    Blueprint,
    Response,
    jsonify,
    make_response,
    render_template,
    request,
)

from search.track import MOST_CAMERAS
from storage.clock import parse_time
from storage.errors import HindsightError, Invalid
from storage.rights import Verb
from storage.vocabulary import Span
from web import context, timeline_asked
from web import timeline as drawn
from web.blueprints.api import _api as api
from web.places import tree, zones
from web.shapes_timeline import Timeline, TimelineAsked

timeline = Blueprint("timeline", __name__, url_prefix="/timeline")


@timeline.get("")
def page() -> Response:
    """Strips, ruler and lists; the form says what is refused, and keeps what was typed."""
    now_us = context.now_us()
    with context.directory().ledger.read() as tx:
        access = context.access(tx)
        register = access.register(tx, Verb.SEE)
    known = zones(register, now_us)
    asked, view, error, status = None, None, None, 200
    try:
        asked = _asked()
        view = _view(asked)
    except HindsightError as refused:  # the form stays as it was filled in
        error, status = refused.text(), refused.http_status
    tz = asked.tz if asked else known[0][0]
    page = render_template(
        "timeline.html", asked=asked, view=view, error=error, places=tree(register),
        known_zones=asked.known_zones if asked else known, tz=tz, values=request.args,
        spans=timeline_asked.spans(now_us, tz), most=MOST_CAMERAS,
    )  # fmt: skip
    return make_response(page, status)


@timeline.get("/rows")
def rows() -> str:
    """Strips and ruler alone, for the page that zooms; with `lists=1` what lies below them too."""
    asked = _asked()
    return render_template(
        "timeline_rows.html", asked=asked, view=_view(asked), lists=request.args.get("lists") == "1"
    )


@api.operation(
    "GET", "/timeline", "What cameras have of a span", query=TimelineAsked, answer=Timeline
)
def show_timeline(query: TimelineAsked) -> Response:
    """Recorded, missing and why, deleted, not indexed yet; holds, events, clock corrections."""
    span = Span(parse_time(query.from_), parse_time(query.to))
    if span.duration_us <= 0:
        raise Invalid("the end does not lie after the start; nothing is shown")
    directory = context.directory()
    with directory.ledger.read() as tx:
        access = context.access(tx)
        chosen = access.cameras(tx, Verb.SEE, query.camera, query.site)
    folders = context.knows_folders()
    found = drawn.seen(directory, access, chosen, span, bins=query.bins, folders=folders)
    return jsonify(drawn.document(found))


def _asked() -> timeline_asked.Asked:
    with context.directory().ledger.read() as tx:
        return timeline_asked.read(tx, context.access(tx), request.args, context.now_us())


def _view(asked: timeline_asked.Asked) -> drawn.View:
    directory = context.directory()
    with directory.ledger.read() as tx:
        access = context.access(tx)
    found = drawn.seen(
        directory, access, asked.cameras, asked.span, folders=context.knows_folders()
    )  # fmt: skip
    return drawn.view(found, asked.tz)
