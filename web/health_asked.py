"""What the health desk is asked for: days, which cameras, in which order; in the address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from werkzeug.datastructures import MultiDict

from storage.clock import to_datetime
from storage.health import yesterday
from storage.i18n import N_
from storage.register import in_site
from storage.vocabulary import Camera
from web.strip import parse_day

SPANS: dict[str, tuple[int, str]] = {
    "day": (1, N_("one day")), "week": (7, N_("7 days")), "month": (30, N_("30 days")),
}  # fmt: skip
ORDERS: dict[str, str] = {"worst": N_("worst first"), "place": N_("by place")}
NO_DEPARTMENT = "-"  # in the address: cameras of none
PER_PAGE = 50
TABLES = ("camera", "site", "class", "department")


@dataclass(frozen=True, slots=True)
class Asked:
    """As read from the address; whatever cannot be is what is shown without it."""

    span: str  # of SPANS
    last: date
    tz: str  # whose yesterday it is, where no day was named
    site: str = ""
    site_class: str = ""
    department: str = ""
    camera: str = ""  # slug
    order: str = "worst"
    table: str = "camera"
    page: int = 1
    named: bool = False  # the day stands in the address

    @property
    def first(self) -> date:
        """The first day."""
        return self.last - timedelta(days=SPANS[self.span][0] - 1)

    @property
    def narrowed(self) -> bool:
        """Whether a filter leaves cameras out."""
        return bool(self.site or self.site_class or self.department or self.camera)

    def fits(self, camera: Camera) -> bool:
        """Whether a camera is asked for."""
        department = camera.department or NO_DEPARTMENT
        return (
            (not self.site or in_site(camera.site, self.site))
            and self.site_class in ("", str(camera.site_class))
            and self.department in ("", department)
            and self.camera in ("", camera.slug)
        )

    def values(self, **changes: Any) -> dict[str, str]:
        """Fields of the address with `changes`; what goes without saying is left out."""
        one = replace(self, **{"page": 1, **changes})
        found = {
            "span": "" if one.span == "day" else one.span,
            "day": one.last.isoformat() if one.named or "last" in changes else "",
            "site": one.site, "class": one.site_class, "department": one.department,
            "camera": one.camera, "order": "" if one.order == "worst" else one.order,
            "table": "" if one.table == "camera" else one.table,
            "page": "" if one.page == 1 else str(one.page),
        }  # fmt: skip
        return {name: value for name, value in found.items() if value}

    def address(self, **changes: Any) -> str:
        """Query string with `changes`."""
        return "?" + urlencode(self.values(**changes))

    @property
    def before(self) -> date:
        """The day to step back to."""
        return self.last - timedelta(days=SPANS[self.span][0])

    @property
    def after(self) -> date:
        """And on."""
        return self.last + timedelta(days=SPANS[self.span][0])


def read(values: MultiDict[str, str], cameras: Sequence[Camera], now_us: int) -> Asked:
    """Invalid: a day that is none. Without a day it is yesterday, by most cameras' clocks."""
    zones = [camera.tz for camera in cameras] or ["UTC"]
    tz = max(sorted(set(zones)), key=zones.count)
    text = values.get("day", "").strip()
    last = parse_day(text) if text else yesterday(now_us, tz)
    today = to_datetime(now_us, tz).date()
    page = values.get("page", "1")

    def one_of(name: str, known: Any, default: str) -> str:
        value = values.get(name, default)
        return value if value in known else default

    return Asked(
        span=one_of("span", SPANS, "day"),
        last=min(max(last, date(1971, 2, 1)), today),
        tz=tz,
        site=values.get("site", "").strip("/ "),
        site_class=one_of("class", ("1", "2", "3"), ""),
        department=values.get("department", "").strip(),
        camera=values.get("camera", "").strip(),
        order=one_of("order", ORDERS, "worst"),
        table=one_of("table", TABLES, "camera"),
        page=max(1, int(page)) if page.isascii() and page.isdigit() and len(page) < 6 else 1,
        named=bool(text),
    )
