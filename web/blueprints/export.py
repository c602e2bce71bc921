"""The export desk: a span of cameras becomes a bundle that can be checked, in the background."""

from __future__ import annotations

from flask import (
    Blueprint,
    Response,
    make_response,
    redirect,
    render_template,
    request,
    send_file,
    url_for,
)
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as AnyResponse

from storage import export_jobs
from storage.case_sight import cases_for
from storage.clock import to_datetime
from storage.errors import Conflict, HindsightError, Invalid
from storage.export_jobs import ExportJob
from storage.rights import Verb
from storage.vocabulary import Camera
from web import context, exports
from web.approvals import request_address
from web.asked import local_field, local_time
from web.exporting import found_by_search, own, runner
from web.places import zones

export = Blueprint("export", __name__, url_prefix="/export")


@export.get("")
def page() -> Response:
    """The form; with a span, what it would give; and one's exports."""
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
def begin() -> AnyResponse:
    """Take the export in; on refusal the form says why."""
    directory, form = context.directory(), request.form
    try:
        chosen, from_us, to_us = _span(form)
        actor = context.actor(form.get("case"), form.get("reason"))
        search = found_by_search(form.get("search"))
        with directory.ledger.read() as tx:
            job = exports.job_of(tx, directory, chosen, from_us, to_us, actor, search)
        runner().submit(job, [one.id for one in chosen])
    except HindsightError as refused:
        return _page(form, None, refused)
    # The script fetches the bundle when it is done, if somebody is still looking.
    return redirect(url_for("export.job", job_id=job.id, _anchor="fetch"), 303)


@export.get("/<job_id>")
def job(job_id: str) -> str:
    """How far one of one's exports is, what went wrong, and where to fetch it."""
    found = own(job_id)
    with context.directory().ledger.read() as tx:
        access = context.access(tx)
        told, found = exports.document(tx, access, found), exports.shown(tx, access, found)
    return render_template("export_job.html", job=found, told=told, tz=_zone())


@export.post("/<job_id>/cancel")
def cancel(job_id: str) -> AnyResponse:
    """End it, or remove its bundle."""
    runner().cancel(own(job_id), context.actor())
    return redirect(url_for("export.page", _anchor="exports"), 303)


@export.get("/<job_id>/bundle")
def bundle(job_id: str) -> Response:
    """The zip of one that is done."""
    return send_bundle(own(job_id))


def send_bundle(found: ExportJob) -> Response:
    """As a download, or a part of it; the audit row is committed before."""
    directory, path = context.directory(), runner().bundle(found)
    with directory.ledger.write() as tx:
        mark = exports.fetched(tx, directory, found, context.actor(), request.headers.get("Range"))
    try:
        response = send_file(
            path, mimetype="application/zip", as_attachment=True, download_name=found.name,
            conditional=True, etag=mark, last_modified=to_datetime(found.finished_us or 0),
        )  # fmt: skip
    except FileNotFoundError:  # the cache was emptied
        raise Conflict(exports.GONE, job=found.id) from None
    response.headers["Cache-Control"] = "no-store"
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


def _zone() -> str:
    """The zone in which times of no camera are shown."""
    with context.directory().ledger.read() as tx:
        register = context.access(tx).register(tx, Verb.EXPORT)
    return zones(register, context.now_us())[0][0]


def _page(
    values: MultiDict[str, str], seen: exports.Preview | None, refused: HindsightError | None
) -> Response:
    with context.directory().ledger.read() as tx:
        access = context.access(tx)
        register = access.register(tx, Verb.EXPORT)
        open_cases = cases_for(tx, access, open_only=True)
        mine = [
            (exports.shown(tx, access, one), exports.document(tx, access, one))
            for one in export_jobs.listed(tx, context.user().name, exports.LISTED)
        ]
    known_zones = zones(register, context.now_us())
    names = values.getlist("camera")
    their = next((camera.tz for camera in register if camera.slug in names), known_zones[0][0])
    tz = values.get("tz") or their
    rendered = render_template(
        "export.html", cameras=register, zones=known_zones, cases=open_cases, chosen=names,
        tz=tz, start=local_field(values.get("from", ""), tz),
        end=local_field(values.get("to", ""), tz), search=values.get("search", ""),
        case=values.get("case", ""), reason=values.get("reason", ""), seen=seen, mine=mine,
        error=refused.text() if refused else None,
        request_at=request_address(refused) if refused else None,
    )  # fmt: skip
    return make_response(rendered, refused.http_status if refused else 200)
