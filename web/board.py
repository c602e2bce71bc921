"""The board of cameras: state, newest picture and its age, today's strip, by site."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from storage.clock import US, local_text
from storage.directory import DataDirectory
from storage.segments import neighbours
from storage.status import CameraOverview, camera_overview
from storage.vocabulary import Camera, Segment
from web.strip import Strip, day_of, strip

PLACE_LEVELS = 2  # of the site path that make a heading on the board
STALE_S = 90.0  # a picture older than a segment and a half looks old


@dataclass(frozen=True, slots=True)
class Watch:
    """One camera as it stands now."""

    overview: CameraOverview
    last: Segment | None  # newest closed segment
    strip: Strip
    now_us: int

    @property
    def camera(self) -> Camera:
        """Which."""
        return self.overview.camera

    @property
    def state(self) -> str:
        """A key of formats.STATES."""
        return "import" if self.camera.url is None else self.overview.state

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
    def picture_us(self) -> int | None:
        """An instant near the end of the newest closed segment."""
        if self.last is None:
            return None
        return max(self.last.start_us, self.last.end_us - US // 5)


def watches(directory: DataDirectory, cameras: list[Camera] | None = None) -> list[Watch]:
    """Each camera (all by default) as it stands now."""
    now_us = directory.clock.now_us()
    overviews = camera_overview(directory, cameras=cameras)
    with directory.ledger.read() as tx:
        newest = {one.camera.id: neighbours(tx, one.camera.id, now_us)[0] for one in overviews}
    return [
        Watch(
            one, newest[one.camera.id],
            strip(directory, one.camera, day_of(now_us, one.camera.tz)), now_us,
        )
        for one in overviews
    ]  # fmt: skip


def by_place(found: list[Watch]) -> list[tuple[str, list[Watch]]]:
    """(city/district, cameras there), places in order, cameras by site and name."""
    ordered = sorted(found, key=lambda one: (one.camera.site, one.camera.name))
    return [(place, list(group)) for place, group in groupby(ordered, key=_place)]


def _place(one: Watch) -> str:
    return " / ".join(one.camera.site.split("/")[:PLACE_LEVELS])
