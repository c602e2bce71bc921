"""Cosines of many stored vectors with a few directions: the innermost loop of searching."""

from __future__ import annotations

import threading

import numpy as np
import numpy.typing as npt

CHUNK_ROWS = 512  # as fp32 they stay in a core's cache
_scratch = threading.local()


def similarities(
    vectors: npt.NDArray[np.float16] | npt.NDArray[np.float32], directions: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """(n, d) and (m, d) → (n, m) float32. What is damaged beyond a number is unlike everything."""
    import torch  # numpy turns fp16 into fp32 one by one: ten times as slow

    count, dimension = vectors.shape
    found = np.empty((count, len(directions)), dtype=np.float32)
    asked = torch.from_numpy(np.ascontiguousarray(directions, dtype=np.float32)).T
    into = torch.from_numpy(found)
    lent = getattr(_scratch, "rows", None)
    if lent is None or lent.shape[1] != dimension or lent.dtype != vectors.dtype:
        lent = _scratch.rows = np.empty((CHUNK_ROWS, dimension), dtype=vectors.dtype)
    rows = torch.from_numpy(lent)
    for start in range(0, count, CHUNK_ROWS):
        piece = vectors[start : start + CHUNK_ROWS]
        lent[: len(piece)] = piece  # torch takes no view of a mapped file that it may not write
        torch.mm(rows[: len(piece)].float(), asked, out=into[start : start + len(piece)])
    np.nan_to_num(found, copy=False, nan=-1.0, posinf=-1.0, neginf=-1.0)
    return found
