"""/api/v1/map: the cameras one sees, by place, and how each stands; asked again and again."""

from __future__ import annotations

import hashlib
from typing import Any

from flask import Response, jsonify, request

from web import cityplan, context
from web.blueprints.api import _api as api
from web.shapes_map import Map, MapStates


@api.operation("GET", "/map", "Cameras by place", answer=Map)
def map_cameras() -> Response:
    """Every camera one sees with place, class, view direction and state."""
    return _conditional(cityplan.document(_plan()))


@api.operation("GET", "/map/states", "How the cameras stand now", answer=MapStates)
def map_states() -> Response:
    """As `GET /map`, states alone; 304 to the ETag of the last answer while they are the same."""
    return _conditional(cityplan.states_document(_plan()))


def _plan() -> cityplan.City:
    with context.directory().ledger.read() as tx:
        return cityplan.city(tx, context.access(tx), context.now_us())


def _conditional(document: dict[str, Any]) -> Response:
    response = jsonify(document)
    response.set_etag(hashlib.sha256(response.get_data()).hexdigest()[:32])
    response.make_conditional(request)
    return response
