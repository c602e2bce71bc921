"""A kept answer as somebody may see it now: nothing in it says anything of other cameras."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from search.admission import searchable
from search.kept_runs import Kept
from storage.access import access_of
from storage.cases import find_case
from storage.clock import parse_time
from storage.directory import DataDirectory
from storage.i18n import N_, tr
from storage.rights import Verb
from storage.vocabulary import Span

CASE_CLOSED = N_("case {case} is closed: what was found under it is shown to auditors only")


def as_seen_by(directory: DataDirectory, kept: Kept, name: str) -> Kept:
    """The run with what `name` may search now. Sums of the coverage stay as they were told."""
    if kept.answer is None:
        return _beginning(directory, kept, name)
    span = _span(kept.answer["query"])
    with directory.ledger.read() as tx:
        access = access_of(tx, name, directory.clock.now_us())
        slugs = searchable(tx, directory, access, kept.query.case_id, span)
        left_out = kept.answer["coverage"].get("unapproved")
        seen = {one.slug for one in access.register(tx, Verb.SEE)} if left_out else set[str]()
        case_id = kept.query.case_id
        closed = case_id is not None and find_case(tx, case_id).closed_us is not None
    if slugs is None:
        return kept
    answer = narrowed(kept.answer, slugs, seen)
    if closed and not slugs:
        answer = {**answer, "warnings": [tr(CASE_CLOSED, case=case_id)]}
    return replace(kept, answer=answer)


def _beginning(directory: DataDirectory, kept: Kept, name: str) -> Kept:
    """As `as_seen_by`, of one that has no answer yet."""
    if kept.so_far is None:
        return kept
    span = _span(json.loads(kept.query.document))
    with directory.ledger.read() as tx:
        access = access_of(tx, name, directory.clock.now_us())
        slugs = searchable(tx, directory, access, kept.query.case_id, span)
    if slugs is None:
        return kept
    moments = [one for one in kept.so_far["moments"] if _is_of(one, slugs)]
    return replace(kept, so_far={**kept.so_far, "moments": moments})


def narrowed(
    answer: dict[str, Any], slugs: Collection[str], seen: Collection[str] = ()
) -> dict[str, Any]:
    """The answer without what is of other cameras; the very same where that is nothing. Of those
    that nobody approved, it names the `seen` ones: they were not searched."""
    coverage, query = answer["coverage"], answer["query"]
    moments = [one for one in answer["moments"] if _is_of(one, slugs)]
    spans = {
        name: [one for one in coverage[name] if one["camera"] in slugs]
        for name in ("gaps", "unreadable")
        if name in coverage
    }
    if "unapproved" in coverage:
        spans["unapproved"] = [slug for slug in coverage["unapproved"] if slug in seen]
    more = {slug: count for slug, count in answer.get("more", {}).items() if slug in slugs}
    asked = query.get("cameras")  # None: all there were, and whoever reads it may know some
    named = sorted(slugs) if asked is None else [slug for slug in asked if slug in slugs]
    told = (answer["moments"], {name: coverage[name] for name in spans}, answer.get("more", {}))
    if told == (moments, spans, more) and asked == named:
        return answer
    return {
        **answer, "moments": moments, "more": more, "coverage": {**coverage, **spans},
        "query": {**query, "cameras": named},
        "warnings": [],  # they may name a camera
    }  # fmt: skip


def _span(query: Mapping[str, Any]) -> Span | None:
    start, end = query.get("from"), query.get("to")
    return Span(parse_time(start), parse_time(end)) if start and end else None


def _is_of(moment: Mapping[str, Any], slugs: Collection[str]) -> bool:
    then = moment.get("then")
    return moment["camera"] in slugs and (then is None or then["camera"] in slugs)
