"""A camera's facts as options and as JSON; what `camera add`, `set`, `list` and `import` share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click

from storage.clock import rfc3339
from storage.errors import Invalid
from storage.i18n import N_
from storage.logs import redact
from storage.settings import RetentionSettings
from storage.source_url import split_url
from storage.vocabulary import Camera

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--site", metavar="A/B/C", help=N_("place, from the city down: city/district/…")),
    click.option(
        "--class", "site_class", type=click.Choice(["1", "2", "3"]),
        help=N_("class of the site: 1, 2 or 3"),
    ),
    click.option("--gb-code", metavar="DIGITS", help=N_("GB/T 28181 code, 20 digits")),
    click.option("--lat", metavar="DEGREES", help=N_("latitude, WGS 84")),
    click.option("--lon", metavar="DEGREES", help=N_("longitude, WGS 84")),
    click.option("--tz", metavar="ZONE", help=N_("time zone of its site, such as Asia/Shanghai")),
    click.option("--department", metavar="TEXT", help=N_("who answers for it")),
    click.option("--address", metavar="TEXT", help=N_("postal address")),
    click.option("--vendor", metavar="TEXT", help=N_("who made it")),
    click.option(
        "--view", "view_deg", metavar="DEGREES",
        help=N_("direction it looks in, clockwise from north"),
    ),
    click.option(
        "--retention", "retention_class", metavar="CLASS",
        help=N_("named promise of the settings that replaces the site class's"),
    ),
    click.option(
        "--sensitive", "sensitive", flag_value="yes", default=None,
        help=N_("to search, play or export it, somebody else has to approve it first"),
    ),
    click.option("--not-sensitive", "sensitive", flag_value="no", help=N_("not any more")),
)  # fmt: skip
_NUMBERS = ("lat", "lon", "view_deg")


def camera_facts(command: F) -> F:
    """The options of `_OPTIONS`, as one keyword each."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def as_facts(given: Mapping[str, str | None], retention: RetentionSettings) -> dict[str, Any]:
    """Options as typed → facts of the register; '' becomes None, what was not given is absent.

    Invalid when a number is none or the retention class is not in the settings; ranges are the
    register's business.
    """
    return {
        field: as_fact(field, text, retention) for field, text in given.items() if text is not None
    }


def as_fact(field: str, text: str, retention: RetentionSettings) -> Any:
    """One fact, see `as_facts`."""
    text = text.strip()
    if field == "site":
        return text
    if field == "sensitive":
        return bool(text) and yes_or_no(text)
    if not text:
        return 3 if field == "site_class" else "UTC" if field == "tz" else None
    if field == "site_class":
        return int(text) if text in ("1", "2", "3") else _not_a_class(text)
    if field in _NUMBERS:
        try:
            return float(text)
        except ValueError:
            raise Invalid("{value} is not a number of degrees", value=repr(text[:40])) from None
    if field == "retention_class" and text not in retention.named_days:
        raise Invalid(
            "retention class {name} is not in the settings; add it to retention.named_days",
            name=text[:40],
        )
    return text


def yes_or_no(text: str) -> bool:
    """A word of a table or an option; Invalid when it is neither."""
    word = text.lower()
    if word in ("0", "false", "no", "否"):
        return False
    if word in ("1", "true", "yes", "是"):
        return True
    raise Invalid("{value} is neither yes nor no", value=repr(text[:40]))


def _not_a_class(text: str) -> int:
    raise Invalid("site class {value} must be 1, 2 or 3", value=text[:40])


def source_of(url: str) -> tuple[str, tuple[str, str] | None]:
    """URL as typed → (URL without credentials, credentials or None), see storage.source_url.

    A `file:` with a relative path gets the current folder: a recorder may be started anywhere.
    """
    clean, credentials = split_url(url)
    parts = urlsplit(clean)
    if parts.scheme == "file" and not parts.path.startswith("/"):
        clean = parts._replace(path=str(Path(parts.path).absolute())).geturl()
    return clean, credentials


def document(camera: Camera, state: str | None = None, sealed: bool = False) -> dict[str, object]:
    """A camera as JSON. Its URL is without credentials, those in a query string included."""
    return {
        "slug": camera.slug,
        "name": camera.name,
        "site": camera.site,
        "class": camera.site_class,
        "url": None if camera.url is None else redact(camera.url),
        "credentials": sealed,
        "enabled": camera.enabled,
        "state": state,
        "tz": camera.tz,
        "lat": camera.lat,
        "lon": camera.lon,
        "view": camera.view_deg,
        "gb_code": camera.gb_code,
        "department": camera.department,
        "address": camera.address,
        "vendor": camera.vendor,
        "retention": camera.retention_class,
        "sensitive": camera.sensitive,
        "created": rfc3339(camera.created_us),
    }
