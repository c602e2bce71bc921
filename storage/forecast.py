"""Forecast: at the last day's bit rate, when is each volume full, and is the promise kept?

Day by day, a volume gains what its cameras record and loses what falls due. Until the promise of
a camera is reached the stock grows; from then on it holds. If the volume is full before that, the
promise breaks on that day: footage would have to go early, or recording stops.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from storage import schema, timeline
from storage.clock import US
from storage.directory import DataDirectory
from storage.errors import HindsightError
from storage.register import cameras
from storage.retention import DAY_US, held, promise
from storage.vocabulary import Span

HORIZON_DAYS = 3650  # a volume that is not full in ten years is called never full
MEASURED_US = DAY_US
SHORTEST_S = 60.0  # less footage than this is no measurement
_s = schema.segment.c


@dataclass(frozen=True, slots=True)
class CameraForecast:
    """What a camera writes and how long that is promised."""

    camera: str
    bitrate_bps: float | None  # None: too little was recorded in the last day
    bytes_per_day: float  # at that rate around the clock; 0 when disabled or not measured
    promise_days: float | None  # None: its retention class is not set, everything is kept
    oldest_us: int | None  # start of the oldest footage kept


@dataclass(frozen=True, slots=True)
class VolumeForecast:
    """How a volume fills."""

    name: str
    free_bytes: int | None  # above the floor; None when it cannot be reached
    footage_bytes: int
    inflow_bytes_per_day: float
    full_in_days: float | None  # None: never, the promise is reached first
    effective_days: float | None  # footage the volume can hold at this rate; None: no inflow
    promise_days: float | None  # longest promise of the cameras that write here
    error: str | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """All cameras and volumes."""

    now_us: int
    cameras: tuple[CameraForecast, ...]
    volumes: tuple[VolumeForecast, ...]

    @property
    def breaks_us(self) -> int | None:
        """When the first promise breaks; None when all are kept."""
        days = [v.full_in_days for v in self.volumes if v.full_in_days is not None]
        return self.now_us + int(min(days) * DAY_US) if days else None


def forecast(directory: DataDirectory) -> Forecast:
    """Measure the last day and project each volume of the settings."""
    now_us = directory.clock.now_us()
    measured: list[CameraForecast] = []
    promises: dict[int, float | None] = {}
    flows: dict[str, dict[int, float]] = defaultdict(dict)  # volume → camera key → bytes a day
    with directory.ledger.read() as tx:
        for camera in cameras(tx):
            days = promise(directory.settings.retention, camera).days
            promises[camera.id] = days
            rate, shares = _measure(tx, camera.id, now_us)
            daily = (rate or 0.0) / 8 * 86_400 if camera.enabled and camera.url else 0.0
            for volume, share in shares.items():
                flows[volume][camera.id] = daily * share
            oldest = tx.execute(
                select(func.min(_s.start_us)).where(_s.camera_id == camera.id, _s.state == "closed")
            ).scalar()
            measured.append(CameraForecast(camera.slug, rate, daily, days, oldest))
        volumes = tuple(
            _project(tx, directory, name, flows[name], promises, now_us)
            for name in directory.archive.volumes
        )
    return Forecast(now_us, tuple(measured), volumes)


def _measure(tx: Connection, camera_id: int, now_us: int) -> tuple[float | None, dict[str, float]]:
    """Bits per recorded second over the last day, and which part of the bytes went where."""
    rows = tx.execute(
        select(_s.volume, _s.start_us, _s.end_us, _s.size_bytes).where(
            _s.camera_id == camera_id,
            _s.origin == "live",
            _s.end_us > now_us - MEASURED_US,
            _s.start_us < now_us,
        )
    ).all()
    size_bytes = sum(row.size_bytes for row in rows)
    seconds = timeline.total_us(Span(row.start_us, row.end_us) for row in rows) / US
    if seconds < SHORTEST_S or not size_bytes:
        return None, {}
    shares: dict[str, float] = defaultdict(float)
    for row in rows:
        shares[row.volume] += row.size_bytes / size_bytes
    return size_bytes * 8 / seconds, dict(shares)


def _project(
    tx: Connection,
    directory: DataDirectory,
    name: str,
    flows: dict[int, float],
    promises: dict[int, float | None],
    now_us: int,
) -> VolumeForecast:
    footage_bytes = int(
        tx.execute(
            select(func.coalesce(func.sum(_s.size_bytes), 0)).where(
                _s.volume == name, _s.state == "closed"
            )
        ).scalar_one()
    )
    inflow = sum(flows.values())
    longest = max((d for c in flows if (d := promises[c]) is not None), default=None)
    try:
        volume = directory.archive.volume(name)
        volume.verify()
        free = max(0, volume.free_bytes() - directory.settings.retention.free_floor_bytes)
    except (HindsightError, OSError) as trouble:
        return VolumeForecast(name, None, footage_bytes, inflow, None, None, longest, str(trouble))
    outflow = _falls_due(tx, name, promises, now_us)
    return VolumeForecast(
        name=name,
        free_bytes=free,
        footage_bytes=footage_bytes,
        inflow_bytes_per_day=inflow,
        full_in_days=_full_in_days(free, flows, promises, outflow),
        effective_days=(free + footage_bytes) / inflow if inflow else None,
        promise_days=longest,
        error=None,
    )


def _falls_due(
    tx: Connection, volume: str, promises: dict[int, float | None], now_us: int
) -> dict[int, int]:
    """Bytes of today's stock that fall due, by day from now (0 = today); held footage never."""
    greatest = func.max if tx.dialect.name == "sqlite" else func.greatest
    day = ((now_us - greatest(_s.end_us, _s.created_us)) // DAY_US).label("day")
    query = (
        select(_s.camera_id, day, func.sum(_s.size_bytes))
        .where(_s.volume == volume, _s.state == "closed", ~held(now_us))
        .group_by(_s.camera_id, day)
    )
    due: dict[int, int] = defaultdict(int)
    for camera_id, age_days, size_bytes in tx.execute(query):
        days = promises.get(camera_id)
        if days is not None:
            # Of whole-day ages: what is 29 days old is due within the day under a promise of 30.
            due[max(0, math.ceil(days - age_days) - 1)] += int(size_bytes)
    return dict(due)


def _full_in_days(
    free: float,
    flows: dict[int, float],
    promises: dict[int, float | None],
    outflow: dict[int, int],
) -> float | None:
    """Days until `free` bytes are used, None when that never comes."""
    if not any(flows.values()):
        return None
    for day in range(HORIZON_DAYS):
        gain = sum(flow for c, flow in flows.items() if (d := promises[c]) is None or day < d)
        change = gain - outflow.get(day, 0)
        if change >= free and change > 0:
            return day + free / change
        free -= change
    return None
