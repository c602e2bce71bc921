"""The redaction desk: boxes drawn over pictures of a span become a copy that hides what they
hold; page and API."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, Response, jsonify, make_response, render_template, request, send_file
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import MethodNotAllowed

from evidence.plan import CameraPlan, make_plan
from evidence.redaction import LONGEST_US, require_allowed, require_span
from evidence.redaction_preview import glance
from evidence.redaction_recipe import read_recipe
from storage.case_sight import cases_for
from storage.clock import US, parse_time, rfc3339
from storage.errors import HindsightError
from storage.rights import Verb
from storage.vocabulary import Actor, Camera, Span
from web import context, shapes_redactions
from web.approvals import request_address
from web.asked import local_field, local_time
from web.blueprints.api import _api as api
from web.pictures import jpeg
from web.places import zones
from web.redactions import Job, redactions

redaction = Blueprint("redaction", __name__, url_prefix="/redact")


@redaction.get("")
def page() -> Response:
    """The form; with a span, the desk."""
    values = request.args
    if not (values.get("camera") and values.get("from") and values.get("to")):
        return _page(values, None, None)
    try:
        plan, asked = _plan(values)
    except HindsightError as refused:
        return _page(values, None, refused)
    return _page(values, (plan, asked), None)


@api.operation(
    "POST", "/redactions/picture", "A picture of a span, as a redacted copy would show it",
    body=shapes_redactions.GlanceBody, media_type="image/jpeg",
)  # fmt: skip
def redaction_picture(body: shapes_redactions.GlanceBody) -> Response:
    """The picture on screen at `at`; X-Picture-Time says when it was taken, X-Rough which subjects
    are hidden only about where they are."""
    camera, asked, actor = _asked(body)
    recipe = None if body.recipe is None else read_recipe(body.recipe, asked)
    seen = glance(context.directory(), camera, asked, recipe, parse_time(body.at), actor)
    response = make_response(jpeg(seen.rgb))
    response.content_type = "image/jpeg"
    response.headers["X-Picture-Time"] = str(seen.at_us)
    response.headers["X-Rough"] = json.dumps(seen.rough)  # ASCII
    return response


@api.operation(
    "POST", "/redactions", "Begin a redacted copy", body=shapes_redactions.RedactionBody,
    answer=shapes_redactions.RedactionState, status=202,
)  # fmt: skip
def begin_redaction(body: shapes_redactions.RedactionBody) -> tuple[Response, int]:
    """As `redact`, but answers at once; the copy is fetched when its state is done."""
    camera, asked, actor = _asked(body)
    recipe = read_recipe(body.recipe, asked)
    return _told(redactions().begin(camera, asked, recipe, body.time, actor)), 202


@api.operation(
    "GET", "/redactions/<redaction>", "How far a redacted copy is",
    answer=shapes_redactions.RedactionState,
)  # fmt: skip
def redaction_state(redaction: str) -> Response:
    """Of one's own."""
    return _told(redactions().job(redaction, context.actor()))


@api.operation("DELETE", "/redactions/<redaction>", "Give a redacted copy up", status=204)
def stop_redaction(redaction: str) -> tuple[str, int]:
    """What was made of it is removed."""
    redactions().stop(redaction, context.actor())
    return "", 204


@api.operation(
    "GET", "/redactions/<redaction>/copy", "A redacted copy, as a zip",
    media_type="application/zip",
)  # fmt: skip
def take_redaction(redaction: str) -> Response:
    """Fetched once: afterwards it is gone from the server."""
    if request.method == "HEAD":  # whoever only asks for its size must not take it
        raise MethodNotAllowed(["GET"])
    opened, size_bytes, name = redactions().take(redaction, context.actor())
    response = send_file(
        opened, mimetype="application/zip", as_attachment=True, download_name=name
    )  # fmt: skip
    response.content_length = size_bytes
    return response


def _asked(body: Any) -> tuple[Camera, Span, Actor]:
    with context.directory().ledger.read() as tx:
        camera = context.access(tx).camera(tx, Verb.EXPORT, body.camera)
    asked = require_span(parse_time(body.from_), parse_time(body.to))
    return camera, asked, context.actor(body.case, body.reason)


def _told(job: Job) -> Response:
    found = () if job.made is None else job.made.trails
    return jsonify(
        {
            "redaction": job.key, "state": job.state, "share": round(job.share, 4),
            "error": None if job.error is None else job.error.text(),
            "unsure": [
                {"subject": trail.subject.name, "start": rfc3339(span.start_us),
                 "end": rfc3339(span.end_us)}
                for trail in found for span in trail.unsure
            ],
        }
    )  # fmt: skip


def _plan(values: MultiDict[str, str]) -> tuple[CameraPlan, Span]:
    directory = context.directory()
    with directory.ledger.read() as tx:
        camera = context.access(tx).camera(tx, Verb.EXPORT, values.get("camera", ""))
        tz = values.get("tz") or camera.tz
        times = [local_time(values.get(name, ""), tz) for name in ("from", "to")]
        asked = require_span(*times)
        require_allowed(
            tx, directory, camera, asked, context.actor(values.get("case"), values.get("reason"))
        )
        return make_plan(tx, [camera], asked, context.now_us()).cameras[0], asked


def _page(
    values: MultiDict[str, str], found: tuple[CameraPlan, Span] | None,
    refused: HindsightError | None,
) -> Response:  # fmt: skip
    with context.directory().ledger.read() as tx:
        register = context.access(tx).register(tx, Verb.EXPORT)
        open_cases = cases_for(tx, context.access(tx), open_only=True)
    known_zones = zones(register, context.now_us())
    own = next((one.tz for one in register if one.slug == values.get("camera")), known_zones[0][0])
    tz = values.get("tz") or own
    rendered = render_template(
        "redact.html", cameras=register, zones=known_zones, cases=open_cases,
        chosen=values.get("camera", ""), tz=tz, start=local_field(values.get("from", ""), tz),
        end=local_field(values.get("to", ""), tz), case=values.get("case", ""),
        reason=values.get("reason", ""), plan=None if found is None else found[0],
        asked=None if found is None else found[1], most_min=LONGEST_US // (60 * US),
        error=refused.text() if refused else None,
        request_at=request_address(refused) if refused else None,
    )  # fmt: skip
    return make_response(rendered, refused.http_status if refused else 200)
