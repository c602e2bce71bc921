"""The board of cameras: state, newest picture and its age, today's strip, by site."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from urllib.parse import urlencode

from storage.clock import US, local_text
from storage.directory import DataDirectory
from storage.discreet import discreet_cameras
from storage.i18n import tr
from storage.register import in_site
from storage.segments import neighbours
from storage.status import CameraOverview, camera_overview
from storage.timeline import gaps
from storage.vocabulary import Camera, GapCause, Segment
from web.formats import number_text, span_text
from web.strip import Strip, day_of, strip

PLACE_LEVELS = 2  # of the site path that make a heading on the board
STALE_S = 90.0  # a picture older than a segment and a half looks old
PAGE = 48  # cameras at once: each has a picture and a day's strip of its own
RECENT_US = 86_400 * US  # a gap that is still open began at the latest so long ago, or is old news
LONG_GOP_S = 4.5  # from keyframe to keyframe; a recording can only be cut and sought at one
WRONG_CLOCK_S = 2.0


@dataclass(frozen=True, slots=True)
class Watch:
    """One camera as it stands now."""

    overview: CameraOverview
    last: Segment | None  # newest closed segment
    strip: Strip
    now_us: int
    cause: GapCause | None = None  # of the gap that is open now

    @property
    def camera(self) -> Camera:
        """Which."""
        return self.overview.camera

    @property
    def state(self) -> str:
        """A key of formats.STATES."""
        return state_of(self.overview)

    @property
    def stale(self) -> bool:
        """Whether the picture shown is no longer what happens there now."""
        return self.picture_us is None or self.now_us - self.picture_us > STALE_S * US

    @property
    def overdue(self) -> bool:
        """Whether a camera that should record has sent nothing for too long."""
        asked = self.camera.url is not None and self.camera.enabled
        return asked and (self.overview.age_s is None or self.overview.age_s > STALE_S)

    @property
    def picture_label(self) -> str:
        """When the shown picture was taken: the time, with its date unless it is today's."""
        if self.picture_us is None:
            return ""
        day, clock, _ = local_text(self.picture_us, self.camera.tz).split(" ")
        today = self.strip.day.isoformat()
        return clock[:8] if day == today else f"{day} {clock[:5]}"

    @property
    def picture_age(self) -> str:
        """How old the shown picture is, in words."""
        return "" if self.picture_us is None else span_text((self.now_us - self.picture_us) / US)

    @property
    def warnings(self) -> list[str]:
        """What of a camera that records is not as it should be."""
        said = []
        gop_s, offset_s = self.overview.gop_s, self.overview.clock_offset_s
        if gop_s is not None and gop_s > LONG_GOP_S:
            said.append(
                tr("a keyframe every {s} s only: turn smart codecs off", s=number_text(gop_s, 1))
            )
        if offset_s is not None and abs(offset_s) > WRONG_CLOCK_S:
            said.append(tr("its clock is {s} s off", s=f"{offset_s:+.1f}"))
        return said

    @property
    def picture_us(self) -> int | None:
        """An instant near the end of the newest closed segment."""
        if self.last is None:
            return None
        return max(self.last.start_us, self.last.end_us - US // 5)


@dataclass(frozen=True, slots=True)
class Asked:
    """What part of the register is asked for; the address of the board."""

    text: str = ""
    site: str = ""  # this subtree
    state: str = ""  # a key of formats.STATES
    page: int = 1

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Asked:
        """Out of an address; what makes no sense there asks for nothing."""
        page = values.get("page", "")
        return cls(
            values.get("q", "").strip()[:200], values.get("site", "").strip("/ ")[:400],
            values.get("state", ""), int(page) if page.isdecimal() and len(page) < 5 else 1,
        )  # fmt: skip

    def address(self, **changes: str | int) -> str:
        """Query string with `changes`; whatever is changed, the first page of it is shown."""
        one = replace(self, **({"page": 1} | changes))  # type: ignore[arg-type]
        pairs = {"q": one.text, "site": one.site, "state": one.state,
                 "page": "" if one.page <= 1 else str(one.page)}  # fmt: skip
        given = {name: value for name, value in pairs.items() if value}
        return "?" + urlencode(given) if given else "?"

    @property
    def narrowed(self) -> bool:
        """Whether some cameras are left out."""
        return bool(self.text or self.site or self.state)


@dataclass(frozen=True, slots=True)
class Board:
    """A page of the register as it stands now."""

    asked: Asked
    watches: list[Watch]
    found: int
    all: int
    states: list[tuple[str, int]]  # of what text and site leave, the most common first
    sites: list[tuple[str, int]]  # places, with the cameras in them
    pages: int


def board(
    directory: DataDirectory, register: list[Camera], asked: Asked, *, folders: bool = False
) -> Board:  # fmt: skip
    """The cameras of `register` that are asked for. Only those of the page are looked into."""
    overviews = camera_overview(directory, cameras=register)
    there = [one for one in overviews if _is_asked(one.camera, asked)]
    counts = Counter(state_of(one) for one in there)
    if asked.state:
        there = [one for one in there if state_of(one) == asked.state]
    there.sort(key=lambda one: (one.camera.site, one.camera.name))
    pages = max(1, -(-len(there) // PAGE))
    asked = replace(asked, page=min(max(1, asked.page), pages))
    shown = there[(asked.page - 1) * PAGE : asked.page * PAGE]
    return Board(
        asked, _watched(directory, shown, folders=folders), len(there), len(register),
        counts.most_common(), _places(register), pages,
    )  # fmt: skip


def state_of(one: CameraOverview) -> str:
    """A key of formats.STATES."""
    return "import" if one.camera.url is None else one.state


def _is_asked(camera: Camera, asked: Asked) -> bool:
    if asked.site and not in_site(camera.site, asked.site):
        return False
    words = asked.text.casefold().split()
    told = " ".join(
        filter(None, (camera.name, camera.slug, camera.site, camera.gb_code, camera.address,
                      camera.department, camera.vendor))
    ).casefold()  # fmt: skip
    return all(word in told for word in words)


def _places(register: Sequence[Camera]) -> list[tuple[str, int]]:
    counts: Counter[str] = Counter()
    for camera in register:
        parts = camera.site.split("/") if camera.site else []
        counts.update("/".join(parts[:n]) for n in range(1, min(len(parts), 3) + 1))
    return sorted(counts.items())


def watches(
    directory: DataDirectory, cameras: list[Camera] | None = None, *, folders: bool = False
) -> list[Watch]:
    """Each camera (all by default) as it stands now; `folders`: errors may name those of disks."""
    return _watched(directory, camera_overview(directory, cameras=cameras), folders=folders)


def _watched(
    directory: DataDirectory, overviews: Sequence[CameraOverview], *, folders: bool
) -> list[Watch]:
    now_us = directory.clock.now_us()
    if not folders:
        overviews = discreet_cameras(directory, overviews)
    keys = [one.camera.id for one in overviews]
    with directory.ledger.read() as tx:
        newest = {key: neighbours(tx, key, now_us)[0] for key in keys}
        lately = gaps(tx, camera_ids=keys, from_us=now_us - RECENT_US, to_us=now_us) if keys else []
    open_now = {gap.camera_id: gap.cause for gap in lately if gap.end_us is None}
    return [
        Watch(
            one, newest[one.camera.id],
            strip(directory, one.camera, day_of(now_us, one.camera.tz)), now_us,
            open_now.get(one.camera.id),
        )
        for one in overviews
    ]  # fmt: skip


def by_place(found: list[Watch]) -> list[tuple[str, list[Watch]]]:
    """(city/district, cameras there), places in order, cameras by site and name."""
    ordered = sorted(found, key=lambda one: (one.camera.site, one.camera.name))
    return [(place, list(group)) for place, group in groupby(ordered, key=_place)]


def _place(one: Watch) -> str:
    return " / ".join(one.camera.site.split("/")[:PLACE_LEVELS])
