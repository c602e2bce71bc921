"""How generations stand: how far each is, how its model answers golden queries, which is the way
back."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select, update

from storage import schema
from storage.clock import US, optional_rfc3339
from storage.generations import generations
from storage.i18n import N_, tr
from storage.segments import KEPT
from storage.vocabulary import Generation

_g = schema.generation.c
_w = schema.index_work.c
_s = schema.segment.c

ABSENT = "absent"
FAULTS = {
    ABSENT: N_("its model cannot be loaded"),
    "infinite": N_("its vectors are not finite numbers"),
    "long": N_("its vectors are not of unit length"),
    "unsteady": N_("the same picture gives another vector the second time"),
}


@dataclass(frozen=True, slots=True)
class Golden:
    """What the golden queries said of a generation's model. mAP, 0..1."""

    edition: str  # of the pictures and sentences: figures of two editions are not compared
    en: float
    zh: float
    chance: float
    fault: str | None = None  # a key of FAULTS
    # The generation it was compared with: its key and English mAP, and what was wanted of this.
    against: int | None = None
    theirs: float | None = None
    wanted: float | None = None

    @property
    def refused(self) -> bool:
        """Whether it must not follow the one it was compared with."""
        return self.fault is not None or (self.wanted is not None and self.en < self.wanted)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "en": round(self.en, 4), "zh": round(self.zh, 4), "chance": round(self.chance, 4),
            "wanted": None if self.wanted is None else round(self.wanted, 4),
            "refused": self.refused, "fault": self.fault,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Standing:
    """A generation, and what the ledger knows of it beside what makes it one."""

    generation: Generation
    checkpoint: str | None
    activated_us: int | None
    follows: int | None
    golden: Golden | None
    anyway: bool

    def refusal(self) -> str | None:
        """In the current language: why it is not switched to though it may be complete."""
        if self.generation.state != "building" or self.anyway or self.golden is None:
            return None
        if not self.golden.refused:
            return None
        words = ["hindsight", "model", "use", self.generation.model]
        words += ["--checkpoint", self.checkpoint] if self.checkpoint else []
        command = " ".join(map(shlex.quote, [*words, "--anyway"]))
        if self.golden.fault is not None:
            why = tr(FAULTS[self.golden.fault])
        else:
            why = tr(
                N_(
                    "of the golden queries it answers {mine:.2f} (mAP, English; {wanted:.2f}"
                    " wanted)"
                ),
                mine=self.golden.en, wanted=self.golden.wanted,
            )  # fmt: skip
        return tr(
            N_(
                "generation {number} of {model} does not take over: {why}; the old one goes on"
                " answering; `{command}` switches nonetheless"
            ),
            number=self.generation.number, model=self.generation.model, why=why, command=command,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of the kept footage a generation has."""

    done_us: int
    failed_us: int
    failed: int  # segments
    kept_us: int

    @property
    def share(self) -> float:
        """0..1; what failed will not come, and counts as done with."""
        return (self.done_us + self.failed_us) / self.kept_us if self.kept_us else 1.0

    def document(self) -> dict[str, Any]:
        """As JSON, in seconds of footage."""
        return {
            "indexed_s": self.done_us / US, "failed_s": self.failed_us / US,
            "failed_segments": self.failed, "kept_s": self.kept_us / US,
            "share": round(self.share, 4),
        }  # fmt: skip


def standings(tx: Connection) -> list[Standing]:
    """Of all generations, oldest first."""
    rows = {row["id"]: row for row in tx.execute(select(schema.generation)).mappings()}
    return [
        Standing(
            generation, rows[generation.id]["checkpoint"], rows[generation.id]["activated_us"],
            rows[generation.id]["follows"], _golden(rows[generation.id]["golden"]),
            bool(rows[generation.id]["anyway"]),
        )
        for generation in generations(tx)
    ]  # fmt: skip


def standing(tx: Connection, generation_id: int) -> Standing:
    """Of one generation."""
    return next(one for one in standings(tx) if one.generation.id == generation_id)


def building_standing(tx: Connection) -> Standing | None:
    """Of the one being built."""
    return next((one for one in standings(tx) if one.generation.state == "building"), None)


def named_with(tx: Connection, generation_id: int) -> str:
    """What the settings named when a generation was made: differs once they were changed."""
    return tx.execute(select(_g.named).where(_g.id == generation_id)).scalar() or ""


def set_named(tx: Connection, generation_id: int, named: str) -> None:
    """What the settings name now led to this generation."""
    tx.execute(update(schema.generation).where(_g.id == generation_id).values(named=named))


def set_checkpoint(tx: Connection, generation_id: int, checkpoint: str | None) -> None:
    """Where its weights lie now: the same file may have been moved."""
    tx.execute(
        update(schema.generation).where(_g.id == generation_id).values(checkpoint=checkpoint)
    )


def set_golden(tx: Connection, generation_id: int, golden: Golden) -> None:
    """Remember what the golden queries said."""
    text = json.dumps(asdict(golden))
    tx.execute(update(schema.generation).where(_g.id == generation_id).values(golden=text))


def set_anyway(tx: Connection, generation_id: int, anyway: bool) -> None:
    """Whether to switch to it whatever it answers."""
    tx.execute(update(schema.generation).where(_g.id == generation_id).values(anyway=anyway))


def go_back(tx: Connection, active_id: int, before_id: int, *, at_us: int) -> None:
    """The generation that answered before answers again. Its own way back stays as it is."""
    for key, state in ((active_id, "retired"), (before_id, "active")):
        tx.execute(update(schema.generation).where(_g.id == key).values(state=state))
    tx.execute(update(schema.generation).where(_g.id == before_id).values(activated_us=at_us))


def is_pending(
    tx: Connection, generation_id: int, *, newest_first: bool = True, from_us: int | None = None
) -> bool:
    """Whether any closed segment (begun since `from_us`) is neither done nor failed.

    At once where one is near the end that is looked at first: what is built newest first lacks
    the oldest for longest. With `from_us` at once in any case.
    """
    query = (
        select(_s.id)
        .outerjoin(
            schema.index_work,
            and_(_w.segment_id == _s.id, _w.generation_id == generation_id),
        )
        .where(_s.state == "closed", or_(_w.state.is_(None), _w.state == "claimed"))
        .order_by(_s.start_us.desc() if newest_first else _s.start_us)
        .limit(1)
    )
    if from_us is not None:
        query = query.where(_s.start_us >= from_us)
    return tx.execute(query).first() is not None


def has_answers(tx: Connection, generation_id: int) -> bool:
    """Whether any kept footage is done in a generation."""
    query = (
        select(_w.segment_id)
        .join(schema.segment, _s.id == _w.segment_id)
        .where(_w.generation_id == generation_id, _w.state == "done", KEPT)
        .limit(1)
    )
    return tx.execute(query).first() is not None


def newest_indexed_us(tx: Connection, generation_id: int) -> dict[int, int]:
    """camera key → end of its newest indexed segment."""
    query = (
        select(_s.camera_id, func.max(_s.end_us))
        .join(schema.index_work, _s.id == _w.segment_id)
        .where(_w.generation_id == generation_id, _w.state == "done", KEPT)
        .group_by(_s.camera_id)
    )
    return {row[0]: row[1] for row in tx.execute(query)}


def progress(tx: Connection, generation_id: int | None = None) -> dict[int, Extent]:
    """Generation → how far it is, of all or of one. Reads every row of index work once."""
    kept_us = int(
        tx.execute(select(func.coalesce(func.sum(_s.duration_us), 0)).where(KEPT)).scalar_one()
    )
    query = (
        select(_w.generation_id, _w.state, func.count(), func.sum(_s.duration_us))
        .join(schema.segment, _s.id == _w.segment_id)
        .where(KEPT, _w.state.in_(["done", "failed"]))
        .group_by(_w.generation_id, _w.state)
    )
    if generation_id is not None:
        query = query.where(_w.generation_id == generation_id)
    found = {(key, state): (n, int(us)) for key, state, n, us in tx.execute(query)}
    keys = tx.execute(select(_g.id)).scalars() if generation_id is None else [generation_id]
    return {
        key: Extent(
            done_us=found.get((key, "done"), (0, 0))[1],
            failed_us=found.get((key, "failed"), (0, 0))[1],
            failed=found.get((key, "failed"), (0, 0))[0],
            kept_us=kept_us,
        )
        for key in keys
    }


def standing_document(one: Standing, how_far: Extent) -> dict[str, Any]:
    """As JSON."""
    return {
        "model": one.generation.model,
        "generation": one.generation.number,
        "state": one.generation.state,
        **how_far.document(),
        "answers_since": optional_rfc3339(one.activated_us),
        "golden": None if one.golden is None else one.golden.document(),
        "anyway": one.anyway,
        "refused": one.refusal(),
    }


def _golden(text: str | None) -> Golden | None:
    try:
        return None if text is None else Golden(**json.loads(text))
    except (ValueError, TypeError):
        return None  # of a later version: found out again
