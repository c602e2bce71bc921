"""/api/v1: the same functions as the command line and the pages, the same JSON."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from typing import Any

from flask import Blueprint, Response, jsonify, make_response, session
from flask_wtf.csrf import generate_csrf
from sqlalchemy import Connection

from search.engine import engine_of
from search.runs import ask
from storage import segments as ledger_segments
from storage import timeline
from storage.camera_states import states
from storage.clock import parse_time, rfc3339
from storage.commands.camera_facts import document as camera_document
from storage.commands.gaps import document as gap_document
from storage.commands.segments import document as segment_document
from storage.commands.status import camera_document as camera_status
from storage.commands.status import volume_document
from storage.discreet import discreet_cameras, discreet_volumes, without_folders
from storage.errors import Invalid
from storage.register import cameras_with_credentials
from storage.rights import Verb
from storage.status import camera_overview, effective_state, volume_overview, warnings
from storage.vocabulary import Camera, Span
from web import context, sessions, shapes, shapes_audit
from web.blueprints.auth import give_session
from web.openapi import Api
from web.search_body import asked_query

PREFIX = "/api/v1"
api = Blueprint("api", __name__, url_prefix=PREFIX)
_api = Api(api)


@_api.operation("GET", "/openapi.json", "This document", answer=dict[str, object])
def openapi() -> Response:
    """This API as OpenAPI 3.1, made from the code."""
    return jsonify(_api.document("Hindsight", version("hindsight-archive"), PREFIX))


@_api.operation("POST", "/session", "Log in", body=shapes.Login, answer=shapes.Session)
def open_session(body: shapes.Login) -> Response:
    """Log in with JSON `user`, `password` and perhaps `code`; sets the cookie, answers the form
    token.

    Other sites cannot send JSON here, so no form token is asked.
    """
    login = sessions.log_in_at_once(
        context.directory(), body.user, body.password, body.code, context.peer()
    )
    session.clear()
    response = jsonify(_session(login.user))
    give_session(response, login.token)
    return response


@_api.operation("GET", "/session", "Who is logged in, and the form token", answer=shapes.Session)
def show_session() -> Response:
    """Who is logged in, and the form token, for clients that come with a cookie."""
    return jsonify(_session(context.user()))


@_api.operation("DELETE", "/session", "Log out", status=204)
def close_session() -> Response:
    """Log out: the session ends on the server."""
    sessions.log_out(context.directory(), context.user(), context.session_token())
    response = make_response("", 204)
    sessions.forget_cookie(response)
    return response


@_api.operation("GET", "/cameras", "The register", answer=list[shapes.Camera])
def cameras() -> Response:
    """The register, by slug, as `camera list --json`."""
    with context.directory().ledger.read() as tx:
        return jsonify(_documents(tx, context.access(tx).register(tx, Verb.SEE)))


@_api.operation("GET", "/cameras/<camera>", "One camera", answer=shapes.Camera)
def camera(camera: str) -> Response:
    """One camera by slug, name or GB code."""
    with context.directory().ledger.read() as tx:
        found = context.access(tx).camera(tx, Verb.SEE, camera)
        return jsonify(_documents(tx, [found])[0])


@_api.operation(
    "GET", "/segments", "What is kept", query=shapes.CamerasAndSpan, answer=list[shapes.Segment]
)
def segments(query: shapes.CamerasAndSpan) -> Response:
    """What is kept, as `segments --json`: `camera` (again for more), `from`, `to`."""
    from_us, to_us = _span(query)
    with context.directory().ledger.read() as tx:
        chosen = context.access(tx).cameras(tx, Verb.SEE, query.camera)
        rows = ledger_segments.segments(
            tx, camera_ids=[one.id for one in chosen], from_us=from_us, to_us=to_us
        )  # fmt: skip
    return jsonify([segment_document(row) for row in rows])


@_api.operation(
    "GET", "/gaps", "What is missing, and why", query=shapes.CamerasAndSpan,
    answer=list[shapes.Gap],
)  # fmt: skip
def gaps(query: shapes.CamerasAndSpan) -> Response:
    """What is missing and why, as `gaps --json`: `camera`, `from`, `to`."""
    from_us, to_us = _span(query)
    with context.directory().ledger.read() as tx:
        chosen = context.access(tx).cameras(tx, Verb.SEE, query.camera)
        rows = timeline.gaps(
            tx, camera_ids=[one.id for one in chosen], from_us=from_us, to_us=to_us
        )  # fmt: skip
    if not context.knows_folders():
        directory = context.directory()
        rows = [replace(row, detail=without_folders(directory, row.detail)) for row in rows]
    return jsonify([gap_document(row) for row in rows])


@_api.operation(
    "GET", "/status", "Who is recording now", query=shapes.CamerasAndSpan, answer=shapes.Status
)
def status(query: shapes.CamerasAndSpan) -> Response:
    """Who records now, as `status --json`: `camera`, `from`, `to` (default: today)."""
    directory = context.directory()
    from_us, to_us = _span(query)
    if from_us is None and to_us is not None:
        raise Invalid("--to needs --from: since when?")
    span = None
    if from_us is not None:
        span = Span(from_us, context.now_us() if to_us is None else to_us)
    with directory.ledger.read() as tx:
        chosen = context.access(tx).cameras(tx, Verb.SEE, query.camera)
    overviews, volumes = (
        camera_overview(directory, cameras=chosen, span=span),
        volume_overview(directory),
    )
    if not context.knows_folders():
        overviews = discreet_cameras(directory, overviews)
        volumes = discreet_volumes(directory, volumes)
    return jsonify(
        {
            "cameras": [camera_status(one) for one in overviews],
            "volumes": [volume_document(one) for one in volumes],
            "warnings": warnings(directory, overviews, volumes),
        }
    )


@_api.operation(
    "POST", "/search", "Find moments by words, a picture, or both", body=shapes.SearchBody,
    upload="image", answer=shapes.Answer,
)  # fmt: skip
def search(body: shapes.SearchBody) -> Response:
    """As `search --json`: JSON, or a form with the JSON in `query` and pictures in `image` and
    `not_image`.
    """
    actor = context.actor(body.case, body.reason)
    query = asked_query(body, actor)
    return jsonify(ask(engine_of(context.directory()), query, actor).document)


def _session(user: Any) -> dict[str, Any]:
    return {
        "user": user.name, "role": user.role.value, "lang": user.lang,
        "must_change": user.must_change, "csrf_token": generate_csrf(),
    }  # fmt: skip


def _documents(tx: Connection, found: list[Camera]) -> list[dict[str, object]]:
    now_us = context.now_us()
    known, sealed = states(tx), cameras_with_credentials(tx)
    return [
        camera_document(one, effective_state(one, known.get(one.id), now_us), one.id in sealed)
        for one in found
    ]


def _span(query: shapes.CamerasAndSpan | shapes_audit.Filter) -> tuple[int | None, int | None]:
    from_us = None if query.from_ is None else parse_time(query.from_)
    to_us = None if query.to is None else parse_time(query.to)
    if from_us is not None and to_us is not None and from_us >= to_us:
        raise Invalid(
            "--from {start} does not lie before --to {end}; nothing was looked up",
            start=rfc3339(from_us), end=rfc3339(to_us),
        )  # fmt: skip
    return from_us, to_us
