"""The account's second factor: begin, confirm, recovery codes, take off."""

from __future__ import annotations

import io

import segno
from flask import flash, make_response, redirect, render_template, request, session, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from storage import second_factor
from storage.errors import HindsightError
from storage.i18n import tr
from storage.people import has_factor
from web import context, sessions
from web.blueprints.account import account
from web.blueprints.auth import give_session

QR_MODULE_PX = 4
QR_MARGIN = 4  # modules; readers want them light, also on a dark page


@account.get("/factor")
def factor() -> str:
    """Where it stands, and the next step."""
    user, directory = context.user(), context.directory()
    with directory.ledger.read() as tx:
        there = has_factor(tx, user.id)
        waiting = second_factor.begun(tx, directory.vault(), user, context.session_token())
        left = second_factor.recovery_codes_left(tx, user)
    return render_template(
        "factor.html", there=there, waiting=waiting, left=left,
        due=sessions.factor_is_due(directory, user, context.vouched()),
        proven=sessions.proven_lately(context.vouched(), context.now_us()),
        picture=None if waiting is None else _qr(waiting.address),
    )  # fmt: skip


@account.post("/factor/begin")
def begin_factor() -> Response:
    """Make a secret and show it, after the password."""
    try:
        sessions.begin_factor(
            context.directory(), context.user(), request.form.get("current", ""), context.peer(),
            context.session_token(),
        )  # fmt: skip
    except HindsightError as error:
        flash(error.text(), "error")
    return redirect(url_for("account.factor"))


@account.post("/factor/confirm")
def confirm_factor() -> Response:
    """The first code: the factor counts; its recovery codes are shown this once."""
    code = request.form.get("code", "")
    try:
        codes, token = sessions.confirm_factor(
            context.directory(), context.user(), code, context.peer(), context.session_token()
        )
    except HindsightError as error:
        flash(error.text(), "error")
        return redirect(url_for("account.factor"))
    session.clear()
    response = make_response(render_template("recovery.html", codes=codes))
    give_session(response, token)
    return response


@account.post("/factor/remove")
def remove_factor() -> Response:
    """Take it off, by the password and a code of it."""
    user, directory = context.user(), context.directory()
    try:
        sessions.prove(
            directory, user, request.form.get("current", ""), context.peer(),
            context.session_token(),
        )  # fmt: skip
        token = sessions.remove_factor(
            directory, user, request.form.get("code", ""), context.peer(),
            context.session_token(),
        )  # fmt: skip
    except HindsightError as error:
        flash(error.text(), "error")
        return redirect(url_for("account.factor"))
    session.clear()
    flash(tr("your second factor is taken off; other sessions of yours have ended"), "done")
    response = redirect(url_for("account.factor"))
    give_session(response, token)
    return response


def _qr(text: str) -> Markup:
    """Inline SVG without style attributes, which the content security policy would refuse."""
    drawn = io.BytesIO()
    segno.make(text, micro=False, error="m").save(
        drawn, kind="svg", scale=QR_MODULE_PX, border=QR_MARGIN, light="#fff", xmldecl=False,
        svgns=False, nl=False, title=tr("QR code for your authenticator app"),
    )  # fmt: skip
    return Markup(drawn.getvalue().decode())  # segno escapes the title; the rest is paths
