"""Retention, the only remover of footage: promise per class, holds above all, tombstones.

Order: audit row and tombstones in one transaction → volume shows its identity → unlink the file
and what lies beside it → fsync the folder → `unlinked_us`. See docs/design/keeping.md.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from sqlalchemy import Connection, select

from storage import audit, schema
from storage.cases import holds
from storage.clock import rfc3339
from storage.directory import DataDirectory, restore_ballast
from storage.due import Doomed, Planned, due, plan
from storage.durable import remove_empty_folders, remove_file
from storage.errors import Held, HindsightError, NotFound, Unavailable
from storage.fragments import facts_file
from storage.ledger import Ledger
from storage.promises import DAY_US as DAY_US
from storage.promises import Broken, held
from storage.promises import promise as promise
from storage.segments import KEPT, count_not_unlinked, expire, get, mark_unlinked, not_unlinked
from storage.violations import record_violation
from storage.vocabulary import Actor, Segment, SegmentState

AT_ONCE = 500  # tombstones of one transaction, at most
HOLD_S = 0.1  # a transaction that held the ledger longer is followed by a smaller one
SAMPLE = 50  # segments and failures of a pass that are told one by one
log = logging.getLogger(__name__)
_s = schema.segment.c
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that could not be removed; its tombstone is tried again by the next pass."""

    segment: Segment
    error: str


@dataclass(slots=True)
class Pass:
    """What one pass did, or would do."""

    dry_run: bool
    expired: int = 0  # segments
    expired_bytes: int = 0
    early: int = 0  # of them, before their promise
    sample: list[tuple[Segment, str]] = field(default_factory=list)  # the first, with the rule
    removed: int = 0  # files gone, of this pass and of earlier ones that had failed
    freed_bytes: int = 0
    failures: int = 0  # files that could not be removed
    failed: list[Failure] = field(default_factory=list)  # the first of them
    held_segments: int = 0  # due, but held
    held_bytes: int = 0
    undecided: list[str] = field(default_factory=list)  # cameras whose class is unknown


def retain(
    directory: DataDirectory,
    actor: Actor,
    *,
    dry_run: bool = False,
    routine: bool = False,
    progress: Progress = lambda done, total: None,
) -> Pass:
    """One pass over the whole archive. `progress(done, total)` counts files.

    A `routine` pass that finds nothing due leaves no audit row.
    """
    result = Pass(dry_run)
    if dry_run:
        planned = _planned(directory, result)
        result.expired, result.expired_bytes = planned.segments, planned.size_bytes
        first = list(islice(due(directory, planned.terms, planned.camera_ids), SAMPLE))
        result.sample = _told(directory, first)
        return result
    with directory.exclusive("retain"):
        planned = _planned(directory, result)
        terms = planned.terms
        with directory.ledger.read() as tx:
            earlier = count_not_unlinked(tx)
        waiting = sum(earlier.values())
        total = waiting + planned.segments
        _finish_earlier(directory, result, earlier, lambda done: progress(done, total))
        detail = {
            "segments": planned.segments, "bytes": planned.size_bytes, "held": result.held_segments,
        }  # fmt: skip
        if not planned.segments and not routine:
            with directory.ledger.write() as tx:
                audit.record(tx, actor, "retain", "archive", at_us=terms.now_us, detail=detail)
        # No more than was planned and audited: what turns up meanwhile waits for the next pass.
        coming = islice(due(directory, terms, planned.camera_ids), planned.segments)
        pace, done = Pace(), 0
        while batch := list(islice(coming, pace.rows)):
            began = time.monotonic()
            with pace.write(directory.ledger) as tx:
                if not terms.stand(tx, directory.clock.now_us()):
                    break  # somebody decided otherwise: the next pass plans anew
                if not done:
                    audit.record(tx, actor, "retain", "archive", at_us=terms.now_us, detail=detail)
                gone = entomb(tx, batch, directory.clock.now_us())
            account(directory, result, gone)
            remove(directory, result, gone)
            done += len(batch)
            progress(waiting + done, total)
            if done < planned.segments:
                pace.rest(began)
        restore_ballast(directory.root)
    _log_failures(result)
    return result


def would_expire(directory: DataDirectory) -> Iterator[tuple[Segment, str]]:
    """What a pass would let go of now, with the rule: all of it, streamed."""
    planned = plan(directory)
    coming = due(directory, planned.terms, planned.camera_ids)
    while batch := list(islice(coming, AT_ONCE)):
        yield from _told(directory, batch)


