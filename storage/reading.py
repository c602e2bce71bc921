"""The narrow door: footage and pictures for a person leave through here and nowhere else.

Asked anew at each reading, before any cache: what was revoked, closed or has run out ends with
the next request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from storage.access import Access, access_of
from storage.cases import find_open_case
from storage.directory import DataDirectory
from storage.errors import Denied, NotFound
from storage.media import Media
from storage.purpose import NEED_CASE, without_case
from storage.register import camera_by_id
from storage.rights import Verb
from storage.segments import UNKNOWN_SEGMENT, get
from storage.settings import SearchSettings
from storage.vocabulary import Actor, Camera, Segment, SegmentState
from storage.volumes import Archive

AT_ONCE = 500  # segments in one question: SQLite takes so many names, and a playlist is a day


@dataclass(frozen=True, slots=True)
class Footage:
    """A segment that somebody may read now. Only `footage` makes one."""

    segment: Segment
    _archive: Archive

    @property
    def media(self) -> Media:
        """Its file, to be read as it was recorded. DataLoss when it is gone from its volume."""
        return self._archive.media(self.segment)


def footage(directory: DataDirectory, segment_id: str, actor: Actor, *verbs: Verb) -> Footage:
    """Footage for somebody to do one of `verbs` with, under the case that `actor` names.

    NotFound: no such segment, or of a camera they may not see, or deleted. Denied: not granted,
    or a case is needed. Conflict: its case is closed.
    """
    return footage_of_all(directory, [segment_id], actor, *verbs)[0]


def footage_of_all(
    directory: DataDirectory, segment_ids: Sequence[str], actor: Actor, *verbs: Verb
) -> list[Footage]:
    """As `footage` of each, asked at one instant; whatever refuses one refuses all."""
    rows: dict[str, Segment] = {}
    with directory.ledger.read() as tx:
        access = access_of(tx, actor.name, directory.clock.now_us())
        for start in range(0, len(segment_ids), AT_ONCE):
            rows |= {row.id: row for row in get(tx, segment_ids[start : start + AT_ONCE])}
        seen: dict[int, bool] = {}  # camera → whether they see it; those are asked for once
        for segment_id in segment_ids:
            row = rows.get(segment_id)
            if row is not None and row.camera_id not in seen:
                camera = camera_by_id(tx, row.camera_id)
                seen[row.camera_id] = access.sees(camera)
                if access.sees(camera):
                    _require_one(tx, directory.settings.search, access, actor, verbs, camera)
            if row is None or not seen[row.camera_id]:
                raise NotFound(UNKNOWN_SEGMENT, segment=segment_id)
            if row.state is not SegmentState.CLOSED:
                raise NotFound(
                    "segment {segment} was deleted when its promised time was over",
                    segment=segment_id,
                )
    return [Footage(rows[segment_id], directory.archive) for segment_id in segment_ids]


def _require_one(
    tx: Connection,
    settings: SearchSettings,
    access: Access,
    actor: Actor,
    verbs: tuple[Verb, ...],
    camera: Camera,
) -> None:
    verb = next((one for one in verbs if access.may(one, camera)), verbs[0])
    access.require_seen(verb, camera)
    if actor.case_id is not None:
        find_open_case(tx, actor.case_id)
    elif not without_case(settings, access, verb, [camera]):
        raise Denied(NEED_CASE[verb])
