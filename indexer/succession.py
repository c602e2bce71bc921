"""Which generation is built and which answers: the policy of changing models.

The ledger decides. The settings name the model of a new archive; after that the last word
counts, be it `hindsight model use` or a change of [indexer] model in the settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from indexer.embedder import load_model, settings_checkpoint
from storage import generations
from storage.vocabulary import Generation

if TYPE_CHECKING:
    from indexer.embedder import Embedder
    from storage.directory import DataDirectory
    from storage.settings import IndexerSettings


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
        changed = current is None or generations.named_with(tx, current.id) != named_in(settings)
        kept = None if current is None else generations.checkpoint_of(tx, current.id)
    if current is not None and (current.model == model if model else not changed):
        return use_model(directory, current.model, Path(kept) if kept else None)
    if model is not None and model != settings.model:
        return use_model(directory, model, None)
    return use_model(directory, settings.model, settings_checkpoint(directory))


def use_model(directory: DataDirectory, name: str, checkpoint: Path | None) -> Lane:
    """Load a model and index with it from now on. Errors as `load_model`; then nothing changed."""
    embedder = load_model(
        name,
        checkpoint,
        directory.settings.indexer.threads,
        verdicts=directory.cache / "precision",
    )
    return Lane(choose(directory, embedder, checkpoint), embedder)


def choose(directory: DataDirectory, embedder: Embedder, checkpoint: Path | None) -> Generation:
    """Index with this model from now on. Idempotent.

    Its generation is made, or found again: what was indexed with the same weights is not indexed
    twice. It answers at once when nothing else does, else when it is complete.
    """
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
            generations.set_named(tx, chosen.id, named)
        else:
            chosen = generations.add_generation(
                tx,
                model=embedder.model,
                checkpoint=None if checkpoint is None else str(checkpoint.absolute()),
                weights_hash=embedder.weights_hash,
                preprocess_hash=embedder.preprocess_hash,
                dimension=embedder.dimension,
                meaningful=embedder.meaningful,
                state="building",
                at_us=directory.clock.now_us(),
                named=named,
            )
        if chosen.state == "active":
            generations.build(tx, None)
            return chosen
        generations.build(tx, chosen.id)
        active = generations.active_generation(tx)
        if active is None or not generations.newest_indexed_us(tx, active.id):
            generations.activate(tx, chosen.id)
        return generations.generation(tx, chosen.id)


def switch_if_complete(directory: DataDirectory) -> Generation | None:
    """Let the building generation answer once every closed segment is done or failed in it.

    Returns it when it was switched to just now.
    """
    with directory.ledger.read() as tx:
        building = building_generation(tx)
        if building is None or generations.pending(tx, building.id)[0]:
            return None
    with directory.ledger.write() as tx:
        building = building_generation(tx)
        if building is None or generations.pending(tx, building.id)[0]:
            return None
        generations.activate(tx, building.id)
        return generations.generation(tx, building.id)


def named_in(settings: IndexerSettings) -> str:
    """What the settings name, to tell when they were changed."""
    return settings.model + (f" {settings.checkpoint}" if settings.checkpoint else "")
