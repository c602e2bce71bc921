"""The archive desk: what classes are promised and get, the volumes, what goes next."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from storage import holding, promise_changes
from storage.access import Access
from storage.cases import holds
from storage.directory import DataDirectory
from storage.discreet import discreet_volumes, without_folders
from storage.due import Planned, plan
from storage.errors import Denied, HindsightError
from storage.forecast import CameraForecast, Forecast, VolumeForecast
from storage.holding import NOTHING, Footage
from storage.i18n import N_, tr
from storage.outlook import Ahead, ahead, forget
from storage.promise_changes import Change, Decision
from storage.promises import DAY_US, Decided, decided, rule_of
from storage.register import cameras
from storage.rights import Verb, refusal
from storage.status import VolumeOverview, volume_overview
from storage.violations import Tally, Violation, violations
from storage.vocabulary import Camera
from storage.volume_states import headroom_bytes
from storage.volumes import known_volumes
from web import context

EARLY_DAYS = 30
NAMED = 20  # cameras of a class; the register has them all
NOT_ALL = N_(
    "a promise holds for every camera of its class, and of these you may not change all; ask"
    " somebody who may"
)


@dataclass(frozen=True, slots=True)
class Pending:
    """A decision that has not taken effect, with what it would let go of."""

    decision: Decision
    loses: Footage  # of the cameras this person sees


@dataclass(frozen=True, slots=True)
class ClassRow:
    """A class of sites, or a retention class: its promise and what becomes of it."""

    rule: str
    days: float | None  # promised; None: no setting names it, all is kept
    decision: int | None  # number of the decision; None: as it is set
    cameras: int
    footage_bytes: int
    kept_days: float | None  # age of its oldest footage
    breaks_us: int | None
    gets_days: float | None  # what it gets once it is full, when that is less than promised
    stops_us: int | None  # a volume is full then, and recording stops there
    pending: Pending | None
    mine: tuple[Camera, ...]  # of its cameras, the first this person may put into another class

    @property
    def name(self) -> str:
        """As `promise_changes.rule_named` takes it."""
        return promise_changes.class_of(self.rule)

    @property
    def named(self) -> bool:
        """A retention class, not a class of sites."""
        return self.rule.startswith("named_days.")

    @property
    def filled(self) -> float:
        """Part of the promise that is reached, for the bar."""
        return _part(self.kept_days, self.days)

    @property
    def limit(self) -> float | None:
        """Part of the promise at which footage will go; None: it is kept."""
        return None if self.gets_days is None else _part(self.gets_days, self.days)


@dataclass(frozen=True, slots=True)
class VolumeRow:
    """A volume: how full it is, and when it is full."""

    now: VolumeOverview
    uuid: str | None
    ahead: VolumeForecast | None
    reserve_bytes: int  # headroom that is kept for the next segments
    held: Footage  # of the cameras this person sees
    full_us: int | None
    when_full: str

    @property
    def used(self) -> float:
        """Footage as a part of the disk, for the bar."""
        return _part(self.now.footage_bytes, self.now.total_bytes)

    @property
    def other(self) -> float:
        """What else lies on the disk."""
        if self.now.total_bytes is None or self.now.free_bytes is None:
            return 0.0
        taken = self.now.total_bytes - self.now.free_bytes - (self.now.footage_bytes or 0)
        return _part(max(0, taken), self.now.total_bytes)

    @property
    def floor(self) -> float:
        """What is to stay free."""
        return _part(self.now.floor_bytes, self.now.total_bytes)


@dataclass(frozen=True, slots=True)
class Overview:
    """The archive as this person may see it."""

    now_us: int
    cameras: list[Camera]
    everywhere: bool  # all cameras are among them
    tz: str
    classes: list[ClassRow]
    others: list[tuple[Camera, CameraForecast]]  # whose own days stand in the settings
    mine: frozenset[int]  # cameras this person may change
    volumes: list[VolumeRow]
    coming: Planned
    early: Tally
    breaks_us: int | None
    may_change: bool
    decisions: list[Decision]
    foreseen_us: int  # when the forecast was made


def overview(*, folders: bool) -> Overview:
    """Everything of the first page."""
    directory = context.directory()
    told = ahead(directory)
    with directory.ledger.read() as tx:
        access = context.access(tx)
        seen = access.register(tx, Verb.SEE)
        mine = frozenset(one.id for one in access.register(tx, Verb.MANAGE))
        now_us = access.at_us
        now = decided(tx, now_us)
        waiting = promise_changes.waiting(tx, now_us)
        past = promise_changes.decisions(tx)
        ids = {one.id for one in seen}
        alive = [one for one in holds(tx, at_us=now_us) if one.camera_id in ids]
        kept = holding.held_by_volume(tx, alive)
        uuids = known_volumes(tx)
        early = violations(tx, camera_ids=sorted(ids), from_us=now_us - EARLY_DAYS * DAY_US)
        pending = {one.rule: _pending(tx, directory, one, told, seen) for one in waiting}
    coming = of_cameras(told.forecast, {one.slug for one in seen})
    rows = _classes(directory, seen, coming, now, pending, mine)
    own = {one.camera: one for one in coming.cameras}
    return Overview(
        now_us, seen, access.everywhere, most_common_zone(seen), rows,
        [(one, own[one.slug]) for one in seen
         if one.slug in directory.settings.retention.camera_days and one.slug in own],
        mine,
        _volumes(directory, coming, kept, uuids, folders),
        plan(directory, ids), tallied(early), first_break(coming),
        {Verb.MANAGE, Verb.HOLD} <= access.verbs, past, coming.now_us,
    )  # fmt: skip


def _pending(
    tx: Connection, directory: DataDirectory, one: Decision, told: Ahead, seen: Sequence[Camera]
) -> Pending:
    """What it lets go of: as reckoned with the forecast, or now if it was not decided here."""
    mine = _following(directory, seen, one.rule)
    known = told.losses.get(one.id)
    if known is None:
        lost = promise_changes.losing(
            tx, directory.settings, mine, one.days, one.before_days, one.effective_us
        )  # fmt: skip
        return Pending(one, promise_changes.together(lost)[0])
    return Pending(one, sum((known.get(camera.id, NOTHING) for camera in mine), NOTHING))


def first_break(ahead: Forecast) -> int | None:
    """When the first promise to one of its cameras breaks."""
    return min((one.breaks_us for each in ahead.volumes for one in each.breaks), default=None)


def of_cameras(found: Forecast, slugs: set[str]) -> Forecast:
    """What it says of these cameras; volumes are told whole."""
    volumes = tuple(
        replace(one, breaks=tuple(each for each in one.breaks if each.camera in slugs))
        for one in found.volumes
    )
    mine = tuple(one for one in found.cameras if one.camera in slugs)
    return replace(found, cameras=mine, volumes=volumes)


def tallied(early: Sequence[Violation]) -> Tally:
    """In sums."""
    return Tally(
        len({one.camera_id for one in early}),
        sum(one.segments for one in early),
        sum(one.size_bytes for one in early),
    )


def most_common_zone(some: Sequence[Camera]) -> str:
    """By which a page tells times that are no camera's."""
    zones = [one.tz for one in some] or ["UTC"]
    return max(sorted(set(zones)), key=zones.count)


