"""What is due: closed segments past their promise or their volume's cap, oldest first, streamed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge

from sqlalchemy import and_, func, or_, select

from storage import schema
from storage.cases import holds
from storage.directory import DataDirectory
from storage.ledger import Ledger
from storage.promises import Broken, Terms, held
from storage.register import cameras

READ_AT_ONCE = 20_000  # candidates read ahead, of all cameras together
_s = schema.segment.c


@dataclass(frozen=True, slots=True)
class Doomed:
    """A segment that is to go, with the rule that says so and the promise this breaks, if any."""

    id: str
    camera_id: int
    volume: str
    path: str
    start_us: int
    end_us: int
    created_us: int
    size_bytes: int
    rule: str
    broken: Broken | None


@dataclass(frozen=True, slots=True)
class Planned:
    """What a pass over the whole archive would let go of."""

    camera_ids: list[int]  # of which something is due
    terms: Terms
    segments: int
    size_bytes: int
    us: int  # lengths together
    held_segments: int  # due, but held
    held_bytes: int


def plan(directory: DataDirectory, among: Collection[int] | None = None) -> Planned:
    """What is due now, and how much of it is held; `among`: of these cameras."""
    now_us = directory.clock.now_us()
    keys: list[int] = []
    segments = size_bytes = length_us = held_segments = held_bytes = 0
    sums = select(
        func.count(),
        func.coalesce(func.sum(_s.size_bytes), 0),
        func.coalesce(func.sum(_s.end_us - _s.start_us), 0),
    )
    with directory.ledger.read() as tx:
        terms = Terms(tx, directory.settings, cameras(tx), now_us)
        holding = {hold.camera_id for hold in holds(tx, at_us=now_us)}
        for key in terms.camera_ids:
            if among is not None and key not in among:
                continue
            count, size, us = tx.execute(sums.where(terms.due(key))).one()
            if count and key in holding:
                kept, kept_bytes, kept_us = tx.execute(
                    sums.where(terms.due(key), held(now_us))
                ).one()
                held_segments += kept
                held_bytes += int(kept_bytes)
                count, size, us = count - kept, size - kept_bytes, us - kept_us
            if count:
                keys.append(key)
                segments += count
                size_bytes += int(size)
                length_us += int(us)
    return Planned(keys, terms, segments, size_bytes, length_us, held_segments, held_bytes)


def due(
    directory: DataDirectory, terms: Terms, camera_ids: Sequence[int], volume: str | None = None
) -> Iterator[Doomed]:
    """What is due of these cameras (on `volume`) and not held now, oldest first, streamed."""
    page = max(20, READ_AT_ONCE // max(1, len(camera_ids)))
    streams = [_due_of(directory.ledger, terms, key, volume, page) for key in camera_ids]
    return merge(*streams, key=lambda one: (one.start_us, one.id))


def _due_of(
    ledger: Ledger, terms: Terms, camera_id: int, volume: str | None, page: int
) -> Iterator[Doomed]:
    """Each page in a transaction of its own: a long read keeps SQLite's log from shrinking."""
    query = (
        select(_s.id, _s.volume, _s.path, _s.start_us, _s.end_us, _s.created_us, _s.size_bytes)
        .where(terms.due(camera_id), ~held(terms.now_us))
        .order_by(_s.start_us, _s.id)
        .limit(page)
    )
    if volume is not None:
        query = query.where(_s.volume == volume)
    last_us, last_id = -(1 << 62), ""
    while True:
        after = or_(_s.start_us > last_us, and_(_s.start_us == last_us, _s.id > last_id))
        with ledger.read() as tx:
            rows = tx.execute(query.where(_s.start_us >= last_us, after)).all()
        for row in rows:
            rule, broken = terms.rule(camera_id, row.volume)
            if broken and broken.promise.until_us(row.end_us, row.created_us) <= terms.now_us:
                rule, broken = broken.promise.rule, None  # it was promised no longer
            yield Doomed(
                row.id, camera_id, row.volume, row.path, row.start_us, row.end_us, row.created_us,
                row.size_bytes, rule, broken,
            )  # fmt: skip
        if len(rows) < page:
            return
        last_us, last_id = rows[-1].start_us, rows[-1].id
