"""Batches: which pictures, their claims, a sentence in each language; fixed by seed and step."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from indexer.nano.augment import augmented
from indexer.nano.claims import claims
from indexer.nano.corpus import Part
from indexer.nano.facts import Facts
from indexer.nano.grammar import Said, Speaker
from indexer.scenes.arrays import seeded

Labels = npt.NDArray[np.int8]
AHEAD = 3
SPOKEN = 72  # pictures of a batch that get sentences, real ones first: text towers are slow


@dataclass(frozen=True, slots=True)
class Stage:
    """Training up to step `end`: how large pictures are, and whether words come in."""

    end: int
    pixels: int
    speaks: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """`pictures` uint8 (n, size, size, 3); `labels` (n, claims) of TRUE, FALSE, UNKNOWN; `said`
    of the pictures numbered `spoken`, in order; `rivals` (m, m) bool among those: sentence i
    would not do for picture j."""

    pictures: npt.NDArray[np.uint8]
    labels: Labels
    spoken: list[int]
    said: list[Said]
    rivals: npt.NDArray[np.bool_]


def label(facts: list[Facts]) -> Labels:
    """Truth of every claim for every picture, (pictures, claims)."""
    every = claims()
    return np.array([[claim.of(one) for claim in every] for one in facts], np.int8).reshape(
        len(facts), len(every)
    )


class Batches:
    """Draws batches of fixed shares of several parts."""

    def __init__(self, parts: list[tuple[Part, int]], seed: int) -> None:
        self.parts = [(part, share) for part, share in parts if len(part.facts)]
        self.labels = [label(part.facts) for part, _ in self.parts]
        self.seed = seed

    def positives(self) -> npt.NDArray[np.float64]:
        """How often each claim is true among the known, over all parts as they are drawn."""
        total = np.zeros(len(claims()))
        known = np.zeros(len(claims()))
        for (_, share), labels in zip(self.parts, self.labels, strict=True):
            total += share * (labels == 1).mean(axis=0)
            known += share * (labels >= 0).mean(axis=0)
        return np.asarray(total / np.maximum(known, 1e-6), dtype=np.float64)

    def batch(self, step: int, size: int, spoken: int = SPOKEN) -> Batch:
        """The batch of one step, pictures `size` pixels wide, so many of them with sentences."""
        rng = seeded(self.seed, "batch", step)
        speaker = Speaker(rng)
        pictures, labels, facts = [], [], []
        for (part, share), truth in zip(self.parts, self.labels, strict=True):
            for index in rng.integers(len(part.facts), size=share).tolist():
                pictures.append(augmented(rng, part.pictures[index], size))
                labels.append(truth[index])
                facts.append(part.facts[index])
        first = self.parts[0][1]
        rest = first + rng.permutation(len(facts) - first)
        chosen = [*range(first), *rest.tolist()][:spoken]
        told = [facts[i] for i in chosen]
        said = [speaker.said(one) for one in told]
        return Batch(np.stack(pictures), np.stack(labels), chosen, said, _rivals(said, told))

    def run(self, first: int, last: int, stages: list[Stage]) -> Iterator[tuple[Stage, Batch]]:
        """The batches of steps `first` to `last` − 1 with their stages, made ahead meanwhile."""

        def made(step: int) -> tuple[Stage, Batch]:
            stage = next(one for one in stages if step < one.end)
            return stage, self.batch(step, stage.pixels, SPOKEN if stage.speaks else 0)

        with ThreadPoolExecutor(1) as pool:
            waiting: list[Future[tuple[Stage, Batch]]] = []
            for step in range(first, last + AHEAD):
                if step < last:
                    waiting.append(pool.submit(made, step))
                if step >= first + AHEAD or step >= last:
                    if not waiting:
                        return
                    yield waiting.pop(0).result()


def _rivals(said: list[Said], facts: list[Facts]) -> npt.NDArray[np.bool_]:
    """Whether picture j is a wrong answer to sentence i: it lacks a thing that is spoken of, or
    nothing is spoken of and it was taken elsewhere or in other light."""
    shown = [{(thing.kind, thing.colour) for thing in one.things} for one in facts]
    rivals = np.zeros((len(said), len(said)), bool)
    for i, sentence in enumerate(said):
        wanted = {(thing.kind, thing.colour) for thing in sentence.things}
        for j, there in enumerate(shown):
            if wanted:
                rivals[i, j] = not wanted <= there
            else:
                a, b = facts[i], facts[j]
                rivals[i, j] = (a.place, a.light, a.events) != (b.place, b.light, b.events)
    np.fill_diagonal(rivals, False)
    return rivals
