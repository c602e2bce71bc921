"""Bundles of random spans of an archive in which everything happens that may happen in one."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

from evidence.verify_bundle import Verdict, verify
from storage.clock import US
from storage.clocks import correct
from storage.errors import NotFound
from storage.vocabulary import Span
from tests.evidence.conftest import START_US, House

LENGTH_S = 40.0


def fill(house: House, chance: random.Random) -> None:
    """Four cameras: whole, with gaps, overlapping, partly expired and with a corrected clock."""
    for number, name in enumerate(("gate", "北门 2号", "yard", "import")):
        house.expect(name, 0, LENGTH_S * 0.8)
        at_s, rows = 0.0, []
        while at_s < LENGTH_S:
            length_s = chance.choice((1.0, 2.0, 3.5))
            codec = "mpeg4" if number == 3 else "libx264"
            rows.append(house.segment(name, round(at_s, 1), length_s, codec=codec))
            at_s += length_s + (chance.choice((0, 0, 0.4, 6)) if number else 0)
            if number == 2:
                at_s -= 0.5  # overlaps what comes next
        if number == 1:
            house.expire(rows[len(rows) // 2])
    camera = house.camera("gate")
    for start_s, end_s, offset_us in ((5, 15, -3_600 * US), (10, 20, 1_500_000), (12, 13, 0)):
        span = Span(START_US + start_s * US, START_US + end_s * US)
        with house.ledger.write() as tx:
            correct(tx, camera, span, offset_us, reason="测试", actor="x", at_us=START_US)


def random_bundles(
    house: House, folder: Path, chance: random.Random, count: int
) -> Iterator[Verdict]:
    """Export `count` random spans of random cameras, as folder or zip; the verdict on each."""
    made = 0
    while made < count:
        start_us = chance.randrange(-2 * US, round(LENGTH_S * US))
        end_us = start_us + chance.choice((1, 100_000, 900_000, 5 * US, 20 * US, 60 * US))
        cameras = chance.sample(list(house.cameras.values()), chance.choice((1, 1, 2, 4)))
        out = folder / chance.choice(("bundle", "bundle.zip"))
        try:
            result = house.export(out, start_us / US, end_us / US, cameras=cameras)
        except NotFound:  # nothing was recorded then
            continue
        yield verify(out, result.fingerprint, certificate=result.signer.sha256)
        made += 1
        if out.is_dir():
            shutil.rmtree(out)
        else:
            out.unlink()
