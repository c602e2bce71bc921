"""The export desk: a span of cameras becomes a bundle that can be checked."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Response, make_response, render_template, request, send_file
from werkzeug.datastructures import MultiDict

from storage import cases as ledger_cases
from storage.errors import HindsightError, Invalid
from storage.rights import Verb
from storage.vocabulary import Camera
from web import context, exports
from web.asked import local_field, local_time
from web.places import zones

export = Blueprint("export", __name__, url_prefix="/export")


@export.get("")
def page() -> str | Response:
    """The form; with a span, what it would give."""
    if not (request.args.get("from") and request.args.get("to")):
        return _page(request.args, None, None)
    try:
        chosen, from_us, to_us = _span(request.args)
        with context.directory().ledger.read() as tx:
            seen = exports.preview(tx, chosen, from_us, to_us, context.now_us())
    except HindsightError as refused:
        return _page(request.args, None, refused)
    return _page(request.args, seen, None)


@export.post("")
def download() -> str | Response:
    """Build the bundle and send it; on refusal the form says why."""
    directory = context.directory()
    try:
        chosen, from_us, to_us = _span(request.form)
        actor = context.actor(request.form.get("case"), request.form.get("reason"))
        bundle = exports.build(directory, chosen, from_us, to_us, actor)
    except HindsightError as refused:
        return _page(request.form, None, refused)
    return send_bundle(bundle)


def send_bundle(bundle: Path) -> Response:
    """As a download; the file is gone from the disk when the last byte has left."""
    size_bytes = bundle.stat().st_size
    response = send_file(
        exports.take(bundle), mimetype="application/zip", as_attachment=True,
        download_name=bundle.name,
    )  # fmt: skip
    response.content_length = size_bytes
    return response


def _span(values: MultiDict[str, str]) -> tuple[list[Camera], int, int]:
    names = values.getlist("camera")
    if not names:
        raise Invalid("choose at least one camera; nothing was exported")
    with context.directory().ledger.read() as tx:
        chosen = context.access(tx).cameras(tx, Verb.EXPORT, names)
    tz = values.get("tz") or chosen[0].tz
    times = [local_time(values.get(name, ""), tz) for name in ("from", "to")]
    return chosen, times[0], times[1]


def _page(
    values: MultiDict[str, str], seen: exports.Preview | None, refused: HindsightError | None
) -> Response:
    with context.directory().ledger.read() as tx:
        register = context.access(tx).register(tx, Verb.EXPORT)
        open_cases = ledger_cases.cases(tx, open_only=True)
    known_zones = zones(register, context.now_us())
    names = values.getlist("camera")
    own = next((camera.tz for camera in register if camera.slug in names), known_zones[0][0])
    tz = values.get("tz") or own
    rendered = render_template(
        "export.html", cameras=register, zones=known_zones, cases=open_cases, chosen=names,
        tz=tz, start=local_field(values.get("from", ""), tz),
        end=local_field(values.get("to", ""), tz),
        case=values.get("case", ""), reason=values.get("reason", ""), seen=seen,
        error=refused.text() if refused else None,
    )  # fmt: skip
    return make_response(rendered, refused.http_status if refused else 200)