def propose(name: str, days_text: str) -> Change:
    """What another promise would do. Denied: it holds for cameras they may not change."""
    directory = context.directory()
    with directory.ledger.read() as tx:
        access = context.access(tx)
        change = promise_changes.propose(
            tx, directory.settings, name, days_of(days_text), access.at_us
        )
        _require(tx, access, change.cameras)
    return change


def decide(name: str, days_text: str, reason: str) -> tuple[Decision, Change]:
    """Promise it."""
    directory = context.directory()
    change = propose(name, days_text)  # reckoned before: recording waits for nobody's sums
    with directory.ledger.write() as tx:
        access = context.access(tx)
        _require(tx, access, change.cameras)
        actor = context.actor(reason=reason)
        made = promise_changes.decide(tx, actor, directory.settings, change, access.at_us)
    forget(directory)
    return made, change


def withdraw(number: int, reason: str) -> Decision:
    """Take it back before it takes effect."""
    directory = context.directory()
    with directory.ledger.write() as tx:
        access = context.access(tx)
        found = promise_changes.find_decision(tx, number)
        _require(tx, access, _following(directory, cameras(tx), found.rule))
        made = promise_changes.withdraw(tx, context.actor(reason=reason), number, access.at_us)
    forget(directory)
    return made


def days_of(text: str) -> float:
    """As typed; what is no number is refused with the rest."""
    try:
        return float(text.strip())
    except ValueError:
        return float("nan")