def delete(directory: DataDirectory, segment_ids: Sequence[str], rule: str, actor: Actor) -> Pass:
    """Delete single segments for a stated reason, before their time.

    Held when a hold touches one of them, NotFound when one is not kept; then none is deleted.
    """
    result = Pass(dry_run=False)
    now_us = directory.clock.now_us()
    doomed: list[Doomed] = []
    with directory.exclusive("retain"):
        with directory.ledger.write() as tx:
            found = {segment.id: segment for segment in get(tx, segment_ids)}
            for segment_id in segment_ids:
                segment = found.get(segment_id)
                if segment is None or segment.state is not SegmentState.CLOSED:
                    raise NotFound("segment {segment} is not in the ledger", segment=segment_id)
                refuse_if_held(tx, segment, now_us)
                doomed.append(_doomed(segment, rule))
            detail = {"rule": rule, "segments": list(segment_ids)}
            subject = f"{len(segment_ids)} segments"
            audit.record(tx, actor, "delete", subject, at_us=now_us, detail=detail)
            gone = entomb(tx, doomed, now_us)
        account(directory, result, gone)
        remove(directory, result, gone)
    _log_failures(result)
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
    return sum(count_not_unlinked(tx).values())


def _planned(directory: DataDirectory, result: Pass) -> Planned:
    found = plan(directory)
    result.held_segments, result.held_bytes = found.held_segments, found.held_bytes
    result.undecided += found.terms.undecided
    return found


