"""Status: who is recording now, how complete the day is, how the volumes are, what to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, func, select

from storage import schema, timeline
from storage.camera_states import states
from storage.clock import US, from_datetime, to_datetime, zone
from storage.completeness import Kept, completeness
from storage.directory import DataDirectory
from storage.errors import HindsightError
from storage.footage_hours import hours_of
from storage.generations import active_generation
from storage.i18n import N_, tr
from storage.newest import Indexed, Newest, newest, newest_indexed
from storage.outlook import foreseen, outlook
from storage.register import cameras as all_cameras
from storage.segments import newest_end_us
from storage.standings import building_standing
from storage.vocabulary import Camera, CameraState, GapCause, Span
from storage.volume_states import floor_bytes, footage_now, in_words, volume_states

MISSED_TURNS = 5  # a volume not measured for so many turns of the keeper is not looked after
STALE_US = 30 * US  # a capture process that said nothing for so long is not recording


@dataclass(frozen=True, slots=True)
class CameraOverview:
    """One camera now, and over the span asked for (today in its own time zone by default)."""

    camera: Camera
    state: str  # recording | connecting | stalled | stopped | disabled
    since_us: int | None
    last_picture_us: int | None
    age_s: float | None  # of the last picture
    recorded_s: float  # kept, in the span
    gap_s: float  # should have been recorded and was not, in the span
    completeness: float | None  # recorded / (recorded + gap); None when nothing was expected
    bitrate_bps: float | None  # this and the next two: None unless recording
    fps: float | None
    gop_s: float | None  # from keyframe to keyframe
    clock_offset_s: float | None  # camera's clock minus arrival; None: it says nothing
    backlog_s: float | None  # how long footage has waited for its disk
    restarts: int
    error: str | None
    index_lag_s: float | None  # newest recorded minus newest indexed; None: nothing indexed

    @property
    def recording(self) -> bool:
        """Whether pictures arrive now."""
        return self.state == "recording"


@dataclass(frozen=True, slots=True)
class VolumeOverview:
    """One volume now. Sizes are None when it cannot be reached."""

    name: str
    root: str | None  # None: not for who asks, see storage.discreet
    total_bytes: int | None
    free_bytes: int | None
    error: str | None
    floor_bytes: int = 0  # to stay free
    quota_bytes: int | None = None  # most footage
    footage_bytes: int | None = None  # of closed segments; None: never measured yet
    refuses: str | None = None  # why no segment may begin here, in the current language

    @property
    def ok(self) -> bool:
        """Whether footage can be read from it and written to it."""
        return self.error is None and self.refuses is None


class StripKind(StrEnum):
    """What a piece of a day is."""

    RECORDED = "recorded"
    GAP = "gap"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class StripPiece:
    """A piece of a day's strip; what no piece covers was not expected, or is still to come."""

    start_us: int
    end_us: int
    kind: StripKind
    cause: GapCause | None  # of a gap


@dataclass(frozen=True, slots=True)
class DayStrip:
    """One local day of a camera."""

    span: Span  # 23, 24 or 25 hours
    pieces: tuple[StripPiece, ...]  # by start, disjoint


def local_day(day: date, tz: str) -> Span:
    """A day of a zone; 23 or 25 hours long where clocks change."""
    start = datetime(day.year, day.month, day.day, tzinfo=zone(tz))
    after = day + timedelta(days=1)
    end = datetime(after.year, after.month, after.day, tzinfo=zone(tz))
    return Span(from_datetime(start), from_datetime(end))


def today(camera: Camera, now_us: int) -> Span:
    """The current day of the camera's own zone."""
    return local_day(to_datetime(now_us, camera.tz).date(), camera.tz)


