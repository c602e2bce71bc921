"""Two answers to one query held against each other: which moments are the same, and why not.

Moments match by camera and overlap in time, each with one other at most. What differs is said with
its causes: facts of the ledger and of what was kept beside the answers, never a guess. Where one
cause settles it (the footage expired, or was recorded since) it stands alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from search.kept_runs import Kept
from search.reasons import Cause, Since
from storage.clock import parse_time
from storage.directory import DataDirectory
from storage.errors import Conflict

Moment = Mapping[str, Any]
DIGITS = 4  # of a score: as many as are told
# What makes a moment another one. Names and places of cameras are the register's, not the answer's.
FIELDS = ("start", "end", "score", "hits", "best", "then")


@dataclass(frozen=True, slots=True)
class Pair:
    """Places in the two answers, from 0; None where there is no counterpart."""

    then: int | None
    now: int | None


def differences(directory: DataDirectory, then: Kept, now: Kept) -> dict[str, Any]:
    """How `now` differs from `then`, as JSON. Conflict: one of them has no answer, or they
    answer different queries."""
    if then.answer is None or now.answer is None:
        missing = then if then.answer is None else now
        raise Conflict(
            "search {token} has no answer to compare: it is {state}",
            token=missing.run.id, state=missing.run.state,
        )  # fmt: skip
    if then.query.id != now.query.id:
        raise Conflict(
            "searches {one} and {other} asked for different things; only answers to one query"
            " are compared",
            one=then.run.id, other=now.run.id,
        )  # fmt: skip
    old, new = then.answer["moments"], now.answer["moments"]
    with directory.ledger.read() as tx:
        since = Since(tx, then, now)
        told = [_told(since, old, new, pair) for pair in matched(old, new)]
        counts = dict.fromkeys(("same", "moved", "new", "gone"), 0)
        for one in told:
            counts[one["change"]] += 1
        changed = counts["same"] < len(told)
        confident = {"then": then.answer["confident"], "now": now.answer["confident"]}
        return {
            "then": _side(then),
            "now": _side(now),
            "changed": changed or confident["then"] != confident["now"],
            **counts,
            "confident": {**confident, "why": since.confident(changed)},
            "moments": told,
            "circumstances": since.circumstances(),
        }


def matched(old: Sequence[Moment], new: Sequence[Moment]) -> list[Pair]:
    """Counterparts: equal moments first, then those that overlap most, each once.

    In the order of the new answer, and after it what is gone, in the order of the old one.
    """
    spans_old, spans_new = [_span(one) for one in old], [_span(one) for one in new]
    by_camera: dict[str, list[int]] = {}
    for j, one in enumerate(new):
        by_camera.setdefault(one["camera"], []).append(j)
    found = []
    for i, one in enumerate(old):
        for j in by_camera.get(one["camera"], ()):
            shared = _shared(spans_old[i], spans_new[j])
            if shared > 0:
                whole = _length(spans_old[i]) + _length(spans_new[j]) - shared
                found.append((bool(_fields(one, new[j])), -shared / whole, i, j))
    partner: dict[int, int] = {}  # in the new answer → in the old one
    taken: set[int] = set()
    for _, _, i, j in sorted(found):
        if j not in partner and i not in taken:
            partner[j] = i
            taken.add(i)
    pairs = [Pair(partner.get(j), j) for j in range(len(new))]
    return pairs + [Pair(i, None) for i in range(len(old)) if i not in taken]


def _told(
    since: Since, old: Sequence[Moment], new: Sequence[Moment], pair: Pair
) -> dict[str, Any]:  # fmt: skip
    before = None if pair.then is None else old[pair.then]
    after = None if pair.now is None else new[pair.now]
    ranks = {
        "then": None if pair.then is None else pair.then + 1,
        "now": None if pair.now is None else pair.now + 1,
    }
    some = after or before or {}
    told: dict[str, Any] = {"change": "same", "camera": some["camera"], "rank": ranks}
    why: list[Cause] = []
    if before is None and after is not None:
        told["change"], why = "new", since.new(after)
    elif after is None and before is not None:
        told["change"], why = "gone", since.gone(before)
    elif before is not None and after is not None:
        fields = _fields(before, after)
        if not fields:
            return {**told, "start": some["start"]}
        told["change"], told["fields"] = "moved", fields
        why = since.moved(before, after, fields)
    return {**told, "moment": {"then": before, "now": after}, "why": why}


def _fields(before: Moment, after: Moment) -> list[str]:
    """In what two moments differ."""
    return [name for name in FIELDS if _value(before, name) != _value(after, name)]


def _value(moment: Moment, name: str) -> Any:
    value = moment.get(name)
    return round(value, DIGITS) if name == "score" and value is not None else value


def _span(moment: Moment) -> tuple[int, int]:
    return parse_time(moment["start"]), parse_time(moment["end"])


def _length(span: tuple[int, int]) -> int:
    return span[1] - span[0]


def _shared(a: tuple[int, int], b: tuple[int, int]) -> int:
    return min(a[1], b[1]) - max(a[0], b[0])


def _side(kept: Kept) -> dict[str, Any]:
    return {
        "token": kept.run.id,
        "began": kept.began,
        "model": kept.run.model,
        "generation": kept.run.generation,
        "code_version": kept.run.code_version,
        "moments": len(kept.answer["moments"]) if kept.answer else 0,
    }
