"""The state of each volume: footage, room above floor and below quota, and why it refuses more."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from sqlalchemy import Connection, delete, func, insert, select

from storage import schema
from storage.camera_states import states as camera_states
from storage.clock import US
from storage.directory import DataDirectory
from storage.i18n import N_, tr
from storage.promises import CAPPED, CAPPED_1
from storage.settings import Settings
from storage.volumes import Volume

AT_FLOOR = N_("volume {volume} is at its floor")
AT_QUOTA = N_("volume {volume} is at its quota")
STOPPED = N_("{why}, and when_full is stop: nothing is recorded there until space is freed")
KEPT_ONLY = N_(
    "{why}, and only footage that may not go is left, {held} MB of it held: nothing is recorded"
    " there until space is freed"
)
STUCK = N_("{why}, and files cannot be removed ({error}): nothing is recorded there")
# Sentences that the ledger keeps in English, the more particular first.
KEPT_SENTENCES = (STOPPED, KEPT_ONLY, STUCK, AT_FLOOR, AT_QUOTA, CAPPED, CAPPED_1)
LEAST_HEADROOM_BYTES = 64_000_000
# Room is made below half of it: by then one more segment of every camera, and the quarter more
# that the recorder reserves for it, must still fit.
SEGMENTS_AHEAD = 3
RECENT_US = 3600 * US  # a camera that wrote to a volume since then will write there again
ALIVE_US = 60 * US  # a recorder silent for longer says nothing about its bit rate
_s = schema.segment.c


@dataclass(frozen=True, slots=True)
class VolumeState:
    """What was last measured of a volume."""

    volume: str
    at_us: int
    footage_bytes: int  # of closed segments
    free_bytes: int | None  # of the file system; None: not reachable
    refuses: str | None  # why no segment may begin here, in English; None: it may


@dataclass(frozen=True, slots=True)
class Room:
    """How much more footage a volume may take; negative when it holds too much already."""

    room_bytes: int
    why: str  # the limit that is nearest, a sentence in English for when it is reached
    footage_bytes: int
    free_bytes: int


def floor_bytes(settings: Settings, volume: str) -> int:
    """What is to stay free on a volume."""
    return settings.floor_bytes(volume)


def footage_bytes(tx: Connection, volume: str) -> int:
    """Bytes of the closed segments on a volume."""
    query = select(func.coalesce(func.sum(_s.size_bytes), 0))
    return int(tx.execute(query.where(_s.volume == volume, _s.state == "closed")).scalar_one())


def footage_now(tx: Connection, state: VolumeState) -> int:
    """Bytes of the closed segments on a volume: as measured, and what was recorded since."""
    query = select(func.coalesce(func.sum(_s.size_bytes), 0)).where(
        _s.state == "closed", _s.start_us > state.at_us - RECENT_US,
        _s.created_us > state.at_us, _s.volume == state.volume,
    )  # fmt: skip
    return state.footage_bytes + int(tx.execute(query).scalar_one())


def measure(directory: DataDirectory, volume: Volume, footage: int) -> Room:
    """Room on a volume that holds `footage` bytes; OSError when its disk does not answer."""
    settings = directory.settings
    free = volume.free_bytes()
    room = free - floor_bytes(settings, volume.name)
    why = AT_FLOOR
    one = settings.volumes.get(volume.name)
    if one is not None and one.quota_bytes is not None and one.quota_bytes - footage < room:
        room, why = one.quota_bytes - footage, AT_QUOTA
    return Room(room, why.format(volume=volume.name), footage, free)


def headroom_bytes(directory: DataDirectory, volume: Volume) -> int:
    """Room that the next segments of every camera which lately wrote to a volume will take."""
    now_us = directory.clock.now_us()
    length_us = func.sum(_s.end_us - _s.start_us)
    recent = (
        select(_s.camera_id, _s.volume, func.sum(_s.size_bytes), length_us)
        .where(_s.start_us > now_us - RECENT_US, _s.start_us <= now_us)
        .where(_s.state == "closed", _s.origin == "live")
        .group_by(_s.camera_id, _s.volume)
    )
    wrote: dict[int, dict[str, float]] = {}  # camera → volume → bits a second
    with directory.ledger.read() as tx:
        for camera_id, name, size_bytes, us in tx.execute(recent):
            wrote.setdefault(camera_id, {})[name] = size_bytes * 8 * US / us if us else 0.0
        said = {
            key: state.bitrate_bps or 0.0
            for key, state in camera_states(tx).items()
            if state.state == "recording" and now_us - state.alive_us < ALIVE_US
        }
    bits = 0.0
    for camera_id in wrote.keys() | said.keys():
        rates = wrote.get(camera_id, {})
        if not rates or volume.name in rates:  # one that has just begun may write anywhere
            bits += max(rates.get(volume.name, 0.0), said.get(camera_id, 0.0))
    one = directory.settings.volumes.get(volume.name)
    quota = None if one is None else one.quota_bytes
    most = (volume.total_bytes() if quota is None else min(quota, volume.total_bytes())) // 10
    need = int(bits / 8 * directory.settings.recorder.segment_s * SEGMENTS_AHEAD)
    return min(most, max(LEAST_HEADROOM_BYTES, need))


def volume_states(tx: Connection) -> dict[str, VolumeState]:
    """By volume; one never measured is absent."""
    rows = tx.execute(select(schema.volume_state)).mappings()
    return {row["volume"]: VolumeState(**dict(row)) for row in rows}


def set_volume_state(tx: Connection, state: VolumeState) -> None:
    """Replace what is known of the volume."""
    table = schema.volume_state
    tx.execute(delete(table).where(table.c.volume == state.volume))
    refuses = None if state.refuses is None else state.refuses[:500]
    tx.execute(
        insert(table).values(
            volume=state.volume, at_us=state.at_us, footage_bytes=state.footage_bytes,
            free_bytes=state.free_bytes, refuses=refuses,
        )
    )  # fmt: skip


def in_words(sentence: str) -> str:
    """A sentence that the ledger keeps in English, in the current language."""
    for message in KEPT_SENTENCES:
        if match := _pattern(message).fullmatch(sentence):
            fields = {name: in_words(value) for name, value in match.groupdict().items()}
            return tr(message, **fields)
    return sentence


@cache
def _pattern(message: str) -> re.Pattern[str]:
    pieces = re.split(r"\{(\w+)\}", message)
    named = (f"(?P<{p}>.*?)" if i % 2 else re.escape(p) for i, p in enumerate(pieces))
    return re.compile("".join(named), re.DOTALL)
