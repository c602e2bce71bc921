"""What a bundle tells of the search that found its footage: the question, the model, the code."""

from __future__ import annotations

from typing import Any

from search.kept_runs import Kept
from storage.clock import rfc3339
from storage.directory import DataDirectory
from storage.errors import Conflict
from storage.generations import generations


def found_by(directory: DataDirectory, kept: Kept) -> dict[str, Any]:
    """For the manifest, from a kept run. Conflict: it has not come to an answer."""
    run, answer = kept.run, kept.answer
    if answer is None:
        raise Conflict(
            "search {token} has no answer, so nothing was found by it; nothing was exported",
            token=run.id,
        )
    with directory.ledger.read() as tx:
        weights = [
            one.weights_hash for one in generations(tx)
            if (one.model, one.number) == (run.model, run.generation)
        ]  # fmt: skip
    return {
        "token": run.id,
        "stored_query": run.query_id,
        "asked": rfc3339(run.asked_us),
        "asked_by": run.asked_by,
        "query": answer["query"],
        "model": run.model,
        "weights_sha256": next(iter(weights), None),
        "generation": run.generation,
        "code_version": run.code_version,
    }
