"""A kept answer as somebody may see it now: nothing in it says anything of other cameras."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from search.admission import searchable
from search.kept_runs import Kept
from storage.access import access_of
from storage.directory import DataDirectory


def as_seen_by(directory: DataDirectory, kept: Kept, name: str) -> Kept:
    """The run with what `name` may search now. Sums of the coverage stay as they were told."""
    if kept.answer is None:
        return kept
    with directory.ledger.read() as tx:
        slugs = searchable(tx, access_of(tx, name, directory.clock.now_us()))
    return kept if slugs is None else replace(kept, answer=narrowed(kept.answer, slugs))


def narrowed(answer: dict[str, Any], slugs: Collection[str]) -> dict[str, Any]:
    """The answer without what is of other cameras; the very same where that is nothing."""
    coverage, query = answer["coverage"], answer["query"]
    moments = [one for one in answer["moments"] if _is_of(one, slugs)]
    spans = {
        name: [one for one in coverage[name] if one["camera"] in slugs]
        for name in ("gaps", "unreadable")
        if name in coverage
    }
    more = {slug: count for slug, count in answer.get("more", {}).items() if slug in slugs}
    asked = query.get("cameras")
    named = asked if asked is None else [slug for slug in asked if slug in slugs]
    told = (answer["moments"], {name: coverage[name] for name in spans}, answer.get("more", {}))
    if told == (moments, spans, more) and asked == named:
        return answer
    return {
        **answer, "moments": moments, "more": more, "coverage": {**coverage, **spans},
        "query": query if asked is None else {**query, "cameras": named},
        "warnings": [],  # they may name a camera
    }  # fmt: skip


def _is_of(moment: Mapping[str, Any], slugs: Collection[str]) -> bool:
    then = moment.get("then")
    return moment["camera"] in slugs and (then is None or then["camera"] in slugs)
