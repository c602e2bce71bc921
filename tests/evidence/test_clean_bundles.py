"""No false alarm over sound bundles of random spans; benchmarks/clean_bundles.py takes 1,000."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from tests.evidence.random_bundles import fill, random_bundles

COUNT = 8


def test_sound_bundles_of_random_spans_raise_no_alarm(house: Any, tmp_path: Path) -> None:
    chance = random.Random(7)
    fill(house, chance)
    verdicts = list(random_bundles(house, tmp_path, chance, COUNT))
    assert [one.findings for one in verdicts] == [[]] * COUNT
    assert all(one.signer and one.sealed and not one.sealed.unsealed
               for one in verdicts)  # fmt: skip
