"""False alarms of the verifier over 1,000 sound bundles of random spans."""

from __future__ import annotations

import random
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.report import report
from storage.directory import init_directory
from tests.evidence.conftest import House
from tests.evidence.random_bundles import fill, random_bundles

COUNT = 1000
SEED = 20261128


def main() -> None:
    """Folders and zips, one camera and several, with all that may happen in an archive."""
    chance, alarms, done = random.Random(SEED), 0, 0
    with TemporaryDirectory() as name:
        folder = Path(name)
        directory, _ = init_directory(folder / "data")
        (folder / "out").mkdir()
        house = House(directory)
        fill(house, chance)
        for verdict in random_bundles(house, folder / "out", chance, COUNT):
            done += 1
            alarms += bool(verdict.findings)
        directory.close()
    report("clean_bundle_alarms", alarms, "alarms", "sound bundles of random spans", done)


if __name__ == "__main__":
    main()
