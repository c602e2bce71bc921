"""Calibration: raw cosines → scores in 0..1 that mean the same for every camera and query.

See docs/design/searching.md for why. Everything is computed per query; nothing is learned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Int64s = npt.NDArray[np.int64]

# How far above the best-fitting everyday sentences a description must lie, in spreads of the
# picture's similarities, to be as likely right as wrong.
EVEN_Z = 1.0
BANK_TOP = 0.9  # quantile of the bank that stands for 'fits a little'
CAMERA_WEIGHT = 0.5  # of what is unusual for this camera, against what fits the words at all
LEAST_SPREAD = 1e-4


@dataclass(frozen=True, slots=True)
class Reference:
    """What a camera usually gives: mean and spread of the evidence over a sample of its rows."""

    mean: float
    spread: float


def text_evidence(similarity: Floats, bank: Floats) -> Floats:
    """How much better the words fit each picture than everyday sentences do, in spreads.

    similarity (n,), bank (n, sentences): cosines of the same n pictures. Subtracting what a
    picture gives to any sentence takes away pictures that resemble everything.
    """
    high = np.quantile(bank, BANK_TOP, axis=1).astype(np.float32)
    spread = np.maximum(bank.std(axis=1), LEAST_SPREAD)
    return np.asarray((similarity - high) / spread, dtype=np.float32)


def picture_evidence(similarity: Floats, typical: float) -> Floats:
    """How far each picture is from typical (0) to identical with the one asked with (1)."""
    way = (similarity - typical) / max(1.0 - typical, LEAST_SPREAD)
    return np.asarray(np.clip(way, -1, 1), dtype=np.float32)


def reference(evidence: Floats) -> Reference:
    """Mean and spread of a sample; robust, since the sample may hold the event itself."""
    if evidence.size == 0:
        return Reference(0.0, 1.0)
    middle = float(np.median(evidence))
    spread = float(np.median(np.abs(evidence - middle))) * 1.4826
    return Reference(middle, max(spread, LEAST_SPREAD))


def text_scores(evidence: Floats, camera: Int64s, usual: dict[int, Reference]) -> Floats:
    """Evidence → 0..1: the words must fit, and fit this picture more than the camera's usual."""
    unusual = _unusual(evidence, camera, usual)
    z = (1 - CAMERA_WEIGHT) * (evidence - EVEN_Z) + CAMERA_WEIGHT * (unusual - EVEN_Z)
    return _logistic(np.asarray(1.7 * z, dtype=np.float32))


def picture_scores(evidence: Floats, camera: Int64s, usual: dict[int, Reference]) -> Floats:
    """Evidence → 0..1: likeness, less for what the camera always shows."""
    unusual = _logistic(_unusual(evidence, camera, usual))
    scores = np.clip(evidence, 0, 1) * (0.7 + 0.3 * unusual)
    return np.where(evidence >= 0.999, 1.0, scores).astype(np.float32)


def _unusual(evidence: Floats, camera: Int64s, usual: dict[int, Reference]) -> Floats:
    result = np.zeros_like(evidence)
    for key in np.unique(camera):
        mine = camera == key
        one = usual.get(int(key), Reference(0.0, 1.0))
        # A spread far below the pictures' own is a still scene: noise must not look unusual.
        result[mine] = (evidence[mine] - one.mean) / max(one.spread, 0.25)
    return np.clip(result, -4, 6).astype(np.float32)


def _logistic(z: Floats) -> Floats:
    return (1.0 / (1.0 + np.exp(-z))).astype(np.float32)
