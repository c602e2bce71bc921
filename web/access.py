"""Who may reach which page: one table, one gate before every request, closed by default."""

from __future__ import annotations

from flask import Flask, g, redirect, request, url_for
from werkzeug.wrappers import Response

from storage.errors import Denied
from storage.i18n import N_, tr
from storage.rights import Verb, may, require
from storage.vocabulary import Role, User
from web import context, sessions
from web.approvals import approvals_desk
from web.language import use_asked_language
from web.sessions import NotLoggedIn

# Reached without a login: the way in, and what says nothing about the archive.
OPEN = frozenset({"static", "auth.login", "auth.log_in", "auth.code", "auth.give_code",
                  "auth.preferences", "auth.healthz", "api.open_session", "auth.begin_at_provider",
                  "auth.end_at_provider"})  # fmt: skip
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
    "search.mark": Verb.SEARCH,
    "search.refine": Verb.SEARCH,
    "search.neighbours_in_time": Verb.PLAY,
    "search.cards_so_far": Verb.SEARCH,
    "player.page": Verb.PLAY,
    "player.day": Verb.PLAY,
    "player.near": Verb.PLAY,
    "player.scrub": Verb.PLAY,
    "media.scrubbed": Verb.PLAY,
    "media.opening": Verb.PLAY,
    "media.playlist": Verb.PLAY,
    "media.segment": Verb.PLAY,
    "media.init": Verb.PLAY,
    "media.masked_piece": Verb.PLAY,
    "media.still": Verb.PLAY,
    "media.snapshot": Verb.PLAY,
    "media.picture": Verb.SEARCH,
    "cameras.board": Verb.SEE,
    "cameras.live": Verb.SEE,
    "cameras.page": Verb.SEE,
    "register.new": Verb.MANAGE,
    "register.add": Verb.MANAGE,
    "register.edit": Verb.MANAGE,
    "register.change": Verb.MANAGE,
    "register.enabled": Verb.MANAGE,
    "register.attempt": Verb.MANAGE,
    "register.table": Verb.MANAGE,
    "register.send_table": Verb.MANAGE,
    "register.preview": Verb.MANAGE,
    "register.import_table": Verb.MANAGE,
    "register.export": Verb.MANAGE,
    "standing_desk.page": Verb.SEARCH,
    "standing_desk.add": Verb.SEARCH,
    "standing_desk.show": Verb.SEARCH,
    "standing_desk.extend": Verb.SEARCH,
    "standing_desk.end": Verb.SEARCH,
    "timeline.page": Verb.SEE,
    "timeline.rows": Verb.SEE,
    "api.show_timeline": Verb.SEE,
    "health.page": Verb.SEE,
    "health.now": Verb.SEE,
    "health.export": Verb.SEE,
    "api.show_health": Verb.SEE,
    "api.show_completeness": Verb.SEE,
    "archive.page": Verb.SEE,
    "archive.promise": Verb.MANAGE,  # and HOLD, of every camera of the class
    "archive.decide": Verb.MANAGE,
    "archive.withdraw": Verb.MANAGE,
    "archive.holds": Verb.SEE,
    "archive.hold": Verb.HOLD,
    "archive.held": Verb.SEE,
    "archive.release": Verb.HOLD,
    "archive.deleted": Verb.SEE,
    "archive.violated": Verb.SEE,
    "archive.export": Verb.SEE,
    "api.show_retention": Verb.SEE,
    "api.set_promise": Verb.MANAGE,
    "api.withdraw_promise": Verb.MANAGE,
    "api.show_forecast": Verb.SEE,
    "api.list_violations": Verb.SEE,
    "api.list_volumes": Verb.SEE,
    "api.list_holds": Verb.SEE,
    "api.add_hold": Verb.HOLD,
    "api.release_hold": Verb.HOLD,
    "map.page": Verb.SEE,
    "map.card": Verb.SEE,
    "map.ground_file": Verb.SEE,
    "map.tile": Verb.SEE,
    "api.map_cameras": Verb.SEE,
    "api.map_states": Verb.SEE,
    "export.page": Verb.EXPORT,
    "export.begin": Verb.EXPORT,
    "export.job": Verb.EXPORT,
    "export.cancel": Verb.EXPORT,
    "export.bundle": Verb.EXPORT,
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
    "api.begin_export": Verb.EXPORT,
    "api.list_exports": Verb.EXPORT,
    "api.export_state": Verb.EXPORT,
    "api.end_export": Verb.EXPORT,
    "api.export_bundle": Verb.EXPORT,
    "redaction.page": Verb.EXPORT,
    "api.redaction_picture": Verb.EXPORT,
    "api.begin_redaction": Verb.EXPORT,
    "api.redaction_state": Verb.EXPORT,
    "api.stop_redaction": Verb.EXPORT,
    "api.take_redaction": Verb.EXPORT,
    "api.list_audit": Verb.AUDIT,
    "api.export_audit": Verb.AUDIT,
    "api.begin_verifying": Verb.AUDIT,
    "api.show_verifying": Verb.AUDIT,
    "audit.page": Verb.AUDIT,
    "audit.export": Verb.AUDIT,
    "audit.verification": Verb.AUDIT,
    "audit.verify": Verb.AUDIT,
    "people.page": Verb.ADMINISTER,
    "people.add": Verb.ADMINISTER,
    "people.add_department": Verb.ADMINISTER,
    "people.person": Verb.ADMINISTER,
    "people.change": Verb.ADMINISTER,
    "grants.page": Verb.ADMINISTER,
    "grants.add": Verb.ADMINISTER,
    "grants.revoke": Verb.ADMINISTER,
    "api.list_users": Verb.ADMINISTER,
    "api.add_user": Verb.ADMINISTER,
    "api.show_user": Verb.ADMINISTER,
    "api.change_user": Verb.ADMINISTER,
    "api.list_departments": Verb.ADMINISTER,
    "api.add_department": Verb.ADMINISTER,
    "api.list_grants": Verb.ADMINISTER,
    "api.add_grant": Verb.ADMINISTER,
    "api.revoke_grant": Verb.ADMINISTER,
    "approvals.page": Verb.SEE,  # shown is one's own, and what is one's to answer
    "approvals.ask": Verb.SEARCH,
    "approvals.give": Verb.APPROVE,
    "approvals.refuse": Verb.APPROVE,
    "approvals.revoke": Verb.SEE,
    "api.list_approvals": Verb.SEE,
    "api.request_approval": Verb.SEARCH,
    "api.give_approval": Verb.APPROVE,
    "api.refuse_approval": Verb.APPROVE,
    "api.revoke_approval": Verb.SEE,
    "cases.page": Verb.SEE,  # shown are those one knows of
    "cases.begin": Verb.SEARCH,
    "cases.case": Verb.SEE,
    "cases.close": Verb.SEARCH,
    "cases.hand_over": Verb.SEARCH,
    "cases.take_back": Verb.SEARCH,
    "cases.note": Verb.SEARCH,
    "cases.remove": Verb.SEARCH,
    "api.list_cases": Verb.SEE,
    "api.open_case": Verb.SEARCH,
    "api.show_case": Verb.SEE,
    "api.close_case": Verb.SEARCH,
    "api.hand_case_over": Verb.SEARCH,
    "api.take_case_back": Verb.SEARCH,
    "api.list_exhibits": Verb.SEE,
    "api.add_exhibit": Verb.SEARCH,
    "api.note_exhibit": Verb.SEARCH,
    "api.remove_exhibit": Verb.SEARCH,
    "zones.page": Verb.SEE,
    "zones.add": Verb.MANAGE,
    "zones.end": Verb.MANAGE,
    "api.list_zones": Verb.SEE,
    "api.add_zone": Verb.MANAGE,
    "api.end_zone": Verb.MANAGE,
}


