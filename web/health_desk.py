"""The health desk: figures against their lines, what needs somebody, completeness and why not."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from storage.camera_history import Picture, bad_pictures, corrections_of, offsets_of
from storage.clock import US
from storage.clocks import Correction
from storage.completeness import FLOOR, TARGET, Kept, Missing, Record, share
from storage.directory import DataDirectory
from storage.discreet import discreet_cameras, discreet_volumes, without_folders
from storage.errors import HindsightError
from storage.footage_hours import hours_of
from storage.health import (
    Alarm,
    Figures,
    Now,
    Producer,
    Standing,
    Trouble,
    by_cause,
    days_of,
    figures_of,
    grouped,
    health_now,
    record_of,
    yesterday,
)
from storage.i18n import N_, tr
from storage.index_backlog import Backlog, backlog_of
from storage.promises import DAY_US
from storage.status import CameraOverview, local_day, volume_overview, warnings
from storage.vocabulary import Camera, GapCause, Span
from web.health_asked import PER_PAGE, Asked
from web.health_drawing import Heat, Spark, heat, spark

BUDGET_S = 2.5  # for reading rows that were never read; then gap rows stand in for the rest
MOST_ALARMS = 20  # of a kind, before "and more"
FEW = 3  # of those that share their cause
log = logging.getLogger(__name__)
MOST_GAPS = 25  # listed on the page; all are in the file
WORKS: dict[Producer, str] = {
    Producer.RECORDER: N_("recorder"),
    Producer.INDEX: N_("index"),
    Producer.RETENTION: N_("retention and room on the volumes"),
    Producer.SEALS: N_("daily seal of the footage"),
    Producer.AUDIT_HEAD: N_("signature of the audit log"),
    Producer.SCRUB: N_("verification of the footage"),
}


@dataclass(frozen=True, slots=True)
class Mark:
    """A share against the lines."""

    share: float | None

    @property
    def kind(self) -> str:
        """'good', 'low' (under the target), 'bad' (under the floor) or 'none'."""
        if self.share is None:
            return "none"
        return "good" if self.share >= TARGET else "low" if self.share >= FLOOR else "bad"


@dataclass(frozen=True, slots=True)
class Headline:
    """What stands first, of now."""

    now: Now
    tz: str  # of most cameras
    day: date  # yesterday there
    yesterday: Figures
    week: Figures
    alarms: list[tuple[Trouble, list[Alarm], int]]  # of each kind some, and how many more
    warnings: list[str]
    unread_hours: int

    @property
    def calm(self) -> bool:
        """Whether nothing needs anybody."""
        return not self.alarms and not self.warnings and not self.late

    @property
    def late(self) -> list[str]:
        """What works in the background and did not, in words."""
        return [tr(WORKS[one.producer]) for one in self.now.beats if one.late]


@dataclass(frozen=True, slots=True)
class CameraRow:
    """One camera over the span."""

    overview: CameraOverview
    backlog: Backlog | None  # of the index; None: nothing is indexed, or not all was looked at
    kept: Kept
    figures: Figures
    spark: Spark | None
    corrections: list[Correction]
    pictures: list[tuple[str, float]]  # (event kind, share of the span), the most first

    @property
    def camera(self) -> Camera:
        """Which."""
        return self.overview.camera


@dataclass(frozen=True, slots=True)
class Listed:
    """A gap with its camera."""

    camera: Camera
    gap: Missing


@dataclass(frozen=True, slots=True)
class View:
    """The span asked for."""

    asked: Asked
    cameras: list[Camera]  # all that fit, in order
    figures: Figures
    heat: Heat
    rows: list[CameraRow]  # of this page
    groups: list[tuple[str, Figures]]  # of the table asked for; empty for cameras
    causes: list[tuple[GapCause, int, int]]  # cause, gaps, microseconds
    gaps: list[Listed]  # the longest first
    more_gaps: int
    pages: int
    unread_hours: int

    @property
    def shares(self) -> dict[int, float | None]:
        """Camera → its completeness, of this page."""
        return {one.camera.id: one.figures.completeness for one in self.rows}

    @property
    def longest_cause_us(self) -> int:
        """For bars."""
        return max((us for _, _, us in self.causes), default=1)


def headline(
    directory: DataDirectory, cameras: Sequence[Camera], tz: str, *, folders: bool
) -> Headline:
    """Of these cameras. `folders`: errors may name those of disks."""
    now = health_now(directory, cameras)
    read_index_on(directory, now)
    volumes = volume_overview(directory)
    if not folders:
        now = _discreet(directory, now)
        volumes = discreet_volumes(directory, volumes)
    day = yesterday(now.now_us, tz)
    one = record_of(directory, cameras, day, day, budget_s=BUDGET_S)
    seven = record_of(directory, cameras, day - timedelta(days=6), day, budget_s=BUDGET_S)
    return Headline(
        now, tz, day, figures_of(cameras, now.standings, one),
        figures_of(cameras, now.standings, seven), _told(now),
        warnings(directory, [], volumes), max(one.unread_hours, seven.unread_hours),
    )  # fmt: skip


def view(
    directory: DataDirectory, cameras: Sequence[Camera], asked: Asked, now: Now, *, folders: bool,
    everything: bool = False,
) -> View:  # fmt: skip
    """The span, of the cameras that fit. `everything`: all of them and all gaps, for a file."""
    chosen = [one for one in cameras if asked.fits(one)]
    record = record_of(directory, chosen, asked.first, asked.last, budget_s=BUDGET_S)
    if record.unread_hours:
        read_on(directory, asked)
    read_index_on(directory, now)
    spans = days_of(chosen, asked.first, asked.last)
    ordered = _ordered(chosen, record, asked)
    pages = max(1, -(-len(ordered) // PER_PAGE))
    page = min(asked.page, pages)
    shown = ordered if everything else ordered[(page - 1) * PER_PAGE : page * PER_PAGE]
    gaps = [
        Listed(one, gap if folders else _discreet_gap(directory, gap))
        for one in chosen
        for gap in record.by_camera[one.id].missing
    ]
    gaps.sort(key=lambda one: (not one.gap.lasts, -one.gap.duration_us, one.camera.slug))
    listed = gaps if everything else gaps[:MOST_GAPS]
    return View(
        replace(asked, page=page), ordered, figures_of(chosen, now.standings, record),
        heat(shown, record.by_camera, spans, now.now_us, asked.first, asked.last,
             by_place=asked.order == "place"),
        _rows(directory, shown, now, record, spans),
        table(chosen, now.standings, record, asked.table),
        [(cause, count, us) for cause, (count, us) in by_cause(record).items()],
        listed, len(gaps) - len(listed), pages, record.unread_hours,
    )  # fmt: skip


_reading: set[tuple[int, str]] = set()
_one_reads = threading.Lock()


def read_on(directory: DataDirectory, asked: Asked) -> None:
    """In the background, so that the page can be asked again: footage nobody read before."""

    def work() -> None:
        begins_us = local_day(asked.first, asked.tz).start_us - DAY_US
        ends_us = local_day(asked.last, asked.tz).end_us + DAY_US
        hours_of(directory).catch_up(
            directory.ledger, begins_us, min(ends_us, directory.clock.now_us())
        )

    _in_background(directory, "completeness", work)


def read_index_on(directory: DataDirectory, now: Now) -> None:
    """The same of index work, where some was never read."""
    if now.backlogs is None or not now.backlogs.unread_hours:
        return
    backlog = backlog_of(directory)
    _in_background(directory, "index-backlog", lambda: backlog.catch_up(directory.ledger))


def _in_background(directory: DataDirectory, name: str, work: Callable[[], None]) -> None:
    """In a thread, unless one is at it."""
    key = (id(directory), name)
    with _one_reads:
        if key in _reading:
            return
        _reading.add(key)

    def run() -> None:
        try:
            work()
        except HindsightError as error:  # the next question begins it again
            log.warning("the ledger could not be read for the health desk: %s", error)
        finally:
            with _one_reads:
                _reading.discard(key)

    threading.Thread(target=run, name=name, daemon=True).start()


def table(
    cameras: Sequence[Camera], standings: dict[int, Standing], record: Record, by: str
) -> list[tuple[str, Figures]]:
    """(name in words, figures) by site, class or department."""
    keys = {
        "site": lambda one: one.site or None,
        "class": lambda one: one.site_class,
        "department": lambda one: one.department,
    }
    if by not in keys:
        return []
    nameless = {"site": N_("No site given"), "department": N_("no department")}
    found = grouped(cameras, standings, record, keys[by])
    return [
        (tr(nameless[by]) if key is None else tr("class {n}", n=key) if by == "class" else key, one)
        for key, one in found.items()
    ]


def _ordered(cameras: Sequence[Camera], record: Record, asked: Asked) -> list[Camera]:
    if asked.order == "place":
        return sorted(cameras, key=lambda one: (one.site, one.name))

    def badness(one: Camera) -> tuple[float, int, str]:
        kept = record.by_camera[one.id]
        part = share(kept.recorded_us, kept.due_us)
        return 2.0 if part is None else part, -kept.missing_us, one.slug

    return sorted(cameras, key=badness)


def _rows(
    directory: DataDirectory, cameras: Sequence[Camera], now: Now, record: Record,
    spans: dict[int, Span],
) -> list[CameraRow]:  # fmt: skip
    if not cameras:
        return []
    overviews = {one.camera.id: one for one in now.overviews}
    keys = [one.id for one in cameras]
    whole = Span(
        min(spans[key].start_us for key in keys),
        max(record.by_camera[key].span.end_us for key in keys),
    )
    with directory.ledger.read() as tx:
        offsets, corrected = offsets_of(tx, keys, whole), corrections_of(tx, keys, whole)
        bad = bad_pictures(tx, keys, whole)
    backlogs = now.backlogs if now.backlogs and not now.backlogs.unread_hours else None
    rows = []
    for one in cameras:
        kept, figures = record.by_camera[one.id], Figures()
        figures.add(now.standings[one.id], kept)
        rows.append(
            CameraRow(
                overviews[one.id], backlogs.of(one.id) if backlogs else None, kept, figures,
                spark(offsets.get(one.id, []), spans[one.id]), corrected.get(one.id, []),
                _shares(bad.get(one.id, []), kept.span),
            )
        )  # fmt: skip
    return rows


def _shares(pictures: Sequence[Picture], span: Span) -> list[tuple[str, float]]:
    found: dict[str, int] = {}
    for one in pictures:
        us = min(one.end_us, span.end_us) - max(one.start_us, span.start_us)
        if us > 0:
            found[one.kind.value] = found.get(one.kind.value, 0) + us
    ordered = sorted(found.items(), key=lambda item: -item[1])
    return [(kind, us / max(1, span.duration_us)) for kind, us in ordered]


def _told(now: Now) -> list[tuple[Trouble, list[Alarm], int]]:
    told = []
    for trouble in Trouble:
        mine = [one for one in now.alarms if one.trouble is trouble]
        if trouble is Trouble.INDEX:  # one cause for all: the camera furthest behind speaks
            mine.sort(key=lambda one: -(one.overview.index_lag_s or 0))
            shown = mine[:1]
        else:
            shown = mine[: FEW if trouble is Trouble.NOT_BEGUN else MOST_ALARMS]
        if mine:
            told.append((trouble, shown, len(mine) - len(shown)))
    return told


def _discreet(directory: DataDirectory, now: Now) -> Now:
    overviews = discreet_cameras(directory, now.overviews)
    known = {one.camera.id: one for one in overviews}
    alarms = [
        replace(
            one, overview=known[one.camera.id],
            failure=one.failure and replace(
                one.failure, detail=without_folders(directory, one.failure.detail)
            ),
        )
        for one in now.alarms
    ]  # fmt: skip
    return replace(now, overviews=overviews, alarms=alarms)


def _discreet_gap(directory: DataDirectory, gap: Missing) -> Missing:
    return replace(gap, detail=without_folders(directory, gap.detail)) if gap.detail else gap


def hours(us: int) -> float:
    """Microseconds as hours."""
    return us / US / 3600