class Pace:
    """How many rows a transaction takes: a recorder that wants the ledger must get it soon.

    On a slow disk each row costs many seeks; there, fewer go at once.
    """

    def __init__(self) -> None:
        self.rows = min(100, AT_ONCE)

    @contextmanager
    def write(self, ledger: Ledger) -> Iterator[Connection]:
        """A write, by whose length the next batch is sized."""
        with ledger.write() as tx:
            began = time.monotonic()
            yield tx
        took_s = time.monotonic() - began
        if took_s > HOLD_S:
            self.rows = max(10, self.rows // 2)
        elif took_s < HOLD_S / 3:
            self.rows = min(AT_ONCE, self.rows * 2)

    def rest(self, began: float) -> None:
        """Between two batches, the first begun at `began`, let others have the ledger.

        SQLite's writers ask again after 0.1 s at the latest: a rest longer than that lets each of
        them in, so that nobody waits for a second batch of a busy machine.
        """
        time.sleep(min(0.11, (time.monotonic() - began) / 2))


def entomb(tx: Connection, batch: Sequence[Doomed], now_us: int) -> list[Doomed]:
    """Turn rows into tombstones and note the promises this breaks.

    Returns those that went: not those that a hold touches by now, or that are no longer kept.
    """
    ids = [one.id for one in batch]
    free = select(_s.id).where(_s.id.in_(ids), KEPT, ~held(now_us))
    going = set(tx.execute(free).scalars())
    gone = [one for one in batch if one.id in going]
    by_rule: dict[str, list[str]] = {}
    early: dict[tuple[int, str, Broken], list[Doomed]] = {}
    for one in gone:
        by_rule.setdefault(one.rule[:200], []).append(one.id)
        if one.broken is not None:
            early.setdefault((one.camera_id, one.volume, one.broken), []).append(one)
    for rule, each in by_rule.items():
        expire(tx, each, rule, now_us)
    for (camera_id, volume, broken), ones in early.items():
        record_violation(
            tx, at_us=now_us, camera_id=camera_id, volume=volume,
            start_us=min(one.start_us for one in ones), end_us=max(one.end_us for one in ones),
            segments=len(ones), size_bytes=sum(one.size_bytes for one in ones),
            promised_until_us=max(
                broken.promise.until_us(one.end_us, one.created_us) for one in ones
            ),
            promise=broken.promise.rule, reason=broken.reason,
        )  # fmt: skip
    return gone


def account(directory: DataDirectory, result: Pass, gone: Sequence[Doomed]) -> None:
    """Count what became a tombstone."""
    result.expired += len(gone)
    result.expired_bytes += sum(one.size_bytes for one in gone)
    result.early += sum(one.broken is not None for one in gone)
    if wanted := SAMPLE - len(result.sample):
        result.sample += _told(directory, gone[:wanted])


def remove(directory: DataDirectory, result: Pass, dead: Sequence[Doomed]) -> None:
    """Unlink the files of these tombstones, then note that they are gone."""
    absent = _absent_volumes(directory, {one.volume for one in dead})
    gone: list[Doomed] = []
    missing: list[Doomed] = []
    errors: dict[str, str] = {}
    folders: dict[tuple[str, str], Path] = {}
    for one in dead:
        try:
            if error := absent.get(one.volume):
                raise error
            inside, _, name = one.path.rpartition("/")
            if (folder := folders.get((one.volume, inside))) is None:
                folder = directory.archive.volume(one.volume).file(inside)
                folders[one.volume, inside] = folder
            there = _unlink(folder / name)
            # Pictures and views made of it go with it: what expired is not to be looked at.
            if (pictures := directory.cache / "segments" / one.id).exists():
                shutil.rmtree(pictures, ignore_errors=True)
            (gone if there else missing).append(one)
        except (OSError, HindsightError) as error:
            errors[one.id] = str(error)
    for (volume, _), folder in folders.items():
        remove_empty_folders(folder, directory.archive.volume(volume).root.resolve())
    # Were they gone already, or did the disk go away this minute?
    absent = _absent_volumes(directory, {one.volume for one in missing})
    for one in missing:
        if away := absent.get(one.volume):
            errors[one.id] = str(away)
        else:
            gone.append(one)
    if gone:
        with directory.ledger.write() as tx:
            mark_unlinked(tx, [one.id for one in gone], directory.clock.now_us())
    result.removed += len(gone)
    result.freed_bytes += sum(one.size_bytes for one in gone)
    result.failures += len(errors)
    if wanted := list(errors)[: max(0, SAMPLE - len(result.failed))]:
        with directory.ledger.read() as tx:
            result.failed += [Failure(segment, errors[segment.id]) for segment in get(tx, wanted)]


def _finish_earlier(
    directory: DataDirectory,
    result: Pass,
    waiting: Mapping[str, int],
    progress: Callable[[int], None],
) -> None:
    """Remove the files, so many on each volume, that earlier passes could not."""
    absent = _absent_volumes(directory, set(waiting))
    done = 0
    for volume, count in waiting.items():
        if volume in absent:  # said once, not tried for each of perhaps a million files
            with directory.ledger.read() as tx:
                first = not_unlinked(tx, volume=volume, limit=1)
            result.failures += count
            result.failed += [Failure(segment, str(absent[volume])) for segment in first]
            continue
        last = ""
        while True:
            with directory.ledger.read() as tx:
                page = not_unlinked(tx, volume=volume, after=last, limit=AT_ONCE)
            if not page:
                break
            remove(directory, result, [_doomed(segment, "") for segment in page])
            last, done = page[-1].id, done + len(page)
            progress(done)


def _doomed(segment: Segment, rule: str) -> Doomed:
    return Doomed(
        segment.id, segment.camera_id, segment.volume, segment.path, segment.start_us,
        segment.end_us, segment.created_us, segment.size_bytes, rule, None,
    )  # fmt: skip


def _told(directory: DataDirectory, some: Sequence[Doomed]) -> list[tuple[Segment, str]]:
    """The rows of some doomed segments, in their order, with the rules."""
    with directory.ledger.read() as tx:
        rows = {segment.id: segment for segment in get(tx, [one.id for one in some])}
    return [(rows[one.id], one.rule) for one in some]


def _absent_volumes(directory: DataDirectory, names: set[str]) -> dict[str, HindsightError]:
    """Volumes that do not show their identity, with the reason: what they hide is not gone."""
    absent: dict[str, HindsightError] = {}
    for name in names:
        try:
            directory.archive.volume(name).verify()
        except (NotFound, Unavailable) as error:
            absent[name] = error
    return absent


def _unlink(path: Path) -> bool:
    """Remove the file of a tombstone and the facts beside it, durably; whether it was there."""
    there = remove_file(path)
    if (facts := facts_file(path)).exists():
        remove_file(facts)
    return there


def _log_failures(result: Pass) -> None:
    if result.failed:
        first = result.failed[0]
        log.error("%d files not removed, first %s: %s", result.failures, first.segment.path,
                  first.error)  # fmt: skip
