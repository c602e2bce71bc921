"""A throw-away installation for a measurement, driven by the public command line."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

SHARED_FOOTAGE = Path(__file__).parents[2] / "shared" / "footage"


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command took."""

    wall_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class House:
    """A data directory of its own."""

    root: Path

    def argv(self, *command: str) -> list[str]:
        """The command line of `hindsight COMMAND`."""
        return [sys.executable, "-m", "hindsight", "--data", str(self.root / "data"), *command]

    def run(self, *command: str) -> Cost:
        """Run to the end; raises when it fails."""
        before, start = _children_cpu_s(), time.monotonic()
        subprocess.run(self.argv(*command), check=True, stdout=subprocess.DEVNULL)
        return Cost(time.monotonic() - start, _children_cpu_s() - before)

    def json(self, *command: str) -> Any:
        """Run with --json and parse what it printed."""
        done = subprocess.run(self.argv(*command, "--json"), check=True, capture_output=True)
        return json.loads(done.stdout)


@contextmanager
def house(settings: str = "") -> Iterator[House]:
    """An initialised installation, removed afterwards."""
    with TemporaryDirectory(prefix="hindsight-bench-") as folder:
        made = House(Path(folder))
        if settings:
            (made.root / "hindsight.toml").write_text(settings)
        made.run("init")
        yield made


def clips(root: Path) -> list[Path]:
    """Real footage where it lies beside the checkout, else scenes made on the spot."""
    if SHARED_FOOTAGE.is_dir():
        return sorted(p for p in SHARED_FOOTAGE.iterdir() if p.suffix in (".mp4", ".avi"))
    subprocess.run([sys.executable, "-m", "indexer.scenes", "--out", str(root)], check=True)
    return sorted(root.glob("*.mp4"))


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
