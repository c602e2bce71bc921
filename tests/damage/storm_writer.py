"""Writers to the ledger in a crash storm: each a process that is killed at any time.

Run by `tests.damage.storm` as `python -m tests.damage.storm_writer DIRECTORY SEED custody|keeping`.
One process gives many commands, so that a kill hits a transaction more often than an import.
"""

from __future__ import annotations

import io
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout

from ulid import ULID

from hindsight import cli
from storage.clock import US, SystemClock, rfc3339
from storage.commandline import run

MOST_HOLDS = 3  # at a time, for what is held does not expire
REST_S = 0.25  # at most, between two commands

Give = Callable[..., str]


def main() -> None:
    """Until killed."""
    root, seed, role = sys.argv[1:]
    chance = random.Random(seed)

    def give(*words: str) -> str:
        """One command; what it printed. It may fail: another holds what it wants."""
        printed = io.StringIO()
        with redirect_stdout(printed):
            run(cli, ["--data", root, *words])
        time.sleep(chance.uniform(0, REST_S))
        return printed.getvalue()

    work = {"custody": custody, "keeping": keeping}[role]
    while True:
        for _ in work(give, chance):
            pass


def custody(give: Give, chance: random.Random) -> Iterator[None]:
    """A case, a hold for it on the newest footage of a camera; older holds are released."""
    cameras = [camera["name"] for camera in json.loads(give("camera", "list", "--json") or "[]")]
    if not cameras:
        return
    case, now_us = str(ULID()), SystemClock().now_us()
    yield give("case", "open", case, "--reason", "a storm")
    start_us = now_us - chance.randrange(1, 30) * US
    yield give(
        "hold", "add", "--camera", chance.choice(cameras), "--from", rfc3339(start_us),
        "--to", rfc3339(start_us + chance.randrange(1, 10) * US), "--reason", "a storm",
        "--case", case,
    )  # fmt: skip
    holds = json.loads(give("hold", "list", "--json") or "[]")
    for hold in holds[: max(0, len(holds) - MOST_HOLDS)]:
        yield give("hold", "release", str(hold["id"]), "--reason", "the storm goes on")
    yield give("case", "close", case)


def keeping(give: Give, chance: random.Random) -> Iterator[None]:
    """What is due goes; now and then all rows are sealed."""
    yield give("retain")
    if chance.random() < 0.2:
        yield give("seal")


if __name__ == "__main__":
    main()
