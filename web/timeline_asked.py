"""What a timeline is asked for: its address read, and addresses of other views of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection
from werkzeug.datastructures import MultiDict

from search.track import LONGEST_US, MOST_CAMERAS, SHORTEST_US
from storage.access import Access
from storage.clock import EARLIEST_US, LATEST_US, US, local_text, parse_time, to_datetime, zone
from storage.errors import Invalid
from storage.rights import Verb
from storage.vocabulary import Camera, Span
from web.asked import local_field, local_time
from web.places import zones

DAY_US = 86_400 * US
STEPS = (0.25, 4.0)  # a button zooms in, out, by so much
AHEAD = 0.01  # of a view that ends with now lies in the future, so that now is seen


@dataclass(frozen=True, slots=True)
class Asked:
    """Cameras and span, all of them settled."""

    chosen: tuple[str, ...]  # as the address names them; empty: all
    sites: tuple[str, ...]
    cameras: tuple[Camera, ...]  # of this page of them
    total: int  # cameras chosen, also beyond this page
    skip: int
    span: Span
    tz: str
    at_us: int | None
    known_zones: list[tuple[str, str]]
    now_us: int
    purpose: dict[str, str]  # case and reason, which go along

    def address(self, span: Span | None = None, **changes: Any) -> str:
        """Query string of another view."""
        other = replace(self, **changes)
        span = span or other.span
        pairs = [("camera", one) for one in other.chosen] + [("site", s) for s in other.sites]
        pairs += [("from", local(span.start_us, other.tz)), ("to", local(span.end_us, other.tz))]
        pairs.append(("tz", other.tz))
        if other.at_us is not None:
            pairs.append(("at", local(other.at_us, other.tz)))
        if other.skip:
            pairs.append(("skip", str(other.skip)))
        return "?" + urlencode([*pairs, *other.purpose.items()])

    @property
    def moves(self) -> dict[str, str]:
        """Buttons that are links: what each does → where it leads."""
        middle_us = (self.span.start_us + self.span.end_us) // 2
        length_us = self.span.duration_us
        centre_us = self.at_us if self.at_us is not None else middle_us
        return {
            "earlier": self.address(shifted(self.span, -length_us // 2)),
            "later": self.address(shifted(self.span, length_us // 2)),
            "now": self.address(with_now(length_us, self.now_us), at_us=None),
            "in": self.address(about(self.span, centre_us, STEPS[0])),
            "out": self.address(about(self.span, centre_us, STEPS[1])),
        }

    @property
    def last_month(self) -> Span:
        """What can be shown of a span that is too long."""
        return Span(max(self.span.start_us, self.span.end_us - 31 * DAY_US), self.span.end_us)

    @property
    def fields(self) -> tuple[str, str]:
        """From and to, as a form takes them."""
        return (
            local_field(local(self.span.start_us, self.tz), self.tz),
            local_field(local(self.span.end_us, self.tz), self.tz),
        )


def read(
    tx: Connection, access: Access, values: MultiDict[str, str], now_us: int
) -> Asked:  # fmt: skip
    """Out of an address. Without a span the last day; without cameras all one may see, a page of
    MOST_CAMERAS at a time. Invalid, NotFound, Denied say which field will not do."""
    names = tuple(filter(None, values.getlist("camera")))
    sites = tuple(filter(None, values.getlist("site")))
    register = access.register(tx, Verb.SEE)
    found = access.cameras(tx, Verb.SEE, names, sites) if names or sites else register
    ordered = _in_order(found, names)
    known = zones(register, now_us)
    tz = values.get("tz") or (ordered[0].tz if ordered else known[0][0])
    zone(tz)
    if tz not in dict(known):
        known.append((tz, local_text(now_us, tz).split(" ")[2]))
    skip = values.get("skip", "0")
    wanted = int(skip) if skip.isdecimal() and len(skip) < 10 else 0
    first = min(wanted, max(0, len(ordered) - 1))
    at = values.get("at")
    return Asked(
        names, sites, tuple(ordered[first : first + MOST_CAMERAS]), len(ordered), first,
        _span(values, tz, now_us), tz, instant(at, tz) if at else None, known,
        now_us,
        {name: values[name] for name in ("case", "reason") if values.get(name)},
    )  # fmt: skip


def instant(text: str, tz: str) -> int:
    """Microseconds as figures, or a time as typed."""
    if text.isdecimal():
        us = int(text) if len(text) <= 17 else LATEST_US
        if not EARLIEST_US <= us < LATEST_US:
            raise Invalid("time {time} lies outside 1971–2200; check the year", time=text[:40])
        return us
    return local_time(text, tz)


def local(us: int, tz: str) -> str:
    """2026-11-18T21:04:07.240+08:00: complete, and as short as it can be exact to the
    millisecond; to the microsecond where it must."""
    when = to_datetime(us, tz)
    spec = "seconds" if not us % US else "milliseconds" if not us % 1000 else "microseconds"
    return when.isoformat(timespec=spec)


def shifted(span: Span, by_us: int) -> Span:
    """The same length, so much later, within the years there are."""
    by_us = max(EARLIEST_US - span.start_us, min(by_us, LATEST_US - 1 - span.end_us))
    return Span(span.start_us + by_us, span.end_us + by_us)


def about(span: Span, centre_us: int, factor: float) -> Span:
    """`factor` times as long; the centre stays where it is drawn, when it is in the view."""
    length_us = round(min(LONGEST_US, max(SHORTEST_US, span.duration_us * factor)))
    share = (centre_us - span.start_us) / span.duration_us
    if not 0 <= share <= 1:
        share, centre_us = 0.5, (span.start_us + span.end_us) // 2
    start_us = max(EARLIEST_US, round(centre_us - share * length_us))
    return Span(start_us, start_us + length_us)


def spans(now_us: int, tz: str) -> dict[str, Span]:
    """Spans often looked at."""
    today = to_datetime(now_us, tz).replace(hour=0, minute=0, second=0, microsecond=0)
    begun_us = parse_time(today.isoformat())
    return {
        "hour": with_now(3600 * US, now_us),
        "today": Span(begun_us, max(begun_us + 3600 * US, now_us)),
        "day": with_now(DAY_US, now_us),
        "week": with_now(7 * DAY_US, now_us),
        "month": with_now(31 * DAY_US, now_us),
    }


def with_now(length_us: int, now_us: int) -> Span:
    """A view whose end is a little after now."""
    end_us = now_us + round(length_us * AHEAD)
    end_us += -end_us % (60 * US)  # a round minute reads better
    return Span(end_us - length_us, end_us)


def _span(values: MultiDict[str, str], tz: str, now_us: int) -> Span:
    start, end, at = values.get("from"), values.get("to"), values.get("at")
    if start and end:
        found = Span(instant(start, tz), instant(end, tz))
        if found.duration_us <= 0:
            raise Invalid("the end does not lie after the start; nothing is shown")
        return found
    if start:
        start_us = instant(start, tz)
        return Span(start_us, start_us + DAY_US)
    if end:
        end_us = instant(end, tz)
        return Span(end_us - DAY_US, end_us)
    if at:
        return about(Span(instant(at, tz) - 1800 * US, instant(at, tz) + 1800 * US), 0, 1.0)
    return with_now(DAY_US, now_us)


def _in_order(found: Sequence[Camera], names: tuple[str, ...]) -> list[Camera]:
    """Those that are named as they are named, the others by site and name."""
    place = {name: number for number, name in enumerate(names)}
    return sorted(
        found, key=lambda one: (place.get(one.slug, len(place)), one.site, one.name)
    )  # fmt: skip
