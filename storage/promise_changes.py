"""Promises decided by people: longer at once, shorter after a day in which it can be taken back;
each with its reason and its audit row. The settings hold where nobody decided."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, insert, or_, select, true, update

from storage import audit, cases, schema
from storage.clock import US, rfc3339
from storage.errors import Conflict, Invalid, NotFound
from storage.holding import NOTHING, Footage
from storage.i18n import N_
from storage.promise_tables import promise_decision
from storage.promises import DAY_US, Decided, days_set, decided, held, promise, rule_of
from storage.register import cameras
from storage.segments import KEPT
from storage.settings import RetentionSettings, Settings
from storage.vocabulary import Actor, Camera

DELAY_US = 24 * 3600 * US  # a shortening takes effect no sooner
LONGEST_DAYS = 36_500.0
LONGEST_REASON = 1000
CLASSES = ("1", "2", "3")
FEW = 50  # so many cameras are read each by its own index, more by that of all footage
TRUE: ColumnElement[bool] = true()
_d = promise_decision.c
_s = schema.segment.c
CHANGED = N_(
    "somebody changed the promise or the cameras of its class meanwhile; nothing was changed: look"
    " again at what it would do"
)
UNKNOWN_CLASS = N_(
    "{name} is no class of sites (1, 2, 3), and no retention class of the settings or of a camera"
)


@dataclass(frozen=True, slots=True)
class Decision:
    """A promise of a rule, as somebody decided it."""

    id: int
    rule: str
    days: float
    before_days: float | None  # promised until then; None: everything was kept
    decided_us: int
    decided_by: str
    reason: str
    effective_us: int
    withdrawn_us: int | None
    withdrawn_by: str | None
    withdraw_reason: str | None

    @property
    def shortens(self) -> bool:
        """Whether less is kept than before."""
        return self.before_days is None or self.days < self.before_days

    def waits(self, now_us: int) -> bool:
        """Whether it can still be taken back."""
        return self.withdrawn_us is None and self.effective_us > now_us


@dataclass(frozen=True, slots=True)
class Reclassed:
    """What it does to a camera's footage when it falls under another promise; at once."""

    before_days: float | None  # None: everything is kept
    days: float | None
    loses: Footage  # goes with the next retention run


@dataclass(frozen=True, slots=True)
class Change:
    """What a promise of so many days would do."""

    rule: str
    days: float
    before_days: float | None  # None: everything is kept, no setting names the class
    cameras: tuple[Camera, ...]  # that follow the rule
    effective_us: int
    loses: Footage  # goes then that would not go by then as it is promised now
    held: Footage  # of that age, but held: it stays

    @property
    def shortens(self) -> bool:
        """Whether less is kept than now."""
        return self.before_days is None or self.days < self.before_days


def rule_named(settings: RetentionSettings, known: Sequence[Camera], name: str) -> str:
    """The rule of a class as people name it: 1, 2, 3, or a retention class. Invalid: neither."""
    text = name.strip()
    if text in CLASSES:
        return f"class_{text}_days"
    if text in {*settings.named_days, *(one.retention_class for one in known)}:
        return f"named_days.{text}"
    raise Invalid(UNKNOWN_CLASS, name=text[:60] or "?")


def class_of(rule: str) -> str:
    """The class that a rule is of, as `rule_named` takes it."""
    return rule.removeprefix("named_days.") if "." in rule else rule.split("_")[1]


def rules(
    settings: RetentionSettings, known: Sequence[Camera], decisions: Sequence[str] = ()
) -> list[str]:
    """Every rule a decision may be of: the three classes, then the retention classes there are."""
    named = {*settings.named_days, *(one.retention_class for one in known if one.retention_class)}
    named |= {class_of(rule) for rule in decisions if rule.startswith("named_days.")}
    return [f"class_{n}_days" for n in CLASSES] + [f"named_days.{name}" for name in sorted(named)]


def days_now(settings: RetentionSettings, now: dict[str, Decided], rule: str) -> float | None:
    """What is promised by a rule; None: nothing, so that all is kept."""
    one = now.get(rule)
    return days_set(settings, rule) if one is None else one.days


