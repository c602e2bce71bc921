"""Scrub: re-hash footage a bit at a time, longest unverified first, within a budget of time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Connection, case, delete, func, insert, or_, select

from storage import schema
from storage.check_media import examine, open_volumes, still_closed
from storage.clock import US
from storage.directory import DataDirectory
from storage.findings import Finding, Level, Progress, no_progress
from storage.promises import DAY_US
from storage.segments import KEPT, get
from storage.vocabulary import Segment
from storage.volumes import Volume

AT_ONCE = 50  # segments hashed between two commits
STALE_AT_ONCE = 200  # verifications looked at to find as many of footage that is still kept
_s = schema.segment.c
_v = schema.verification.c


@dataclass(slots=True)
class Scrubbed:
    """What one run verified, and what waits."""

    segments: int = 0
    size_bytes: int = 0
    seconds: float = 0.0
    never: int = 0  # closed segments that were never verified yet
    oldest_us: int | None = None  # when the longest-unverified of the others was verified
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Verified:
    """How far verification has come."""

    never: int  # closed segments that were never verified yet
    oldest_us: int | None  # when the longest-unverified of the others was verified
    bad: int  # segments whose last verification found them damaged or missing


def scrub(
    directory: DataDirectory, budget_s: float | None = None, progress: Progress = no_progress
) -> Scrubbed:
    """Hash until all that was closed when the run began is verified, or the budget is spent.

    A segment begun is finished, so a run may take one file longer than `budget_s`. `progress`
    counts segments. Conflict while another scrub runs.
    """
    with directory.ledger.read() as tx:
        total = tx.execute(
            select(func.count()).select_from(schema.segment).where(_s.state == "closed")
        ).scalar_one()
    result = Scrubber(directory).go_on(budget_s, lambda done: progress(done, max(done, total)))
    with directory.ledger.read() as tx:
        known = verified(tx)
    result.never, result.oldest_us = known.never, known.oldest_us
    return result


def verified(tx: Connection) -> Verified:
    """How far verification has come; walks the ledger's indexes once."""
    closed = select(func.count()).select_from(schema.segment).where(_s.state == "closed")
    query = (
        select(
            func.count(),
            func.min(_v.verified_us),
            func.coalesce(func.sum(case((_v.outcome == "sound", 0), else_=1)), 0),
        )
        .select_from(schema.verification)
        .join(schema.segment, _s.id == _v.segment_id)
        .where(KEPT)
    )
    count, oldest_us, bad = tx.execute(query).one()
    return Verified(tx.execute(closed).scalar_one() - count, oldest_us, int(bad))


class Scrubber:
    """Verifies in slices, each going on where the one before ended."""

    def __init__(self, directory: DataDirectory) -> None:
        self._directory = directory
        self._after = ""  # every closed segment up to this id has been verified
        self._since_us = directory.clock.now_us()

    def go_on(
        self, budget_s: float | None, progress: Callable[[int], None] = lambda done: None
    ) -> Scrubbed:
        """One slice; Conflict while another scrub runs."""
        result = Scrubbed()
        clock = self._directory.clock
        began_us, started_us = clock.now_us(), clock.monotonic_us()
        if began_us - self._since_us > DAY_US:  # `rebuild` may have brought older ids
            self._after, self._since_us = "", began_us
        with self._directory.exclusive("scrub"):
            volumes, absent = open_volumes(self._directory)
            result.findings += absent
            while batch := self._never(volumes) or self._again(volumes, began_us):
                outcomes: dict[str, str] = {}
                for segment in batch:
                    outcomes[segment.id] = self._verify(volumes, segment, result)
                    progress(result.segments)
                    result.seconds = (clock.monotonic_us() - started_us) / US
                    if budget_s is not None and result.seconds >= budget_s:
                        break
                self._note(outcomes, began_us)
                if budget_s is not None and result.seconds >= budget_s:
                    break
        return result

    def _never(self, volumes: dict[str, Volume]) -> list[Segment]:
        """Those never verified yet, oldest first."""
        query = (
            select(_s.id)
            .outerjoin(schema.verification, _v.segment_id == _s.id)
            .where(_s.id > self._after, KEPT, _s.volume.in_(list(volumes)))
            .where(_v.segment_id.is_(None))
            .order_by(_s.id)
            .limit(AT_ONCE)
        )
        with self._directory.ledger.read() as tx:
            ids = list(tx.execute(query).scalars())
            if ids:
                self._after = ids[0][:-1]  # just before it: the budget may end within the batch
            return get(tx, ids)

    def _again(self, volumes: dict[str, Volume], began_us: int) -> list[Segment]:
        """Those verified longest ago, and before this run began."""
        ago = (
            select(_v.segment_id, _s.state)
            .join(schema.segment, _s.id == _v.segment_id)
            .where(_v.verified_us < began_us)
            .where(or_(_s.state == "expired", _s.volume.in_(list(volumes))))
            .order_by(_v.verified_us)
            .limit(STALE_AT_ONCE)
        )
        while True:
            with self._directory.ledger.read() as tx:
                rows = tx.execute(ago).all()
                ids = [row.segment_id for row in rows if row.state == "closed"][:AT_ONCE]
                order = {segment_id: place for place, segment_id in enumerate(ids)}
                found = sorted(get(tx, ids), key=lambda segment: order[segment.id])
            # What expired since would stand in front for ever.
            if stale := [row.segment_id for row in rows if row.state != "closed"]:
                with self._directory.ledger.write() as tx:
                    tx.execute(delete(schema.verification).where(_v.segment_id.in_(stale)))
            if found or not stale:
                return found

    def _verify(self, volumes: dict[str, Volume], segment: Segment, result: Scrubbed) -> str:
        volume = volumes[segment.volume]
        finding = examine(volume, segment, Level.HASH)
        result.segments += 1
        result.size_bytes += segment.size_bytes
        if finding is None or not still_closed(self._directory, segment):
            return "sound"
        result.findings.append(finding)
        return "damaged" if (volume.root / segment.path).is_file() else "missing"

    def _note(self, outcomes: dict[str, str], began_us: int) -> None:
        """Keep when each was verified: not before this run began, or it would be due again."""
        now_us = max(began_us, self._directory.clock.now_us())
        with self._directory.ledger.write() as tx:
            tx.execute(delete(schema.verification).where(_v.segment_id.in_(list(outcomes))))
            tx.execute(
                insert(schema.verification),
                [
                    {"segment_id": segment_id, "verified_us": now_us, "outcome": outcome}
                    for segment_id, outcome in outcomes.items()
                ],
            )
