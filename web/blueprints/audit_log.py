"""/api/v1/audit: who looked at what and why, for those who audit; reading it is a row of it."""

from __future__ import annotations

from flask import Response, jsonify

from storage.audit import Asked
from storage.audit_reading import asked_document, document, note, page
from storage.register import find_camera
from web import context, shapes_audit
from web.blueprints.api import _api as api
from web.blueprints.api import _span


@api.operation(
    "GET", "/audit", "The audit log, newest first", query=shapes_audit.Asked,
    answer=shapes_audit.Page,
)  # fmt: skip
def list_audit(query: shapes_audit.Asked) -> Response:
    """As `audit list --json`, page by page; each page is a reading, and audited."""
    directory = context.directory()
    from_us, to_us = _span(query)
    camera = None
    if query.camera is not None:
        with directory.ledger.read() as tx:
            camera = find_camera(tx, query.camera).slug
    asked = Asked(query.actor, query.case, camera, query.action, from_us, to_us, query.before)
    note(
        directory, context.actor(), "audit.read", asked_document(asked) | {"limit": query.limit}
    )  # fmt: skip
    found = page(directory, asked, query.limit)
    full = len(found) == query.limit
    return jsonify(
        {"rows": [document(row) for row in found], "next": found[-1].seq if full else None}
    )
