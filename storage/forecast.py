"""Forecast: at the last day's bit rate, when is each volume full, and which promise breaks then?

Day by day, a volume gains what its cameras record and loses what falls due. Until the promise of
a camera is reached the stock grows; from then on it holds. If the volume is full before that, its
oldest footage goes early, and the promise of every camera that old breaks; or recording stops.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import ceil, inf

from sqlalchemy import Connection, func, select

from storage import schema
from storage.clock import US
from storage.directory import DataDirectory
from storage.errors import HindsightError
from storage.promises import DAY_US, Terms, held
from storage.register import cameras
from storage.segments import KEPT
from storage.violations import Tally, tally
from storage.vocabulary import Camera
from storage.volume_states import measure

HORIZON_DAYS = 3650  # a volume that is not full in ten years is called never full
MEASURED_US = DAY_US
SHORTEST_S = 60.0  # less footage than this is no measurement
VIOLATIONS_DAYS = 7
_s = schema.segment.c
Stock = Mapping[tuple[float | None, int], float]  # (days kept, age in days) → bytes


@dataclass(frozen=True, slots=True)
class CameraForecast:
    """What a camera writes and how long that is promised."""

    camera: str
    bitrate_bps: float | None  # None: too little was recorded in the last day
    bytes_per_day: float  # at that rate around the clock; 0 when disabled or not measured
    promise_days: float | None  # None: its retention class is not set, everything is kept
    promise: str  # the rule, as it stands in the settings
    oldest_us: int | None  # start of the oldest footage kept
    footage_bytes: int = 0  # kept now


@dataclass(frozen=True, slots=True)
class Break:
    """A promise to a camera that a volume will not keep at this rate."""

    camera: str
    promise: str  # the rule, as it stands in the settings
    promise_days: float
    breaks_us: int  # from then on its footage goes early


@dataclass(frozen=True, slots=True)
class VolumeForecast:
    """How a volume fills."""

    name: str
    free_bytes: int | None  # above the floor and below the quota; None: it cannot be reached
    footage_bytes: int
    inflow_bytes_per_day: float
    full_in_days: float | None  # None: never, the promise is reached first
    effective_days: float | None  # footage the volume can hold at this rate; None: no inflow
    promise_days: float | None  # longest promise of the cameras that write here
    error: str | None
    when_full: str = "expire_oldest"
    breaks: tuple[Break, ...] = ()  # the soonest first; none when recording stops instead
    reaches_days: float | None = None  # age of what goes once it is full; None: as promised


@dataclass(frozen=True, slots=True)
class Forecast:
    """All cameras and volumes."""

    now_us: int
    cameras: tuple[CameraForecast, ...]
    volumes: tuple[VolumeForecast, ...]
    violations: Tally  # of the last VIOLATIONS_DAYS days

    @property
    def breaks_us(self) -> int | None:
        """When the first promise breaks; None when all are kept."""
        days = [v.full_in_days for v in self.volumes if v.full_in_days is not None]
        return self.now_us + int(min(days) * DAY_US) if days else None


@dataclass(slots=True)
class _Flow:
    """What a camera writes to a volume, and how old its footage there is."""

    camera: Camera
    days: float | None  # it stays on this volume
    bytes_per_day: float = 0.0
    oldest_days: float = 0.0


@dataclass(slots=True)
class _Filled:
    """How a volume fills up."""

    full_in_days: float | None = None
    # Day → age from which on footage goes early that day; only days on which some does.
    horizon: dict[int, float] = field(default_factory=dict)


def forecast(directory: DataDirectory) -> Forecast:
    """Measure the last day and project each volume of the settings."""
    now_us = directory.clock.now_us()
    measured: list[CameraForecast] = []
    flows: dict[str, list[_Flow]] = defaultdict(list)
    with directory.ledger.read() as tx:
        known = cameras(tx)
        terms = Terms(tx, directory.settings, known, now_us)
        rates = _measure(tx, now_us)
        for camera in known:
            rate, shares = rates.get(camera.id, (None, {}))
            daily = (rate or 0.0) / 8 * 86_400 if camera.enabled and camera.url else 0.0
            for volume, share in shares.items():
                days = terms.days(camera.id, volume)
                flows[volume].append(_Flow(camera, days, daily * share))
            promised = terms.promises[camera.id]
            oldest = tx.execute(
                select(func.min(_s.start_us)).where(_s.camera_id == camera.id, KEPT)
            ).scalar()
            measured.append(
                CameraForecast(camera.slug, rate, daily, promised.days, promised.rule, oldest)
            )
        early = tally(tx, now_us - VIOLATIONS_DAYS * DAY_US)
    kept: dict[int, int] = defaultdict(int)
    volumes = tuple(
        _project(directory, name, flows[name], terms, kept) for name in directory.archive.volumes
    )
    keys = {camera.slug: camera.id for camera in known}
    measured = [replace(one, footage_bytes=kept[keys[one.camera]]) for one in measured]
    return Forecast(now_us, tuple(measured), volumes, early)


def _measure(tx: Connection, now_us: int) -> dict[int, tuple[float | None, dict[str, float]]]:
    """By camera: bits per recorded second over the last day, and which part went to which volume.

    Live segments of a camera follow one another, so their lengths add up.
    """
    length = func.sum(_s.end_us - _s.start_us)
    query = (
        select(_s.camera_id, _s.volume, func.sum(_s.size_bytes), length)
        .where(_s.start_us > now_us - MEASURED_US, _s.start_us < now_us, _s.origin == "live")
        .where(_s.state.in_(("closed", "expired")))  # both: by the index of state and start
        .group_by(_s.camera_id, _s.volume)
    )
    wrote: dict[int, dict[str, tuple[int, int]]] = defaultdict(dict)
    for camera_id, volume, size_bytes, us in tx.execute(query):
        wrote[camera_id][volume] = (int(size_bytes), int(us))
    found: dict[int, tuple[float | None, dict[str, float]]] = {}
    for camera_id, each in wrote.items():
        total = sum(size_bytes for size_bytes, _ in each.values())
        seconds = sum(us for _, us in each.values()) / US
        if seconds >= SHORTEST_S and total:
            shares = {volume: size_bytes / total for volume, (size_bytes, _) in each.items()}
            found[camera_id] = (total * 8 / seconds, shares)
    return found


def _project(
    directory: DataDirectory, name: str, flows: list[_Flow], terms: Terms, kept: dict[int, int]
) -> VolumeForecast:
    """`kept`: bytes by camera, to which the volume's are added."""
    with directory.ledger.read() as tx:  # its own: a long one keeps SQLite's log from shrinking
        stock, oldest, footage_bytes = _stock(tx, name, terms, kept)
    for flow in flows:
        flow.oldest_days = oldest.get(flow.camera.id, 0)
    inflow = sum(flow.bytes_per_day for flow in flows)
    promises = [terms.promises[flow.camera.id].days for flow in flows]
    longest = max((days for days in promises if days is not None), default=None)
    when_full = directory.settings.volumes[name].when_full
    try:
        volume = directory.archive.volume(name)
        volume.verify()
        free = max(0, measure(directory, volume, footage_bytes).room_bytes)
    except (HindsightError, OSError) as trouble:
        return VolumeForecast(
            name, None, footage_bytes, inflow, None, None, longest, str(trouble), when_full
        )
    filled = _fill(free, flows, stock)
    return VolumeForecast(
        name=name,
        free_bytes=free,
        footage_bytes=footage_bytes,
        inflow_bytes_per_day=inflow,
        full_in_days=filled.full_in_days,
        effective_days=(free + footage_bytes) / inflow if inflow else None,
        promise_days=longest,
        error=None,
        when_full=when_full,
        breaks=_breaks(filled, flows, terms) if when_full == "expire_oldest" else (),
        reaches_days=_reaches(free + footage_bytes - _for_ever(stock), flows),
    )


