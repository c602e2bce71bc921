"""The audit desk: who did what, in plain words; whether anybody touched that record."""

from __future__ import annotations

import json

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from storage.audit import Asked, AuditRow, said
from storage.audit_reading import counted
from storage.audit_words import WORDS, sentence, span_of, time_of
from storage.clock import local_text, parse_time
from storage.errors import HindsightError, Invalid
from storage.i18n import tr
from storage.people import users
from storage.rights import Verb
from web import audit_filter, context
from web.asked import local_field, local_time
from web.formats import moment
from web.places import zones
from web.verifying import verifier

audit = Blueprint("audit", __name__, url_prefix="/audit")
ROWS_SHOWN = 100
REFRESH_S = 2  # a page that waits for a walk along the chain asks again
FILTERS = ("actor", "case", "camera", "action", "from", "to", "tz")


@audit.get("")
def page() -> Response:
    """Rows, newest first; to show them is itself a row, written before."""
    values, refused = request.args, None
    try:
        found = audit_filter.read(_asked(values), ROWS_SHOWN)
    except HindsightError as error:
        found, refused = [], error
    directory = context.directory()
    with directory.ledger.read() as tx:
        cameras = context.access(tx).register(tx, Verb.SEE)
        names = [one.name for one in users(tx)]
    tzs = zones(cameras, context.now_us())
    tz = values.get("tz") or "UTC"
    rows, signed = counted(directory)
    asked = {name: values[name] for name in FILTERS if values.get(name)}
    rendered = render_template(
        "audit.html", rows=found, asked=asked, names=names, cameras=cameras, zones=tzs, tz=tz,
        start=local_field(values.get("from", ""), tz), end=local_field(values.get("to", ""), tz),
        actions=sorted(
            ((each, tr(words, subject="…")) for each, words in WORDS.items()),
            key=lambda one: one[1],
        ),
        older=found[-1].seq if len(found) == ROWS_SHOWN else None, paged=bool(values.get("before")),
        count=rows, signed=signed, walk=verifier().walk, sentence=sentence, raw=_raw,
        footage=_footage, when=_when, error=refused.text() if refused else None,
    )  # fmt: skip
    return make_response(rendered, refused.http_status if refused else 200)


@audit.get("/export")
def export() -> Response:
    """The rows of the filter as a file; a row of its own."""
    return audit_filter.export(_asked(request.args), request.args.get("format", "jsonl"))


@audit.get("/verification")
def verification() -> Response:
    """How the walk along the chain goes, or what it found; shows no row."""
    walk = verifier().walk
    rows, signed = counted(context.directory())
    response = make_response(
        render_template(
            "verification.html",
            walk=walk,
            count=rows,
            signed=signed,
            text=audit_filter.finding_text,
        )
    )
    if walk is not None and walk.running:
        response.headers["Refresh"] = str(REFRESH_S)
    return response


@audit.post("/verification")
def verify() -> Response:
    """Begin to walk; a row of its own."""
    verifier().begin(context.actor(), request.form.get("noted", "").strip() or None)
    return redirect(url_for("audit.verification"))


def _asked(values: MultiDict[str, str]) -> Asked:
    tz = values.get("tz") or "UTC"
    from_us, to_us = (
        local_time(values[name], tz) if values.get(name) else None for name in ("from", "to")
    )
    if from_us is not None and to_us is not None and from_us >= to_us:
        raise Invalid("the span ends before it begins; nothing was looked up")
    before = values.get("before", "")
    number = before.isascii() and before.isdigit() and len(before) < 19
    return Asked(
        actor=values.get("actor") or None, case_id=values.get("case") or None,
        camera=audit_filter.camera_slug(values.get("camera")),
        action=values.get("action") or None, from_us=from_us, to_us=to_us,
        before=int(before) if number else None,
    )  # fmt: skip


def _footage(row: AuditRow, tz: str) -> tuple[str, str] | None:
    """The span of footage of a look, to be read."""
    span = span_of(row)
    try:
        return span and (_local(span[0], tz), _local(span[1], tz))
    except HindsightError:
        return None  # a row tampered with may hold anything


def _when(row: AuditRow, tz: str) -> str:
    try:
        return moment(parse_time(time_of(row)), tz)
    except HindsightError:
        return time_of(row)  # no time: somebody wrote into the ledger


def _local(text: str, tz: str) -> str:
    return local_text(parse_time(text), tz)


def _raw(row: AuditRow) -> str:
    return json.dumps(said(row), ensure_ascii=False, indent=1, sort_keys=True)
