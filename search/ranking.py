"""One step of a query: which rows qualify, how they are compared, and the moments they make."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from search import scan, selecting
from search.early import Early
from search.feedback import Feedback, Taught
from search.filters import Filters
from search.judge import Judge
from search.moments import Peak, peaks, widened
from search.partitions import Block, Partition
from search.questions import Question
from search.rows import FRAME, REGION, Floats, Int64s
from search.samples import Samples
from search.scan import Chosen, Stop, Workers
from search.selecting import Selection
from storage.vocabulary import Span

MOST_ROUNDS = 3  # of choosing anew where the nearest rows are all of a few moments
LAST_SHARE = 0.5  # of the way, where codes have chosen and what they chose is compared
WIDEST_US = 3_600_000_000  # a moment is looked at so far to either side of what was found


@dataclass(frozen=True, slots=True)
class Told:
    """What a step did, for `--explain`."""

    qualify: int  # rows
    exact: int  # compared exactly: few qualify, or they have no code
    coded: int  # of which codes chose
    chosen: int  # of these, compared exactly
    shards: int  # with codes
    rounds: int
    took_s: float


class _Seen:
    """What was compared of a first round: tells how far it is, and who shows it early."""

    def __init__(
        self, pieces: int, left: float, progress: Callable[[float], object], early: Early | None
    ) -> None:
        """`left`: of the way, once all pieces are done."""
        self.left = left
        self._pieces, self._done = pieces, 0
        self._progress, self._early = progress, early

    def compared(self, piece: Chosen, scores: Floats) -> None:
        """Exactly."""
        if self._early is not None:
            self._early.compared(piece, scores)
        self._one_more()

    def chosen(self, selection: Selection, cosines: Floats, places: Int64s) -> None:
        """By codes."""
        if self._early is not None:
            self._early.chosen(selection, cosines, places)
        self._one_more()

    def _one_more(self) -> None:
        self._done += 1
        self._progress((1 - self.left) * self._done / self._pieces)


class Step:
    """A question over opened partitions; keeps what it takes to widen and name its moments."""

    def __init__(
        self,
        question: Question,
        filters: Filters,
        partitions: Sequence[Partition],
        samples: Samples,
        bank: Floats,
        workers: Workers,
        *,
        taught: Taught | None = None,
        segments: Collection[str] | None = None,
        stop: Stop = lambda: False,
        progress: Callable[[float], object] = lambda _: None,
        early: Early | None = None,
    ) -> None:
        """`early`: is told of what is compared, while it is."""
        began = time.perf_counter()
        self._question, self._taught = question, taught
        self._workers, self._stop, self._progress = workers, stop, progress
        self._early, self._partitions = early, partitions
        # What is newer is compared first: of what lasts, it is told first.
        selections = selecting.qualifying(partitions[::-1], filters, segments)
        self._plan = scan.plan(selections)
        self._chosen: list[Chosen] = []
        asked = {camera.id for camera in filters.cameras}
        cameras = asked & {key for one in selections for key in one.rows.cameras.tolist()}
        usual = samples.usual(partitions, cameras, bank)
        regions = sum(one.passing.regions for one in selections)
        compared = {FRAME: self._plan.count - regions, REGION: regions}
        # By a worker: it computes in one thread, others would split what is not worth it.
        made = workers.each(lambda _: Judge(question, usual, compared), [None], stop)
        self._judge = made[0]
        self._feedback: Feedback | None = None
        if taught is not None:
            self._feedback = Feedback(taught, usual.vectors.astype(np.float32))
        self._began = began
        self.told: Told | None = None

    def peaks(self, gap_us: int, most: int) -> list[Peak]:
        """The best moments, best first, at most `most`."""
        exact, coded = scan.everything(self._plan.exact), list(self._plan.coded)
        left = LAST_SHARE if coded else LAST_SHARE / 10
        seen = _Seen(len(exact) + len(coded), left, self._progress, self._early)
        if self._early is not None:
            self._early.begin(self._partitions, exact, coded, self._scores)
        hits = scan.score(exact, self._scores, self._workers, self._stop, seen.compared)
        self._chosen += exact
        rounds, picked = 0, 0
        while True:
            chosen, truncated = self._candidates(coded, _unseen if rounds else seen.chosen)
            picked += sum(len(one.places) for one in chosen)
            more = scan.score(chosen, self._scores, self._workers, self._stop)
            hits = hits.with_more(more, len(self._chosen))
            self._chosen += chosen
            found = peaks(hits, gap_us, most)
            rounds += 1
            self._progress(1 - seen.left / (rounds + 1))
            if not truncated or len(found) >= most or rounds == MOST_ROUNDS:
                break
            coded = _beyond(coded, found, gap_us)
        self.told = Told(
            self._plan.count, sum(one.count for one in self._plan.exact),
            sum(one.count for one in self._plan.coded), picked, len(self._plan.coded), rounds,
            time.perf_counter() - self._began,
        )  # fmt: skip
        return found

    def widened(self, found: Sequence[Peak], gap_us: int) -> list[Peak]:
        """The moments with all their rows, also those that no code chose."""
        done = list(found)
        left = [
            number
            for number, peak in enumerate(found)
            if self._chosen[peak.source].selection in self._plan.coded
        ]
        reach = max(gap_us, 1)
        while left:
            spans = [Span(done[i].start_us - reach, done[i].end_us + reach + 1) for i in left]
            windows = []
            for i, span in zip(left, spans, strict=True):
                selection = self._chosen[done[i].source].selection
                at = selecting.around(selection, done[i].camera, span)
                windows.append(Chosen(selection, at))
            beyond = []
            scores = self._together(windows)
            for i, span, window, score in zip(left, spans, windows, scores, strict=True):
                ts_us = window.selection.rows.ts_us(window.places)
                wide = done[i] = widened(found[i], score, ts_us, gap_us)
                starts, ends = wide.start_us - gap_us, wide.end_us + gap_us
                if (starts < span.start_us or ends >= span.end_us) and reach < WIDEST_US:
                    beyond.append(i)
            left, reach = beyond, 4 * reach
        return done

    def row(self, peak: Peak) -> tuple[Block, int]:
        """Where its best row lies."""
        return self._chosen[peak.source].selection.block, peak.place

    def _candidates(
        self, coded: list[Selection], seen: Callable[[Selection, Floats, Int64s], object]
    ) -> tuple[list[Chosen], bool]:
        if not coded:
            return [], False
        directions = self._question.directions
        if self._taught is not None:
            directions = np.concatenate([directions, self._taught.directions])
        return scan.candidates(coded, directions, self._workers, self._stop, seen)

    def _together(self, windows: Sequence[Chosen]) -> list[Floats]:
        """Scores of each window; those of one block are compared in one go."""
        scores: list[Floats] = [np.zeros(0, dtype=np.float32)] * len(windows)
        of_selection: dict[Selection, list[int]] = {}
        for number, window in enumerate(windows):
            of_selection.setdefault(window.selection, []).append(number)
        joined = [
            Chosen(selection, np.concatenate([windows[number].places for number in mine]))
            for selection, mine in of_selection.items()
        ]
        found = self._workers.each(self._scores, joined, self._stop)
        for mine, whole in zip(of_selection.values(), found, strict=True):
            ends = np.cumsum([len(windows[number].places) for number in mine])[:-1]
            for number, piece in zip(mine, np.split(whole, ends), strict=True):
                scores[number] = piece
        return scores

    def _scores(self, one: Chosen) -> Floats:
        scores = scan.scores(one, self._judge)
        if self._feedback is None:
            return scores
        rows, at = one.selection.rows, one.places
        return self._feedback.refined(scores, rows.gather(at), rows.frame_id[at])


def _unseen(_selection: Selection, _cosines: Floats, _places: Int64s) -> None:
    """Of further rounds nobody is told."""


def _beyond(coded: list[Selection], found: list[Peak], gap_us: int) -> list[Selection]:
    """The same rows but for those of moments that are found already, and their shoulders."""
    left = []
    for one in coded:
        spans = [
            one.rows.run(peak.camera, Span(peak.start_us - gap_us, peak.end_us + gap_us + 1))
            for peak in found
        ]
        taken = np.array([(start, end) for start, end in spans if start < end], dtype=np.int64)
        rest = one.without(taken) if taken.size else one
        if rest is not None:
            left.append(rest)
    return left
