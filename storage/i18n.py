"""Owns the two languages: English is the message id, Simplified Chinese is a gettext catalogue."""

from __future__ import annotations

import gettext
import io
import locale
import os
from contextvars import ContextVar
from functools import cache
from pathlib import Path

LANGUAGES = ("en", "zh")
LOCALE_DIR = Path(__file__).parent / "locale"

# The language of the current command or request; a ContextVar so that two requests never mix.
_language: ContextVar[str] = ContextVar("hindsight_language", default="en")


def N_(message: str) -> str:
    """Mark a literal for translation later; returns it unchanged."""
    return message


def normalise(tag: str | None) -> str:
    """'zh_CN.UTF-8', 'zh-Hans' → 'zh'; anything else → 'en'."""
    return "zh" if (tag or "").lower().replace("_", "-").split("-")[0] == "zh" else "en"


def use_language(tag: str | None) -> None:
    """Set the language of the current context."""
    _language.set(normalise(tag))


def current_language() -> str:
    """'en' or 'zh'."""
    return _language.get()


def language_from_environment() -> str:
    """The language the terminal's locale asks for."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            return normalise(value)
    return normalise(locale.getlocale()[0])


@cache
def catalogue(lang: str) -> gettext.NullTranslations:
    """The catalogues of `lang`, one per room, compiled in memory so no built file goes stale."""
    merged = gettext.NullTranslations()
    if lang == "en":
        return merged
    from babel.messages.mofile import write_mo  # 4 MB that a recorder in English does without
    from babel.messages.pofile import read_po

    for path in sorted((LOCALE_DIR / lang / "LC_MESSAGES").glob("*.po")):
        with path.open("rb") as source:
            parsed = read_po(source, locale="zh_Hans_CN")
        compiled = io.BytesIO()
        write_mo(compiled, parsed)
        compiled.seek(0)
        one = gettext.GNUTranslations(compiled)
        one.add_fallback(merged)
        merged = one
    return merged


def tr(message: str, *, lang: str | None = None, **fields: object) -> str:
    """Translate `message` into `lang` (default: the current language) and fill its fields."""
    text = catalogue(lang or current_language()).gettext(message) if message else ""
    return text.format(**fields) if fields else text
