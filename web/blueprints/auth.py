"""The door: log in, log out, language and colours, and the sign of life."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Blueprint, g, make_response, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from storage.errors import Denied
from storage.i18n import LANGUAGES, N_, current_language, tr
from web import context, language, sessions
from web.access import FIRST, desks_of

auth = Blueprint("auth", __name__)
THEME_COOKIE = "hindsight_theme"
# In the order the button goes through them.
THEMES = {"auto": N_("as the system"), "dark": N_("dark colours"), "light": N_("light colours")}
YEAR_S = 365 * 86400


@auth.get("/healthz")
def healthz() -> Response:
    """Whether the server answers; says nothing about the archive."""
    response = make_response("ok\n")
    response.content_type = "text/plain; charset=utf-8"
    return response


@auth.get("/")
def home() -> Response:
    """The desk this role begins at."""
    desks = [endpoint for endpoint, _ in desks_of(context.user())]
    first = FIRST.get(context.user().role)
    return redirect(url_for(first if first in desks else desks[0] if desks else "account.page"))


@auth.get("/login")
def login() -> str | Response:
    """The form; who is logged in already goes on."""
    if context.user_or_none() is not None:
        return redirect(local_path(request.args.get("next")))
    return render_template("login.html", next=request.args.get("next", ""), name="", error=None)


@auth.post("/login")
def log_in() -> Response:
    """Check name and password; a fresh session each time."""
    name = request.form.get("name", "").strip()
    back = request.form.get("next", "")
    try:
        found = sessions.log_in(
            context.directory(), name, request.form.get("password", ""), context.peer()
        )
    except Denied as error:
        page = render_template(
            "login.html", next=back, name=name, error=error.text(current_language())
        )
        return make_response(page, error.http_status)
    session.clear()  # the form token of before the login dies with it
    if found.pending:
        response = redirect(url_for("auth.code", next=back or None))
    else:
        response = redirect(local_path(back))
    give_session(response, found.token)
    return response


@auth.get("/login/code")
def code() -> str | Response:
    """The form for the code of the second factor, between the password and the desk."""
    if sessions.pending_user(context.directory(), sessions.cookie(request)) is None:
        return redirect(url_for("auth.login", next=request.args.get("next")))
    return render_template("code.html", next=request.args.get("next", ""), error=None)


@auth.post("/login/code")
def give_code() -> Response:
    """Check it; a fresh session each time."""
    back, given = request.form.get("next", ""), request.form.get("code", "")
    try:
        found = sessions.give_code(
            context.directory(), sessions.cookie(request), given, context.peer()
        )
    except sessions.NotLoggedIn:
        return redirect(url_for("auth.login", next=back or None))
    except Denied as error:
        page = render_template("code.html", next=back, error=error.text(current_language()))
        return make_response(page, error.http_status)
    session.clear()
    response = redirect(local_path(back))
    give_session(response, found.token)
    return response


@auth.post("/logout")
def log_out() -> Response:
    """End this session, here and on the server."""
    from web.blueprints.login_oidc import leave  # it adds its addresses to this blueprint

    id_token = sessions.log_out(context.directory(), context.user(), context.session_token())
    session.clear()
    g.user = None
    response = (leave(id_token) if id_token else None) or redirect(url_for("auth.login"))
    sessions.forget_cookie(response)
    response.delete_cookie(language.COOKIE)
    return response


@auth.post("/preferences")
def preferences() -> Response:
    """Language and colours; the page stays."""
    response = redirect(local_path(request.form.get("next")))
    if (lang := request.form.get("lang")) in LANGUAGES:
        response.set_cookie(
            language.COOKIE, lang, max_age=YEAR_S, httponly=True, samesite="Strict"
        )  # fmt: skip
        if (user := context.user_or_none()) is not None:
            sessions.set_language(context.directory(), user, lang)
    if (theme := request.form.get("theme")) in THEMES:
        response.set_cookie(THEME_COOKIE, theme, max_age=YEAR_S, httponly=True, samesite="Strict")
    return response


def theme() -> str:
    """The colours chosen in this browser."""
    chosen = request.cookies.get(THEME_COOKIE, "auto")
    return chosen if chosen in THEMES else "auto"


def next_theme() -> str:
    """What the button changes to."""
    names = list(THEMES)
    return names[(names.index(theme()) + 1) % len(names)]


def theme_label() -> str:
    """What the button says."""
    return tr("Colours: {theme}; change", theme=tr(THEMES[theme()]))


def give_session(response: Response, token: str) -> None:
    """Set the cookie with what the settings say."""
    settings = context.directory().settings
    sessions.set_cookie(
        response, token, hours=settings.web.session_hours,
        secure=request.is_secure or (settings.oidc.public_url or "").startswith("https:"),
    )  # fmt: skip


def local_path(target: str | None) -> str:
    """`target` if it is a path of this server, else the home page: no open redirect."""
    if target and len(target) < 4000:
        parts = urlsplit(target)
        plain = not parts.scheme and not parts.netloc
        if plain and target.startswith("/") and not target.startswith(("//", "/\\")):
            return target if "\\" not in target and target.isprintable() else url_for("auth.home")
    return url_for("auth.home")
