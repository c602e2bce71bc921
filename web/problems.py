"""Errors as people and programs read them: a page in their language, or RFC 9457."""

from __future__ import annotations

import json
import logging

from flask import Flask, Response, make_response, render_template, request
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from storage.errors import HindsightError
from storage.i18n import N_, current_language, tr
from web.access import is_machine
from web.approvals import request_address

log = logging.getLogger(__name__)
PROBLEM_TYPE = "application/problem+json"
# kind of storage.errors → title of the page and of the problem document
TITLES = {
    "not-found": N_("Not found"),
    "invalid": N_("This cannot be understood"),
    "conflict": N_("The state of things forbids it"),
    "denied": N_("Not allowed"),
    "not-logged-in": N_("Not logged in"),
    "unavailable": N_("Not reachable now"),
    "resource-exhausted": N_("A limit is reached"),
    "data-loss": N_("Footage or facts are damaged"),
    "held": N_("A hold forbids it"),
    "error": N_("Something went wrong"),
}
# HTTP's own refusals → (kind, sentence)
HTTP = {
    404: ("not-found", N_("there is nothing at this address; the link may be old or mistyped")),
    405: ("invalid", N_("this address does not take that method")),
    413: ("resource-exhausted", N_("what was sent is too large; nothing was kept")),
    415: ("invalid", N_("this address takes JSON, or a form with a picture")),
    416: ("invalid", N_("the asked byte range lies outside the recording")),
}


def init_problems(app: Flask) -> None:
    """Every error leaves through here; a stack trace never does."""
    app.register_error_handler(HindsightError, _known)
    app.register_error_handler(CSRFError, _forged)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)


def problem(kind: str, status: int, detail: str, request_at: str | None = None) -> Response:
    """An RFC 9457 document. `request_at`: the page where an approval can be asked for."""
    document = {
        "type": f"urn:hindsight:problem:{kind}",
        "title": tr(TITLES.get(kind, TITLES["error"])),
        "status": status,
        "detail": detail,
        "instance": request.path,
    }
    if request_at is not None:
        document["request_at"] = request_at
    response = make_response(json.dumps(document, ensure_ascii=False), status)
    response.content_type = PROBLEM_TYPE
    return response


def _answer(kind: str, status: int, detail: str, request_at: str | None = None) -> Response:
    if is_machine(request.path):
        return problem(kind, status, detail, request_at)
    title = tr(TITLES.get(kind, TITLES["error"]))
    page = render_template(
        "error.html", title=title, detail=detail, status=status, request_at=request_at
    )
    return make_response(page, status)


def _known(error: HindsightError) -> Response:
    if error.http_status >= 500:
        log.error("%s: %s", request.path, error)
    return _answer(
        error.kind, error.http_status, error.text(current_language()), request_address(error)
    )


def _forged(_error: CSRFError) -> Response:
    return _answer(
        "denied", 400, tr("the form has expired or came from elsewhere; reload the page, then send"
                          " it again")
    )  # fmt: skip


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    if error.response is not None or status < 400:
        return make_response(error.get_response())
    kind, sentence = HTTP.get(status, ("invalid" if status < 500 else "error", None))
    detail = tr(sentence) if sentence else (error.description or error.name)
    return _answer(kind, status, detail)


def _unexpected(error: Exception) -> Response:
    # The last line of defence: whatever a view did not foresee becomes one sentence.
    log.error("%s %s failed", request.method, request.path, exc_info=error)
    return _answer(
        "error", 500, tr("an unexpected error happened; nothing half-done stays. Try again, and"
                         " report it with the time if it comes back")
    )  # fmt: skip
