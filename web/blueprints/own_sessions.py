"""The account's sessions: one ended, or all others at once."""

from __future__ import annotations

from flask import flash, redirect, request, url_for
from werkzeug.wrappers import Response

from storage import audit, login_sessions
from storage.errors import NotFound
from storage.i18n import tr
from web import context
from web.blueprints.account import account


@account.post("/sessions/end")
def end_session() -> Response:
    """End one; that of this browser is ended by logging out."""
    user = context.user()
    try:
        with context.directory().ledger.write() as tx:
            login_sessions.end_session(tx, user, request.form.get("session", ""))
            audit.record(tx, context.actor(), "session.end", user.name, at_us=context.now_us())
        flash(tr("the session is ended"), "done")
    except NotFound as error:
        flash(error.text(), "error")
    return redirect(url_for("account.page"))


@account.post("/sessions/end-others")
def end_other_sessions() -> Response:
    """End all but this one."""
    user = context.user()
    with context.directory().ledger.write() as tx:
        ended = login_sessions.end_sessions(tx, user, but=context.session_token())
        audit.record(
            tx, context.actor(), "session.end", user.name, at_us=context.now_us(),
            detail={"ended": ended},
        )  # fmt: skip
    flash(tr("all your other sessions are ended"), "done")
    return redirect(url_for("account.page"))
