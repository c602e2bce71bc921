"""/api/v1/exports: exports that are made in the background and fetched when they are done."""

from __future__ import annotations

import json
from typing import Any

from flask import Response, jsonify, url_for

from storage import export_jobs
from storage.clock import parse_time
from storage.export_jobs import ExportJob
from storage.rights import Verb
from web import context, exports, shapes_exports
from web.blueprints.api import _api as api
from web.blueprints.export import send_bundle
from web.exporting import found_by_search, own, runner
from web.shapes import ExportBody

AT_ONCE_S = 60.0  # so long a request waits for its bundle; then it is told where to look


@api.operation(
    "POST", "/export", "A bundle of a span, as a zip", body=ExportBody,
    media_type="application/zip",
)  # fmt: skip
def export(body: ExportBody) -> Response:
    """The bundle of a span as a zip, as `export --out x.zip`.

    What takes longer than a minute is answered 202, as POST /exports, and goes on.
    """
    found = runner().wait(_submitted(body).id, AT_ONCE_S)
    return send_bundle(found) if found.ended else _accepted(found)


@api.operation(
    "POST", "/exports", "Begin an export", body=ExportBody, answer=shapes_exports.Export,
    status=202,
)  # fmt: skip
def begin_export(body: ExportBody) -> Response:
    """Answers at once with the export's address; the bundle is fetched when it is done."""
    return _accepted(_submitted(body))


@api.operation(
    "GET", "/exports", "One's own exports", query=shapes_exports.Listed,
    answer=list[shapes_exports.Export],
)  # fmt: skip
def list_exports(query: shapes_exports.Listed) -> Response:
    """Newest first, but for what is in them."""
    with context.directory().ledger.read() as tx:
        access = context.access(tx)
        found = [
            _document(exports.document(tx, access, one), one)
            for one in export_jobs.listed(tx, context.user().name, query.limit)
        ]
    return jsonify(found)


@api.operation(
    "GET", "/exports/<job_id>", "How far an export is", query=shapes_exports.Waiting,
    answer=shapes_exports.ExportResult,
)  # fmt: skip
def export_state(job_id: str, query: shapes_exports.Waiting) -> Response:
    """State and progress; when it is done, `result` is that of `export --json`."""
    found = own(job_id)
    if query.wait_s and not found.ended:
        found = runner().wait(found.id, query.wait_s)
    with context.directory().ledger.read() as tx:
        result = exports.shown(tx, context.access(tx), found).result
    result = None if result is None else json.loads(result)
    return jsonify({**_told(found), "result": result})


@api.operation("DELETE", "/exports/<job_id>", "End an export", answer=shapes_exports.Export)
def end_export(job_id: str) -> Response:
    """One that waits or runs is cancelled and leaves nothing; of one that is done, the bundle is
    removed."""
    found = own(job_id)
    runner().cancel(found, context.actor())
    return jsonify(_told(own(job_id)))


@api.operation(
    "GET", "/exports/<job_id>/bundle", "The bundle of an export", media_type="application/zip"
)
def export_bundle(job_id: str) -> Response:
    """The zip, or the part of it that a Range header asks for; for who asked for it only."""
    return send_bundle(own(job_id))


def _submitted(body: ExportBody) -> ExportJob:
    directory = context.directory()
    actor, search = context.actor(body.case, body.reason), found_by_search(body.search)
    with directory.ledger.read() as tx:
        chosen = context.access(tx).cameras(tx, Verb.EXPORT, body.camera)
        job = exports.job_of(
            tx, directory, chosen, parse_time(body.from_), parse_time(body.to), actor, search
        )
    runner().submit(job, [one.id for one in chosen])
    return job


def _accepted(job: ExportJob) -> Response:
    response = jsonify(_told(job))
    response.status_code = 202
    response.headers["Location"] = url_for("api.export_state", job_id=job.id)
    return response


def _told(job: ExportJob) -> dict[str, Any]:
    with context.directory().ledger.read() as tx:
        return _document(exports.document(tx, context.access(tx), job), job)


def _document(told: dict[str, Any], job: ExportJob) -> dict[str, Any]:
    done = job.state == "done"
    return {
        **told,
        "address": url_for("api.export_state", job_id=job.id),
        "bundle": url_for("api.export_bundle", job_id=job.id) if done else None,
    }
