"""Making room on a volume at its floor or quota: what is due goes first, then the oldest, early.

Just enough goes to get the room that was asked for. What is held never goes, nor what no setting
gives a promise; when nothing else is left the volume refuses new footage and says why.
"""

from __future__ import annotations

import heapq
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from sqlalchemy import and_, func, or_, select

from storage import audit, retention, schema
from storage.cases import holds
from storage.directory import DataDirectory, restore_ballast
from storage.due import Doomed, due
from storage.promises import Broken, Terms, held
from storage.register import cameras
from storage.retention import AT_ONCE, Pass
from storage.segments import KEPT
from storage.vocabulary import Actor
from storage.volume_states import (
    KEPT_ONLY,
    STOPPED,
    STUCK,
    Room,
    footage_bytes,
    measure,
)
from storage.volumes import Volume

MOST_DEFERRED = 50_000  # imports kept in mind until footage of their day is reached
log = logging.getLogger(__name__)
TRIED = 3  # plans for one need, when promises change while it is met
_s = schema.segment.c


@dataclass(slots=True)
class Made:
    """What making room did on a volume."""

    volume: str
    before: Room
    need_bytes: int
    room_bytes: int  # now: what there was and what was freed
    refuses: str | None = None  # why no segment may begin here, in English
    result: Pass = field(default_factory=lambda: Pass(dry_run=False))


def make_room(
    directory: DataDirectory,
    actor: Actor,
    volume_name: str,
    need_bytes: int,
    *,
    footage: int | None = None,
) -> Made:
    """See that a volume can take `need_bytes` more, as its settings allow.

    `footage`: bytes of closed segments on it, if they were just summed. Conflict while another
    pass deletes, Unavailable when the volume is not there, OSError when its disk fails.
    """
    volume = directory.archive.volume(volume_name)
    volume.verify()
    if footage is None:
        with directory.ledger.read() as tx:
            footage = footage_bytes(tx, volume_name)
    before = measure(directory, volume, footage)
    made = Made(volume_name, before, need_bytes, before.room_bytes)
    if before.room_bytes >= need_bytes:
        return made
    if directory.settings.volumes[volume_name].when_full == "stop":
        made.refuses = STOPPED.format(why=before.why)
        return made
    with directory.exclusive("retain"):
        for _ in range(TRIED):
            if _as_promised(directory, actor, made, volume):
                break
        restore_ballast(directory.root)
    if made.room_bytes < need_bytes:
        made.refuses = _refusal(directory, made)
    if made.result.early:
        log.warning("%s: %d segments went before their promise", before.why, made.result.early)
    return made


def _as_promised(directory: DataDirectory, actor: Actor, made: Made, volume: Volume) -> bool:
    """What is due, then what is oldest. False: meanwhile other promises were made."""
    with directory.ledger.read() as tx:
        terms = Terms(tx, directory.settings, cameras(tx), directory.clock.now_us())
    coming = due(directory, terms, terms.camera_ids, volume.name)
    if not _let_go(directory, actor, made, terms, coming):
        return False
    if made.room_bytes >= made.need_bytes:
        return True
    coming = _oldest(directory, terms, volume, made.before.why)
    return _let_go(directory, actor, made, terms, coming)


def _let_go(
    directory: DataDirectory, actor: Actor, made: Made, terms: Terms, coming: Iterator[Doomed]
) -> bool:
    """Delete of `coming`, in its order, until there is room; each batch with its audit row.
    False: the terms no longer stand."""
    pace = retention.Pace()
    while (missing := made.need_bytes - made.room_bytes) > 0 and not _stuck(made):
        began = time.monotonic()
        batch = _worth(coming, missing, pace.rows)
        if not batch:
            return True
        freed_before = made.result.freed_bytes
        with pace.write(directory.ledger) as tx:
            now_us = directory.clock.now_us()
            if not terms.stand(tx, now_us):
                return False
            gone = retention.entomb(tx, batch, now_us)
            if gone:
                detail = {
                    "segments": len(gone), "bytes": sum(one.size_bytes for one in gone),
                    "early": sum(one.broken is not None for one in gone),
                    "reason": made.before.why,
                }  # fmt: skip
                subject = f"volume {made.volume}"
                audit.record(tx, actor, "make_room", subject, at_us=now_us, detail=detail)
        retention.account(directory, made.result, gone)
        retention.remove(directory, made.result, gone)
        # What was unlinked counts as room even where the disk shows it late: a player may have
        # it open, and some file systems free blocks in their own time.
        made.room_bytes += made.result.freed_bytes - freed_before
        pace.rest(began)
    return True


