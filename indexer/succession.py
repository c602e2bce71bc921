"""Which generation is built and which answers: the policy of changing models.

The ledger decides. The settings name the model of a new archive; after that the last word
counts, be it `hindsight model use` or a change of [indexer] model in the settings.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from indexer.embedder import NANO, load_embedder, load_model, settings_checkpoint
from storage import audit, generations, standings
from storage.errors import Conflict, HindsightError
from storage.i18n import tr
from storage.standings import Golden, Standing
from storage.vocabulary import Actor, Generation

if TYPE_CHECKING:
    from indexer.embedder import Embedder
    from storage.directory import DataDirectory
    from storage.settings import IndexerSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Lane:
    """A generation and the embedder that makes its vectors."""

    generation: Generation
    embedder: Embedder


def building_generation(tx: Connection) -> Generation | None:
    """The one that will answer when it is complete."""
    return next((g for g in generations.generations(tx) if g.state == "building"), None)


def chosen_generation(tx: Connection) -> Generation | None:
    """The one the archive is to be indexed with: building, else active; None in a new archive."""
    return building_generation(tx) or generations.active_generation(tx)


def ensure_generation(directory: DataDirectory, model: str | None = None) -> Lane:
    """The generation to index with, made if need be, and its embedder.

    A new one is made beside the active one when `model` is another than that in use, when the
    settings were changed since the last was made, or when the files of its model are no longer
    those that made it. Errors as `load_model`; then nothing changed.
    """
    settings = directory.settings.indexer
    with directory.ledger.read() as tx:
        current = chosen_generation(tx)
        changed = current is None or standings.named_with(tx, current.id) != named_in(settings)
        kept = None if current is None else generations.checkpoint_of(tx, current.id)
    if current is not None and (current.model == model if model else not changed):
        return use_model(directory, current.model, Path(kept) if kept else None)
    if model is not None and model != settings.model:
        return _begin(directory, model, None)
    return _begin(directory, settings.model, settings_checkpoint(directory))


def _begin(directory: DataDirectory, name: str, checkpoint: Path | None) -> Lane:
    """As `use_model`; what a model of one's own answers is said now, not after days of indexing."""
    lane = use_model(directory, name, checkpoint)
    if not is_shipped(name, checkpoint):
        standing = assess(directory, lane.generation, [lane.embedder], alone=True)
        for line in golden_warnings(standing):
            log.warning("%s", line)
    return lane


def is_shipped(name: str, checkpoint: Path | None) -> bool:
    """Whether the weights come with the package: what they answer is known."""
    return name == NANO and checkpoint is None


def use_model(
    directory: DataDirectory,
    name: str,
    checkpoint: Path | None,
    *,
    anyway: bool | None = None,
    actor: Actor | None = None,
) -> Lane:
    """Load a model and index with it from now on. Errors as `load_model`; then nothing changed.

    `anyway`: whether it shall answer once it is complete whatever it answers to golden queries;
    None leaves what was said before. With `actor` it goes into the audit log.
    """
    embedder = load_model(
        name,
        checkpoint,
        directory.settings.indexer.threads,
        verdicts=directory.cache / "precision",
        device=directory.settings.indexer.device,
    )
    generation = choose(directory, embedder, checkpoint, anyway=anyway, actor=actor)
    return Lane(generation, embedder)