def _require(tx: Connection, access: Access, mine: Sequence[Camera]) -> None:
    """Of the cameras of a class; of all there are for one that has none yet."""
    for verb in (Verb.MANAGE, Verb.HOLD):
        if verb not in access.verbs:
            raise refusal(access.name, verb)
        if not all(access.may(verb, one) for one in mine or cameras(tx)):
            raise Denied(NOT_ALL)


def _following(directory: DataDirectory, among: Sequence[Camera], rule: str) -> list[Camera]:
    return [one for one in among if rule_of(directory.settings.retention, one) == rule]


def _classes(
    directory: DataDirectory, seen: Sequence[Camera], ahead: Forecast, now: dict[str, Decided],
    pending: dict[str, Pending], changeable: frozenset[int],
) -> list[ClassRow]:  # fmt: skip
    retention = directory.settings.retention
    by_rule: dict[str, list[CameraForecast]] = defaultdict(list)
    named: dict[str, list[Camera]] = defaultdict(list)
    told = {one.camera: one for one in ahead.cameras}
    for camera in seen:
        if camera.slug in told:
            by_rule[rule_of(retention, camera)].append(told[camera.slug])
        if camera.id in changeable:
            named[rule_of(retention, camera)].append(camera)
    rows = []
    for rule in promise_changes.rules(retention, seen, [*now, *pending]):
        mine = by_rule[rule]
        slugs = {one.camera for one in mine}
        days = promise_changes.days_now(retention, now, rule)
        broken = [
            (each.breaks_us, volume)
            for volume in ahead.volumes for each in volume.breaks if each.camera in slugs
        ]  # fmt: skip
        gets = [
            volume.reaches_days for _, volume in broken if volume.reaches_days is not None
        ]  # fmt: skip
        stops = [
            ahead.now_us + int(volume.full_in_days * DAY_US)
            for volume in ahead.volumes
            if volume.when_full == "stop" and volume.full_in_days is not None and mine
        ]
        oldest = [one.oldest_us for one in mine if one.oldest_us is not None]
        least = min(gets, default=None)
        rows.append(
            ClassRow(
                rule,
                days,
                now[rule].number if rule in now else None,
                len(mine),
                sum(one.footage_bytes for one in mine),
                (ahead.now_us - min(oldest)) / DAY_US if oldest else None,
                min((us for us, _ in broken), default=None),
                least if least is not None and days is not None and least < days else None,
                min(stops, default=None),
                pending.get(rule),
                tuple(named[rule][:NAMED]),
            )
        )
    return rows


def _volumes(
    directory: DataDirectory, ahead: Forecast, kept: dict[str, Footage], uuids: dict[str, str],
    folders: bool,
) -> list[VolumeRow]:  # fmt: skip
    told = {one.name: one for one in ahead.volumes}
    found = volume_overview(directory)
    if not folders:
        found = discreet_volumes(directory, found)
    rows = []
    for each in found:
        one, coming = each, told.get(each.name)
        if coming is not None and one.footage_bytes is None:  # not measured by a recorder yet
            one = replace(one, footage_bytes=coming.footage_bytes)
        if coming is not None and not folders:
            coming = replace(coming, error=without_folders(directory, coming.error))
        full = None if coming is None else coming.full_in_days
        rows.append(
            VolumeRow(
                one,
                uuids.get(one.name),
                coming,
                _reserve(directory, one.name),
                kept.get(one.name, NOTHING),
                None if full is None else ahead.now_us + int(full * DAY_US),
                directory.settings.volumes[one.name].when_full,
            )
        )
    return rows


def _reserve(directory: DataDirectory, name: str) -> int:
    """Headroom; nothing where the disk does not answer."""
    try:
        return headroom_bytes(directory, directory.archive.volume(name))
    except (HindsightError, OSError):
        return 0


def _part(some: float | None, whole: float | None) -> float:
    return 0.0 if not some or not whole else min(1.0, some / whole)


def class_text(rule: str) -> str:
    """A class in words."""
    name = promise_changes.class_of(rule)
    if rule.startswith("named_days."):
        return tr(N_("retention class {name}"), name=name)
    return tr(N_("sites of class {n}"), n=name)
