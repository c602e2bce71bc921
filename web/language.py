"""Which of the two languages a request is answered in; Babel for numbers and dates."""

from __future__ import annotations

from typing import Any

from flask import Flask, Request, g, request
from flask_babel import Babel

from storage.i18n import LANGUAGES, current_language, normalise, tr, use_language

COOKIE = "hindsight_lang"
LOCALES = {"en": "en_GB", "zh": "zh_Hans_CN"}  # en_GB: day before month, 24 hours


def asked_language(request: Request) -> str:
    """What was chosen in this browser, else what the person prefers, else what it asks for."""
    chosen = request.cookies.get(COOKIE)
    if chosen in LANGUAGES:
        return chosen
    if g.get("user") is not None:
        return normalise(g.user.lang)
    best = request.accept_languages.best_match(["en", "zh", "zh-CN", "zh-Hans", "zh-Hans-CN"])
    return normalise(best)


def use_asked_language() -> None:
    """Called before every request, after the session is known."""
    use_language(asked_language(request))


def init_languages(app: Flask) -> None:
    """Wire storage.i18n into Jinja and Babel into Flask."""
    Babel(app, locale_selector=lambda: LOCALES[current_language()])
    app.jinja_env.globals["_"] = translate
    app.jinja_env.globals["lang"] = current_language


def translate(message: str, **fields: Any) -> str:
    """`_()` of the templates: one catalogue for pages, commands and errors."""
    return tr(message, **fields)
