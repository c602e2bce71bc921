"""Judges rows for one step of a query: similarities → calibrated scores in 0..1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from search import calibration
from search.calibration import KINDS, Flags, Floats, Int64s, Known, Scale, Usual
from search.questions import Question
from search.similarity import similarities

Halves = npt.NDArray[np.float16]
CHUNK_ROWS = 32_768  # what is computed on the way stays small


@dataclass(frozen=True, slots=True, eq=False)
class _Words:
    """A description, ready to be held against rows."""

    known: Known

    def fits(self, similarity: Floats, by: Scale, place: Int64s, faults: Floats) -> Floats:
        """(n,) 0..1"""
        evidence = calibration.text_evidence(similarity, by)
        return calibration.text_scores(calibration.news(evidence, self.known, place) - faults)


@dataclass(frozen=True, slots=True, eq=False)
class _Picture:
    """A picture, ready to be held against rows."""

    typical: float  # cosine of any row with it
    usual: Floats  # by place, how near what a camera usually shows is

    def fits(self, similarity: Floats, by: Scale, place: Int64s, faults: Floats) -> Floats:
        """(n,) 0..1. Likeness is what was asked for, be both blurred."""
        way = calibration.picture_evidence(similarity, self.typical)
        return calibration.picture_scores(way, self.usual[place])


class Judge:
    """Turns similarities of one step into calibrated scores. Safe across threads.

    `usual`: of cameras and kinds (0 frame, 1 region), rows of what is usual there; where it has
    none, nothing is. `compared`: how many rows are judged in all, or better, of each kind.
    """

    def __init__(
        self,
        question: Question,
        usual: Usual,
        compared: int | Mapping[int, int],
    ) -> None:
        self._directions = question.stacked
        self._asked = [part.weight for part in question.asked]
        self._excluded = [part.weight for part in question.excluded]
        self._keys, self._sizes = usual.keys, usual.sizes
        self._codes = np.array([_code(*key) for key in self._keys], dtype=np.int64)
        self._scale = Scale(0.0, 1.0)  # where nothing is known
        given = np.zeros((0, len(self._directions)), dtype=np.float32)
        if self._keys:
            given = similarities(usual.held, self._directions)[usual.rows]
            self._scale = calibration.scale(usual.statistics)
        counts = compared if isinstance(compared, Mapping) else dict.fromkeys(KINDS, int(compared))
        chance = {kind: calibration.by_chance(counts.get(kind, 0)) for kind in KINDS}
        # Of an exclusion it is asked of every row whether it shows this, not of the best of many.
        alone = dict.fromkeys(KINDS, calibration.by_chance(0))
        self._parts = [
            self._picture(given[:, i])
            if part.picture
            else self._words(given[:, i], chance if i < len(question.asked) else alone)
            for i, part in enumerate((*question.asked, *question.excluded))
        ]

    def scores(
        self, vectors: Halves | Floats, camera: Int64s, kind: npt.NDArray[np.uint8], quality: Flags
    ) -> Floats:  # fmt: skip
        """(n,) scores 0..1 of rows: vectors (n, d), the others (n,)."""
        result = np.empty(len(vectors), dtype=np.float32)
        for start in range(0, len(vectors), CHUNK_ROWS):
            piece = slice(start, start + CHUNK_ROWS)
            result[piece] = self._scores(
                similarities(vectors[piece], self._directions),
                self._place(camera[piece], kind[piece]), calibration.faults(quality[piece]),
            )  # fmt: skip
        return result

    def _words(self, given: Floats, chance: Mapping[int, float]) -> _Words:
        """`given` (k,): cosines of all samples, one after the other."""
        evidence = calibration.text_evidence(given, self._scale)
        kinds = [kind for _, kind in self._keys]
        return _Words(calibration.text_known(evidence, self._sizes, kinds, chance))

    def _picture(self, given: Floats) -> _Picture:
        typical = float(np.median(given)) if len(given) else 0.0
        evidence = calibration.picture_evidence(given, typical)
        return _Picture(typical, calibration.picture_known(evidence, self._sizes))

    def _place(self, camera: Int64s, kind: npt.NDArray[np.uint8]) -> Int64s:
        """Of each row, the place of its camera and kind in what is known."""
        wide = kind.astype(np.int64)
        code = _code(camera, wide)
        at = np.searchsorted(self._codes, code)
        known = np.append(self._codes, -1)[at] == code
        return np.where(known, at, len(self._codes) + wide)

    def _scores(self, given: Floats, place: Int64s, faults: Floats) -> Floats:
        """Asked parts must all fit: their weighted geometric mean lets none be ignored."""
        fits = [
            part.fits(given[:, i], self._scale, place, faults) for i, part in enumerate(self._parts)
        ]
        score = np.ones(len(given), dtype=np.float32)
        for weight, one in zip(self._asked, fits, strict=False):
            score *= one ** (weight / sum(self._asked))
        for weight, one in zip(self._excluded, fits[len(self._asked) :], strict=True):
            score *= (1 - one) ** weight
        return score


def _code(camera: Int64s | int, kind: Int64s | int) -> Int64s | int:
    return camera * 2 + kind