def choose(
    directory: DataDirectory,
    embedder: Embedder,
    checkpoint: Path | None,
    *,
    anyway: bool | None = None,
    actor: Actor | None = None,
) -> Generation:
    """Index with this model from now on. Idempotent.

    Its generation is made, or found again: what was indexed with the same weights is not indexed
    twice. It answers at once when nothing else does, else when it is complete.
    """
    now_us = directory.clock.now_us()
    file = None if checkpoint is None else str(checkpoint.absolute())
    with directory.ledger.write() as tx:
        found = [
            generation
            for generation in generations.generations(tx)
            if generation.model == embedder.model
            and generation.weights_hash == embedder.weights_hash
            and generation.preprocess_hash == embedder.preprocess_hash
        ]
        named = named_in(directory.settings.indexer)
        if found:
            chosen = found[-1]
            standings.set_named(tx, chosen.id, named)
            standings.set_checkpoint(tx, chosen.id, file)
        else:
            chosen = generations.add_generation(
                tx,
                model=embedder.model,
                checkpoint=file,
                weights_hash=embedder.weights_hash,
                preprocess_hash=embedder.preprocess_hash,
                dimension=embedder.dimension,
                meaningful=embedder.meaningful,
                state="building",
                at_us=now_us,
                named=named,
            )
        if anyway is not None:
            standings.set_anyway(tx, chosen.id, anyway)
        if actor is not None:
            detail = {"generation": chosen.number, "weights": chosen.weights_hash, "anyway": anyway}
            audit.record(tx, actor, "model.use", chosen.model, at_us=now_us, detail=detail)
        if chosen.state == "active":
            generations.build(tx, None)
            return chosen
        generations.build(tx, chosen.id)
        active = generations.active_generation(tx)
        if active is None or not standings.has_answers(tx, active.id):
            generations.activate(tx, chosen.id, at_us=now_us)
        return generations.generation(tx, chosen.id)


def switch_if_complete(
    directory: DataDirectory, loaded: Sequence[Embedder] = ()
) -> Generation | None:
    """Let the building generation answer once every closed segment is done or failed in it and
    its model answers the golden queries as well as the one that answers now.

    Returns it when it was switched to just now. `loaded`: embedders at hand, so that neither need
    be loaded. Once it was refused this costs two short reads, until the other one changes.
    """
    with directory.ledger.read() as tx:
        building = standings.building_standing(tx)
        active = generations.active_generation(tx)
        if building is None or _stays_refused(building, active, loaded):
            return None
        if standings.is_pending(tx, building.generation.id, newest_first=False):
            return None
    if not building.anyway:
        try:
            with directory.exclusive("golden"):
                building = assess(directory, building.generation, loaded)
        except Conflict:
            return None  # another worker asks: two models in memory once are enough
        if (refusal := building.refusal()) is not None:
            log.warning("%s", refusal)
            return None
    with directory.ledger.write() as tx:
        now = standings.building_standing(tx)
        if now is None or now.generation.id != building.generation.id:
            return None
        if standings.is_pending(tx, now.generation.id, newest_first=False):
            return None
        generations.activate(tx, now.generation.id, at_us=directory.clock.now_us())
        return generations.generation(tx, now.generation.id)


def assess(
    directory: DataDirectory,
    generation: Generation,
    loaded: Sequence[Embedder] = (),
    *,
    alone: bool = False,
) -> Standing:
    """Ask a generation's model the golden queries, and judge it against the active one's.

    What is known already is not asked again. `alone`: not against the active one's, which would
    have to be loaded as well.
    """
    from indexer.golden import EDITION, judge

    with directory.ledger.read() as tx:
        active = generations.active_generation(tx)
    mine = _golden(directory, generation, loaded, present=True)
    if mine is None:
        mine = Golden(EDITION, 0.0, 0.0, 0.0, standings.ABSENT)
    if not alone and active is not None and active.id != generation.id:
        mine = judge(
            mine, _golden(directory, active, loaded), active.id,
            at_home=active.model == NANO and generation.model != NANO,
        )  # fmt: skip
    with directory.ledger.write() as tx:
        standings.set_golden(tx, generation.id, mine)
        return standings.standing(tx, generation.id)


