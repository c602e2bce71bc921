"""Seconds of `DEMO_SECONDS=60 SERVE=0 make demo` in a clean clone, from a warm package cache."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.report import report

SECONDS = 60


def main() -> None:
    """Clone, run, compare with the time it is asked to record."""
    checkout = Path(__file__).parents[1]
    with TemporaryDirectory(prefix="hindsight-demo-") as folder:
        clone = Path(folder) / "hindsight"
        subprocess.run(["git", "clone", "-q", str(checkout), str(clone)], check=True)
        start = time.monotonic()
        environment = os.environ | {"DEMO_SECONDS": str(SECONDS), "SERVE": "0"}
        subprocess.run(["make", "demo"], cwd=clone, env=environment, check=True)
        wall_s = time.monotonic() - start
    report("demo_wall", wall_s, "s", "of which recording", SECONDS)
