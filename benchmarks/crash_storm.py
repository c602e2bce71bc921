"""A crash storm: recorder, indexer and writers of the ledger killed at 500 random instants.

STORM_KILLS and STORM_SEED choose others. What is lost, what is wrong, and what an open segment
cost at worst; the first two have to be 0.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.report import report
from tests.damage.storm import FRAGMENT_S, GOP_S, Storm

KILLS = int(os.environ.get("STORM_KILLS", "500"))


def main() -> None:
    """Rage, reckon, report; what was found is printed in full."""
    seed = int(os.environ.get("STORM_SEED", random.randrange(1 << 20)))
    with TemporaryDirectory(prefix="hindsight-bench-") as folder:
        storm = Storm(Path(folder), seed)
        try:
            storm.rage(KILLS)
            toll = storm.reckon()
        finally:
            storm.close()
    killed = ", ".join(f"{role} {count}" for role, count in sorted(toll.processes.items()))
    print(  # noqa: T201
        f"seed {seed}: killed {killed}; segments {toll.closed}, of these recovered"
        f" {toll.recovered}, expired {toll.expired}, indexed {toll.indexed}"
    )
    for what in (*toll.lost, *toll.wrong, *toll.unasked):
        print(f"! {what}")  # noqa: T201
    limit_ms = (FRAGMENT_S + GOP_S) * 1000
    report("crash_storm_kills", toll.kills, "instants", "asked for", KILLS)
    report("crash_storm_lost", len(toll.lost), "closed segments", "limit", 0)
    report("crash_storm_wrong", len(toll.wrong), "wrong rows", "limit", 0)
    report("crash_storm_torn", toll.worst_torn_ms, "ms of what was whole on disk", "limit", 0)
    report(
        "crash_storm_loss", toll.worst_loss_ms, "ms of an open segment, at worst",
        "limit: a fragment and a GOP", limit_ms,
    )  # fmt: skip