def _worth(coming: Iterator[Doomed], size_bytes: int, most: int) -> list[Doomed]:
    """The next of `coming` that together are so big, or as many as a transaction takes."""
    batch: list[Doomed] = []
    for one in islice(coming, most):
        batch.append(one)
        size_bytes -= one.size_bytes
        if size_bytes <= 0:
            break
    return batch


def _stuck(made: Made) -> bool:
    """Whether files cannot be removed here: then more tombstones would free nothing."""
    return made.result.failures > 0 and made.result.failures >= made.result.removed


def _oldest(directory: DataDirectory, terms: Terms, volume: Volume, why: str) -> Iterator[Doomed]:
    """What lies on the volume and is not held, by age, each as one that breaks its promise.

    Age is of the later of its end and its intake, as for the promise. The ledger knows starts in
    order; what came in later than it was taken waits in a heap until its age comes.
    """
    waiting: list[tuple[int, str, Doomed]] = []
    for one in _by_start(directory, terms, volume, why):
        while waiting and (waiting[0][0] <= one.start_us or len(waiting) >= MOST_DEFERRED):
            yield heapq.heappop(waiting)[2]
        heapq.heappush(waiting, (max(one.end_us, one.created_us), one.id, one))
    while waiting:
        yield heapq.heappop(waiting)[2]


def _by_start(directory: DataDirectory, terms: Terms, volume: Volume, why: str) -> Iterator[Doomed]:
    broken = {
        key: Broken(promise, why) for key, promise in terms.promises.items() if promise.days
    }  # of an undecided camera everything is kept
    query = (
        select(_s.id, _s.camera_id, _s.path, _s.start_us, _s.end_us, _s.created_us, _s.size_bytes)
        .where(_s.volume == volume.name, _s.state == "closed", ~held(terms.now_us))
        .order_by(_s.start_us, _s.id)
        .limit(AT_ONCE)
    )
    last_us, last_id = -(1 << 62), ""
    while True:
        after = or_(_s.start_us > last_us, and_(_s.start_us == last_us, _s.id > last_id))
        with directory.ledger.read() as tx:
            rows = tx.execute(query.where(_s.start_us >= last_us, after)).all()
        for row in rows:
            if (breaks := broken.get(row.camera_id)) is not None:
                yield Doomed(
                    row.id, row.camera_id, volume.name, row.path, row.start_us, row.end_us,
                    row.created_us, row.size_bytes,
                    f"{breaks.promise.rule}, early: {why}", breaks,
                )  # fmt: skip
        if len(rows) < AT_ONCE:
            return
        last_us, last_id = rows[-1].start_us, rows[-1].id


def _refusal(directory: DataDirectory, made: Made) -> str:
    """Why there is still not enough room."""
    if _stuck(made):
        return STUCK.format(why=made.before.why, error=made.result.failed[0].error)
    now_us = directory.clock.now_us()
    with directory.ledger.read() as tx:
        keys = {hold.camera_id for hold in holds(tx, at_us=now_us)}
        query = select(func.coalesce(func.sum(_s.size_bytes), 0)).where(
            _s.camera_id.in_(keys), _s.volume == made.volume, KEPT, held(now_us)
        )
        held_bytes = int(tx.execute(query).scalar_one())
    return KEPT_ONLY.format(why=made.before.why, held=held_bytes // 10**6)
