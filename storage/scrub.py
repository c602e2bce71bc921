"""Scrub: re-hash footage a bit at a time, longest unverified first, within a budget of time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, insert, or_, select

from storage import schema
from storage.check_media import examine, open_volumes, still_closed
from storage.clock import US
from storage.directory import DataDirectory
from storage.findings import Finding, Level, Progress, no_progress
from storage.segments import get
from storage.vocabulary import Segment
from storage.volumes import Volume

AT_ONCE = 50  # segments hashed between two commits
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


def scrub(
    directory: DataDirectory, budget_s: float | None = None, progress: Progress = no_progress
) -> Scrubbed:
    """Hash until all that was closed when the run began is verified, or the budget is spent.

    A segment begun is finished, so a run may take one file longer than `budget_s`. `progress`
    counts segments. Conflict while another scrub runs.
    """
    result = Scrubbed()
    clock = directory.clock
    began_us, started_us = clock.now_us(), clock.monotonic_us()
    with directory.exclusive("scrub"):
        volumes, absent = open_volumes(directory)
        result.findings += absent
        with directory.ledger.read() as tx:
            total = tx.execute(_due(volumes, began_us, func.count())).scalar_one()
        while batch := _longest_unverified(directory, volumes, began_us):
            outcomes: dict[str, str] = {}
            for segment in batch:
                outcomes[segment.id] = _verify(directory, volumes, segment, result)
                progress(result.segments, max(total, result.segments))
                result.seconds = (clock.monotonic_us() - started_us) / US
                if budget_s is not None and result.seconds >= budget_s:
                    break
            _note(directory, outcomes, began_us)
            if budget_s is not None and result.seconds >= budget_s:
                break
        _count_left(directory, result)
    return result


def _verify(
    directory: DataDirectory, volumes: dict[str, Volume], segment: Segment, result: Scrubbed
) -> str:
    volume = volumes[segment.volume]
    finding = examine(volume, segment, Level.HASH)
    result.segments += 1
    result.size_bytes += segment.size_bytes
    if finding is None or not still_closed(directory, segment):
        return "sound"
    result.findings.append(finding)
    return "damaged" if (volume.root / segment.path).is_file() else "missing"


def _due(volumes: dict[str, Volume], began_us: int, *what: ColumnElement[Any]) -> Select[Any]:
    """Closed segments on these volumes, not verified since `began_us`."""
    return (
        select(*what)
        .select_from(schema.segment)
        .outerjoin(schema.verification, _v.segment_id == _s.id)
        .where(_s.state == "closed", _s.volume.in_(list(volumes)))
        .where(or_(_v.verified_us.is_(None), _v.verified_us < began_us))
    )


def _longest_unverified(
    directory: DataDirectory, volumes: dict[str, Volume], began_us: int
) -> list[Segment]:
    query = _due(volumes, began_us, _s.id).order_by(_v.verified_us.asc().nulls_first(), _s.start_us)
    with directory.ledger.read() as tx:
        ids = list(tx.execute(query.limit(AT_ONCE)).scalars())
        order = {segment_id: place for place, segment_id in enumerate(ids)}
        return sorted(get(tx, ids), key=lambda segment: order[segment.id])


def _note(directory: DataDirectory, outcomes: dict[str, str], at_us: int) -> None:
    """Keep when each was verified: not before this run began, or it would be due again in it."""
    now_us = max(at_us, directory.clock.now_us())
    with directory.ledger.write() as tx:
        tx.execute(delete(schema.verification).where(_v.segment_id.in_(list(outcomes))))
        tx.execute(
            insert(schema.verification),
            [
                {"segment_id": segment_id, "verified_us": now_us, "outcome": outcome}
                for segment_id, outcome in outcomes.items()
            ],
        )


def _count_left(directory: DataDirectory, result: Scrubbed) -> None:
    query = (
        select(func.count(), func.count(_v.segment_id), func.min(_v.verified_us))
        .select_from(schema.segment)
        .outerjoin(schema.verification, _v.segment_id == _s.id)
        .where(_s.state == "closed")
    )
    with directory.ledger.read() as tx:
        every, verified, oldest = tx.execute(query).one()
    result.never, result.oldest_us = every - verified, oldest
