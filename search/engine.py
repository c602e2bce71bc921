"""The engine: a query → partitions → pre-filter → scores → moments, with its coverage, audited."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from search import scan
from search.answer import Answer, Best, Moment
from search.coverage import coverage
from search.judge import Judge
from search.moments import Hits, Peak, followed, page, peaks
from search.partitions import Partition, Partitions
from search.query import Query
from search.questions import BackgroundBank, Embeds, Question, questions, unknown_words
from search.rows import KIND_NAMES
from storage import audit, cases, generations, register, segments
from storage.clock import US, utc_day
from storage.directory import DataDirectory
from storage.errors import Denied
from storage.i18n import N_, tr
from storage.lake import day_of
from storage.vocabulary import Actor, Camera, Generation, SegmentState

MOST_HITS = 20_000  # scored rows that are grouped into moments; the weakest are left out
MOST_STEPS = 2_000  # moments of A and of B among which 'A, then B' looks for pairs
MOST_READS = 3  # of the ledger's list of parts, when parts vanish while they are opened
HOW = {"exact": N_("every one that qualifies"), "faiss": N_("preselected by FAISS")}
HALF_PICTURE_US = US // 2  # a moment of one picture still lasts a while


@dataclass(frozen=True, slots=True)
class _Opened:
    """What is searched: the generation that answers and its partitions, as of one instant."""

    generation: Generation | None
    partitions: list[Partition]
    days: int  # that the generation has, asked or not

    @property
    def lost(self) -> dict[str, str]:
        """Lake parts that could not be read → why."""
        return {part: why for one in self.partitions for part, why in one.lost.items()}


@dataclass(frozen=True, slots=True)
class _Scored:
    """One step of a query: its best rows, and where they lie."""

    hits: Hits
    chosen: scan.Chosen


class Engine:
    """Holds the embedder and opened partitions of a data directory. Safe across threads."""

    def __init__(
        self,
        directory: DataDirectory,
        embedder: Embeds | None = None,
        partitions: Partitions | None = None,
    ) -> None:
        self.directory = directory
        self._partitions = partitions or Partitions(directory)
        self._bank = BackgroundBank(directory)
        self._given = embedder
        self._loaded: tuple[int, Embeds] | None = None
        self._loading = threading.Lock()

    def search(self, query: Query, actor: Actor) -> Answer:
        """Answer a query. The audit row is committed before anything is returned.

        NotFound: unknown camera, site or case. Conflict: closed case. Denied: a case is required.
        """
        directory = self.directory
        now_us = directory.clock.now_us()
        if directory.settings.search.require_case and query.case_id is None:
            raise Denied("a search needs an open case here; name it with --case and --reason")
        with directory.ledger.read() as tx:
            cameras = register.find_cameras(tx, query.cameras, query.sites)
            if query.case_id is not None:
                cases.find_open_case(tx, query.case_id)
        answer = self._answer(query, cameras, now_us)
        with directory.ledger.write() as tx:
            who = Actor(actor.name, query.case_id, query.reason)
            asked = query.text or query.then_text or "picture"
            detail = {**answer.query, "moments": len(answer.moments)}
            audit.record(tx, who, "search", asked, at_us=now_us, detail=detail)
        return answer

    def _answer(self, query: Query, cameras: list[Camera], now_us: int) -> Answer:
        narrowed = bool(query.cameras or query.sites)
        top = query.top or self.directory.settings.search.top
        understood = query.understood([c.slug for c in cameras] if narrowed else None, top)
        opened = self._open(query)
        generation = opened.generation
        days = len(opened.partitions)
        plan = [tr("partitions by day: {asked} of {all}", asked=days, all=opened.days)]
        shown: list[Moment] = []
        more: dict[int, int] = {}
        strange: list[str] = []  # asked for, but never taught: nothing can be said of it
        warnings, notes = _said_of_model(query, generation)
        if generation is not None and opened.partitions:
            embedder = self._embedder(generation)
            bank = self._bank.vectors(generation, embedder)
            scored = [
                self._score(step, query, cameras, bank, opened.partitions, plan)
                for step in questions(query, embedder)
            ]
            shown, more = self._moments(query, cameras, scored, top)
            strange = unknown_words((query.text, query.then_text), embedder)
            warnings += _said_of_words(strange, unknown_words(query.not_texts, embedder))
        with self.directory.ledger.read() as tx:
            stated = coverage(
                tx, cameras, generation, from_us=query.from_us, to_us=query.to_us,
                between=query.between, now_us=now_us, unread=opened.lost,
            )  # fmt: skip
        names = {camera.id: camera.slug for camera in cameras}
        return Answer(
            understood, shown, not strange and self._convinces(query, generation, shown), stated,
            generation, warnings=[*warnings, *opened.lost.values()], notes=notes,
            more={names[key]: count for key, count in more.items()}, plan=plan,
        )  # fmt: skip

    def _open(self, query: Query) -> _Opened:
        """The partitions of the days that are asked for.

        A part may vanish between the ledger's word and the file: a segment was indexed anew.
        Then the ledger says something else by now, and is asked again.
        """
        for _ in range(MOST_READS):
            with self.directory.ledger.read() as tx:
                generation = generations.active_generation(tx)
                live = {} if generation is None else generations.live_parts(tx, generation.id)
            if generation is None:
                return _Opened(None, [], 0)
            every = {day_of(part) for part in live}
            self._partitions.sweep(generation, every)
            days = sorted(every)
            if query.from_us is not None:  # a segment over midnight lies in the day it began
                days = [day for day in days if day >= utc_day(query.from_us) - timedelta(days=1)]
            if query.to_us is not None:
                days = [day for day in days if day <= utc_day(query.to_us - 1)]
            parts = [self._partitions.open(generation, live, day) for day in days]
            opened = _Opened(generation, parts, len(every))
            if not opened.lost:
                break
            with self.directory.ledger.read() as tx:
                if generations.live_parts(tx, generation.id) == live:
                    break  # lost for good; the answer and its coverage say so
        return opened

    def _score(
        self,
        step: Question,
        query: Query,
        cameras: list[Camera],
        bank: scan.Floats,
        partitions: list[Partition],
        plan: list[str],
    ) -> _Scored:
        """Score every qualifying row and keep the best."""
        by_id = {camera.id: camera for camera in cameras}
        selections = [
            scan.preselected(selection, step.combined)
            for partition in partitions
            for selection in scan.qualifying(partition, query, by_id)
        ]
        chosen = scan.Chosen(selections)
        total = sum(len(block.rows) for partition in partitions for block in partition.blocks)
        how = ", ".join(sorted({tr(HOW[one.how]) for one in selections})) or tr("none qualifies")
        plan.append(
            tr("rows compared: {chosen} of {all}; {how}", chosen=len(chosen), all=total, how=how)
        )
        if not selections:
            nothing = np.zeros(0, dtype=np.int64)
            return _Scored(
                Hits(nothing.astype(np.float32), nothing, nothing, nothing, nothing), chosen
            )
        camera = chosen.column("camera_id")
        judge = Judge(step, bank, scan.samples(partitions, np.unique(camera)), len(chosen))
        scores = np.concatenate(
            [
                judge.scores(one.block.rows.vectors, one.at, one.block.rows.camera_id[one.at])
                for one in selections
            ]
        )
        key = chosen.column("frame_id")
        best = np.lexsort((key, -scores))[:MOST_HITS]
        hits = Hits(scores[best], camera[best], chosen.column("ts_us")[best], key[best], best)
        return _Scored(hits, chosen)

    def _moments(
        self, query: Query, cameras: list[Camera], scored: list[_Scored], top: int
    ) -> tuple[list[Moment], dict[int, int]]:
        """What is shown, best first, and how many each camera has beyond (camera key → count)."""
        gap_us = round(self.directory.settings.search.moment_gap_s * US)
        by_id = {camera.id: camera for camera in cameras}
        if len(scored) == 1:
            chosen, more = page(peaks(scored[0].hits, gap_us, 4 * top + 50), top, query.diversify)
            made = [self._moment(by_id, peak, scored[0].chosen) for peak in chosen]
            return [one for one in made if one is not None], more
        found = [peaks(one.hits, gap_us, MOST_STEPS) for one in scored]
        steps = []
        for a, b in followed(found[0], found[1], round(query.then_within_s * US))[:top]:
            first = self._moment(by_id, a, scored[0].chosen)
            second = self._moment(by_id, b, scored[1].chosen)
            if first is not None and second is not None:
                steps.append(
                    Moment(
                        first.camera, first.start_us, max(first.end_us, second.end_us),
                        float(np.sqrt(first.score * second.score)), first.hits + second.hits,
                        first.best, second.best,
                    )
                )  # fmt: skip
        return steps, {}

    def _moment(self, cameras: dict[int, Camera], peak: Peak, chosen: scan.Chosen) -> Moment | None:
        """Hydrate from the ledger; None when the footage went away meanwhile."""
        rows, at = chosen.place(peak.best)
        _, segment_id = rows.pairs[rows.pair[at]]
        with self.directory.ledger.read() as tx:
            known = segments.get(tx, [segment_id])
        if not known or known[0].state is not SegmentState.CLOSED:
            return None
        segment = known[0]
        kind = KIND_NAMES[int(rows.kind[at])]
        x, y, w, h = (int(side) for side in rows.box[at])
        best = Best(peak.best_us, segment, kind, (x, y, w, h) if kind == "region" else None)
        # Half a picture to either side, but not out of the footage where its border is known.
        start_us, end_us = peak.start_us - HALF_PICTURE_US, peak.end_us + HALF_PICTURE_US
        if peak.start_us >= segment.start_us:
            start_us = max(start_us, segment.start_us)
        if peak.end_us < segment.end_us:
            end_us = min(end_us, segment.end_us)
        return Moment(
            cameras[peak.camera], start_us, max(end_us, peak.best_us + 1), peak.score, peak.hits,
            best,
        )  # fmt: skip

    def _convinces(self, query: Query, generation: Generation | None, shown: list[Moment]) -> bool:
        """Whether the best moment is a match. Words say nothing to weights never trained."""
        if generation is None or not shown:
            return False
        spoken = query.text is not None or query.then_text is not None
        strong = shown[0].score >= self.directory.settings.search.confident_from
        return strong and (generation.meaningful or not spoken)

    def _embedder(self, generation: Generation) -> Embeds:
        if self._given is not None:
            return self._given
        with self._loading:
            if self._loaded is None or self._loaded[0] != generation.id:
                from indexer.embedder import load_embedder  # seconds of torch: only when asked

                self._loaded = (generation.id, load_embedder(self.directory, generation))
            return self._loaded[1]


def _said_of_model(query: Query, generation: Generation | None) -> tuple[list[str], list[str]]:
    """Warnings and notes: what to expect of the model where words are asked."""
    from indexer.embedder import model_warning

    said = model_warning(generation) if query.text or query.then_text else None
    if generation is None or said is None:
        return [], []
    return ([], [said]) if generation.meaningful else ([said], [])


def _said_of_words(asked: list[str], excluded: list[str]) -> list[str]:
    """Warnings about words the model was never taught."""
    warnings = []
    if asked:
        warnings.append(
            tr(
                "the model in use has never seen these words: {words}; results are not confident",
                words=", ".join(asked),
            )
        )
    if excluded:
        warnings.append(
            tr(
                "the model in use has never seen these words of an exclusion: {words}; it may have"
                " taken away the wrong pictures, or none",
                words=", ".join(excluded),
            )
        )
    return warnings


_shared: Engine | None = None
_making = threading.Lock()


def search(directory: DataDirectory, query: Query, actor: Actor) -> Answer:
    """Search with the engine of this opened data directory, kept until another one is asked."""
    global _shared
    with _making:
        if _shared is None or _shared.directory is not directory:
            _shared = Engine(directory)
        engine = _shared
    return engine.search(query, actor)
