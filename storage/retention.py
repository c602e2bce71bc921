"""Retention, the only remover of footage: promise per class, holds above all, tombstones.

Order: audit row and tombstones in one transaction → volume shows its identity → unlink the file
and what lies beside it → fsync the folder → `unlinked_us`. See docs/design/keeping.md.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select

from storage import audit, schema
from storage.cases import holds
from storage.clock import US, rfc3339
from storage.directory import DataDirectory, restore_ballast
from storage.durable import remove_empty_folders, remove_file
from storage.errors import Held, HindsightError, NotFound, Unavailable
from storage.fragments import facts_file
from storage.register import cameras
from storage.segments import expire, get, mark_unlinked, matching, not_unlinked
from storage.settings import RetentionSettings
from storage.vocabulary import Actor, Camera, Segment, SegmentState
from storage.volumes import Volume

DAY_US = 86_400 * US
MOST_PER_PASS = 50_000  # tombstones made by one pass; bounds its memory and its transaction
MARKED_AT_ONCE = 200  # unlinked files per ledger commit
log = logging.getLogger(__name__)
_s = schema.segment.c
_h = schema.hold.c


@dataclass(frozen=True, slots=True)
class Promise:
    """How long a camera's footage is kept. `days` None: its class is unknown, all is kept."""

    days: float | None
    rule: str  # as it stands in the settings, e.g. 'class_3_days = 30'


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that could not be removed; its tombstone is tried again by the next pass."""

    segment: Segment
    error: str


@dataclass(slots=True)
class Pass:
    """What one pass did, or would do."""

    dry_run: bool
    expired: list[tuple[Segment, str]] = field(default_factory=list)  # with the rule
    removed: int = 0  # files gone, of this pass and of earlier ones that had failed
    freed_bytes: int = 0
    failed: list[Failure] = field(default_factory=list)
    held_segments: int = 0  # due, but held
    held_bytes: int = 0
    undecided: list[str] = field(default_factory=list)  # cameras whose class is unknown


def promise(settings: RetentionSettings, camera: Camera) -> Promise:
    """The rule for a camera: its retention class if it has one, else its site class."""
    if camera.retention_class is not None:
        days = settings.named_days.get(camera.retention_class)
        shown = "not set" if days is None else f"{days:g}"
        return Promise(days, f"named_days.{camera.retention_class} = {shown}")
    name = f"class_{camera.site_class}_days"
    days = getattr(settings, name)
    return Promise(days, f"{name} = {days:g}")


def retain(
    directory: DataDirectory,
    actor: Actor,
    *,
    dry_run: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Pass:
    """One pass over the whole archive. `progress(done, total)` counts files."""
    result = Pass(dry_run)
    if dry_run:
        with directory.ledger.read() as tx:
            _plan(tx, directory, result)
        return result
    with directory.exclusive("retain"):
        now_us = directory.clock.now_us()
        with directory.ledger.write() as tx:
            _plan(tx, directory, result)
            audit.record(
                tx, actor, "retain", "archive", at_us=now_us,
                detail={
                    "segments": len(result.expired),
                    "bytes": sum(segment.size_bytes for segment, _ in result.expired),
                    "held": result.held_segments,
                },
            )  # fmt: skip
            _entomb(tx, result.expired, now_us)
        _remove(directory, result, progress)
        restore_ballast(directory.root)
    return result


def delete(directory: DataDirectory, segment_ids: Sequence[str], rule: str, actor: Actor) -> Pass:
    """Delete single segments for a stated reason, before their time.

    Held when a hold touches one of them, NotFound when one is not kept; then none is deleted.
    """
    result = Pass(dry_run=False)
    now_us = directory.clock.now_us()
    with directory.exclusive("retain"):
        with directory.ledger.write() as tx:
            found = {segment.id: segment for segment in get(tx, segment_ids)}
            for segment_id in segment_ids:
                segment = found.get(segment_id)
                if segment is None or segment.state is not SegmentState.CLOSED:
                    raise NotFound("segment {segment} is not in the ledger", segment=segment_id)
                refuse_if_held(tx, segment, now_us)
                result.expired.append((segment, rule))
            detail = {"rule": rule, "segments": list(segment_ids)}
            subject = f"{len(segment_ids)} segments"
            audit.record(tx, actor, "delete", subject, at_us=now_us, detail=detail)
            _entomb(tx, result.expired, now_us)
        _remove(directory, result, lambda done, total: None)
    return result


def refuse_if_held(tx: Connection, segment: Segment, now_us: int) -> None:
    """Held when a hold in force touches the segment."""
    for hold in holds(tx, at_us=now_us, camera_ids=[segment.camera_id]):
        if hold.start_us < segment.end_us and hold.end_us > segment.start_us:
            raise Held(
                "segment {segment} ({camera}, {start}) is under hold {hold} of {owner}: {reason};"
                " nothing was deleted",
                segment=segment.id, camera=segment.camera, start=rfc3339(segment.start_us),
                hold=hold.id, owner=hold.owner, reason=hold.reason,
            )  # fmt: skip


def unremoved(tx: Connection) -> int:
    """Tombstones whose file may still be there: retried by every pass."""
    query = select(func.count()).where(_s.state == "expired", _s.unlinked_us.is_(None))
    return int(tx.execute(query).scalar_one())


def _plan(tx: Connection, directory: DataDirectory, result: Pass) -> None:
    """Fill in what is due and not held, oldest first, and what is due but held."""
    now_us = directory.clock.now_us()
    rules: dict[int, str] = {}
    by_cutoff: dict[int, list[int]] = {}
    for camera in cameras(tx):
        one = promise(directory.settings.retention, camera)
        if one.days is None:
            result.undecided.append(camera.slug)
            continue
        rules[camera.id] = one.rule
        by_cutoff.setdefault(now_us - int(one.days * DAY_US), []).append(camera.id)
    if not by_cutoff:
        return
    due = and_(
        _s.state == "closed",
        or_(
            *(
                # An import is young on the day it comes in, however old its pictures are.
                and_(_s.camera_id.in_(ids), _s.end_us <= cutoff, _s.created_us <= cutoff)
                for cutoff, ids in by_cutoff.items()
            )
        ),
    )
    under_hold = held(now_us)
    for segment in matching(tx, due, ~under_hold, limit=MOST_PER_PASS):
        result.expired.append((segment, rules[segment.camera_id]))
    kept = select(func.count(), func.coalesce(func.sum(_s.size_bytes), 0)).where(due, under_hold)
    count, size_bytes = tx.execute(kept).one()
    result.held_segments, result.held_bytes = int(count), int(size_bytes)


def held(now_us: int) -> ColumnElement[bool]:
    """SQL: whether a hold in force touches the segment row."""
    return exists(
        select(_h.id).where(
            _h.camera_id == _s.camera_id,
            _h.start_us < _s.end_us,
            _h.end_us > _s.start_us,
            _h.released_us.is_(None),
            or_(_h.expires_us.is_(None), _h.expires_us > now_us),
        )
    )


def _entomb(tx: Connection, due: Sequence[tuple[Segment, str]], now_us: int) -> None:
    """Turn the rows into tombstones."""
    by_rule: dict[str, list[str]] = {}
    for segment, rule in due:
        by_rule.setdefault(rule, []).append(segment.id)
    for rule, ids in by_rule.items():
        for first in range(0, len(ids), 500):  # SQLite bounds the length of a statement
            expire(tx, ids[first : first + 500], rule, now_us)


def _remove(directory: DataDirectory, result: Pass, progress: Callable[[int, int], None]) -> None:
    """Unlink the files of every tombstone that still has one, of this pass or an earlier one."""
    with directory.ledger.read() as tx:
        waiting = not_unlinked(tx)
    absent = _absent_volumes(directory, {segment.volume for segment in waiting})
    gone: list[Segment] = []
    for done, segment in enumerate(waiting):
        try:
            if error := absent.get(segment.volume):
                raise error
            _unlink(directory.archive.volume(segment.volume), segment)
            # Pictures and views made of it go with it: what expired is not to be looked at.
            shutil.rmtree(directory.cache / "segments" / segment.id, ignore_errors=True)
            gone.append(segment)
        except (OSError, HindsightError) as error:
            result.failed.append(Failure(segment, str(error)))
        if len(gone) == MARKED_AT_ONCE:
            _mark(directory, result, gone)
            gone = []
        progress(done + 1, len(waiting))
    _mark(directory, result, gone)
    if result.failed:
        first = result.failed[0]
        log.error("%d files not removed, first %s: %s", len(result.failed), first.segment.path,
                  first.error)  # fmt: skip


def _absent_volumes(directory: DataDirectory, names: set[str]) -> dict[str, HindsightError]:
    """Volumes that do not show their identity, with the reason: what they hide is not gone."""
    absent: dict[str, HindsightError] = {}
    for name in names:
        try:
            directory.archive.volume(name).verify()
        except (NotFound, Unavailable) as error:
            absent[name] = error
    return absent


def _unlink(volume: Volume, segment: Segment) -> None:
    """Remove the file of a tombstone and the facts beside it, durably."""
    path = volume.file(segment.path)
    if not remove_file(path):
        volume.verify()  # gone already, or the disk went away this minute?
    remove_file(facts_file(path))
    remove_empty_folders(path.parent, volume.root.resolve())


def _mark(directory: DataDirectory, result: Pass, gone: Sequence[Segment]) -> None:
    if not gone:
        return
    with directory.ledger.write() as tx:
        mark_unlinked(tx, [segment.id for segment in gone], directory.clock.now_us())
    result.removed += len(gone)
    result.freed_bytes += sum(segment.size_bytes for segment in gone)
