"""/api/v1/audit: who looked at what and why, for those who audit; reading it is a row of it."""

from __future__ import annotations

from flask import Response, jsonify

from storage.audit import Asked
from storage.audit_heads import document as head_document
from storage.audit_reading import counted, document
from storage.clock import optional_rfc3339, rfc3339
from web import audit_filter, context, shapes_audit
from web.blueprints.api import _api as api
from web.blueprints.api import _span
from web.verifying import verifier


@api.operation(
    "GET", "/audit", "The audit log, newest first", query=shapes_audit.Asked,
    answer=shapes_audit.Page,
)  # fmt: skip
def list_audit(query: shapes_audit.Asked) -> Response:
    """As `audit list --json`, page by page; each page is a reading, and audited."""
    found = audit_filter.read(_asked(query, query.before), query.limit)
    full = len(found) == query.limit
    return jsonify(
        {"rows": [document(row) for row in found], "next": found[-1].seq if full else None}
    )


@api.operation(
    "GET", "/audit/export", "The audit log as a file, oldest first", query=shapes_audit.Exported,
    media_type=audit_filter.DOWNLOAD,
)  # fmt: skip
def export_audit(query: shapes_audit.Exported) -> Response:
    """As `audit export`; audited."""
    return audit_filter.export(_asked(query, None), query.format)


@api.operation(
    "POST", "/audit/verification", "Walk the audit chain", body=shapes_audit.Verify,
    answer=shapes_audit.Verification, status=202,
)  # fmt: skip
def begin_verifying(body: shapes_audit.Verify) -> tuple[Response, int]:
    """As `audit verify`, in the background; audited. Conflict while one goes on."""
    verifier().begin(context.actor(), body.noted or None)
    return jsonify(_verification()), 202


@api.operation(
    "GET", "/audit/verification", "How the last walk along the audit chain went",
    answer=shapes_audit.Verification,
)  # fmt: skip
def show_verifying() -> Response:
    """Its progress, or what it found."""
    return jsonify(_verification())


def _asked(query: shapes_audit.Filter, before: int | None) -> Asked:
    from_us, to_us = _span(query)
    camera = audit_filter.camera_slug(query.camera)
    return Asked(query.actor, query.case, camera, query.action, from_us, to_us, before)


def _verification() -> dict[str, object]:
    rows, signed = counted(context.directory())
    walk = verifier().walk
    told: dict[str, object] = {
        "rows": rows, "signed": None if signed is None else head_document(signed), "walk": None
    }  # fmt: skip
    if walk is not None:
        told["walk"] = {
            "by": walk.by, "begun": rfc3339(walk.begun_us),
            "ended": optional_rfc3339(walk.ended_us), "done": walk.done, "total": walk.total,
            "ok": None if walk.running else walk.whole,
            "findings": [
                one.document() | {"what": audit_filter.finding_text(one)} for one in walk.findings
            ],
            "refused": None if walk.refused is None else walk.refused.text(),
        }  # fmt: skip
    return told
