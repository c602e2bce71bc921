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
from web import access, context, formats, forms, headers, language, problems, sessions
from web.addresses import picture_address
from web.blueprints.account import account
from web.blueprints.api import api
from web.blueprints.auth import auth, next_theme, theme, theme_label
from web.blueprints.cameras import cameras
from web.blueprints.export import export
from web.blueprints.media import media
from web.blueprints.player import player
from web.blueprints.search import search
from web.blueprints.searches import init_searches
from web.words import words

FORM_SLACK_BYTES = 100_000  # the other fields of a form beside its picture


def create_app(directory: DataDirectory) -> Flask:
    """The web application over one data directory."""
    app = Flask("web")
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
        SEND_FILE_MAX_AGE_DEFAULT=0,  # static files are asked for again and answered 304
    )
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    language.init_languages(app)
    formats.init_formats(app)
    problems.init_problems(app)
    access.init_access(app)  # before CSRF, so that a lost login is told as one
    headers.init_headers(app)
    forms.init_forms(app)
    csrf = CSRFProtect(app)
    csrf.exempt("web.blueprints.api.open_session")
    app.before_request(lambda: _check_form(csrf))
    init_searches(app)
    for name in ("standing", "marks", "audit_log"):
        import_module(f"web.blueprints.{name}")  # adds its operations to the API
    for name in ("own_factor", "own_sessions", "own_tokens"):
        import_module(f"web.blueprints.{name}")  # adds its pages to the account
    for blueprint in (auth, account, search, player, media, cameras, export, api):
        app.register_blueprint(blueprint)
    app.jinja_env.globals.update(
        user=context.user_or_none, words=words, theme=theme, here=_here, may=may,
        role_text=lambda role: tr(ROLES[role]), next_theme=next_theme, theme_label=theme_label,
        desks=lambda: access.desks_of(context.user()), picture_address=picture_address,
    )  # fmt: skip
    return app


def _check_form(csrf: CSRFProtect) -> None:
    """No other site can send an API token; whoever brings a cookie as well shows the form token."""
    if g.api_token is None or sessions.COOKIE in request.cookies:
        csrf.protect(apply_exemptions=True)


def _here() -> str:
    """The address of this page, to come back to after a form."""
    return request.full_path.rstrip("?") if request.method == "GET" else "/"
