"""Made scenes that nano was never trained on, and how well a model answers claims about them."""

from __future__ import annotations

from collections import defaultdict
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
FEWEST = 5  # pictures of which a claim is true, and as many of which it is false


@dataclass(frozen=True, slots=True)
class Examined:
    """mAP by language over claims, of all and by group of claims; `chance` likewise."""

    pictures: int
    claims: int
    map: dict[str, float]
    groups: dict[str, dict[str, float]]  # group → language or 'chance' → mAP

    @property
    def chance(self) -> float:
        """Of answering at random, over all claims."""
        return self.map["chance"]

    def document(self) -> dict[str, object]:
        """As JSON."""
        groups = {
            group: {key: round(value, 4) for key, value in row.items()}
            for group, row in self.groups.items()
        }
        means = {key: round(value, 4) for key, value in self.map.items()}
        return {"pictures": self.pictures, "claims": self.claims, "map": means, "groups": groups}


def examine(
    embedder: Embedder, scenes: int = SCENES, progress: Callable[[], None] = lambda: None
) -> Examined:
    """Render unseen scenes, embed them, and rank them by every claim that is worth asking.

    Pictures of which a claim is neither true nor false are left out of its ranking.
    """
    vectors: list[Vectors] = []
    facts: list[Facts] = []
    for number in range(scenes):
        pictures: list[Picture] = []
        for picture, fact in made_pictures(UNSEEN, number):
            pictures.append(picture)
            facts.append(fact)
        vectors.append(embedder.embed_images(pictures))
        progress()
    return rank(embedder, np.concatenate(vectors), label(facts))


def rank(embedder: Embedder, vectors: Vectors, labels: Labels) -> Examined:
    """mAP of every claim's usual wording; vectors (n, d), labels (n, claims)."""
    true, false = (labels == 1).sum(axis=0), (labels == 0).sum(axis=0)
    asked = [
        (number, claim)
        for number, claim in enumerate(claims())
        if true[number] >= FEWEST and false[number] >= FEWEST
    ]
    rows: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for lang in LANGUAGES:
        texts = [claim.en[0] if lang == "en" else claim.zh[0] for _, claim in asked]
        scores = embedder.embed_texts(texts) @ vectors.T
        for row, (number, claim) in zip(scores, asked, strict=True):
            known = labels[:, number] >= 0
            wanted = labels[known, number] == 1
            rows[claim.group][lang].append(average_precision(row[known], wanted))
            if lang == LANGUAGES[0]:
                rows[claim.group]["chance"].append(float(wanted.mean()))
    groups = {
        group: {key: float(np.mean(values)) for key, values in row.items()}
        for group, row in rows.items()
    }
    means = {
        key: float(np.mean([value for row in rows.values() for value in row[key]]))
        for key in (*LANGUAGES, "chance")
    }
    return Examined(len(vectors), len(asked), means, groups)