def camera_overview(
    directory: DataDirectory,
    *,
    cameras: Sequence[Camera] | None = None,
    span: Span | None = None,
) -> list[CameraOverview]:
    """Each camera (all by default) now and over `span` (default: today in its zone)."""
    now_us, open_us = directory.clock.now_us(), longest_open_us(directory)
    with directory.ledger.read() as tx:
        asked = list(all_cameras(tx) if cameras is None else cameras)
        known, keys = states(tx), [camera.id for camera in asked]
        generation = active_generation(tx)
        indexed = newest_indexed(tx, generation.id, keys) if generation else {}
        latest = newest(tx, keys, now_us)
        record = completeness(
            tx, hours_of(directory), {one.id: span or today(one, now_us) for one in asked},
            settled_of(asked, known, latest, now_us, open_us), now_us,
        )  # fmt: skip
    return [
        _overview(
            camera, known.get(camera.id), now_us, record.by_camera[camera.id],
            latest[camera.id].kept_us, indexed.get(camera.id),
        )
        for camera in asked
    ]  # fmt: skip


def settled_of(
    cameras: Sequence[Camera],
    known: Mapping[int, CameraState],
    latest: Mapping[int, Newest],
    now_us: int,
    open_us: int,
) -> dict[int, int]:
    """As `settled_span`, of many cameras: up to when, of those that record now."""
    return {
        one.id: latest[one.id].settled_us(now_us, open_us)
        for one in cameras
        if effective_state(one, known.get(one.id), now_us) == "recording"
    }


def volume_overview(directory: DataDirectory) -> list[VolumeOverview]:
    """Each volume of the settings."""
    result = []
    now_us = directory.clock.now_us()
    # What nobody measures any more is no news.
    fresh_us = int(max(60.0, directory.settings.retention.every_s) * MISSED_TURNS * US)
    with directory.ledger.read() as tx:
        known = volume_states(tx)
        footage = {name: footage_now(tx, state) for name, state in known.items()}
    for volume in directory.archive.volumes.values():
        try:
            volume.verify_readable()
            total, free, error = volume.total_bytes(), volume.free_bytes(), None
        except HindsightError as trouble:
            total, free, error = None, None, trouble.text()
        except OSError as trouble:
            total, free, error = None, None, str(trouble)
        state, refuses = known.get(volume.name), None
        if state is not None and state.refuses and now_us - state.at_us <= fresh_us:
            refuses = in_words(state.refuses)
        result.append(
            VolumeOverview(
                volume.name, str(volume.root), total, free, error,
                floor_bytes=floor_bytes(directory.settings, volume.name),
                quota_bytes=directory.settings.volumes[volume.name].quota_bytes,
                footage_bytes=footage.get(volume.name),
                refuses=refuses,
            )
        )  # fmt: skip
    return result


def warnings(
    directory: DataDirectory,
    overviews: Sequence[CameraOverview],
    volumes: Sequence[VolumeOverview],
) -> list[str]:
    """What somebody should look at, in the current language; the gravest first."""
    said = [v.refuses for v in volumes if v.refuses is not None and v.error is None]
    with directory.ledger.read() as tx:
        building = building_standing(tx)
        for one in overviews:
            expecting = timeline.open_expectation(tx, one.camera.id) is not None
            if one.camera.enabled and expecting and not one.recording:
                said.append(tr(N_("camera {camera} is not recording"), camera=one.camera.slug))
    for volume in volumes:
        if volume.error is not None:
            said.append(volume.error)
        elif volume.refuses is None and (volume.free_bytes or 0) < volume.floor_bytes:
            said.append(
                tr(
                    N_("volume {volume} has {free} MB free, recording stops below {floor} MB"),
                    volume=volume.name, free=(volume.free_bytes or 0) // 10**6,
                    floor=volume.floor_bytes // 10**6,
                )
            )  # fmt: skip
    if not (directory.root / "ballast").exists():
        said.append(
            tr(N_("the disk of the ledger was full: its reserve is used up; free some space"))
        )
    if building is not None and (refusal := building.refusal()) is not None:
        said.append(refusal)
    return said + foreseen(outlook(directory))


