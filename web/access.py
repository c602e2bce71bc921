"""Who may reach which page: one table, one gate before every request, closed by default."""

from __future__ import annotations

from flask import Flask, g, redirect, request, url_for
from werkzeug.wrappers import Response

from storage.errors import Denied
from storage.i18n import N_, tr
from storage.rights import Verb, may, require
from storage.vocabulary import User
from web import context, sessions
from web.language import use_asked_language
from web.sessions import NotLoggedIn

# Reached without a login: the way in, and what says nothing about the archive.
OPEN = frozenset({"static", "auth.login", "auth.log_in", "auth.code", "auth.give_code",
                  "auth.preferences", "auth.healthz", "api.open_session"})  # fmt: skip
# Reached by everybody who is logged in: their own account, and the way out.
OWN = frozenset({"auth.home", "auth.log_out", "account.page", "account.change_password",
                 "account.first", "account.choose_first", "api.openapi", "api.show_session",
                 "api.close_session", "account.factor", "account.begin_factor",
                 "account.confirm_factor", "account.remove_factor", "account.end_session",
                 "account.end_other_sessions", "account.tokens", "account.make_token",
                 "account.revoke_token"})  # fmt: skip
# Reached while the one-time password still waits to be replaced.
BEFORE_OWN_PASSWORD = frozenset({"account.first", "account.choose_first", "auth.log_out",
                                 "api.show_session", "api.close_session"})  # fmt: skip
# Reached while the second factor that the settings want of this role is not there.
BEFORE_FACTOR = frozenset({"account.factor", "account.begin_factor", "account.confirm_factor",
                           "auth.log_out", "api.show_session", "api.close_session"})  # fmt: skip
# Of what everybody logged in reaches, what an API token does too.
OWN_OF_TOKENS = frozenset({"api.openapi", "api.show_session"})
# Reached by who may search, for what they asked themselves, and by who audits, for all of it: the
# views see to that, and tell everybody else that there is nothing.
KEPT_SEARCHES = frozenset({"api.list_searches", "api.search_state", "api.search_moments",
                           "api.search_differences", "api.search_marks",
                           "api.case_marks"})  # fmt: skip
# Everything else needs the right to do what it does.
VERBS: dict[str, Verb] = {
    "search.desk": Verb.SEARCH,
    "search.upload": Verb.SEARCH,
    "search.query_picture": Verb.SEARCH,
    "player.page": Verb.PLAY,
    "player.day": Verb.PLAY,
    "media.opening": Verb.PLAY,
    "media.playlist": Verb.PLAY,
    "media.segment": Verb.PLAY,
    "media.init": Verb.PLAY,
    "media.still": Verb.PLAY,
    "media.snapshot": Verb.PLAY,
    "media.picture": Verb.SEARCH,
    "cameras.board": Verb.SEE,
    "cameras.live": Verb.SEE,
    "cameras.page": Verb.SEE,
    "export.page": Verb.EXPORT,
    "export.download": Verb.EXPORT,
    "api.search": Verb.SEARCH,
    "api.begin_search": Verb.SEARCH,
    "api.end_search": Verb.SEARCH,
    "api.search_again": Verb.SEARCH,
    "api.put_mark": Verb.SEARCH,
    "api.take_back_mark": Verb.SEARCH,
    "api.refine_search": Verb.SEARCH,
    "api.list_standing": Verb.SEARCH,
    "api.add_standing": Verb.SEARCH,
    "api.show_standing": Verb.SEARCH,
    "api.extend_standing": Verb.SEARCH,
    "api.end_standing": Verb.SEARCH,
    "api.list_webhooks": Verb.SEARCH,
    "api.cameras": Verb.SEE,
    "api.camera": Verb.SEE,
    "api.segments": Verb.SEE,
    "api.gaps": Verb.SEE,
    "api.status": Verb.SEE,
    "api.export": Verb.EXPORT,
    "api.list_audit": Verb.AUDIT,
}


# The desks, in the order of the navigation; each role sees those it may work at.
DESKS: tuple[tuple[str, str], ...] = (
    ("search.desk", N_("Search")),
    ("player.page", N_("Player")),
    ("cameras.board", N_("Cameras")),
    ("export.page", N_("Export")),
)


def desks_of(user: User) -> list[tuple[str, str]]:
    """(endpoint, name in words) of the desks `user` may work at."""
    return [(endpoint, tr(name)) for endpoint, name in DESKS if may(user, VERBS[endpoint])]


def init_access(app: Flask) -> None:
    """Put the gate before every request."""
    app.before_request(_gate)


def is_machine(path: str) -> bool:
    """Whether the asker reads problem documents instead of pages."""
    return path.startswith(("/api/", "/media/")) or (
        request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json"
    )


def _gate() -> Response | None:
    endpoint = request.endpoint or ""
    g.user, g.session_token, g.api_token = (
        (None, "", None) if endpoint == "static" else sessions.load(context.directory(), request)
    )
    g.held_back = False
    use_asked_language()
    if endpoint in OPEN:
        return None
    if g.user is None:
        if is_machine(request.path):
            raise NotLoggedIn.again()
        back = request.full_path.rstrip("?") if request.method == "GET" else None
        return redirect(url_for("auth.login", next=None if back in (None, "/") else back))
    g.held_back = g.user.must_change
    if g.user.must_change and endpoint not in BEFORE_OWN_PASSWORD:
        if is_machine(request.path):
            raise Denied("choose your own password first: log in at /login with a browser")
        return redirect(url_for("account.first"))
    if not g.user.must_change and sessions.factor_is_due(context.directory(), g.user):
        g.held_back = True
        if endpoint not in BEFORE_FACTOR:
            if is_machine(request.path):
                raise Denied("set up your second factor first: log in at /login with a browser")
            return redirect(url_for("account.factor"))
    if g.api_token is not None and endpoint in OWN - OWN_OF_TOKENS:
        raise Denied("an API token does not reach this; log in with a password")
    if endpoint in OWN or not endpoint:
        return None  # an unknown address goes on to its 404
    if endpoint in KEPT_SEARCHES and may(g.user, Verb.AUDIT):
        return None
    verb = Verb.SEARCH if endpoint in KEPT_SEARCHES else VERBS.get(endpoint)
    if verb is None:
        raise Denied("this address is closed: nobody was given a right to it")
    require(g.user, verb)
    return None
