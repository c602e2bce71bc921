"""Every single byte of a small bundle flipped, one at a time: how many the verifier finds, each
named for what it is."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.report import report
from tests.evidence.mutations import Bundle, named_rightly
from tests.evidence.test_every_byte import make_small


def main() -> None:
    """A signed, stamped, sealed bundle of one second, held in memory."""
    with TemporaryDirectory() as folder:
        bundle = Bundle(make_small(Path(folder)))
    flipped = named = 0
    for name in bundle.files:
        for _, findings in bundle.flips(name):
            flipped += 1
            named += named_rightly(name, findings)
    report("bundle_flips_named", named, "bytes", "flipped one at a time", flipped)


if __name__ == "__main__":
    main()
