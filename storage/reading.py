"""The narrow door: footage and pictures for a person leave through here and nowhere else.

Asked anew at each reading, before any cache: what was revoked, closed or has run out ends with
the next request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from storage.access import Access, access_of
from storage.approvals_needed import Approvals
from storage.case_sight import open_case_for
from storage.directory import DataDirectory
from storage.errors import Denied, NotFound
from storage.media import Media
from storage.purpose import NEED_CASE, without_case
from storage.register import camera_by_id
from storage.rights import Verb
from storage.segments import UNKNOWN_SEGMENT, get
from storage.settings import SearchSettings
from storage.vocabulary import Actor, Camera, Segment, SegmentState, Span
from storage.volumes import Archive
from storage.zones import Zone, zones_of_segments, zones_over

AT_ONCE = 500  # segments in one question: SQLite takes so many names, and a playlist is a day


@dataclass(frozen=True, slots=True)
class Footage:
    """A segment that somebody may read now. Only `footage` makes one."""

    segment: Segment
    zones: tuple[Zone, ...]  # privacy zones that hide something of it
    is_masked: bool  # from whoever asks; then no byte of its file may leave
    _archive: Archive

    @property
    def media(self) -> Media:
        """Its file, to be read as it was recorded. DataLoss when it is gone from its volume.

        Denied when zones hide something of it from whoever asks.
        """
        if self.is_masked:
            raise Denied(
                "privacy zones hide a part of camera {camera} then: its recording is shown masked"
                " only; open it again",
                camera=self.segment.camera,
            )
        return self._archive.media(self.segment)

    def as_masked(self) -> Footage:
        """The same, as it is shown to those who may not see what its zones hide."""
        return replace(self, is_masked=bool(self.zones))

    def require_there(self) -> None:
        """DataLoss when its file is gone from its volume. Nothing of it is read, so masked or not
        does not matter."""
        self._archive.media(self.segment)

    @property
    def under_mask(self) -> Media:
        """Its file, for those alone who mask every picture of it: indexer.pictures."""
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
        zones = zones_of_segments(tx, list(rows.values()))
        unmasks: dict[int, bool] = {}  # camera → whether they see what its zones hide
        seen: dict[int, bool] = {}  # camera → whether they see it; those are asked for once
        wanted: dict[int, tuple[Camera, list[Verb]]] = {}  # what of `verbs` they may do with it
        approvals = Approvals(tx, directory.settings.access, access, actor.case_id)
        for segment_id in segment_ids:
            row = rows.get(segment_id)
            if row is not None and row.camera_id not in seen:
                camera = camera_by_id(tx, row.camera_id)
                seen[row.camera_id] = access.sees(camera)
                unmasks[row.camera_id] = may_unmask(access, actor, camera)
                if access.sees(camera):
                    doing = _require_one(
                        tx, directory.settings.search, access, actor, verbs, camera
                    )
                    wanted[row.camera_id] = (camera, doing)
            if row is None or not seen[row.camera_id]:
                raise NotFound(UNKNOWN_SEGMENT, segment=segment_id)
            if row.state is not SegmentState.CLOSED:
                raise NotFound(
                    "segment {segment} was deleted when its promised time was over",
                    segment=segment_id,
                )
            _require_approved(approvals, *wanted[row.camera_id], row)
    found = [rows[segment_id] for segment_id in segment_ids]
    return [
        Footage(
            row, zones[row.id], bool(zones[row.id]) and not unmasks[row.camera_id],
            directory.archive,
        )
        for row in found
    ]  # fmt: skip


def may_unmask(access: Access, actor: Actor, camera: Camera) -> bool:
    """Whether somebody sees what the privacy zones of a camera hide. An API token never does:
    unmasking is for a person's own eyes."""
    return actor.token is None and access.may(Verb.UNMASK, camera)


def require_originals(
    tx: Connection, actor: Actor, cameras: Sequence[Camera], span: Span, at_us: int
) -> None:
    """Denied when originals of this span show what privacy zones hide from whoever asks; also of
    footage that is gone: a bundle made before shows it still."""
    access = access_of(tx, actor.name, at_us)
    for camera in cameras:
        if may_unmask(access, actor, camera):
            continue
        hidden = {zone.name for zone in zones_over(tx, camera.id, span)}
        if hidden:
            raise Denied(
                "privacy zones of camera {camera} hide a part of this span ({zones}), and its"
                " originals show it: make a redacted copy, or ask an administrator to grant"
                " {user} unmask. Nothing was exported",
                camera=camera.slug, zones=", ".join(sorted(hidden)), user=actor.name,
            )  # fmt: skip


def unmasked(
    tx: Connection, actor: Actor, cameras: Sequence[Camera], span: Span, at_us: int
) -> dict[str, list[str]]:
    """What the audit row of a look adds where privacy zones hide some of it and whoever looks sees
    it all the same: `unmasked`, the names of those zones. Empty where nothing is hidden."""
    access = access_of(tx, actor.name, at_us)
    names = {
        zone.name
        for camera in cameras
        if may_unmask(access, actor, camera)
        for zone in zones_over(tx, camera.id, span)
    }
    return {"unmasked": sorted(names)} if names else {}


def _require_one(
    tx: Connection,
    settings: SearchSettings,
    access: Access,
    actor: Actor,
    verbs: tuple[Verb, ...],
    camera: Camera,
) -> list[Verb]:
    allowed = [one for one in verbs if access.may(one, camera)]
    verb = allowed[0] if allowed else verbs[0]
    access.require_seen(verb, camera)
    if actor.case_id is not None:
        open_case_for(tx, access, actor.case_id)
    elif not without_case(settings, access, verb, [camera]):
        raise Denied(NEED_CASE[verb])
    return allowed


def _require_approved(
    approvals: Approvals, camera: Camera, verbs: Sequence[Verb], row: Segment
) -> None:
    span = Span(row.start_us, row.end_us)
    if not any(approvals.allow(verb, camera, span, whole=False) for verb in verbs):
        raise approvals.refusal(verbs[0], [camera], span)
