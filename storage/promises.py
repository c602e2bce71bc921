"""How long footage is kept: the promise of a camera, the cap of a volume, and what is held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, exists, or_, select

from storage import schema
from storage.clock import US
from storage.i18n import N_
from storage.segments import KEPT
from storage.settings import RetentionSettings, Settings
from storage.vocabulary import Camera

DAY_US = 86_400 * US
CAPPED = N_("volume {volume} keeps nothing longer than {days} days")
_s = schema.segment.c
_h = schema.hold.c


@dataclass(frozen=True, slots=True)
class Promise:
    """How long a camera's footage is kept. `days` None: its class is unknown, all is kept."""

    days: float | None
    rule: str  # as it stands in the settings, e.g. 'class_3_days = 30'

    def until_us(self, end_us: int, created_us: int) -> int:
        """Until when footage is promised that ended, and came in, at these instants."""
        if self.days is None:
            raise ValueError(f"{self.rule}: no end was promised")
        # An import is young on the day it comes in, however old its pictures are.
        return max(end_us, created_us) + int(self.days * DAY_US)


@dataclass(frozen=True, slots=True)
class Broken:
    """A promise that is broken by a deletion, and why."""

    promise: Promise
    reason: str  # a sentence in English, see storage.volume_states.in_words


def promise(settings: RetentionSettings, camera: Camera) -> Promise:
    """The rule for a camera: its own days, else its retention class, else its site class."""
    if (days := settings.camera_days.get(camera.slug)) is not None:
        return Promise(days, f"camera_days.{camera.slug} = {days:g}")
    if camera.retention_class is not None:
        days = settings.named_days.get(camera.retention_class)
        shown = "not set" if days is None else f"{days:g}"
        return Promise(days, f"named_days.{camera.retention_class} = {shown}")
    name = f"class_{camera.site_class}_days"
    days = getattr(settings, name)
    return Promise(days, f"{name} = {days:g}")


class Terms:
    """What is due at one instant, of every camera on every volume."""

    def __init__(self, settings: Settings, cameras: Sequence[Camera], now_us: int) -> None:
        self.now_us = now_us
        self.promises = {camera.id: promise(settings.retention, camera) for camera in cameras}
        self._caps = {
            name: one.keep_days
            for name, one in settings.volumes.items()
            if one.keep_days is not None
        }
        self.undecided = [
            camera.slug for camera in cameras if self.promises[camera.id].days is None
        ]  # kept whole until a setting names their class

    @property
    def camera_ids(self) -> list[int]:
        """Cameras whose footage may fall due."""
        return [key for key, one in self.promises.items() if one.days is not None]

    def rule(self, camera_id: int, volume: str) -> tuple[str, Broken | None]:
        """Why due footage goes, and the promise that this breaks."""
        one = self.promises[camera_id]
        cap = self._caps.get(volume)
        if cap is None or one.days is None or cap >= one.days:
            return one.rule, None
        rule = f"volumes.{volume}.keep_days = {cap:g}, before {one.rule}"
        return rule, Broken(one, CAPPED.format(volume=volume, days=f"{cap:g}"))

    def days(self, camera_id: int, volume: str) -> float | None:
        """How long a camera's footage stays on a volume; None: for ever."""
        days = self.promises[camera_id].days
        return None if days is None else min(days, self._caps.get(volume, days))

    def due(self, camera_id: int) -> ColumnElement[bool]:
        """SQL: closed segments of a camera (one of `camera_ids`) that are due, held or not."""
        days = self.promises[camera_id].days
        assert days is not None, "of an undecided camera nothing is due"
        until = self._before(days)
        capped = {name: cap for name, cap in self._caps.items() if cap < days}
        aged = and_(_s.end_us <= until, _s.created_us <= until)
        if capped:
            aged = or_(
                and_(_s.volume.not_in(list(capped)), aged),
                *(
                    and_(_s.volume == name, _s.end_us <= cut, _s.created_us <= cut)
                    for name, cut in ((n, self._before(cap)) for n, cap in capped.items())
                ),
            )
            until = max(until, *(self._before(cap) for cap in capped.values()))
        return and_(KEPT, _s.camera_id == camera_id, _s.start_us <= until, aged)

    def _before(self, days: float) -> int:
        return self.now_us - int(days * DAY_US)


def held(now_us: int) -> ColumnElement[bool]:
    """SQL: whether a hold in force touches the segment row."""
    return exists(
        select(_h.id).where(
            _h.camera_id == _s.camera_id,
            _h.start_us < _s.end_us,
            _h.end_us > _s.start_us,
            _h.released_us.is_(None),
            or_(_h.expires_us.is_(None), _h.expires_us > now_us),
        )
    )
