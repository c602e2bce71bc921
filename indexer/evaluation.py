"""How well a model finds captioned pictures: mAP over tag queries, caption→crop R@k, by language;
and whether both languages find the same pictures.

The directory holds `captions.jsonl`, one object a line with `file` (below `crops/`'s parent),
`objects` as [type, colour or null], captions `en` and `zh` (lists), and optionally `clip`, the
name of the file the picture is from; and the pictures.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from indexer.tags import COLOURS, TYPES, tag_query
from storage.errors import DataLoss, Invalid, NotFound

if TYPE_CHECKING:
    from indexer.embedder import Embedder

LANGUAGES = ("en", "zh")
RANKS = (1, 5, 10)
FIRST = 10  # pictures of a question that are compared between the languages: about a page
FEWEST_POSITIVES = 5  # a tag seen less often says more of chance than of the model
BATCH = 32
Floats = npt.NDArray[np.float32]
Tag = tuple[str, str | None]  # type, colour


@dataclass(frozen=True, slots=True)
class Captioned:
    """A picture and what is said of it."""

    file: Path
    captions: dict[str, tuple[str, ...]]  # by language
    tags: frozenset[Tag]
    clip: str | None = None


@dataclass(frozen=True, slots=True)
class Scores:
    """Of one language; each 0..1."""

    map: float
    recall: dict[int, float]  # by rank

    def document(self) -> dict[str, float]:
        """As interface.md has it."""
        at = {f"r@{rank}": round(value, 4) for rank, value in self.recall.items()}
        return {"map": round(self.map, 4), **at}


@dataclass(frozen=True, slots=True)
class Parity:
    """How much of the first pictures English and Chinese share for the same question, 0..1."""

    overlap: float  # mean over the questions
    queries: int
    chance: float  # of answers that have nothing to do with each other

    def document(self) -> dict[str, float | int]:
        """As JSON."""
        return {
            "overlap": round(self.overlap, 4), "queries": self.queries,
            "chance": round(self.chance, 4),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What `evaluate` found, with what answering by chance would give."""

    scores: dict[str, Scores]
    chance: Scores
    parity: Parity
    pictures: int
    tags: int


def read_captions(folder: Path) -> list[Captioned]:
    """The captioned pictures of a directory. NotFound or Invalid names the file and line."""
    listing = folder / "captions.jsonl"
    try:
        lines = listing.read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(
            "{folder} has no captions.jsonl; name a directory of captioned pictures with"
            " `--captions DIR`",
            folder=folder,
        ) from None
    except UnicodeDecodeError as error:
        raise Invalid("{file} is not UTF-8 text: {error}", file=listing, error=error) from None
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            captions = {lang: tuple(map(str, entry[lang])) for lang in LANGUAGES}
            objects = [(str(kind), colour) for kind, colour in entry["objects"]]
            file = folder / str(entry["file"])
            clip = None if entry.get("clip") is None else str(entry["clip"])
        except (ValueError, KeyError, TypeError) as error:
            raise Invalid(
                "line {line} of {file} cannot be read: {error}",
                line=number, file=listing, error=repr(error),
            ) from None  # fmt: skip
        tags = frozenset([*objects, *((kind, None) for kind, _ in objects)])
        found.append(Captioned(file, captions, tags, clip))
    if not found:
        raise Invalid("{file} holds no captioned picture", file=listing)
    return found


def evaluate(
    embedder: Embedder, pictures: list[Captioned], progress: Callable[[int], None] = lambda _: None
) -> Evaluation:
    """Embed all pictures and queries, and rank. `progress` gets pictures done."""
    vectors = _embed_pictures(embedder, pictures, progress)
    tags = tag_queries(pictures)
    scores = {}
    for lang in LANGUAGES:
        texts = [texts[lang] for texts, _ in tags]
        ranked = _embed_texts(embedder, texts) @ vectors.T
        precisions = [
            average_precision(row, wanted) for row, (_, wanted) in zip(ranked, tags, strict=True)
        ]
        scores[lang] = Scores(_mean(precisions), _caption_recall(embedder, pictures, vectors, lang))
    count = len(pictures)
    chance = Scores(
        _mean([float(wanted.mean()) for _, wanted in tags]),
        {rank: min(1.0, rank / count) for rank in RANKS},
    )
    return Evaluation(scores, chance, measure_parity(embedder, vectors), count, len(tags))


