"""Calibration: raw cosines → scores in 0..1 that mean the same for every camera and query.

See docs/design/calibration.md for why, and for what each constant was measured to give. All of it
is computed per query from a sample of the pictures; nothing is learned.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from storage.lake import BLACK, BLURRED, COVERED, OVEREXPOSED

Floats = npt.NDArray[np.float32]
Int64s = npt.NDArray[np.int64]
Flags = npt.NDArray[np.int32]

# Of a row: its cosine with the middle one of the everyday sentences, and the spread of all.
STATISTICS = 2
KINDS = (0, 1)  # frame, region
LEAST_SPREAD = 1e-4
# The best of fewer is held to what the best of so many gives by chance: of two pictures, the
# nearer one alone is no match.
FEW_COMPARED = 16
# Up to here the best by chance grows as if every picture were another one: so it was measured
# with 66 to 1,378 rows. Beyond, an archive repeats itself: 0.09 spreads for every e-fold from
# 1,900 to 7,500 rows of the same footage.
MANY_COMPARED = 2_048
REPEATS_PER_E_FOLD = 0.09
KIND_SHARE = 0.5  # of how much better the words fit all pictures of the one kind than of both
USUAL_SHARE = 0.5  # of how much better they fit what a camera always shows than what others do
UNUSUAL = 1.0  # spreads above what is usual from which nothing of that is taken off
FEW_ROWS = 16  # rows at which what is usual is trusted by half
# Black, white, covered: every word fits such a picture a little, and none is seen in it.
NOTHING_SEEN, NOTHING_SEEN_FAULT = BLACK | OVEREXPOSED | COVERED, 1.0
BLURRED_FAULT = 0.5
# What fits as well as the best of so many by chance scores 0.6, where `[search] confident_from` is
# by default. 1.7: with it a logistic curve is nearest to the normal distribution's.
STEEPNESS = 1.7
BY_CHANCE = math.log(0.6 / 0.4)
# From this cosine on it is the same picture: embedded twice and kept in fp16, one differs from
# itself by less than 3e-4.
IDENTICAL = 0.9995
USUAL_PICTURE_SHARE = 0.7  # of its score that a picture keeps which is no nearer than usual
UNUSUAL_WAY = 0.25  # nearer by this share of the way to identity, it is unusual


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Rows of one camera and kind, spread over what is searched: what it usually shows."""

    vectors: Floats  # (k, dimension)
    statistics: Floats  # (k, STATISTICS)


@dataclass(frozen=True, slots=True, eq=False)
class Usual:
    """Samples of several cameras and kinds, one after the other."""

    keys: tuple[tuple[int, int], ...]  # (camera, kind), ascending
    sizes: tuple[int, ...]  # rows of each, at least one
    held: npt.NDArray[np.float16] | Floats  # (n, dimension), others among them
    rows: Int64s  # (k,) which of them
    statistics: Floats  # (s, STATISTICS) of some of them

    @classmethod
    def of(cls, samples: Mapping[tuple[int, int], Sample]) -> Usual:
        """`samples` by camera and kind; those without a row say nothing."""
        keys = tuple(sorted(key for key, one in samples.items() if len(one.vectors)))
        if not keys:
            none = np.zeros((0, STATISTICS), np.float32)
            return cls((), (), np.zeros((0, 0), np.float32), np.zeros(0, np.int64), none)
        vectors = np.concatenate([samples[key].vectors for key in keys])
        return cls(
            keys, tuple(len(samples[key].vectors) for key in keys), vectors,
            np.arange(len(vectors)),
            np.concatenate([samples[key].statistics for key in keys]),
        )  # fmt: skip

    @property
    def vectors(self) -> npt.NDArray[np.float16] | Floats:
        """(k, dimension), one sample after the other."""
        return self.held[self.rows]


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What is no news, by place: each sampled camera and kind, then KINDS of any other camera."""

    level: Floats  # evidence that counts for nothing
    usual: Floats  # evidence of the camera's middle picture
    background: Floats  # taken off what is no better than that


@dataclass(frozen=True, slots=True)
class Scale:
    """Where a model's cosines of pictures with any sentence lie, and how far apart."""

    zero: float
    spread: float


def row_statistics(vectors: Floats, bank: Floats) -> Floats:
    """What each picture gives to everyday sentences; computed once, when a sample is taken.

    vectors (n, d), bank (sentences, d) → (n, STATISTICS): the median and the spread.
    """
    if not len(vectors):
        return np.zeros((0, STATISTICS), dtype=np.float32)
    given = vectors @ bank.T
    middle = given.shape[1] // 2
    median = np.partition(given, middle, axis=1)[:, middle]  # four times as fast as np.median
    return np.stack([median, given.std(axis=1)], axis=1).astype(np.float32)


def scale(statistics: Floats) -> Scale:
    """Of a sample of rows (n, STATISTICS).

    One for all: by its own spread, the dullest picture came first; less its own zero, none gained.
    """
    sound = statistics[np.isfinite(statistics).all(axis=1)]
    if not len(sound):
        return Scale(0.0, 1.0)
    zero, spread = (float(np.median(column)) for column in np.ascontiguousarray(sound.T))
    return Scale(zero, max(spread, LEAST_SPREAD))


