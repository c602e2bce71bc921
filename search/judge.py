"""Judges rows for one step of a query: similarities → calibrated scores in 0..1."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from search import calibration
from search.questions import Question

Floats = npt.NDArray[np.float32]
CHUNK_ROWS = 32_768  # fp16 → fp32 in pieces, so that memory stays flat


class Judge:
    """Turns similarities of one step into calibrated scores.

    `samples`: of every camera that is judged, vectors of what it usually shows. `compared`: how
    many rows are judged in all.
    """

    def __init__(
        self, step: Question, bank: Floats, samples: dict[int, Floats], compared: int
    ) -> None:
        self._step = step
        self._compared = compared
        self._bank = bank
        everything = np.concatenate(list(samples.values()))
        self._typical = [float(np.median(everything @ picture)) for picture in self._step.pictures]
        known = {key: self._evidence(sample) for key, sample in samples.items()}
        self._usual = [
            {key: calibration.reference(evidence[:, i]) for key, evidence in known.items()}
            for i in range(len(step.stacked))
        ]

    def scores(
        self, vectors: npt.NDArray[np.float16], at: npt.NDArray[np.int64],
        camera: npt.NDArray[np.int64],
    ) -> Floats:  # fmt: skip
        """Scores 0..1 of rows `at`; camera: key of each."""
        result = np.empty(at.size, dtype=np.float32)
        for start in range(0, at.size, CHUNK_ROWS):
            piece = slice(start, start + CHUNK_ROWS)
            rows = vectors[at[piece]].astype(np.float32)
            result[piece] = self._scores(self._evidence(rows), camera[piece])
        return result

    def _evidence(self, rows: Floats) -> Floats:
        """(rows, parts of the step)."""
        similarity = rows @ self._step.stacked.T
        texts, pictures = len(self._step.texts), len(self._step.pictures)
        spoken = similarity.shape[1] > pictures
        bank = rows @ self._bank.T if spoken else similarity  # never read without words
        columns = []
        for i in range(similarity.shape[1]):
            if texts <= i < texts + pictures:
                typical = self._typical[i - texts]
                columns.append(calibration.picture_evidence(similarity[:, i], typical))
            else:
                columns.append(calibration.text_evidence(similarity[:, i], bank))
        return np.stack(columns, axis=1)

    def _scores(self, evidence: Floats, camera: npt.NDArray[np.int64]) -> Floats:
        texts, pictures = len(self._step.texts), len(self._step.pictures)
        asked: list[Floats] = []
        excluded: list[Floats] = []
        for i in range(evidence.shape[1]):
            one, usual = evidence[:, i], self._usual[i]
            if i < texts:
                asked.append(calibration.text_scores(one, camera, usual, self._compared))
            elif i < texts + pictures:
                asked.append(calibration.picture_scores(one, camera, usual))
            else:  # of every row it is asked whether it shows this, not of the best of many
                excluded.append(calibration.text_scores(one, camera, usual))
        # Words and a picture must both fit: the geometric mean lets neither be ignored.
        score = np.prod(asked, axis=0) ** (1.0 / len(asked))
        for part in excluded:
            score = score * (1.0 - part)
        return np.asarray(score, dtype=np.float32)
