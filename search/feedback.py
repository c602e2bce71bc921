"""Relevance feedback: what somebody said of found pictures moves the scores of those like them.

See docs/design/feedback.md for the method, what it was measured against, and its limits.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from search.query import Marked
from storage.directory import DataDirectory
from storage.errors import DataLoss, Unavailable
from storage.i18n import tr
from storage.lake_days import live_rows_of
from storage.lake_rows import vectors_of
from storage.vocabulary import Generation

Floats = npt.NDArray[np.float32]
Halves = npt.NDArray[np.float16]
Int64s = npt.NDArray[np.int64]

# In log-odds, for a picture that is the marked one itself. Chosen on one half of the questions of
# benchmarks/feedback_gain.py: with twice as much, one question in ten got worse, not one in 25.
RIGHT_SHIFT = 2.0
# Likeness to a wrong one counts by its power: what it shares with the right ones was not what was
# wrong. Where nothing is known to be right, only its near doubles go: what was asked for looks
# more like what was found by mistake than like anything else.
WRONG_SHIFT, WRONG_POWER = 2.0, 4
ALONE_SHIFT, ALONE_POWER = 1.0, 16
# Who has shown what is meant must be like it, or be less sure: likeness alone is no match.
RIGHT_PRICE = 0.75
# A score of 0 or 1 stays movable: 13.8 in log-odds.
SURE = 1e-6
# What somebody marked keeps to its end of the list, however the words see it.
MARKED_RIGHT, MARKED_WRONG = 0.99, 0.01
MOST_TEACHERS = 32  # of each kind that every row is compared with; they stand for all marks
MOST_DIRECTIONS = 4  # more would cost the first choice among very many rows more than they find
LEAST_WAY = 1e-4
CHUNK_ROWS = 32_768  # fp16 → fp32 in pieces, so that memory stays flat
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Taught:
    """Marks with the vectors of their rows, L2-normalised, in one generation.

    `lost`: marks whose footage is gone, or whose row this generation does not have.
    """

    right: Floats  # (n, dimension)
    wrong: Floats  # (m, dimension)
    right_ids: Int64s  # (n,) frame ids
    wrong_ids: Int64s  # (m,)
    lost: int = 0

    @property
    def directions(self) -> Floats:
        """(k, dimension), at most MOST_DIRECTIONS: where else to look for candidates."""
        return spread_out(self.right, MOST_DIRECTIONS)

    @property
    def notes(self) -> list[str]:
        """What the answer must say of them."""
        if not self.lost:
            return []
        return [
            tr(
                "marks whose pictures are no longer there: {count}; they are kept, and refine"
                " nothing",
                count=self.lost,
            )
        ]


def taught(directory: DataDirectory, generation: Generation, marks: Sequence[Marked]) -> Taught:
    """Marks with the vectors of their rows in `generation`; those that are not there are lost."""
    found: dict[int, Halves] = {}
    wanted: dict[str, set[tuple[str, int]]] = {}
    with directory.ledger.read() as tx:
        live = live_rows_of(tx, generation.id, {mark.segment_id for mark in marks})
    of_segment: dict[str, set[int]] = {}
    for mark in marks:
        of_segment.setdefault(mark.segment_id, set()).add(mark.frame_id)
    for row in live:
        keys = {(row.segment_id, frame_id) for frame_id in of_segment[row.segment_id]}
        wanted.setdefault(row.part, set()).update(keys)
    for part, keys in sorted(wanted.items()):
        try:
            found |= vectors_of(directory.lake, part, generation, keys)
        except (DataLoss, Unavailable) as error:  # the answer names the part as not looked at
            log.warning("marks do not refine: %s", error)
    sides = []
    for right in (True, False):
        ids = [mark.frame_id for mark in marks if mark.right is right and mark.frame_id in found]
        rows = np.array([found[frame_id] for frame_id in ids], dtype=np.float32)
        sides.append((rows.reshape(-1, generation.dimension), np.array(ids, dtype=np.int64)))
    (right_rows, right_ids), (wrong_rows, wrong_ids) = sides
    lost = len(marks) - len(right_ids) - len(wrong_ids)
    return Taught(right_rows, wrong_rows, right_ids, wrong_ids, lost)


class Feedback:
    """Moves scores by likeness to what was marked. Safe across threads.

    `usual` (k, dimension): rows of what is usual in all that is compared, as the judge has them;
    with k = 0 nothing is.
    """

    def __init__(self, taught: Taught, usual: Floats) -> None:
        self._taught = taught
        self._right = spread_out(taught.right, MOST_TEACHERS)
        self._wrong = spread_out(taught.wrong, MOST_TEACHERS)
        self._teachers = np.concatenate([self._right, self._wrong])
        if len(usual) and len(self._teachers):
            self._typical = np.median(usual @ self._teachers.T, axis=0)
        else:
            self._typical = np.zeros(len(self._teachers), dtype=np.float32)

    def refined(self, scores: Floats, vectors: Halves | Floats, frame_id: Int64s) -> Floats:
        """(n,) scores 0..1 of rows → the same, moved; vectors (n, dimension), frame_id (n,)."""
        result = np.empty(len(scores), dtype=np.float32)
        for start in range(0, len(scores), CHUNK_ROWS):
            piece = slice(start, start + CHUNK_ROWS)
            rows = vectors[piece].astype(np.float32, copy=False)
            result[piece] = self._moved(np.asarray(scores[piece], dtype=np.float32), rows)
        right = np.isin(frame_id, self._taught.right_ids)
        wrong = np.isin(frame_id, self._taught.wrong_ids)
        result[right] = np.maximum(result[right], MARKED_RIGHT)
        result[wrong] = np.minimum(result[wrong], MARKED_WRONG)
        return result

    def _moved(self, scores: Floats, rows: Floats) -> Floats:
        if not len(self._teachers):
            return scores
        way = (rows @ self._teachers.T - self._typical) / np.maximum(1 - self._typical, LEAST_WAY)
        like = np.clip(way, 0, 1)
        right, wrong = like[:, : len(self._right)], like[:, len(self._right) :]
        sure = np.clip(scores, SURE, 1 - SURE)
        odds = np.log(sure / (1 - sure))
        if right.shape[1]:  # together they say what is meant: the mean
            odds += RIGHT_SHIFT * right.mean(axis=1) - RIGHT_PRICE
        if wrong.shape[1]:  # each says what is not meant: the nearest
            alone = not right.shape[1]
            shift, power = (ALONE_SHIFT, ALONE_POWER) if alone else (WRONG_SHIFT, WRONG_POWER)
            odds -= shift * (wrong**power).max(axis=1)
        return np.asarray(1 / (1 + np.exp(-odds)), dtype=np.float32)


def spread_out(vectors: Floats, most: int) -> Floats:
    """At most `most` of the rows, the last of them first, then each as unlike the others as can be.

    The last mark is the latest; the same rows in the same order give the same choice.
    """
    if len(vectors) <= most:
        return vectors
    taken = [len(vectors) - 1]
    nearest = vectors @ vectors[taken[0]]
    while len(taken) < most:
        taken.append(int(np.argmin(nearest)))
        nearest = np.maximum(nearest, vectors @ vectors[taken[-1]])
    return vectors[sorted(taken)]
