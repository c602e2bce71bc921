"""The crew of `hindsight index`: worker processes, replaced when they die or are worn out."""

from __future__ import annotations

import json
import logging
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indexer.tally import Tally
from indexer.upkeep import HOME, UpkeepJob
from indexer.worker import END_S, RECYCLED
from storage.errors import HindsightError, Unavailable, of_exit_code
from storage.generations import MOST_LAPSES
from storage.i18n import N_, current_language

# In a row, of a worker that did nothing: then it is no accident. More than it takes until a
# segment that kills them is given up.
MOST_DEATHS = MOST_LAPSES + 2
TICK_S = 0.25
PAUSES_S = (0.5, 1.0, 5.0, 30.0)  # before a dead worker is replaced
GRACE_S = 5.0  # beyond what workers allow themselves to end
NOTHING = N_("nothing is indexed: {error}")
log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Member:
    """A worker process and the thread that listens to it."""

    process: subprocess.Popen[str]
    number: int


class Crew:
    """Runs `count` workers until nothing is left, or, following, until `stop` is set."""

    def __init__(
        self,
        root: Path,
        *,
        count: int,
        cameras: Sequence[int] | None,
        model: str | None,
        follow: bool,
        stop: threading.Event,
        ready: Callable[[int], None] = lambda _: None,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.replaced = 0  # workers
        self._root = root
        self._count = count
        self._orders = {
            "cameras": cameras,
            "follow": follow,
            "workers": count,
            "lang": current_language(),
        }
        self._model = model
        self._upkeep = UpkeepJob(root) if follow else None
        self._stop = stop
        self._tell_ready = ready
        self._progress = progress
        self._heard: queue.SimpleQueue[tuple[int, dict[str, Any] | None]] = queue.SimpleQueue()
        self._members: dict[int, _Member] = {}
        self._due_s: dict[int, float] = {}  # when a dead worker is replaced, monotonic
        self._deaths: dict[int, int] = {}
        self.generation = 0  # key of the one that is built, once the model is chosen
        self._told: HindsightError | None = None
        self._tallies: dict[int, Tally] = {}  # of every process, by pid

    @property
    def tally(self) -> Tally:
        """What all did together, those that died included."""
        total = Tally()
        for one in self._tallies.values():
            total.add(one)
        return total

    def run(self) -> Tally:
        """Errors as `ensure_generation`; Unavailable when workers die again and again."""
        try:
            # The first chooses the model, and the others find it chosen.
            self._begin(0)
            self._listen(lambda: bool(self.generation or (not self._members and not self._due_s)))
            if self._told is None and not self._stop.is_set():
                for number in range(1, self._count):
                    self._begin(number)
            self._listen(lambda: not self._members and not self._due_s)
        finally:
            self._end()
        if self._told is not None:
            raise self._told
        return self.tally

    def _listen(self, until: Callable[[], bool]) -> None:
        while not until():
            if self._stop.is_set() or self._told is not None:
                return
            self._replace()
            if self._upkeep is not None and self.generation:
                self._upkeep.look()
            try:
                number, word = self._heard.get(timeout=TICK_S)
            except queue.Empty:
                continue
            if word is None:
                self._gone(number)
            else:
                self._hear(number, word)

    def _hear(self, number: int, word: dict[str, Any]) -> None:
        if "generation" in word:
            if not self.generation:
                self.generation = word["generation"]
                self._tell_ready(self.generation)
        elif "done_us" in word:
            self._deaths[number] = 0
            self._progress(word["done_us"])
        elif "tally" in word:
            self._tallies[self._members[number].process.pid] = Tally(**word["tally"])
        elif "error" in word and not self.generation:
            self._told = of_exit_code(word["code"])(NOTHING, error=word["error"])
        elif "error" in word:
            log.error("%s", word["error"])

    def _gone(self, number: int) -> None:
        member = self._members.pop(number)
        code = member.process.wait()
        if code == 0 or self._stop.is_set():
            return
        if code == RECYCLED:
            self.replaced += 1
            self._begin(number)
            return
        deaths = self._deaths[number] = self._deaths.get(number, 0) + 1
        log.error("index worker %d ended (exit code %d); it is replaced", number + 1, code)
        if deaths >= MOST_DEATHS:
            self._told = Unavailable(
                "index workers die each time they are started (exit code {code});"
                " HINDSIGHT_LOG=debug says more. What was indexed before stays",
                code=code,
            )
        pause_s = PAUSES_S[min(deaths, len(PAUSES_S)) - 1]
        self._due_s[number] = time.monotonic() + pause_s

    def _replace(self) -> None:
        for number, due_s in list(self._due_s.items()):
            if time.monotonic() >= due_s:
                del self._due_s[number]
                self.replaced += 1
                self._begin(number)

    def _begin(self, number: int) -> None:
        model = None if self.generation else self._model
        words = json.dumps(self._orders | {"number": number, "model": model})
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "indexer.worker", str(self._root), words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0,
            env=os.environ | {"PYTHONPATH": str(HOME)},  # this one, whatever the folder has
        )  # fmt: skip
        self._members[number] = _Member(process, number)
        threading.Thread(target=self._relay, args=(number, process), daemon=True).start()

    def _relay(self, number: int, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            try:
                self._heard.put((number, json.loads(line)))
            except ValueError:
                log.warning("index worker %d says %r", number + 1, line[:200])
        process.stdout.close()
        self._heard.put((number, None))

    def _end(self) -> None:
        """Ask all to end, hear them out, and take down what does not."""
        if self._upkeep is not None:
            self._upkeep.close()
        for member in self._members.values():
            assert member.process.stdin is not None
            member.process.stdin.close()
        end_s = time.monotonic() + END_S + GRACE_S
        while self._members and time.monotonic() < end_s:
            try:
                number, word = self._heard.get(timeout=TICK_S)
            except queue.Empty:
                continue
            if word is not None:
                self._hear(number, word)
            elif number in self._members:
                self._members.pop(number).process.wait()
        for member in self._members.values():
            log.error("index worker %d does not end and is killed", member.number + 1)
            member.process.kill()
            member.process.wait()
