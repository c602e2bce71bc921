"""Cosines of many stored vectors with a few directions: the innermost loop of searching."""

from __future__ import annotations

import numkong
import numpy as np
import numpy.typing as npt


def similarities(
    vectors: npt.NDArray[np.float16] | npt.NDArray[np.float32], directions: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """(n, d) and (m, d) → (n, m) float32. What is damaged beyond a number is unlike everything.

    Directions are rounded to the vectors' own precision, sums are not.
    """
    if not len(vectors) or not len(directions):
        return np.zeros((len(vectors), len(directions)), dtype=np.float32)
    asked = np.ascontiguousarray(directions, dtype=vectors.dtype)
    found = np.asarray(numkong.cdist(vectors, asked, "dot")).astype(np.float32)
    return np.nan_to_num(found, copy=False, nan=-1.0, posinf=-1.0, neginf=-1.0)
