"""How long footage is kept: the promise of a camera, the cap of a volume, and what is held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, exists, or_, select

from storage import schema
from storage.clock import US
from storage.i18n import N_
from storage.promise_tables import promise_decision
from storage.segments import KEPT
from storage.settings import RetentionSettings, Settings
from storage.vocabulary import Camera

DAY_US = 86_400 * US
CAPPED = N_("volume {volume} keeps nothing longer than {days} days")
CAPPED_1 = N_("volume {volume} keeps nothing longer than {days} day")
_s = schema.segment.c
_h = schema.hold.c
_d = promise_decision.c


@dataclass(frozen=True, slots=True)
class Promise:
    """How long a camera's footage is kept. `days` None: its class is unknown, all is kept."""

    days: float | None
    rule: str  # as it stands in the settings, e.g. 'class_3_days = 30', or as it was decided

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


@dataclass(frozen=True, slots=True)
class Decided:
    """What people decided in place of a setting."""

    number: int
    days: float


def decided(tx: Connection, at_us: int) -> dict[str, Decided]:
    """Setting → what overrides it at an instant: the last in effect that was not taken back."""
    query = (
        select(_d.rule, _d.id, _d.days)
        .where(_d.effective_us <= at_us, _d.withdrawn_us.is_(None))
        .order_by(_d.effective_us, _d.id)
    )
    return {rule: Decided(number, days) for rule, number, days in tx.execute(query)}


def rule_of(settings: RetentionSettings, camera: Camera) -> str:
    """The setting that rules a camera: its own, else of its retention class, else of its site's."""
    if camera.slug in settings.camera_days:
        return f"camera_days.{camera.slug}"
    if camera.retention_class is not None:
        return f"named_days.{camera.retention_class}"
    return f"class_{camera.site_class}_days"


def days_set(settings: RetentionSettings, rule: str) -> float | None:
    """What the settings alone say of a rule; None: nothing."""
    kind, _, name = rule.partition(".")
    if not name:
        return float(getattr(settings, rule))
    days: dict[str, float] = getattr(settings, kind)
    return days.get(name)


def promise(
    settings: RetentionSettings, camera: Camera, decisions: Mapping[str, Decided]
) -> Promise:
    """What holds for a camera: as was decided of its rule, else as it is set."""
    rule = rule_of(settings, camera)
    if (one := decisions.get(rule)) is not None:
        return Promise(one.days, f"{rule} = {one.days:g}, decision {one.number}")
    days = days_set(settings, rule)
    return Promise(days, f"{rule} = {'not set' if days is None else f'{days:g}'}")


class Terms:
    """What is due at one instant, of every camera on every volume."""

    def __init__(
        self, tx: Connection, settings: Settings, cameras: Sequence[Camera], now_us: int
    ) -> None:
        self.now_us = now_us
        self.decided = decided(tx, now_us)
        self.promises = {
            camera.id: promise(settings.retention, camera, self.decided) for camera in cameras
        }
        self._caps = {
            name: one.keep_days
            for name, one in settings.volumes.items()
            if one.keep_days is not None
        }
        self.undecided = [
            camera.slug for camera in cameras if self.promises[camera.id].days is None
        ]  # kept whole until a setting names their class

    def stand(self, tx: Connection, now_us: int) -> bool:
        """Whether nothing else was decided meanwhile, e.g. to keep for longer."""
        return decided(tx, now_us) == self.decided

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
        reason = CAPPED_1 if cap == 1 else CAPPED
        return rule, Broken(one, reason.format(volume=volume, days=f"{cap:g}"))

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