def _for_ever(stock: Stock) -> float:
    """What is held, or promised without an end."""
    return sum(size_bytes for (days, _), size_bytes in stock.items() if days is None)


def _reaches(room: float, flows: list[_Flow]) -> float | None:
    """The age that footage reaches in so much room, at this rate; None: all its promise."""
    terms = [(inf if flow.days is None else flow.days, flow.bytes_per_day) for flow in flows]
    for ends in sorted({days for days, rate in terms if rate}):
        done = sum(days * rate for days, rate in terms if days < ends and rate)
        rate = sum(rate for days, rate in terms if days >= ends)
        if done + rate * ends > room:
            return max(0.0, (room - done) / rate)
    return None


def _stock(
    tx: Connection, volume: str, terms: Terms, kept: dict[int, int]
) -> tuple[dict[tuple[float | None, int], float], dict[int, int], int]:
    """Today's footage on a volume by terms and age, each camera's greatest age, all its bytes.

    What is held counts as kept for ever.
    """
    greatest = func.max if tx.dialect.name == "sqlite" else func.greatest
    age = ((terms.now_us - greatest(_s.end_us, _s.created_us)) // DAY_US).label("age")
    query = (
        select(_s.camera_id, age, func.sum(_s.size_bytes))
        .where(_s.volume == volume, _s.state == "closed")
        .group_by(_s.camera_id, age)
    )
    stock: dict[tuple[float | None, int], float] = defaultdict(float)
    oldest: dict[int, int] = {}
    for camera_id, days, size_bytes in tx.execute(query):
        stock[terms.days(camera_id, volume), int(days)] += int(size_bytes)
        oldest[camera_id] = max(int(days), oldest.get(camera_id, 0))
        kept[camera_id] += int(size_bytes)
    footage_bytes = int(sum(stock.values()))
    h = schema.hold.c
    holding = select(h.camera_id).where(h.released_us.is_(None))
    for camera_id, days, size_bytes in tx.execute(
        query.where(_s.camera_id.in_(holding), held(terms.now_us))
    ):
        stock[terms.days(camera_id, volume), int(days)] -= int(size_bytes)
        stock[None, int(days)] += int(size_bytes)
    return stock, oldest, footage_bytes


def _fill(free: float, flows: list[_Flow], stock: Stock) -> _Filled:
    """Follow a volume day by day: what comes, what falls due, what goes early once it is full."""
    filled = _Filled()
    if not any(flow.bytes_per_day for flow in flows):
        return filled
    coming: dict[float | None, float] = defaultdict(float)
    for flow in flows:
        coming[flow.days] += flow.bytes_per_day
    gain = sum(coming.values())
    # By day of birth, today 0, and terms. What stays for ever neither falls due nor goes early.
    kept: dict[int, dict[float, float]] = defaultdict(dict)
    due: dict[int, list[tuple[int, float]]] = defaultdict(list)

    def keep(born: int, days: float, size_bytes: float) -> None:
        kept[born][days] = kept[born].get(days, 0.0) + size_bytes
        due[max(0, ceil(born + days))].append((born, days))

    for (days, age), size_bytes in stock.items():
        if days is not None:
            keep(-age - 1, days, size_bytes)  # of whole-day ages: 29 days old is due today of 30
    oldest = min(kept, default=0)
    terms = [days for days in coming if days is not None] + [d for b in kept.values() for d in b]
    turned_over = int(max(terms, default=0)) + 2
    for day in range(HORIZON_DAYS):
        gone = sum(kept[born].pop(days, 0.0) for born, days in due.pop(day, ()))
        change = gain - gone
        if filled.full_in_days is None and change >= free and change > 0:
            filled.full_in_days = day + max(0.0, free) / change
        free -= change
        for days, size_bytes in coming.items():
            if days is not None:
                keep(day, days, size_bytes)
        while free < 0 and oldest < day:
            free += sum(kept.pop(oldest, {}).values())
            oldest += 1
            filled.horizon[day] = day - oldest + 1
        # Once all there is has come under these terms, as much goes as comes.
        steady = None not in coming or filled.full_in_days is not None
        if steady and day > (filled.full_in_days or 0) + turned_over:
            break
    return filled


def _breaks(filled: _Filled, flows: list[_Flow], terms: Terms) -> tuple[Break, ...]:
    """When each camera's footage first goes before its promise."""
    found: list[Break] = []
    for flow in flows:
        promised = terms.promises[flow.camera.id]
        if promised.days is None or filled.full_in_days is None:
            continue
        stays = inf if flow.days is None else flow.days
        for day, age in filled.horizon.items():
            if age < stays and flow.oldest_days + day + 1 >= age:
                at_us = terms.now_us + int(max(filled.full_in_days, day) * DAY_US)
                found.append(Break(flow.camera.slug, promised.rule, promised.days, at_us))
                break
    return tuple(sorted(found, key=lambda one: (one.breaks_us, one.camera)))
