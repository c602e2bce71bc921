"""The application factory: settings, gate, headers, languages, blueprints."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module

from flask import Flask, g, request
from flask_wtf.csrf import CSRFProtect

from storage.commands.user import ROLES
from storage.directory import DataDirectory
from storage.i18n import tr
from storage.rights import may
from web import (
    access,
    casework,
    context,
    formats,
    forms,
    frame,
    headers,
    language,
    packing,
    problems,
    sessions,
    statics,
)
from web.addresses import picture_address
from web.blueprints.account import account
from web.blueprints.api import api
from web.blueprints.approvals import approvals
from web.blueprints.archive import archive
from web.blueprints.audit_desk import audit
from web.blueprints.auth import auth, next_theme, theme, theme_label
from web.blueprints.cameras import cameras
from web.blueprints.cases import cases
from web.blueprints.export import export
from web.blueprints.grants import grants
from web.blueprints.health import health
from web.blueprints.map import map_desk
from web.blueprints.media import media
from web.blueprints.people import people
from web.blueprints.player import player
from web.blueprints.redaction import redaction
from web.blueprints.register import register
from web.blueprints.search import search
from web.blueprints.searches import init_searches, jobs
from web.blueprints.standing_desk import standing_desk
from web.blueprints.timeline import timeline
from web.blueprints.zone_pages import zone_pages
from web.exporting import init_exports, runner
from web.live_test import init_live_test
from web.proxies import BehindProxies
from web.redactions import init_redactions
from web.verifying import init_verifying, verifier
from web.words import words

FORM_SLACK_BYTES = 100_000  # the other fields of a form beside its picture


def create_app(directory: DataDirectory) -> Flask:
    """The web application over one data directory."""
    app = Flask("web", static_folder=None)
    settings = directory.settings.web
    app.extensions[context.EXTENSION] = directory
    app.config.update(
        SECRET_KEY=directory.key("session.key"),
        SESSION_COOKIE_NAME="hindsight_form",  # holds the form token only, see web.sessions
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_HTTPONLY=True,
        PERMANENT_SESSION_LIFETIME=timedelta(hours=settings.session_hours),
        WTF_CSRF_TIME_LIMIT=None,  # as long as the form session lives
        WTF_CSRF_HEADERS=["X-CSRF-Token"],
        WTF_CSRF_CHECK_DEFAULT=False,  # _check_form decides
        MAX_CONTENT_LENGTH=settings.upload_bytes + FORM_SLACK_BYTES,
        MAX_FORM_MEMORY_SIZE=FORM_SLACK_BYTES,
    )
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.wsgi_app = BehindProxies(app.wsgi_app, settings.proxies)  # type: ignore[assignment]
    language.init_languages(app)
    formats.init_formats(app)
    problems.init_problems(app)
    access.init_access(app)  # before CSRF, so that a lost login is told as one
    packing.init_packing(app)  # runs last of all: what is registered first is asked last
    headers.init_headers(app)
    statics.init_statics(app)
    forms.init_forms(app)
    csrf = CSRFProtect(app)
    csrf.exempt("web.blueprints.api.open_session")
    app.before_request(lambda: _check_form(csrf))
    init_searches(app)
    init_exports(app)
    init_live_test(app)
    init_redactions(app)
    init_verifying(app, directory)
    for name in ("standing", "marks", "audit_log", "people_api", "zones", "exports", "cases_api",
                 "map_api", "health_api", "archive_api"):  # fmt: skip
        import_module(f"web.blueprints.{name}")  # adds its operations to the API
    for name in ("own_factor", "own_sessions", "own_tokens"):
        import_module(f"web.blueprints.{name}")  # adds its pages to the account
    door = import_module("web.blueprints.login_oidc")  # adds its addresses to the door
    for blueprint in (
        auth, account, search, player, map_desk, media, cameras, export, redaction, approvals,
        health, archive, zone_pages, register, standing_desk, cases, people, grants, audit,
        timeline, api,
    ):  # fmt: skip
        app.register_blueprint(blueprint)
    app.jinja_env.globals.update(
        user=context.user_or_none, page_words=words, theme=theme, here=_here, may=may,
        role_text=lambda role: tr(ROLES[role]), next_theme=next_theme, theme_label=theme_label,
        provider_label=door.label, password_roles=door.password_roles,
        desks=frame.desks, case_at_hand=frame.case_at_hand, picture_address=picture_address,
        open_cases=casework.open_cases,
        watermarked=lambda: context.directory().settings.web.watermark,
    )  # fmt: skip
    return app


def _check_form(csrf: CSRFProtect) -> None:
    """No other site can send an API token; whoever brings a cookie as well shows the form token."""
    if g.api_token is None or sessions.COOKIE in request.cookies:
        csrf.protect(apply_exemptions=True)


def _here() -> str:
    """The address of this page, to come back to after a form."""
    if "here" in g:  # of a page that is shown at the address of another
        return str(g.here)
    return request.full_path.rstrip("?") if request.method == "GET" else "/"


def close_app(app: Flask) -> None:
    """End what works beside its requests: exports wait for the next server, searches are told."""
    runner(app).close()
    jobs(app).close()
    verifier(app).close()
