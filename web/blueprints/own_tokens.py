"""The account's API tokens: made, listed, revoked."""

from __future__ import annotations

from flask import flash, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from storage import api_tokens, audit
from storage.errors import HindsightError, Invalid
from storage.i18n import N_, tr
from storage.rights import RIGHTS, Verb
from web import context, sessions
from web.blueprints.account import account

WORDS: dict[Verb, str] = {
    Verb.SEE: N_("see cameras and their state"),
    Verb.SEARCH: N_("search footage"),
    Verb.PLAY: N_("watch footage"),
    Verb.EXPORT: N_("export footage"),
    Verb.UNMASK: N_("see what privacy zones hide"),
    Verb.APPROVE: N_("approve what others look at"),
    Verb.HOLD: N_("hold footage"),
    Verb.MANAGE: N_("change cameras"),
    Verb.AUDIT: N_("read the audit log"),
    Verb.ADMINISTER: N_("manage users"),
}


@account.get("/tokens")
def tokens() -> str:
    """Those that work, and the form for another."""
    return _page()


@account.post("/tokens")
def make_token() -> Response:
    """Make one, after the password; it is shown in this answer and never again."""
    user, directory, form = context.user(), context.directory(), request.form
    try:
        sessions.prove(
            directory, user, form.get("current", ""), context.peer(), context.session_token()
        )
        with directory.ledger.write() as tx:
            sessions.still(tx, user, context.session_token(), context.now_us())
            made, token = api_tokens.add_token(
                tx, user, form.get("name", ""), _verbs(form.getlist("verb")),
                days=_days(form.get("days", "")), created_by=user.name, now_us=context.now_us(),
            )  # fmt: skip
            audit.record(
                tx, context.actor(), "token.add", user.name, at_us=context.now_us(),
                detail=api_tokens.detail(made),
            )  # fmt: skip
    except HindsightError as error:
        flash(error.text(), "error")
        return redirect(url_for("account.tokens"))
    return make_response(_page(made=made, token=token))


@account.post("/tokens/revoke")
def revoke_token() -> Response:
    """It works no more."""
    user, given = context.user(), request.form.get("token", "")
    try:
        number = int(given) if given.isascii() and given.isdigit() and len(given) < 18 else 0
        with context.directory().ledger.write() as tx:
            api_tokens.find_token(tx, number, user)
            gone = api_tokens.revoke_token(tx, number, by=user.name, now_us=context.now_us())
            audit.record(
                tx, context.actor(), "token.revoke", user.name, at_us=context.now_us(),
                detail=api_tokens.detail(gone),
            )  # fmt: skip
        flash(tr("API token {token} is revoked", token=gone.name), "done")
    except HindsightError as error:
        flash(error.text(), "error")
    return redirect(url_for("account.tokens"))


def _page(made: api_tokens.ApiToken | None = None, token: str = "") -> str:
    user = context.user()
    with context.directory().ledger.read() as tx:
        working = api_tokens.tokens(tx, user, works_us=context.now_us())
    return render_template(
        "tokens.html", proven=sessions.proven_lately(context.vouched(), context.now_us()),
        tokens=working, made=made, token=token,
        verbs=[
            (verb, tr(WORDS[verb])) for verb in Verb if verb in RIGHTS[user.role] - api_tokens.NEVER
        ],
        words_of=lambda one: [tr(WORDS[verb]) for verb in one.verbs], most=api_tokens.LONGEST_DAYS,
    )  # fmt: skip


def _verbs(given: list[str]) -> list[Verb]:
    try:
        return [Verb(one) for one in given]
    except ValueError:
        raise Invalid("name at least one verb for the token; nothing was made") from None


def _days(given: str) -> int:
    return int(given) if given.isascii() and given.isdigit() and len(given) < 6 else 0