def rollback(directory: DataDirectory, actor: Actor) -> Generation:
    """Let the generation that answered before the present one answer again, at once.

    The present one is kept, retired; what was recorded since is missing in the other one until it
    is indexed. Conflict when there is none, or when the files of its model are gone or changed:
    then nothing changed.
    """
    with directory.ledger.read() as tx:
        active = generations.active_generation(tx)
        before = None if active is None else standings.standing(tx, active.id).follows
        if active is None or before is None:
            raise Conflict(
                "there is no way back: no generation answered before the present one;"
                " `hindsight model use NAME` changes the model"
            )
        back = generations.generation(tx, before)
    try:
        load_embedder(directory, back)
    except HindsightError as error:
        raise Conflict(
            "generation {number} of {model} cannot answer again: {error}",
            number=back.number, model=back.model, error=error.text(),
        ) from None  # fmt: skip
    now_us = directory.clock.now_us()
    with directory.ledger.write() as tx:
        present = generations.active_generation(tx)
        if present is None or present.id != active.id:
            raise Conflict(
                "the model was changed by somebody else just now; look at `hindsight model list`"
                " and run this again"
            )
        standings.go_back(tx, active.id, back.id, at_us=now_us)
        # The last word counts: what the settings name now is what this was said after.
        standings.set_named(tx, back.id, named_in(directory.settings.indexer))
        detail = {"from": f"{active.model} {active.number}", "to": f"{back.model} {back.number}"}
        audit.record(tx, actor, "model.rollback", back.model, at_us=now_us, detail=detail)
        return generations.generation(tx, back.id)


def golden_warnings(standing: Standing) -> list[str]:
    """What people should know of how a model answers, in their language."""
    from indexer.golden import MARGIN

    golden = standing.golden
    if golden is None:
        return []
    if (refusal := standing.refusal()) is not None:
        return [refusal]
    model, chance = standing.generation.model, golden.chance
    if golden.fault is not None:
        return [f"{model}: {tr(standings.FAULTS[golden.fault])}"]
    if golden.en < chance + MARGIN:
        return [
            tr(
                "{model} answers golden queries in English no better than chance ({mine:.2f};"
                " by chance {chance:.2f}): are these the weights of this model, and trained?",
                model=model, mine=golden.en, chance=chance,
            )
        ]  # fmt: skip
    if golden.zh < chance + MARGIN:
        return [
            tr(
                "{model} knows no Chinese: of golden queries it answers {mine:.2f} (by chance"
                " {chance:.2f})",
                model=model, mine=golden.zh, chance=chance,
            )
        ]  # fmt: skip
    return []


def _stays_refused(
    building: Standing, active: Generation | None, loaded: Sequence[Embedder]
) -> bool:
    """Whether nothing changed since it was refused."""
    from indexer.golden import EDITION

    golden = building.golden
    if building.refusal() is None or golden is None or golden.edition != EDITION:
        return False
    if golden.fault == standings.ABSENT:
        return _at_hand(building.generation, loaded) is None or _is_gone(building)
    return golden.fault is not None or (active is not None and golden.against == active.id)


def _at_hand(generation: Generation, loaded: Sequence[Embedder]) -> Embedder | None:
    identity = (generation.weights_hash, generation.preprocess_hash)
    fits = (one for one in loaded if (one.weights_hash, one.preprocess_hash) == identity)
    return next(fits, None)


def _is_gone(one: Standing) -> bool:
    """Whether a file of one's own is not there any more, though a worker may still hold it."""
    return one.checkpoint is not None and not Path(one.checkpoint).is_file()


def _golden(
    directory: DataDirectory,
    generation: Generation,
    loaded: Sequence[Embedder],
    *,
    present: bool = False,
) -> Golden | None:
    """What the model of a generation answers; None when it cannot be loaded any more.

    `present`: its files must be there, whatever is remembered: search will load them.
    """
    from indexer.golden import EDITION, answer_file, ask, recall

    folder = directory.cache / "golden"
    with directory.ledger.read() as tx:
        one = standings.standing(tx, generation.id)
    file = answer_file(folder, generation.weights_hash, generation.preprocess_hash)
    if not present and (known := recall(file)) is not None:
        return known
    held = None if present and _is_gone(one) else _at_hand(generation, loaded)
    try:
        return ask(held or load_embedder(directory, generation), folder)
    except HindsightError as error:
        log.warning("%s", error)
    if present:
        return None
    said = one.golden
    return said if said and said.edition == EDITION and said.fault != standings.ABSENT else None


def named_in(settings: IndexerSettings) -> str:
    """What the settings name, to tell when they were changed."""
    return settings.model + (f" {settings.checkpoint}" if settings.checkpoint else "")