def never_taught(pictures: list[Captioned], taught_clips: frozenset[str]) -> list[Captioned]:
    """Those of clips that the model was not trained with: pictures it knows would flatter it."""
    return [picture for picture in pictures if picture.clip not in taught_clips]


def measure_parity(embedder: Embedder, vectors: Floats) -> Parity:
    """Of each kind, in any and in each colour: what both languages find first among `vectors`."""
    every = [tag_query(kind, colour) for kind in TYPES for colour in (None, *COLOURS)]
    queries = [query for query in every if query is not None]
    english, chinese = (
        _embed_texts(embedder, [query[lang] for query in queries]) @ vectors.T for lang in LANGUAGES
    )
    count = len(vectors)
    first = min(FIRST, count)
    # Ties in opposite order: equal vectors for all must not look like agreement.
    forwards = np.arange(count)
    found = [np.lexsort((forwards, -row))[:first] for row in english]
    other = [np.lexsort((-forwards, -row))[:first] for row in chinese]
    same = [len(np.intersect1d(a, b)) / first for a, b in zip(found, other, strict=True)]
    return Parity(_mean(same), len(queries), first / count)


def tag_queries(pictures: list[Captioned]) -> list[tuple[dict[str, str], npt.NDArray[np.bool_]]]:
    """(query text by language, which pictures hold it) for every tag worth asking for.

    Types, and types with colour, that both languages can name, in at least FEWEST_POSITIVES
    pictures but not in all; the same queries for every language.
    """
    every = sorted(
        {tag for picture in pictures for tag in picture.tags}, key=lambda t: (t[0], t[1] or "")
    )
    queries = []
    for kind, colour in every:
        wanted = np.array([(kind, colour) in picture.tags for picture in pictures])
        texts = tag_query(kind, colour)
        if texts is not None and FEWEST_POSITIVES <= wanted.sum() < len(pictures):
            queries.append((texts, wanted))
    return queries


def average_precision(scores: Floats, wanted: npt.NDArray[np.bool_]) -> float:
    """Mean of the precision at each wanted picture, best score first."""
    hits = wanted[np.argsort(-scores, kind="stable")]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return float(precision[hits].mean())


def _caption_recall(
    embedder: Embedder, pictures: list[Captioned], vectors: Floats, lang: str
) -> dict[int, float]:
    owners = [i for i, picture in enumerate(pictures) for _ in picture.captions[lang]]
    texts = [text for picture in pictures for text in picture.captions[lang]]
    ranks = []
    for start in range(0, len(texts), BATCH):
        scores = embedder.embed_texts(texts[start : start + BATCH]) @ vectors.T
        for row, owner in zip(scores, owners[start:], strict=False):
            # Ties count against the model: equal vectors for all must not look like finding.
            ranks.append(int(np.count_nonzero(row >= row[owner])))
    return {rank: _mean([float(found <= rank) for found in ranks]) for rank in RANKS}


def _embed_pictures(
    embedder: Embedder, pictures: list[Captioned], progress: Callable[[int], None]
) -> Floats:
    parts = []
    for start in range(0, len(pictures), BATCH):
        batch = pictures[start : start + BATCH]
        parts.append(embedder.embed_images([_load(picture.file) for picture in batch]))
        progress(len(batch))
    return np.concatenate(parts)


def _embed_texts(embedder: Embedder, texts: list[str]) -> Floats:
    starts = range(0, len(texts), BATCH)
    parts = [embedder.embed_texts(texts[start : start + BATCH]) for start in starts]
    return np.concatenate(parts) if parts else embedder.embed_texts([])


def _load(file: Path) -> npt.NDArray[np.uint8]:
    try:
        with Image.open(file) as image:
            return np.asarray(image.convert("RGB"))
    except FileNotFoundError:
        raise NotFound("picture {file} of the captions is missing", file=file) from None
    except (UnidentifiedImageError, OSError) as error:
        raise DataLoss("picture {file} cannot be read: {error}", file=file, error=error) from None


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0
