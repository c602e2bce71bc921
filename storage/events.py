"""Events: what befell cameras, volumes and the recorder, for people to read afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, delete, insert, select

from storage import schema
from storage.i18n import N_

DETAIL_CHARACTERS = 500
_e = schema.event.c


class EventKind(StrEnum):
    """What happened; the sentences are in SENTENCES."""

    RECORDING_BEGAN = "recording_began"
    RECORDING_LOST = "recording_lost"
    RECORDING_BACK = "recording_back"
    RECORDING_UNSTEADY = "recording_unsteady"
    PICTURE_CHANGED = "picture_changed"
    GOP_LONG = "gop_long"
    CAMERA_CLOCK_OFF = "camera_clock_off"
    CLOCK_SET = "clock_set"
    PROCESS_RESTARTED = "process_restarted"
    DISK_SLOW = "disk_slow"
    VOLUME_REFUSES = "volume_refuses"
    VOLUME_TAKES_AGAIN = "volume_takes_again"
    VOLUME_ABSENT = "volume_absent"
    RECORDER_STARTED = "recorder_started"
    RECORDER_STOPPED = "recorder_stopped"
    PICTURE_BLACK = "picture_black"
    PICTURE_BLURRED = "picture_blurred"
    PICTURE_FROZEN = "picture_frozen"
    PICTURE_OVEREXPOSED = "picture_overexposed"
    PICTURE_COVERED = "picture_covered"
    PICTURE_MOVED = "picture_moved"
    PICTURE_GOOD = "picture_good"
    INDEX_MENDED = "index_mended"


SENTENCES: dict[EventKind, str] = {
    EventKind.RECORDING_BEGAN: N_("recording began"),
    EventKind.RECORDING_LOST: N_("recording was lost"),
    EventKind.RECORDING_BACK: N_("recording is back"),
    EventKind.RECORDING_UNSTEADY: N_("recording comes and goes"),
    EventKind.PICTURE_CHANGED: N_("the camera changed its picture"),
    EventKind.GOP_LONG: N_("keyframes are over 10 s apart (smart codec?)"),
    EventKind.CAMERA_CLOCK_OFF: N_("the camera's clock is off"),
    EventKind.CLOCK_SET: N_("the recorder's clock was set"),
    EventKind.PROCESS_RESTARTED: N_("a capture process was replaced"),
    EventKind.DISK_SLOW: N_("the disk was too slow for this camera"),
    EventKind.VOLUME_REFUSES: N_("the volume takes no more footage"),
    EventKind.VOLUME_TAKES_AGAIN: N_("the volume takes footage again"),
    EventKind.VOLUME_ABSENT: N_("the volume is not there"),
    EventKind.RECORDER_STARTED: N_("the recorder was started"),
    EventKind.RECORDER_STOPPED: N_("the recorder was stopped"),
    EventKind.PICTURE_BLACK: N_("the picture is black"),
    EventKind.PICTURE_BLURRED: N_("the picture is blurred"),
    EventKind.PICTURE_FROZEN: N_("the picture is frozen"),
    EventKind.PICTURE_OVEREXPOSED: N_("the picture is overexposed"),
    EventKind.PICTURE_COVERED: N_("the lens is covered"),
    EventKind.PICTURE_MOVED: N_("the camera shows another view"),
    EventKind.PICTURE_GOOD: N_("the picture is good again"),
    EventKind.INDEX_MENDED: N_("the index had holes; they are indexed again"),
}


@dataclass(frozen=True, slots=True)
class Event:
    """One row. Neither camera nor volume: of the whole archive."""

    id: int
    at_us: int
    kind: str  # of EventKind; a later version's kind is kept as it is
    camera_id: int | None
    camera: str | None  # slug
    volume: str | None
    detail: str | None


def note(
    tx: Connection,
    kind: EventKind,
    at_us: int,
    *,
    camera_id: int | None = None,
    volume: str | None = None,
    detail: str | None = None,
) -> None:
    """Add an event. It is the caller's to see that a misbehaving camera does not flood the table:
    `recorder.debounce`."""
    tx.execute(
        insert(schema.event).values(
            kind=kind.value, at_us=at_us, camera_id=camera_id, volume=volume,
            detail=None if detail is None else detail[:DETAIL_CHARACTERS],
        )
    )  # fmt: skip


def is_noted(tx: Connection, kind: EventKind, at_us: int, *, camera_id: int) -> bool:
    """Whether a camera has this event: what is looked at twice is told once."""
    query = select(_e.id).where(_e.camera_id == camera_id, _e.at_us == at_us, _e.kind == kind.value)
    return tx.execute(query.limit(1)).first() is not None


def events(
    tx: Connection,
    *,
    camera_ids: Sequence[int] | None = None,
    from_us: int | None = None,
    to_us: int | None = None,
    kinds: Sequence[EventKind] | None = None,
    limit: int | None = None,
) -> list[Event]:
    """Newest first, of [from_us, to_us). With `camera_ids`, those of these cameras only."""
    query = (
        select(schema.event, schema.camera.c.slug.label("camera"))
        .join(schema.camera, schema.camera.c.id == _e.camera_id, isouter=True)
        .order_by(_e.at_us.desc(), _e.id.desc())
        .limit(limit)
    )
    if camera_ids is not None:
        query = query.where(_e.camera_id.in_(camera_ids))
    if from_us is not None:
        query = query.where(_e.at_us >= from_us)
    if to_us is not None:
        query = query.where(_e.at_us < to_us)
    if kinds is not None:
        query = query.where(_e.kind.in_([kind.value for kind in kinds]))
    return [Event(**dict(row)) for row in tx.execute(query).mappings()]


def prune(tx: Connection, before_us: int) -> int:
    """Forget events from before `before_us`; returns how many. For the keeper, once a day."""
    return tx.execute(delete(schema.event).where(_e.at_us < before_us)).rowcount