# The desks, in the order of the navigation; each role sees those it may work at.
DESKS: tuple[tuple[str, str], ...] = (
    ("search.desk", N_("Search")),
    ("timeline.page", N_("Timeline")),
    ("player.page", N_("Player")),
    ("map.page", N_("Map")),
    ("cases.page", N_("Cases")),
    ("export.page", N_("Export")),
    ("archive.page", N_("Archive")),
    ("health.page", N_("Health")),
    ("cameras.board", N_("Cameras")),
    ("audit.page", N_("Audit")),
    ("people.page", N_("People")),
)
# Where somebody of a role begins, if they may; else at the first desk they may work at.
FIRST: dict[Role, str] = {
    Role.OPERATOR: "health.page", Role.MANAGER: "archive.page", Role.AUDITOR: "audit.page",
}  # fmt: skip


def desks_of(user: User) -> list[tuple[str, str]]:
    """(endpoint, name in words) of the desks `user` may work at."""
    found = [(endpoint, tr(name)) for endpoint, name in DESKS if may(user, VERBS[endpoint])]
    approvals = approvals_desk(user)
    return found if approvals is None else [*found, ("approvals.page", approvals)]


def init_access(app: Flask) -> None:
    """Put the gate before every request."""
    app.before_request(_gate)


def is_machine(path: str) -> bool:
    """Whether the asker reads problem documents instead of pages."""
    return path.startswith(("/api/", "/media/")) or (
        request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json"
    )


def _page_before() -> str | None:
    """Of this server, where a form was sent from: what was typed is lost, but not the place."""
    referrer, here = request.referrer or "", request.host_url
    return referrer.removeprefix(here.rstrip("/")) if referrer.startswith(here) else None


def _gate() -> Response | None:
    endpoint = request.endpoint or ""
    g.user, g.session_token, g.api_token, g.vouched = (
        sessions.Came(None, "")
        if endpoint == "static"
        else sessions.load(context.directory(), request)
    )
    g.held_back = False
    use_asked_language()
    if endpoint in OPEN:
        return None
    if g.user is None:
        if is_machine(request.path):
            raise NotLoggedIn.again()
        back = request.full_path.rstrip("?") if request.method == "GET" else _page_before()
        return redirect(url_for("auth.login", next=None if back in (None, "/") else back))
    g.held_back = g.user.must_change
    if g.user.must_change and endpoint not in BEFORE_OWN_PASSWORD:
        if is_machine(request.path):
            raise Denied("choose your own password first: log in at /login with a browser")
        return redirect(url_for("account.first"))
    if not g.user.must_change and sessions.factor_is_due(context.directory(), g.user, g.vouched):
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
