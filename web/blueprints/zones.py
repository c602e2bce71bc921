"""/api/v1/zones: parts of a camera's picture that are hidden."""

from __future__ import annotations

from flask import Response, jsonify

from storage import zone_making
from storage.clock import parse_time
from storage.register import camera_by_id
from storage.rights import Verb
from storage.zones import zones
from web import context
from web.blueprints.api import _api as api
from web.shapes_zones import Zone, ZoneBody, ZoneEnd, ZoneMade, ZonesListed


@api.operation(
    "GET", "/zones", "What is hidden in the pictures", query=ZonesListed, answer=list[Zone]
)
def list_zones(query: ZonesListed) -> Response:
    """Privacy zones of the cameras one sees, as `zone list --json`."""
    now_us = context.now_us()
    with context.directory().ledger.read() as tx:
        chosen = {one.id: one for one in context.access(tx).cameras(tx, Verb.SEE, query.camera)}
        found = [one for one in zones(tx) if one.camera_id in chosen]
    return jsonify(
        [
            zone_making.document(one, chosen[one.camera_id])
            for one in found
            if query.ended or one.until_us is None or one.until_us > now_us
        ]
    )


@api.operation(
    "POST", "/zones", "Hide a part of a camera's picture", body=ZoneBody, answer=ZoneMade,
    status=201,
)  # fmt: skip
def add_zone(body: ZoneBody) -> tuple[Response, int]:
    """As `zone add`."""
    made = zone_making.add(
        context.directory(), context.actor(reason=body.reason),
        lambda tx: context.access(tx).camera(tx, Verb.MANAGE, body.camera),
        name=body.name, points=body.points,
        from_us=None if body.from_ is None else parse_time(body.from_),
        until_us=None if body.until is None else parse_time(body.until),
    )  # fmt: skip
    document = zone_making.document(made.zone, made.camera)
    return jsonify(document | {"segments": made.segments}), 201


@api.operation(
    "POST", "/zones/<int:zone>/end", "Hide it no more in footage to come", body=ZoneEnd,
    answer=Zone,
)  # fmt: skip
def end_zone(zone: int, body: ZoneEnd) -> Response:
    """As `zone end`."""
    ended = zone_making.end(
        context.directory(), context.actor(reason=body.reason), zone, context.access
    )
    with context.directory().ledger.read() as tx:
        camera = camera_by_id(tx, ended.camera_id)
    return jsonify(zone_making.document(ended, camera))
