"""A query as vectors: what it asks for, what it excludes, and the background it is held against."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from search.background import SENTENCES, bank_hash
from search.query import Picture, Query
from search.shards import generation_folder
from storage.directory import DataDirectory
from storage.durable import write_file
from storage.vocabulary import Generation

Floats = npt.NDArray[np.float32]


class Embeds(Protocol):
    """What search needs of an embedder; indexer.embedder.Embedder is one."""

    dimension: int

    def embed_texts(self, texts: list[str]) -> Floats:
        """(n, dimension), L2-normalised."""

    def unknown_words(self, text: str) -> list[str]:
        """Content words that the model was never taught."""

    def embed_images(self, pictures: list[Picture]) -> Floats:
        """(n, dimension), L2-normalised."""


@dataclass(frozen=True, slots=True)
class Question:
    """One step of a query. Vectors are (m, dimension); a part that was not asked has m = 0."""

    texts: Floats
    pictures: Floats
    excluded: Floats

    @property
    def stacked(self) -> Floats:
        """All of them, in this order: to be compared in one pass."""
        return np.concatenate([self.texts, self.pictures, self.excluded])

    @property
    def combined(self) -> Floats:
        """One direction that stands for the step, for a first choice among very many rows."""
        asked = np.concatenate([self.texts, self.pictures]).mean(axis=0)
        if len(self.excluded):
            asked = asked - 0.5 * self.excluded.mean(axis=0)
        norm = float(np.linalg.norm(asked))
        return np.asarray(asked / norm if norm > 1e-6 else asked, dtype=np.float32)


def questions(query: Query, embedder: Embeds) -> list[Question]:
    """The query's steps: one, or two for 'A, then B'."""
    nothing = np.zeros((0, embedder.dimension), dtype=np.float32)
    excluded = embedder.embed_texts(list(query.not_texts)) if query.not_texts else nothing
    picture = query.picture()
    first = Question(
        embedder.embed_texts([query.text]) if query.text else nothing,
        nothing if picture is None else embedder.embed_images([picture]),
        excluded,
    )
    if query.then_text is None:
        return [first]
    return [first, Question(embedder.embed_texts([query.then_text]), nothing, nothing)]


def unknown_words(texts: Iterable[str | None], embedder: Embeds) -> list[str]:
    """Words of the texts that the model was never taught, each once."""
    return list(
        dict.fromkeys(word for text in texts if text for word in embedder.unknown_words(text))
    )


class BackgroundBank:
    """Vectors of the bank per generation; kept in memory and, derived, in the index folder."""

    def __init__(self, directory: DataDirectory) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._kept: dict[int, Floats] = {}

    def vectors(self, generation: Generation, embedder: Embeds) -> Floats:
        """(sentences, dimension)."""
        with self._lock:
            if generation.id not in self._kept:
                self._kept[generation.id] = self._load(generation, embedder)
            return self._kept[generation.id]

    def _load(self, generation: Generation, embedder: Embeds) -> Floats:
        name = f"background-{bank_hash()[:16]}-{generation.weights_hash[:16]}.f32"
        path = generation_folder(self._directory.index, generation) / name
        size = len(SENTENCES) * generation.dimension * 4
        if path.is_file() and path.stat().st_size == size:
            flat = np.frombuffer(path.read_bytes(), dtype=np.float32)
            return flat.reshape(len(SENTENCES), generation.dimension)
        vectors = np.ascontiguousarray(embedder.embed_texts(list(SENTENCES)), dtype=np.float32)
        write_file(path, vectors.tobytes())
        return vectors