def day_strip(directory: DataDirectory, camera: Camera, day: date) -> DayStrip:
    """What of a local day is recorded, missing (with cause) and lawfully deleted."""
    span = local_day(day, camera.tz)
    now_us = directory.clock.now_us()
    with directory.ledger.read() as tx:
        past = Span(span.start_us, max(span.start_us, min(span.end_us, now_us)))
        kept = timeline.recorded(tx, camera.id, span)
        deleted = timeline.subtract(timeline.deleted(tx, camera.id, span), kept)
        rows = timeline.gaps(tx, camera_ids=[camera.id], from_us=past.start_us, to_us=past.end_us)
        settled = settled_span(
            tx, camera, states(tx).get(camera.id), past, now_us, longest_open_us(directory)
        )
        unexplained = timeline.unexplained(tx, camera.id, settled)
    pieces = [StripPiece(s.start_us, s.end_us, StripKind.RECORDED, None) for s in kept]
    pieces += [StripPiece(s.start_us, s.end_us, StripKind.DELETED, None) for s in deleted]
    covered = kept + deleted
    gaps = [(Span(g.start_us, now_us if g.end_us is None else g.end_us), g.cause) for g in rows]
    gaps += [(hole, GapCause.UNKNOWN) for hole in unexplained]
    for gap, cause in gaps:
        for piece in timeline.subtract(timeline.intersect([gap], [past]), covered):
            pieces.append(StripPiece(piece.start_us, piece.end_us, StripKind.GAP, cause))
            covered.append(piece)
    return DayStrip(span, tuple(sorted(pieces, key=lambda piece: piece.start_us)))


def longest_open_us(directory: DataDirectory) -> int:
    """How long a segment may be without a row: its length, and a GOP that will not end."""
    return int(directory.settings.recorder.segment_s * 3 * US) + 60 * US


def effective_state(camera: Camera, state: CameraState | None, now_us: int) -> str:
    """What a camera really does: a recorder that fell silent records nothing."""
    if not camera.enabled:
        return "disabled"
    # A word from the future was said under a clock that was set back since.
    if state is None or abs(now_us - state.alive_us) > STALE_US:
        return "stopped"
    return state.state


def _overview(
    camera: Camera,
    state: CameraState | None,
    now_us: int,
    record: Kept,
    newest_us: int | None,
    indexed: Indexed | None,
) -> CameraOverview:
    word = effective_state(camera, state, now_us)
    silent = state is not None and word == "stopped" and state.state != "stopped"
    kept_us, gap_us = record.kept_us, record.missing_us
    now = state if word == "recording" else None
    pictures = [us for us in (newest_us, state.last_packet_us if state else None) if us is not None]
    last_us = max(pictures, default=None)
    return CameraOverview(
        camera=camera,
        state=word,
        since_us=None if state is None else (state.alive_us if silent else state.since_us),
        last_picture_us=last_us,
        age_s=None if last_us is None else max(0, now_us - last_us) / US,
        recorded_s=kept_us / US,
        gap_s=gap_us / US,
        completeness=None if not kept_us + gap_us else kept_us / (kept_us + gap_us),
        bitrate_bps=now.bitrate_bps if now else None,
        fps=now.fps if now else None,
        gop_s=now.gop_s if now else None,
        clock_offset_s=_seconds(state.clock_offset_us if state else None),
        backlog_s=_seconds(now.backlog_us if now else None),
        restarts=state.restarts if state else 0,
        error=state.error if state else None,
        index_lag_s=(
            None
            if newest_us is None or indexed is None
            else max(0, newest_us - indexed.end_us) / US
        ),
    )


def _seconds(us: int | None) -> float | None:
    return None if us is None else us / US


def settled_span(
    tx: Connection,
    camera: Camera,
    state: CameraState | None,
    past: Span,
    now_us: int,
    open_us: int,
) -> Span:
    """`past` without what is being written now and has no row yet."""
    if effective_state(camera, state, now_us) != "recording":
        return past
    s = schema.segment.c
    newest = newest_end_us(tx, camera.id, s.origin == "live", until_us=now_us)
    begun = timeline.open_expectation(tx, camera.id)
    gap_end = tx.execute(
        select(func.max(schema.gap.c.end_us)).where(schema.gap.c.camera_id == camera.id)
    ).scalar()
    horizon = max((us for us in (newest, begun, gap_end) if us is not None), default=now_us)
    if now_us - horizon > open_us:
        return past  # whatever its recorder says, it has closed nothing for too long
    return Span(past.start_us, max(past.start_us, min(past.end_us, horizon)))
