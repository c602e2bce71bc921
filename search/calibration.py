"""Calibration: raw cosines → scores in 0..1 that mean the same for every camera and query.

See docs/design/searching.md for why. Everything is computed per query; nothing is learned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Int64s = npt.NDArray[np.int64]

# How far above the best-fitting everyday sentences a description must lie, in spreads of the
# picture's similarities, to be as likely right as wrong.
EVEN_Z = 1.0
# Among more pictures the best fit by chance is better. Measured with descriptions of things that
# were in none of 100 to 9,000 pictures: 0.08 spreads for every e-fold of pictures.
EVEN_Z_PER_E_FOLD = 0.08
FEW_COMPARED = 256
BANK_TOP = 0.9  # quantile of the bank that stands for 'fits a little'
STEEPNESS = 1.7  # with which a logistic curve is nearest to the normal distribution's
USUAL_SHARE = 0.5  # of its score that a picture keeps when its camera always looks like that
USUAL_PICTURE_SHARE = 0.7
LEAST_SPREAD = 1e-4
# From this cosine on it is the same picture: embedded twice and kept in fp16, one differs from
# itself by less than 3e-4.
IDENTICAL = 0.9995
# A camera's spread far below the pictures' own is a still scene: noise must not look unusual.
STILL_SPREAD = 0.25
UNUSUAL = 2.0  # spreads above the camera's usual from which a picture counts as unusual
FEW_ROWS = 16  # rows at which a camera's usual is trusted by half


@dataclass(frozen=True, slots=True)
class Reference:
    """What a camera usually gives: mean and spread of the evidence over a sample of its rows."""

    mean: float
    spread: float
    trust: float  # 0..1: how far so few rows may be called usual


UNKNOWN = Reference(0.0, 1.0, 0.0)


def text_evidence(similarity: Floats, bank: Floats) -> Floats:
    """How much better the words fit each picture than everyday sentences do, in spreads.

    similarity (n,), bank (n, sentences): cosines of the same n pictures. Subtracting what a
    picture gives to any sentence takes away pictures that resemble everything.
    """
    top = round(BANK_TOP * (bank.shape[1] - 1))
    high = np.partition(bank, top, axis=1)[:, top]  # four times as fast as np.quantile
    spread = np.maximum(bank.std(axis=1), LEAST_SPREAD)
    return np.asarray((similarity - high) / spread, dtype=np.float32)


def picture_evidence(similarity: Floats, typical: float) -> Floats:
    """How far each picture is from typical (0) to identical with the one asked with (1).

    The same picture is identical however typical it is: a camera on a wall shows little else.
    """
    way = (similarity - typical) / max(1.0 - typical, LEAST_SPREAD)
    same = similarity >= IDENTICAL
    return np.asarray(np.clip(np.where(same, similarity, way), -1, 1), dtype=np.float32)


def reference(evidence: Floats) -> Reference:
    """Mean and spread of a sample; robust, since the sample may hold the event itself."""
    if evidence.size == 0:
        return UNKNOWN
    middle = float(np.median(evidence))
    spread = float(np.median(np.abs(evidence - middle))) * 1.4826
    return Reference(middle, max(spread, LEAST_SPREAD), evidence.size / (evidence.size + FEW_ROWS))


def text_scores(
    evidence: Floats, camera: Int64s, usual: dict[int, Reference], compared: int = 0
) -> Floats:
    """Evidence → 0..1: the words must fit; what the camera always shows keeps part of it.

    `compared`: among how many pictures the best is sought; the more, the better it must fit.
    A product, not a sum: being unusual for a camera must not make up for not fitting the words.
    """
    even_z = EVEN_Z + EVEN_Z_PER_E_FOLD * math.log(max(compared, FEW_COMPARED) / FEW_COMPARED)
    fits = _logistic(np.asarray(STEEPNESS * (evidence - even_z), dtype=np.float32))
    return fits * _share(_unusual(evidence, camera, usual), USUAL_SHARE)


def picture_scores(evidence: Floats, camera: Int64s, usual: dict[int, Reference]) -> Floats:
    """Evidence → 0..1: likeness, less for what the camera always shows."""
    share = _share(_unusual(evidence, camera, usual), USUAL_PICTURE_SHARE)
    scores = np.clip(evidence, 0, 1) * share
    return np.where(evidence >= IDENTICAL, evidence, scores).astype(np.float32)


def _unusual(evidence: Floats, camera: Int64s, usual: dict[int, Reference]) -> Floats:
    """Spreads above what is usual for the camera of each row; every camera has its reference."""
    keys = sorted(usual)
    mean, spread, trust = np.array(
        [
            (one.mean, max(one.spread, STILL_SPREAD), one.trust)
            for one in (usual[key] for key in keys)
        ],
        dtype=np.float32,
    ).T
    at = np.searchsorted(np.array(keys, dtype=np.int64), camera)
    spreads = (evidence - mean[at]) / spread[at]
    unusual = trust[at] * spreads + (1 - trust[at]) * UNUSUAL
    return np.asarray(np.clip(unusual, -4, 6), dtype=np.float32)


def _share(unusual: Floats, least: float) -> Floats:
    """From `least` for the usual to 1 for what lies UNUSUAL spreads above it."""
    way = _logistic(np.asarray(2 * (unusual - UNUSUAL / 2), dtype=np.float32))
    return np.asarray(least + (1 - least) * way, dtype=np.float32)


def _logistic(z: Floats) -> Floats:
    return (1.0 / (1.0 + np.exp(-z))).astype(np.float32)
