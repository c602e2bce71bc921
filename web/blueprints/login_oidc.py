"""The door at the login provider: sent there, come back, and handed back when they log out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import (
    Response as FlaskResponse,
)
from flask import (
    current_app,
    g,
    make_response,
    render_template,
    request,
    session,
    url_for,
)
from werkzeug.wrappers import Response

from storage.errors import Denied, HindsightError, NotFound
from storage.i18n import current_language, tr, use_language
from storage.settings_web import OidcSettings
from storage.vocabulary import Role
from web import context, oidc, sessions
from web.blueprints.auth import auth, give_session, local_path

if TYPE_CHECKING:
    from web.oidc_provider import Provider

EXTENSION = "hindsight.oidc"
COOKIE_PATH = "/login/oidc"


def provider() -> Provider:
    """That of the settings. NotFound when there is none."""
    if context.directory().settings.oidc.issuer is None:
        raise NotFound("nobody logs in at a provider here; use your password at /login")
    from web.oidc_provider import Provider  # Authlib: a tenth of a second that most need not wait

    found = current_app.extensions.get(EXTENSION)
    if found is None:
        found = current_app.extensions.setdefault(EXTENSION, Provider(context.directory()))
    assert isinstance(found, Provider)
    return found


@auth.get("/login/oidc")
def begin_at_provider() -> Response:
    """Send the browser to the login provider."""
    there, back = provider(), request.args.get("next", "")
    _refuse_embedded()
    try:
        begun = oidc.begin(
            context.directory(), there, local_path(back),
            again=request.args.get("again") == "1", before=sessions.cookie(request),
        )  # fmt: skip
    except HindsightError as error:
        return _login_page(error, back)
    response = FlaskResponse(status=302, headers={"Location": begun.url})
    # Lax: the browser brings it when the provider sends it back here, and nowhere else.
    response.set_cookie(
        begun.cookie, begun.sealed, max_age=oidc.LASTS_S, path=COOKIE_PATH, httponly=True,
        samesite="Lax", secure=_is_secure(there.settings),
    )  # fmt: skip
    return response


@auth.get("/login/oidc/return")
def end_at_provider() -> Response:
    """Come back from the login provider; a fresh session each time."""
    there = provider()
    _refuse_embedded()
    given = {name: values[0] for name, values in request.args.lists() if len(values) == 1}
    if any(len(value) > oidc.LONGEST_PARAMETER for value in given.values()):
        given = {}
    state = given.get("state", "")
    cookie = oidc.cookie_name(state)
    kept = oidc.kept_of(context.directory(), state, request.cookies.get(cookie, ""))
    if kept is not None:
        use_language(kept.lang)  # the cookie that says it is not sent from another site
    back = "" if kept is None else kept.back
    try:
        found = oidc.finish(context.directory(), there, kept, given, context.peer())
    except HindsightError as error:
        response = _login_page(error, back)
    else:
        session.clear()  # the form token of before the login dies with it
        target = url_for("auth.code", next=back) if found.pending else local_path(back)
        response = onward(tr("You are logged in"), tr("Go on"), target)
        give_session(response, found.token)
    response.delete_cookie(cookie, path=COOKIE_PATH, httponly=True, samesite="Lax")
    return response


def leave(id_token: str) -> Response | None:
    """The page that leads on to the provider, to end the session there; None if it has no such."""
    if context.directory().settings.oidc.issuer is None:
        return None
    target = provider().logout_url(id_token)
    if target is None:
        return None
    return onward(
        tr("You are logged out here"),
        tr("Log out at {provider} too", provider=label() or ""), target,
    )  # fmt: skip


def onward(title: str, text: str, target: str) -> Response:
    """A page of ours that goes on by itself."""
    g.here = target if local_path(target) == target else url_for("auth.login")
    return make_response(render_template("onward.html", title=title, text=text, target=target))


def label() -> str | None:
    """What people know the provider as; None: there is none."""
    settings = context.directory().settings.oidc
    return None if settings.issuer is None else settings.shown_label


def password_roles() -> str:
    """The roles that alone may use passwords, in words; "" when all may."""
    from storage.commands.user import ROLES

    roles = context.directory().settings.oidc.password_roles
    return "" if set(roles) == set(Role) else " · ".join(tr(ROLES[role]) for role in roles)


def _login_page(error: HindsightError, back: str) -> Response:
    g.here = url_for("auth.login", next=back or None)
    page = render_template("login.html", next=back, name="", error=error.text(current_language()))
    return make_response(page, error.http_status)


def _is_secure(settings: OidcSettings) -> bool:
    return (settings.public_url or "").startswith("https:")


def _refuse_embedded() -> None:
    """Pictures and frames of other sites begin and end no login."""
    if request.headers.get("Sec-Fetch-Dest", "document") != "document":
        raise Denied("a login is no part of another page; open it by itself")
