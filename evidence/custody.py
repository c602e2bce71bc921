"""Which audit rows tell what happened to the footage of a bundle."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from evidence.plan import Plan
from storage.audit import AuditRow
from storage.clock import parse_time
from storage.errors import Invalid
from storage.vocabulary import Span

# What was asked elsewhere, and under which case, is not for those who get this bundle.
PRIVATE = frozenset({"search", "mark"})


def custody(rows: Iterable[AuditRow], plan: Plan) -> Iterator[AuditRow]:
    """Those of `rows` that touch the plan's footage; docs/design/evidence.md says which do."""
    ids = {segment.id for segment in plan.segments()}
    parts = {part.camera.slug: part for part in plan.cameras if part.segments}
    spans = {
        slug: Span(
            min(segment.start_us for segment in part.segments),
            max(segment.end_us for segment in part.segments),
        )
        for slug, part in parts.items()
    }
    for row in rows:
        if row.action not in PRIVATE and _touches(row, ids, spans):
            yield row


def _touches(row: AuditRow, ids: set[str], spans: Mapping[str, Span]) -> bool:
    try:
        detail = json.loads(row.detail)
    except ValueError:  # a damaged row: `audit verify` tells, it is no witness here
        return False
    subjects = set(row.subject.split(", "))
    if ids & (subjects | _texts(detail, "segment", "segments")):
        return True
    named = (subjects | _texts(detail, "camera", "cameras")) & set(spans)
    when = _when(detail)
    if not named or when is None:
        return False
    return any(when.start_us < spans[n].end_us and when.end_us > spans[n].start_us for n in named)


def _texts(detail: Mapping[str, Any], *keys: str) -> set[str]:
    found: set[str] = set()
    for key in keys:
        value = detail.get(key)
        values = value if isinstance(value, list) else [value]
        found |= {one for one in values if isinstance(one, str)}
    return found


def _when(detail: Mapping[str, Any]) -> Span | None:
    """The instant or span a row speaks of; None when it names none that can be read."""
    try:
        if "at" in detail:
            at_us = parse_time(detail["at"])
            return Span(at_us, at_us + 1)
        for start, end in (("from", "to"), ("start", "end")):
            if start in detail and end in detail:
                return Span(parse_time(detail[start]), parse_time(detail[end]))
    except (Invalid, TypeError, AttributeError):
        return None
    return None
