"""The part of `check` that follows each camera's chain of segments, live and imported apart.

What the rows alone can show: docs/design/custody.md says what each finding means.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, or_, select

from storage import schema
from storage.directory import DataDirectory
from storage.findings import Finding, of_segment
from storage.i18n import N_
from storage.segments import by_sha256, matching
from storage.vocabulary import Segment

STAMP = 10  # characters of a ULID that tell its millisecond
_s = schema.segment.c
_before = schema.segment.alias("before")


def check_chain(directory: DataDirectory) -> Iterator[Finding]:
    """Every row follows the one before it, and no two follow the same (invariant 13)."""
    with directory.ledger.read() as tx:
        began_us = ledger_began_us(tx)
        for segment in matching(tx, _s.prev_sha256.is_not(None), ~exists(_named()), _earlier()):
            # What an earlier ledger knew of expired footage was lost with it.
            yield of_segment(
                segment, 13, N_("the segment before {segment} ({camera}) is not in the ledger"),
                loss=segment.created_us >= began_us,
            )  # fmt: skip
        for segment in matching(tx, _s.prev_sha256.is_(None), _earlier()):
            yield of_segment(
                segment, 13,
                N_("segment {segment} ({camera}) begins a chain anew: its recorder could not read"
                   " the ledger, or it was put there"),
                loss=False,
            )  # fmt: skip
        yield from _out_of_order(tx)
        yield from _forks(tx)


def ledger_began_us(tx: Connection) -> int:
    """When this ledger's first row was written; what is older came from media."""
    a = schema.audit.c
    return tx.execute(select(a.ts_us).order_by(a.seq).limit(1)).scalar() or 0


def _out_of_order(tx: Connection) -> Iterator[Finding]:
    wrong = [exists(_named()), ~exists(_named().where(_not_later()))]
    for segment in matching(tx, _s.prev_sha256.is_not(None), *wrong):
        before = by_sha256(tx, segment.camera_id, segment.prev_sha256 or "")
        ran_back = before is not None and (
            before.created_us > segment.created_us and before.id[:STAMP] > segment.id[:STAMP]
        )
        if segment.origin == "import" or ran_back:
            yield of_segment(
                segment, 13,
                N_("segment {segment} ({camera}) is older than the one before it in the chain: the"
                   " machine's clock was set back, or the rows were swapped"),
                loss=False,
            )  # fmt: skip
        else:
            yield of_segment(
                segment, 13,
                N_("segment {segment} ({camera}) was swapped with another: its id and its time"
                   " disagree about what came first"),
            )  # fmt: skip


def _forks(tx: Connection) -> Iterator[Finding]:
    """More rows that name a predecessor than there are rows it can be.

    The same file may be imported twice, so that two rows have the same hash and a follower each.
    """
    followers = (
        select(_s.camera_id, _s.origin, _s.prev_sha256, func.count().label("followers"))
        .where(_s.prev_sha256.is_not(None))
        .group_by(_s.camera_id, _s.origin, _s.prev_sha256)
        .having(func.count() > 1)
    )
    for camera_id, origin, prev, _ in tx.execute(followers).all():
        same = and_(_s.camera_id == camera_id, _s.origin == origin, _s.prev_sha256 == prev)
        named = matching(tx, _s.camera_id == camera_id, _s.sha256 == prev)
        following = matching(tx, same, exists(_named().where(_not_later())))
        if not named or len(following) <= len(named):
            continue
        yield _fork(named, sorted(following, key=lambda segment: segment.id))


def _fork(named: Sequence[Segment], following: Sequence[Segment]) -> Finding:
    others = ", ".join(segment.id for segment in following)
    if any(segment.recovered for segment in following):
        # What a disk that was away kept was adopted after recording had gone on elsewhere.
        return of_segment(
            following[-1], 13,
            N_("segments {others} ({camera}) both follow {before}: one was recovered when"
               " recording had gone on without it, or was put there"),
            loss=False, others=others, before=named[0].id,
        )  # fmt: skip
    return of_segment(
        following[-1], 13,
        N_("segments {others} ({camera}) both follow {before}: one of them was put there"),
        others=others, before=named[0].id,
    )  # fmt: skip


def _named() -> Select[tuple[str]]:
    """The rows that the outer row can mean by its predecessor."""
    # + 0: the hash's index is the one to use, never the camera's with its half a million rows.
    return select(_before.c.id).where(
        _before.c.camera_id + 0 == _s.camera_id,
        _before.c.sha256 == _s.prev_sha256,
        _before.c.id != _s.id,
    )


def _earlier() -> ColumnElement[bool]:
    """There are rows before it: the first known one may follow what nobody knows any more."""
    return exists(
        select(_before.c.id).where(
            _before.c.camera_id == _s.camera_id,
            _before.c.origin == _s.origin,
            _before.c.id < _s.id,
        )
    )


def _not_later() -> ColumnElement[bool]:
    """The predecessor is not younger, by id and by its own time."""
    return and_(
        or_(_before.c.created_us <= _s.created_us, _s.origin == "import"),
        func.substr(_before.c.id, 1, STAMP) <= func.substr(_s.id, 1, STAMP),
    )
