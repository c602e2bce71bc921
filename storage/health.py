"""Health: who records, what the figures are against the lines, what needs somebody, first first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, func, select

from storage import schema
from storage.audit_heads import newest as newest_head
from storage.camera_history import Picture, bad_pictures
from storage.camera_states import states
from storage.clock import US, to_datetime
from storage.clocks import OFF_US
from storage.completeness import Kept, Record, completeness
from storage.directory import DataDirectory
from storage.footage_hours import hours_of
from storage.index_backlog import Backlog, Backlogs, index_backlog
from storage.newest import Newest, among, newest
from storage.status import (
    MISSED_TURNS,
    CameraOverview,
    camera_overview,
    local_day,
    longest_open_us,
    settled_of,
)
from storage.vocabulary import Camera, Gap, GapCause, Span
from storage.volume_states import volume_states

BEHIND_S = 600.0  # an index further behind than this is behind
GOP_S = 10.0  # keyframes further apart than this are a smart codec's
DAY_S = 86_400.0
_g = schema.gap.c
_s = schema.segment.c


@dataclass(slots=True)
class Figures:
    """Of some cameras over a span; microseconds. Shares are None where nothing was asked for."""

    cameras: int = 0
    asked: int = 0  # enabled, with a stream
    networked: int = 0  # of these: something was ever received from them
    online: int = 0  # of these: pictures arrive now
    recorded_us: int = 0
    missing_us: int = 0
    offline_us: int = 0  # missing because no stream came

    def add(self, state: Standing, kept: Kept | None) -> None:
        """One camera more."""
        self.cameras += 1
        self.asked += state.asked
        self.networked += state.networked
        self.online += state.online
        if kept is not None:
            self.recorded_us += kept.recorded_us
            self.missing_us += kept.missing_us
            self.offline_us += kept.offline_us

    @property
    def due_us(self) -> int:
        """What should have been recorded."""
        return self.recorded_us + self.missing_us

    @property
    def completeness(self) -> float | None:
        """Recorded of due."""
        return self.recorded_us / self.due_us if self.due_us else None

    @property
    def networked_rate(self) -> float | None:
        """Connected of asked."""
        return self.networked / self.asked if self.asked else None

    @property
    def online_now(self) -> float | None:
        """Of those connected, who sends pictures now."""
        return self.online / self.networked if self.networked else None

    @property
    def online_rate(self) -> float | None:
        """Of the time due, how much a stream was there, whatever became of it."""
        return 1 - self.offline_us / self.due_us if self.due_us else None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a camera counts in the figures."""

    asked: bool
    networked: bool
    online: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a camera is not recording now."""

    since_us: int | None
    cause: GapCause | None
    detail: str | None


class Trouble(StrEnum):
    """What somebody should see to; the gravest first."""

    NOT_RECORDING = "not_recording"
    NOT_BEGUN = "not_begun"
    PICTURE = "picture"
    CLOCK = "clock"
    BACKLOG = "backlog"
    GOP = "gop"
    INDEX = "index"


@dataclass(frozen=True, slots=True)
class Alarm:
    """A camera that needs somebody."""

    trouble: Trouble
    overview: CameraOverview
    since_us: int | None = None
    failure: Failure | None = None  # of NOT_RECORDING
    picture: Picture | None = None  # of PICTURE

    @property
    def camera(self) -> Camera:
        """Which."""
        return self.overview.camera


class Producer(StrEnum):
    """What works in the background, and is missed when it does not."""

    RECORDER = "recorder"
    INDEX = "index"
    RETENTION = "retention"
    SEALS = "seals"
    AUDIT_HEAD = "audit_head"
    SCRUB = "scrub"


@dataclass(frozen=True, slots=True)
class Beat:
    """When something in the background last succeeded. None: never yet, or not since long."""

    producer: Producer
    last_us: int | None
    late: bool


@dataclass(frozen=True, slots=True)
class Now:
    """How it stands at this moment."""

    now_us: int
    overviews: list[CameraOverview]
    standings: dict[int, Standing]
    figures: Figures
    alarms: list[Alarm]
    beats: list[Beat]
    backlogs: Backlogs | None  # of the index; None: nothing was indexed yet

    @property
    def index_backlog(self) -> Backlog | None:
        """Kept and not indexed, of these cameras."""
        if self.backlogs is None:
            return None
        return self.backlogs.total(self.standings)

    @property
    def index_lag_s(self) -> float | None:
        """Of the camera furthest behind."""
        lags = [one.index_lag_s for one in self.overviews if one.index_lag_s is not None]
        return max(lags, default=None)

    @property
    def oldest(self) -> Alarm | None:
        """The failure to record that has lasted longest."""
        lost = [one for one in self.alarms if one.trouble is Trouble.NOT_RECORDING]
        return min(lost, key=lambda one: one.since_us or 0, default=None)


def health_now(directory: DataDirectory, cameras: Sequence[Camera]) -> Now:
    """Of these cameras, as they stand; alarms the gravest first, then class, then the oldest."""
    now_us = directory.clock.now_us()
    overviews = camera_overview(directory, cameras=cameras)
    keys = [one.id for one in cameras]
    with directory.ledger.read() as tx:
        latest = newest(tx, keys, now_us)
        failing = _open_gaps(tx, keys)
        bad = bad_pictures(tx, keys, Span(now_us - 1, now_us))
        beats = _beats(tx, directory, overviews, now_us)
    standings = {one.camera.id: _standing(one, latest[one.camera.id]) for one in overviews}
    figures = Figures()
    for one in overviews:
        figures.add(standings[one.camera.id], None)
    alarms = [
        alarm
        for one in overviews
        for alarm in _alarms(
            one, latest[one.camera.id], failing.get(one.camera.id), bad.get(one.camera.id, [])
        )
    ]
    order = list(Trouble)
    alarms.sort(
        key=lambda one: (
            order.index(one.trouble), one.camera.site_class, one.since_us or 0, one.camera.slug
        )
    )  # fmt: skip
    backlogs = index_backlog(directory)
    return Now(now_us, overviews, standings, figures, alarms, beats, backlogs)


def days_of(cameras: Iterable[Camera], first: date, last: date) -> dict[int, Span]:
    """Camera → from the first day to the end of the last, by its own clock."""
    by_tz: dict[str, Span] = {}
    found = {}
    for one in cameras:
        if one.tz not in by_tz:
            by_tz[one.tz] = Span(local_day(first, one.tz).start_us, local_day(last, one.tz).end_us)
        found[one.id] = by_tz[one.tz]
    return found


def record_of(
    directory: DataDirectory,
    cameras: Sequence[Camera],
    first: date,
    last: date,
    *,
    budget_s: float | None = None,
) -> Record:
    """What they recorded of these days, by the clock at each."""
    now_us = directory.clock.now_us()
    with directory.ledger.read() as tx:
        latest = newest(tx, [one.id for one in cameras], now_us)
        settled = settled_of(cameras, states(tx), latest, now_us, longest_open_us(directory))
        return completeness(
            tx, hours_of(directory), days_of(cameras, first, last), settled, now_us,
            budget_s=budget_s,
        )  # fmt: skip


def figures_of(
    cameras: Iterable[Camera], standings: Mapping[int, Standing], record: Record
) -> Figures:
    """All of them together."""
    found = Figures()
    for one in cameras:
        found.add(standings[one.id], record.by_camera[one.id])
    return found


def grouped(
    cameras: Iterable[Camera],
    standings: Mapping[int, Standing],
    record: Record,
    key: Callable[[Camera], Any],
) -> dict[Any, Figures]:
    """The same by class, site, department …, in the order of the keys; None comes last."""
    found: dict[Any, Figures] = {}
    for one in cameras:
        found.setdefault(key(one), Figures()).add(standings[one.id], record.by_camera[one.id])
    return dict(sorted(found.items(), key=lambda item: (item[0] is None, item[0])))


def by_cause(record: Record) -> dict[GapCause, tuple[int, int]]:
    """Cause → (how many gaps, microseconds), what took most first."""
    found: dict[GapCause, tuple[int, int]] = {}
    for kept in record.by_camera.values():
        for one in kept.missing:
            count, us = found.get(one.cause, (0, 0))
            found[one.cause] = (count + 1, us + one.duration_us)
    return dict(sorted(found.items(), key=lambda item: -item[1][1]))


def yesterday(now_us: int, tz: str) -> date:
    """The last whole day of a zone."""
    return to_datetime(now_us, tz).date() - timedelta(days=1)


def _standing(one: CameraOverview, latest: Newest) -> Standing:
    asked = one.camera.enabled and one.camera.url is not None
    seen = one.last_picture_us is not None or latest.live_us is not None
    return Standing(asked, asked and seen, asked and one.recording)


def _open_gaps(tx: Connection, keys: Sequence[int]) -> dict[int, Gap]:
    query = (
        select(schema.gap, schema.camera.c.slug.label("camera"))
        .join(schema.camera, schema.camera.c.id == _g.camera_id)
        .where(among(_g.camera_id, keys), _g.end_us.is_(None))
    )
    return {
        row["camera_id"]: Gap(**{**row, "cause": GapCause(row["cause"])})
        for row in tx.execute(query).mappings()
    }


def _alarms(
    one: CameraOverview, latest: Newest, gap: Gap | None, bad: Sequence[Picture]
) -> list[Alarm]:
    camera, found = one.camera, []
    if not camera.enabled:
        return []
    if latest.due_since_us is not None and not one.recording:
        since_us = gap.start_us if gap else (one.last_picture_us or one.since_us)
        failure = Failure(
            since_us, gap.cause if gap else None, (gap.detail if gap else None) or one.error
        )
        found.append(Alarm(Trouble.NOT_RECORDING, one, since_us, failure))
    elif latest.due_since_us is None and camera.url is not None and not one.recording:
        found.append(Alarm(Trouble.NOT_BEGUN, one))
    found += [
        Alarm(Trouble.PICTURE, one, picture.start_us, picture=picture)
        for picture in bad
        if picture.lasts
    ]
    if one.clock_offset_s is not None and abs(one.clock_offset_s) > OFF_US / US:
        found.append(Alarm(Trouble.CLOCK, one))
    if one.backlog_s is not None and one.backlog_s > 2:
        found.append(Alarm(Trouble.BACKLOG, one))
    if one.gop_s is not None and one.gop_s > GOP_S:
        found.append(Alarm(Trouble.GOP, one))
    if one.index_lag_s is not None and one.index_lag_s > BEHIND_S:
        found.append(Alarm(Trouble.INDEX, one))
    return found


def _beats(
    tx: Connection, directory: DataDirectory, overviews: Sequence[CameraOverview], now_us: int
) -> list[Beat]:
    """Of all cameras' background work, whoever asks: it names none of them."""

    def beat(producer: Producer, last_us: int | None, within_s: float, due: bool) -> Beat:
        overdue = last_us is None or now_us - last_us > within_s * US
        return Beat(producer, last_us, due and overdue)

    def latest(column: Any) -> int | None:
        found: int | None = tx.execute(select(func.max(column))).scalar()
        return found

    due = tx.execute(
        select(schema.expectation.c.id).where(schema.expectation.c.end_us.is_(None)).limit(1)
    ).first() is not None  # fmt: skip
    kept = tx.execute(select(_s.id).limit(1)).first() is not None
    settings = directory.settings.retention
    head = newest_head(tx)
    measured = [state.at_us for state in volume_states(tx).values()]
    lags = [one.index_lag_s for one in overviews]
    behind = any(lag is None or lag > BEHIND_S for lag in lags)
    verified = _latest_verified(tx)
    return [
        beat(Producer.RECORDER, latest(schema.camera_state.c.alive_us), 30, due),
        beat(Producer.INDEX, _last_indexed_us(tx), BEHIND_S, kept and behind),
        beat(
            Producer.RETENTION, min(measured, default=None),
            max(60.0, settings.every_s) * MISSED_TURNS, due,
        ),
        beat(Producer.SEALS, latest(schema.seal.c.sealed_us), DAY_S * 1.25, due and kept),
        beat(Producer.AUDIT_HEAD, None if head is None else head.made_us, DAY_S * 1.25, due),
        beat(Producer.SCRUB, verified, DAY_S * 2, due and kept and settings.scrub_share > 0),
    ]  # fmt: skip


def _latest_verified(tx: Connection) -> int | None:
    found: int | None = tx.execute(select(func.max(schema.verification.c.verified_us))).scalar()
    return found


def _last_indexed_us(tx: Connection) -> int | None:
    """When a segment was last done, of those that were entered last: the table has no index of
    when, and millions of rows."""
    recent = select(_s.id).order_by(_s.id.desc()).limit(500)
    ids = list(tx.execute(recent).scalars())
    work = schema.index_work.c
    found: int | None = tx.execute(
        select(func.max(work.done_us)).where(work.segment_id.in_(ids))
    ).scalar()
    return found