def text_evidence(similarity: Floats, by: Scale) -> Floats:
    """How much better the words fit each picture than any sentence fits any, in spreads."""
    return np.asarray((similarity - by.zero) / by.spread, dtype=np.float32)


def by_chance(compared: int) -> float:
    """How well, in spreads, the best of so many pictures fits words that none of them shows.

    √(2 ln n) is where one of n normally distributed numbers is to be expected beyond.
    """
    count = max(compared, FEW_COMPARED)
    repeats = max(0.0, math.log(count / MANY_COMPARED))
    return math.sqrt(2 * math.log(min(count, MANY_COMPARED))) + REPEATS_PER_E_FOLD * repeats


def text_known(
    evidence: Floats, sizes: Sequence[int], kinds: Sequence[int], chance: Mapping[int, float]
) -> Known:
    """From samples, each of a camera and kind, one after the other; `by_chance` of each kind.

    Words may fit all regions more easily than all frames, and static background always fits a
    little: half of both is taken off. Medians, since a sample may hold the event itself.
    """
    rows = np.repeat(np.array(kinds, dtype=np.int64), sizes)
    count = {kind: int((rows == kind).sum()) for kind in KINDS}
    middle = {kind: float(np.median(evidence[rows == kind])) for kind in KINDS if count[kind]}
    common = sum(middle.values()) / max(1, len(middle))
    level = [
        chance[kind] + KIND_SHARE * _trust(count[kind]) * (middle.get(kind, common) - common)
        for kind in KINDS
    ]
    here = medians(evidence, sizes)
    above = here - np.array([middle[kind] for kind in kinds], dtype=np.float32)
    trust = np.array([_trust(size) for size in sizes], dtype=np.float32)
    nothing = np.zeros(len(KINDS), dtype=np.float32)
    return Known(
        np.array(level, dtype=np.float32)[[*kinds, *KINDS]],
        np.concatenate([here, nothing]),
        np.concatenate([USUAL_SHARE * trust * np.maximum(above, 0), nothing]),
    )


def medians(values: Floats, sizes: Sequence[int]) -> Floats:
    """(len(sizes),) of neighbours in `values`, so many at a time, each at least one.

    Of an even number the upper one. All at once: np.median of 400 samples took 20 ms.
    """
    count = np.array(sizes, dtype=np.int64)
    longest = int(count.max(initial=0))
    table = np.full((len(count), longest), np.inf, dtype=np.float32)
    table[np.arange(longest) < count[:, None]] = values
    table.sort(axis=1)
    return table[np.arange(len(count)), count // 2]


def news(evidence: Floats, known: Known, place: Int64s) -> Floats:
    """Evidence beyond what chance, kind and camera give; `place` (n,) of each row in `known`.

    What is UNUSUAL for its camera keeps what the background gives.
    """
    unusual = np.clip((evidence - known.usual[place]) / UNUSUAL, 0, 1)
    taken = known.level[place] + known.background[place] * (1 - unusual)
    return np.asarray(evidence - taken, dtype=np.float32)


def faults(quality: Flags) -> Floats:
    """Spreads that a picture must fit better, for what is wrong with it."""
    unseen = np.where(quality & NOTHING_SEEN, NOTHING_SEEN_FAULT, 0.0)
    return np.maximum(unseen, np.where(quality & BLURRED, BLURRED_FAULT, 0.0)).astype(np.float32)


def text_scores(evidence: Floats) -> Floats:
    """0..1 of evidence beyond what is no news, in spreads: 0.6 at 0."""
    with np.errstate(over="ignore"):  # what fits nothing at all scores 0
        return np.asarray(1 / (1 + np.exp(-(STEEPNESS * evidence + BY_CHANCE))), dtype=np.float32)


def picture_evidence(similarity: Floats, typical: float) -> Floats:
    """How far each picture is from typical (0) to identical with the one asked with (1).

    The same picture is identical however typical it is: a camera on a wall shows little else.
    """
    way = (similarity - typical) / max(1.0 - typical, LEAST_SPREAD)
    same = similarity >= IDENTICAL
    return np.asarray(np.clip(np.where(same, similarity, way), -1, 1), dtype=np.float32)


def picture_known(evidence: Floats, sizes: Sequence[int]) -> Floats:
    """By place, as in `Known`: how near each camera's middle picture is. Elsewhere nothing is."""
    return np.concatenate([medians(evidence, sizes), np.full(len(KINDS), -1, dtype=np.float32)])


def picture_scores(evidence: Floats, usual: Floats) -> Floats:
    """0..1: likeness, less for what is no nearer than is usual for its camera, `usual` (n,)."""
    unusual = np.clip((evidence - usual) / UNUSUAL_WAY, 0, 1)
    share = USUAL_PICTURE_SHARE + (1 - USUAL_PICTURE_SHARE) * unusual
    scores = np.clip(evidence, 0, 1) * share
    return np.where(evidence >= IDENTICAL, evidence, scores).astype(np.float32)


def _trust(rows: int) -> float:
    return rows / (rows + FEW_ROWS)
