"""A query as vectors: what it asks for, what it excludes, and the background it is held against."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from search.background import SENTENCES, bank_hash
from search.query import Part, Picture, Query
from search.shards import generation_folder
from storage.directory import DataDirectory
from storage.durable import write_file
from storage.errors import Invalid, Unavailable
from storage.vocabulary import Generation

Floats = npt.NDArray[np.float32]
EXCLUDED_SHARE = 0.5  # how much of what is excluded a first choice is turned away from
SAME = 0.9999  # cosine from which on two directions say the same
MOST_REMEMBERED = 1_000  # texts; 2 MB
VANISHED = 1e-3  # length from which on a direction means something


class Embeds(Protocol):
    """What search needs of an embedder; indexer.embedder.Embedder is one."""

    dimension: int

    def embed_texts(self, texts: list[str]) -> Floats:
        """(n, dimension), L2-normalised."""

    def unknown_words(self, text: str) -> list[str]:
        """Content words that the model was never taught."""

    def embed_images(self, pictures: list[Picture]) -> Floats:
        """(n, dimension), L2-normalised."""


class Remembering:
    """An embedder that remembers what it was told of texts: the same question comes again."""

    def __init__(self, embedder: Embeds) -> None:
        self._embedder = embedder
        self.dimension = embedder.dimension
        self._known: OrderedDict[str, Floats] = OrderedDict()
        self._guard = threading.Lock()

    def embed_texts(self, texts: list[str]) -> Floats:
        """As the embedder."""
        with self._guard:
            new = [text for text in dict.fromkeys(texts) if text not in self._known]
        made = dict(zip(new, self._embedder.embed_texts(new), strict=True)) if new else {}
        with self._guard:
            found = [made[text] if text in made else self._known[text] for text in texts]
            self._known.update(made)
            while len(self._known) > MOST_REMEMBERED:
                self._known.popitem(last=False)
        return np.stack(found)

    def embed_images(self, pictures: list[Picture]) -> Floats:
        """As the embedder: pictures are not remembered."""
        return self._embedder.embed_images(pictures)

    def unknown_words(self, text: str) -> list[str]:
        """As the embedder."""
        return self._embedder.unknown_words(text)


@dataclass(frozen=True, slots=True, eq=False)
class QuestionPart:
    """One description or picture as a direction; `weight` as it was given."""

    vector: Floats  # (dimension,), L2-normalised
    weight: float
    picture: bool


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """One step of a query: what is asked for, at least one part, and what is excluded."""

    asked: tuple[QuestionPart, ...]
    excluded: tuple[QuestionPart, ...] = ()

    @property
    def stacked(self) -> Floats:
        """(parts, dimension) asked first: to be compared in one pass."""
        return np.stack([part.vector for part in (*self.asked, *self.excluded)])

    @property
    def directions(self) -> Floats:
        """(k, dimension) for a first choice among very many rows: each asked part on its own, and
        what all of them make together, weighed, where that is something else.
        """
        alone = [part.vector for part in self.asked]
        if len(alone) == 1 and not self.excluded:
            return np.stack(alone)
        return np.stack([*alone, self._together()])

    def _together(self) -> Floats:
        """Invalid when the parts take each other away and no direction is left."""
        asked = _mean(self.asked)
        together = asked
        if self.excluded:
            away = _mean(self.excluded)
            together = asked - EXCLUDED_SHARE * away
            if _cosine(asked, away) >= SAME:
                raise _cancel_out()
        norm = float(np.linalg.norm(together))
        if norm < VANISHED:
            raise _cancel_out()
        return np.asarray(together / norm, dtype=np.float32)


def questions(query: Query, embedder: Embeds) -> list[Question]:
    """The query's steps: one, or two for 'A, then B'. Exclusions are of the first.

    Invalid: the parts of a step cancel out.
    """
    vectors = _embedded([*query.exclusions, *(p for step in query.steps for p in step)], embedder)
    excluded = tuple(next(vectors) for _ in query.exclusions)
    made = [
        Question(tuple(next(vectors) for _ in step), () if number else excluded)
        for number, step in enumerate(query.steps)
    ]
    for question in made:
        _ = question.directions  # refuses what cancels out before anything is compared
    return made


def _embedded(parts: list[Part], embedder: Embeds) -> Iterator[QuestionPart]:
    """In the order of `parts`; all words in one batch, all pictures in another."""
    texts = [part.text for part in parts if part.text is not None]
    images = [part.image for part in parts if part.image is not None]
    spoken = iter(embedder.embed_texts(texts) if texts else ())
    seen = iter(embedder.embed_images(images) if images else ())
    for part in parts:
        picture = part.image is not None
        yield QuestionPart(_unit(next(seen if picture else spoken)), part.weight, picture)


def _unit(vector: Floats) -> Floats:
    whole = np.asarray(vector, dtype=np.float32)
    norm = float(np.linalg.norm(whole))
    if not np.isfinite(norm) or norm < VANISHED:
        raise Unavailable("the model makes no vector of this query; try other words or a picture")
    return whole / np.float32(norm)


def _mean(parts: Sequence[QuestionPart]) -> Floats:
    weights = np.array([part.weight for part in parts], dtype=np.float32)
    whole = weights @ np.stack([part.vector for part in parts]) / weights.sum()
    return np.asarray(whole, dtype=np.float32)


def _cosine(a: Floats, b: Floats) -> float:
    return float(a @ b) / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-12)


def _cancel_out() -> Invalid:
    return Invalid(
        "what is asked for and what is excluded cancel out, and nothing is left to look for;"
        " change the words or the weights"
    )


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

    def vectors(self, generation: Generation, embedder: Callable[[], Embeds]) -> Floats:
        """(sentences, dimension). `embedder` is asked for once per generation, if at all."""
        with self._lock:
            if generation.id not in self._kept:
                self._kept[generation.id] = self._load(generation, embedder)
            return self._kept[generation.id]

    def _load(self, generation: Generation, embedder: Callable[[], Embeds]) -> Floats:
        name = f"background-{bank_hash()[:16]}-{generation.weights_hash[:16]}.f32"
        path = generation_folder(self._directory.index, generation) / name
        size = len(SENTENCES) * generation.dimension * 4
        if path.is_file() and path.stat().st_size == size:
            flat = np.frombuffer(path.read_bytes(), dtype=np.float32)
            return flat.reshape(len(SENTENCES), generation.dimension)
        vectors = np.ascontiguousarray(embedder().embed_texts(list(SENTENCES)), dtype=np.float32)
        write_file(path, vectors.tobytes())
        return vectors
