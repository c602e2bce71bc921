"""How times, lengths, sizes and strengths read on a page."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from flask import Flask
from flask_babel import format_date, format_decimal, format_percent, get_locale
from markupsafe import Markup, escape

from storage.clock import local_text, rfc3339
from storage.commands.gaps import CAUSES
from storage.commands.status import STATES as storage_states
from storage.completeness import FLOOR, TARGET
from storage.events import SENTENCES, EventKind
from storage.i18n import N_, tr
from storage.logs import redact
from storage.vocabulary import GapCause

# The words of the command line, and one for cameras that never recorded by themselves.
STATES = {**storage_states, "import": N_("imports only")}


def init_formats(app: Flask) -> None:
    """Register the filters."""
    app.jinja_env.filters.update(
        moment=moment, span=span_text, size=size_text, day=day_text, number=number_text,
        percent=percent_text, cause=cause_text, event=event_text, state=state_text, rfc3339=rfc3339,
        redact=redact, prose=prose, local=local_text, days=days_text,
    )  # fmt: skip
    app.jinja_env.globals.update(strength=strength, counted=counted, N_=N_)


def moment(us: int, tz: str, *, css: str = "") -> Markup:
    """A complete local time as <time>, its UTC on hover."""
    text = local_text(us, tz)
    day, clock, offset = text.split(" ")
    return Markup(
        '<time class="moment {}" datetime="{}" title="{}">'
        "<span>{}</span> <b>{}</b> <i>{}</i></time>"
    ).format(css, rfc3339(us), f"UTC {rfc3339(us)}", day, clock, offset)


def prose(text: str) -> Markup:
    """A sentence of ours; `commands` in it are set as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def span_text(seconds: float) -> str:
    """A length of time, two units at most."""
    whole = round(seconds)
    if 0 < seconds < 10:
        return tr("{s} s", s=number_text(seconds, 1))
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if hours >= 48 and hours % 24 == 0 and not minutes:
        return tr("{d} d", d=number_text(hours // 24))
    if hours:
        return tr("{h} h {m} min", h=number_text(hours), m=minutes)
    if minutes:
        return tr("{m} min {s} s", m=minutes, s=rest) if rest else tr("{m} min", m=minutes)
    return tr("{s} s", s=rest)


def size_text(size_bytes: float) -> str:
    """Bytes in decimal units, as disks are sold."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size_bytes < 1000 or unit == "TB":
            break
        size_bytes /= 1000
    return f"{number_text(size_bytes, 0 if unit == 'B' else 1)} {unit}"


def number_text(value: float, digits: int = 0) -> str:
    """A number with the separators of the language."""
    pattern = "#,##0" + ("." + "0" * digits if digits else "")
    return str(format_decimal(round(value, digits), format=pattern))


def counted(n: int, one: str, many: str, **fields: Any) -> str:
    """`n` things, in the plural form that the language has for them; `{n}` with its separators.

    `one` and `many` are message ids: write `counted(n, N_("{n} gap"), N_("{n} gaps"))`.
    """
    locale = get_locale()
    is_one = locale is not None and locale.plural_form(n) == "one"
    return tr(one if is_one else many, n=number_text(n), **fields)


def days_text(days: float) -> str:
    """A number of days; decimals only where they are no whole ones."""
    if not days % 1:
        return counted(int(days), N_("{n} day"), N_("{n} days"))
    return tr("{n} days", n=number_text(days, 1))


def percent_text(share: float) -> str:
    """0…1 as per cent; never rounded up to 100, nor to a line of the programme that it misses."""
    shown = min(1, round(share, 3))
    if any(share < line <= shown for line in (FLOOR, TARGET, 1)):
        shown -= 0.001
    return str(format_percent(shown, format="#,##0.#%"))


def day_text(day: date) -> str:
    """A date with its weekday, in the words of the language."""
    return str(format_date(day, format="full"))


def event_text(kind: str) -> str:
    """What happened, in words; a later version's kind as it stands."""
    return tr(SENTENCES[EventKind(kind)]) if kind in set(EventKind) else kind


def cause_text(cause: str) -> str:
    """A gap's cause in words."""
    return tr(CAUSES[GapCause(cause)])


def state_text(state: str) -> str:
    """A camera's state in words."""
    return tr(STATES[state])


def strength(score: float, confident_from: float) -> int:
    """Calibrated score → 1…4 bars; 3 and 4 are confident matches."""
    if score >= confident_from:
        return 4 if score >= (1 + confident_from) / 2 else 3
    return 2 if score >= confident_from / 2 else 1