def propose(tx: Connection, settings: Settings, name: str, days: float, now_us: int) -> Change:
    """What a promise would do, of the class `name`. Invalid: no such class, or no such time."""
    if not (math.isfinite(days) and 0 < days <= LONGEST_DAYS):
        raise Invalid(
            "a promise is of more than 0 and at most {most} days; nothing was changed",
            most=f"{LONGEST_DAYS:g}",
        )
    known = cameras(tx)
    rule = rule_named(settings.retention, known, name)
    before = days_now(settings.retention, decided(tx, now_us), rule)
    if before is not None and math.isclose(before, days):
        raise Conflict("that is what is promised now: {rule} = {days}; nothing was changed",
                       rule=rule, days=f"{days:g}")  # fmt: skip
    mine = _following(tx, settings, rule)
    if before is not None and days > before:
        return Change(rule, days, before, mine, now_us, NOTHING, NOTHING)
    effective_us = now_us + DELAY_US
    loses, kept = together(losing(tx, settings, mine, days, before, effective_us))
    return Change(rule, days, before, mine, effective_us, loses, kept)


def reclassed(
    tx: Connection, settings: Settings, before: Camera, after: Camera, now_us: int
) -> Reclassed | None:
    """What a change of a camera's facts does to its footage; None: it is kept as long as before."""
    now = decided(tx, now_us)
    old, new = (promise(settings.retention, one, now).days for one in (before, after))
    if old == new:
        return None
    if new is None or (old is not None and new > old):
        return Reclassed(old, new, NOTHING)
    return Reclassed(old, new, together(losing(tx, settings, [before], new, old, now_us))[0])


def decide(
    tx: Connection, actor: Actor, settings: Settings, change: Change, now_us: int
) -> Decision:
    """Promise it, for the reason of `actor`. What was decided of the rule and waits is replaced.

    Conflict: since it was proposed, what is promised has changed, or which cameras it is for.
    """
    reason = (actor.reason or "").strip()
    if not 0 < len(reason) <= LONGEST_REASON:
        raise Invalid(
            "a promise is changed for a reason, of at most {n} characters; nothing was changed",
            n=LONGEST_REASON,
        )
    before = days_now(settings.retention, decided(tx, now_us), change.rule)
    if before != change.before_days or change.cameras != _following(tx, settings, change.rule):
        raise Conflict(CHANGED)
    effective_us = now_us + (DELAY_US if change.shortens else 0)
    for one in waiting(tx, now_us):
        if one.rule == change.rule:
            said = replace(actor, reason="replaced by a later decision")
            withdraw(tx, said, one.id, now_us)
    number: int = tx.execute(
        insert(promise_decision).values(
            rule=change.rule, days=change.days, before_days=change.before_days,
            decided_us=now_us, decided_by=actor.name, reason=reason,
            effective_us=effective_us,
        ).returning(_d.id)
    ).scalar_one()  # fmt: skip
    detail: dict[str, Any] = {
        "decision": number, "days": change.days, "before_days": change.before_days,
        "effective": rfc3339(effective_us), "cameras": len(change.cameras),
        "loses": {"segments": change.loses.segments, "bytes": change.loses.size_bytes,
                  "hours": round(change.loses.hours, 3)},
    }  # fmt: skip
    audit.record(tx, actor, "promise.set", change.rule, at_us=now_us, detail=detail)
    return find_decision(tx, number)


def withdraw(tx: Connection, actor: Actor, number: int, now_us: int) -> Decision:
    """Take a decision back before it takes effect. Conflict: it has, or it was taken back."""
    found = find_decision(tx, number)
    reason = (actor.reason or "").strip()
    if not 0 < len(reason) <= LONGEST_REASON:
        raise Invalid(
            "a decision is taken back for a reason, of at most {n} characters; it stands",
            n=LONGEST_REASON,
        )
    if found.withdrawn_us is not None:
        raise Conflict("decision {number} was taken back before; nothing was changed",
                       number=number)  # fmt: skip
    if not found.waits(now_us):
        raise Conflict(
            "decision {number} is in force since {time}; what it deleted does not come back. Decide"
            " anew to promise more from now on",
            number=number, time=rfc3339(found.effective_us),
        )  # fmt: skip
    tx.execute(
        update(promise_decision).where(_d.id == number).values(
            withdrawn_us=now_us, withdrawn_by=actor.name, withdraw_reason=reason
        )
    )  # fmt: skip
    audit.record(
        tx, actor, "promise.withdraw", found.rule, at_us=now_us,
        detail={"decision": number, "days": found.days},
    )  # fmt: skip
    return find_decision(tx, number)


