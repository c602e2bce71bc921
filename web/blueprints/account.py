"""A person's own account: password, language, and what else hangs on it."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from storage.errors import HindsightError, Invalid
from storage.i18n import tr
from storage.login_sessions import sessions_of, token_hash
from storage.people import has_factor
from web import context, sessions
from web.blueprints.auth import give_session

account = Blueprint("account", __name__, url_prefix="/account")


@account.get("")
def page() -> str:
    """What is known of the person, their sessions, and the form for another password."""
    directory, user = context.directory(), context.user()
    idle_s = directory.settings.web.idle_minutes * 60
    with directory.ledger.read() as tx:
        there = has_factor(tx, user.id)
        sessions_there = sessions_of(tx, user, context.now_us(), idle_s)
    return render_template(
        "account.html", there=there, sessions=sessions_there,
        proven=sessions.proven_lately(context.vouched(), context.now_us()),
        this=token_hash(context.session_token()),
    )  # fmt: skip


@account.post("")
def change_password() -> Response:
    """Replace the password; other sessions of the person end."""
    return _change("account.page", request.form.get("current", ""))


@account.get("/first")
def first() -> str | Response:
    """The one screen between a one-time password and the desk."""
    if not context.user().must_change:
        return redirect(url_for("auth.home"))
    return render_template("first.html")


@account.post("/first")
def choose_first() -> Response:
    """Take the person's own password; the login has just proven the one-time one."""
    if not context.user().must_change:
        return redirect(url_for("auth.home"))
    return _change("account.first", None)


def _change(back: str, current: str | None) -> Response:
    new = request.form.get("new", "")
    try:
        if new != request.form.get("again", ""):
            raise Invalid("the two new passwords differ; type the same one twice")
        token = sessions.change_password(
            context.directory(),
            context.user(),
            current,
            new,
            context.peer(),
            context.session_token(),
        )
    except HindsightError as error:
        flash(error.text(), "error")
        return redirect(url_for(back))
    session.clear()
    flash(tr("your password is changed; other sessions of yours have ended"), "done")
    response = redirect(url_for("auth.home" if current is None else "account.page"))
    give_session(response, token)
    return response
