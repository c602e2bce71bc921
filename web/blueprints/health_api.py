"""/api/v1/health: the health desk as JSON, of the cameras one may see."""

from __future__ import annotations

from flask import Response, jsonify
from werkzeug.datastructures import MultiDict

from storage.health import health_now
from storage.rights import Verb
from web import context, health_asked, shapes_health
from web.blueprints.api import _api as api
from web.health_desk import headline, view
from web.health_files import now_document, view_document


@api.operation(
    "GET", "/health", "Who records now, and what needs somebody", answer=shapes_health.HealthNow
)
def show_health() -> Response:
    """As the top of the page Health."""
    directory = context.directory()
    with directory.ledger.read() as tx:
        cameras = context.access(tx).register(tx, Verb.SEE)
    asked = health_asked.read(MultiDict(), cameras, context.now_us())
    found = headline(directory, cameras, asked.tz, folders=context.knows_folders())
    return jsonify(now_document(found))


@api.operation(
    "GET", "/health/completeness", "What was recorded of what was due, and why not",
    query=shapes_health.HealthAsked, answer=shapes_health.HealthCompleteness,
)  # fmt: skip
def show_completeness(query: shapes_health.HealthAsked) -> Response:
    """Days by the clock at each camera; all gaps of them."""
    directory = context.directory()
    with directory.ledger.read() as tx:
        access = context.access(tx)
        cameras = access.register(tx, Verb.SEE)
        camera = access.camera(tx, Verb.SEE, query.camera).slug if query.camera else ""
    values = {
        "span": query.span, "day": query.day or "", "table": query.by, "camera": camera,
        "site": query.site or "", "class": query.class_ or "",
        "department": query.department or "",
    }  # fmt: skip
    asked = health_asked.read(MultiDict(values), cameras, context.now_us())
    found = view(
        directory, cameras, asked, health_now(directory, cameras),
        folders=context.knows_folders(), everything=True,
    )  # fmt: skip
    return jsonify(view_document(found))