def find_decision(tx: Connection, number: int) -> Decision:
    """By number."""
    row = None
    if 0 < number < 2**63:
        row = tx.execute(select(promise_decision).where(_d.id == number)).mappings().first()
    if row is None:
        raise NotFound("decision {number} is not known; `hindsight promise list` shows them",
                       number=number)  # fmt: skip
    return Decision(**dict(row))


def decisions(tx: Connection) -> list[Decision]:
    """All of them, the newest first."""
    rows = tx.execute(select(promise_decision).order_by(_d.id.desc())).mappings()
    return [Decision(**dict(row)) for row in rows]


def waiting(tx: Connection, now_us: int) -> list[Decision]:
    """Those that have not taken effect yet, the next first."""
    query = (
        select(promise_decision)
        .where(_d.effective_us > now_us, _d.withdrawn_us.is_(None))
        .order_by(_d.effective_us, _d.id)
    )
    return [Decision(**dict(row)) for row in tx.execute(query).mappings()]


def losing(
    tx: Connection, settings: Settings, mine: Sequence[Camera], days: float,
    before_days: float | None, at_us: int,
) -> dict[int, tuple[Footage, Footage]]:  # fmt: skip
    """Of each of these cameras that has some: what a promise of `days` lets go of at an instant
    that one of `before_days` (None: of everything) would keep; free, and held."""
    keep = {
        name: one.keep_days for name, one in settings.volumes.items() if one.keep_days is not None
    }
    until_us = at_us - int(days * DAY_US)
    aged = and_(
        _s.start_us <= until_us, _s.end_us <= until_us, _s.created_us <= until_us,
        *(_younger(at_us, most, _s.volume == name) for name, most in keep.items()),
    )  # fmt: skip
    if before_days is not None:
        aged = and_(aged, _younger(at_us, before_days))
    ids = {one.id for one in mine}
    every = _by_camera(tx, ids, aged)
    holding = {one.camera_id for one in cases.holds(tx, at_us=at_us)} & every.keys()
    kept = _by_camera(tx, holding, aged, held(at_us)) if holding else {}
    return {key: (one - kept.get(key, NOTHING), kept.get(key, NOTHING))
            for key, one in every.items()}  # fmt: skip


def _following(tx: Connection, settings: Settings, rule: str) -> tuple[Camera, ...]:
    return tuple(one for one in cameras(tx) if rule_of(settings.retention, one) == rule)


def together(
    lost: Mapping[int, tuple[Footage, Footage]],
) -> tuple[Footage, Footage]:
    """Of all cameras: free, and held."""
    return (
        sum((free for free, _ in lost.values()), NOTHING),
        sum((kept for _, kept in lost.values()), NOTHING),
    )


def _by_camera(tx: Connection, ids: Set[int], *where: ColumnElement[bool]) -> dict[int, Footage]:
    """Sums of closed segments."""
    query = (
        select(_s.camera_id, func.count(), func.sum(_s.size_bytes),
               func.sum(_s.end_us - _s.start_us))
        .where(*where).group_by(_s.camera_id)
    )  # fmt: skip
    if len(ids) <= FEW:
        query = query.where(KEPT, _s.camera_id.in_(ids))
    else:
        query = query.where(_s.state == "closed")
    return {
        key: Footage(int(n), int(size), int(us)) for key, n, size, us in tx.execute(query)
        if key in ids
    }  # fmt: skip


def _younger(at_us: int, days: float, where: ColumnElement[bool] = TRUE) -> ColumnElement[bool]:
    """SQL: not older than `days` where this holds of the segment row."""
    cut_us = at_us - int(days * DAY_US)
    return or_(~where, _s.end_us > cut_us, _s.created_us > cut_us)
