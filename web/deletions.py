"""Deletions and violations as lists: tombstones by when they were made, and what went too early."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

from sqlalchemy import BigInteger, ColumnElement, Connection, func, literal_column, or_, select

from storage import schema
from storage.clock import to_datetime
from storage.errors import Invalid
from storage.ledger import Ledger
from storage.promises import DAY_US
from storage.register import in_site
from storage.vocabulary import Camera
from web.asked import local_time

PER_PAGE = 50
AT_ONCE = 1000  # of a file
SPAN_DAYS = 30
_s = schema.segment.c


@dataclass(frozen=True, slots=True)
class Asked:
    """What stands in the address."""

    cameras: tuple[Camera, ...]  # that fit
    everything: bool  # no camera or site was named
    camera: str
    site: str
    start: str  # as typed
    end: str
    tz: str
    from_us: int
    to_us: int
    before: str  # of the page: the last row of the one before it

    def address(self, **changes: str) -> str:
        """Query string with `changes`; empty fields are left out."""
        values = {"camera": self.camera, "site": self.site, "from": self.start, "to": self.end,
                  "tz": self.tz if self.start or self.end else "", **changes}  # fmt: skip
        return "?" + urlencode({name: value for name, value in values.items() if value})


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A deleted segment."""

    id: str
    camera: Camera
    start_us: int
    end_us: int
    size_bytes: int
    sha256: str
    volume: str
    at_us: int
    rule: str
    file_gone_us: int | None


@dataclass(frozen=True, slots=True)
class DaySum:
    """What of a camera was deleted by one rule on one day."""

    day: str  # of UTC
    camera: Camera
    rule: str
    segments: int
    size_bytes: int
    us: int


def read(values: Mapping[str, str], seen: Sequence[Camera], tz: str, now_us: int) -> Asked:
    """Invalid: a time that is none, or a span that ends before it begins. Without one: the last
    days."""
    camera, site = values.get("camera", "").strip(), values.get("site", "").strip("/ ")
    start, end = values.get("from", "").strip(), values.get("to", "").strip()
    tz = values.get("tz", "").strip() or tz
    to_us = local_time(end, tz) if end else now_us + 1
    from_us = local_time(start, tz) if start else min(now_us, to_us) - SPAN_DAYS * DAY_US
    if from_us >= to_us:
        raise Invalid("the span ends before it begins")
    fit = tuple(
        one for one in seen
        if camera in ("", one.slug, one.name) and (not site or in_site(one.site, site))
    )  # fmt: skip
    return Asked(
        fit, not camera and not site, camera, site, start, end, tz, from_us, to_us,
        values.get("before", ""),
    )  # fmt: skip


def page(tx: Connection, asked: Asked) -> tuple[list[Tombstone], str | None]:
    """The newest after `asked.before`, and where the next page begins."""
    found = _read(tx, asked, _place(asked.before), PER_PAGE + 1)
    shown = found[:PER_PAGE]
    after = f"{shown[-1].at_us}-{shown[-1].id}" if len(found) > PER_PAGE else None
    return shown, after


def every(ledger: Ledger, asked: Asked) -> Iterator[Tombstone]:
    """All of them, streamed; each piece in a transaction of its own."""
    place: tuple[int, str] | None = None
    while True:
        with ledger.read() as tx:
            found = _read(tx, asked, place, AT_ONCE)
        yield from found
        if len(found) < AT_ONCE:
            return
        place = found[-1].at_us, found[-1].id


def by_day(tx: Connection, asked: Asked) -> list[DaySum]:
    """In sums, the newest day first."""
    # Rounded down; in figures, so that PostgreSQL sees that what is selected is what is grouped.
    day = _s.expired_us // literal_column(str(DAY_US), BigInteger)
    known = {one.id: one for one in asked.cameras}
    query = (
        select(day.label("day"), _s.camera_id, _s.expired_rule, func.count(),
               func.sum(_s.size_bytes), func.sum(_s.end_us - _s.start_us))
        .where(*_within(asked))
        .group_by(day, _s.camera_id, _s.expired_rule)
    )  # fmt: skip
    found = [
        DaySum(_day(int(number)), known[key], rule, int(count), int(size_bytes), int(us))
        for number, key, rule, count, size_bytes, us in tx.execute(query)
        if key in known
    ]
    return sorted(found, key=lambda one: (one.day, one.camera.slug, one.rule), reverse=True)


def _day(number: int) -> str:
    return (to_datetime(0) + timedelta(days=number)).date().isoformat()


def _within(asked: Asked) -> list[ColumnElement[bool]]:
    """SQL. The sum keeps SQLite at the index of deletions, whatever cameras are asked for."""
    keys = sorted({one.id for one in asked.cameras})
    return [
        _s.expired_us >= asked.from_us,
        _s.expired_us < asked.to_us,
        (_s.camera_id + 0).in_(keys),
    ]


def _read(
    tx: Connection, asked: Asked, place: tuple[int, str] | None, most: int
) -> list[Tombstone]:
    known = {one.id: one for one in asked.cameras}
    query = (
        select(_s.id, _s.camera_id, _s.start_us, _s.end_us, _s.size_bytes, _s.sha256, _s.volume,
               _s.expired_us, _s.expired_rule, _s.unlinked_us)
        .where(*_within(asked))
        .order_by(_s.expired_us.desc(), _s.id.desc())
        .limit(most)
    )  # fmt: skip
    if place is not None:
        at_us, key = place
        query = query.where(_s.expired_us <= at_us, or_(_s.expired_us < at_us, _s.id < key))
    return [
        Tombstone(
            row.id, known[row.camera_id], row.start_us, row.end_us, row.size_bytes, row.sha256,
            row.volume, row.expired_us, row.expired_rule, row.unlinked_us,
        )
        for row in tx.execute(query)
    ]  # fmt: skip


def _place(text: str) -> tuple[int, str] | None:
    """Where a page goes on; what cannot be read is the first page."""
    at_us, _, key = text.partition("-")
    if at_us.isascii() and at_us.isdigit() and len(at_us) < 18 and key.isalnum():
        return int(at_us), key
    return None
