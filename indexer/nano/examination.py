"""Made scenes that nano was never trained on, and how well a model answers claims about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from indexer.evaluation import LANGUAGES, average_precision
from indexer.nano.batches import Labels, label
from indexer.nano.claims import claims
from indexer.nano.facts import Facts
from indexer.nano.rendered import made_pictures

if TYPE_CHECKING:
    from indexer.embedder import Embedder, Picture, Vectors

UNSEEN = 1_000_003  # a seed that training refuses
SCENES = 40
CHANCE = "chance"
FEWEST = 5  # pictures of which a claim is true, and as many of which it is false


@dataclass(frozen=True, slots=True)
class Examined:
    """mAP by language, and of chance, over claims: of all pictures, of crops alone (a subject
    fills a fair part of those; in whole frames it may be a few pixels), and by group of claims."""

    pictures: int
    claims: int
    map: dict[str, float]
    crops: dict[str, float]
    groups: dict[str, dict[str, float]]  # group → language or 'chance' → mAP

    @property
    def chance(self) -> float:
        """Of answering at random, over all claims."""
        return self.map[CHANCE]

    def document(self) -> dict[str, object]:
        """As JSON."""
        groups = {
            group: {key: round(value, 4) for key, value in row.items()}
            for group, row in self.groups.items()
        }
        means, crops = (
            {key: round(value, 4) for key, value in row.items()} for row in (self.map, self.crops)
        )
        return {
            "pictures": self.pictures, "claims": self.claims, "map": means, "crops": crops,
            "groups": groups,
        }  # fmt: skip


def examine(
    embedder: Embedder,
    scenes: int = SCENES,
    progress: Callable[[], None] = lambda: None,
    seed: int = UNSEEN,
) -> Examined:
    """Render scenes, unseen ones by default, embed them, and rank them by every claim that is
    worth asking.

    Pictures of which a claim is neither true nor false are left out of its ranking.
    """
    vectors: list[Vectors] = []
    facts: list[Facts] = []
    for number in range(scenes):
        pictures: list[Picture] = []
        for picture, fact in made_pictures(seed, number):
            pictures.append(picture)
            facts.append(fact)
        vectors.append(embedder.embed_images(pictures))
        progress()
    stacked, labels = np.concatenate(vectors), label(facts)
    # The place is told of whole frames only.
    crops = np.array([one.place is None for one in facts])
    groups = rank(embedder, stacked, labels)
    return Examined(
        len(facts), sum(len(row[CHANCE]) for row in groups.values()), _means(groups),
        _means(rank(embedder, stacked[crops], labels[crops])),
        {group: {key: float(np.mean(row[key])) for key in row} for group, row in groups.items()},
    )  # fmt: skip


def rank(embedder: Embedder, vectors: Vectors, labels: Labels) -> dict[str, dict[str, list[float]]]:
    """Group → language or 'chance' → average precision of every claim, in its usual wording.

    vectors (n, d), labels (n, claims). Claims that are true or false of too few are left out.
    """
    true, false = (labels == 1).sum(axis=0), (labels == 0).sum(axis=0)
    asked = [
        (number, claim)
        for number, claim in enumerate(claims())
        if true[number] >= FEWEST and false[number] >= FEWEST
    ]
    rows: dict[str, dict[str, list[float]]] = {}
    for lang in LANGUAGES:
        texts = [claim.en[0] if lang == "en" else claim.zh[0] for _, claim in asked]
        scores = embedder.embed_texts(texts) @ vectors.T
        for row, (number, claim) in zip(scores, asked, strict=True):
            known = labels[:, number] >= 0
            wanted = labels[known, number] == 1
            into = rows.setdefault(claim.group, {key: [] for key in (*LANGUAGES, CHANCE)})
            into[lang].append(average_precision(row[known], wanted))
            if lang == LANGUAGES[0]:
                into[CHANCE].append(float(wanted.mean()))
    return rows


def _means(groups: dict[str, dict[str, list[float]]]) -> dict[str, float]:
    """Over all claims of all groups."""
    return {
        key: float(np.mean([value for row in groups.values() for value in row[key]]))
        for key in (*LANGUAGES, CHANCE)
    }
