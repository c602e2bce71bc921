"""The engine: a query → partitions → pre-filter → scores → moments, with its coverage, audited."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from search import calibration, scan
from search.coverage import Coverage, coverage
from search.moments import Hits, Peak, followed, page, peaks
from search.partitions import Partition, Partitions
from search.query import Query
from search.questions import BackgroundBank, Embeds, Question, questions
from search.rows import KIND_NAMES, Rows
from storage import audit, cases, generations, register, segments
from storage.clock import US, rfc3339, utc_day
from storage.directory import DataDirectory
from storage.errors import Denied
from storage.lake import day_of
from storage.vocabulary import Actor, Camera, Generation, Segment

Floats = npt.NDArray[np.float32]
MOST_HITS = 20_000  # scored rows that are grouped into moments; the weakest are left out
HALF_PICTURE_US = US // 2  # a moment of one picture still lasts a while


@dataclass(frozen=True, slots=True)
class Best:
    """The best picture of a moment."""

    at_us: int
    segment: Segment
    kind: str
    box: tuple[int, int, int, int] | None


@dataclass(frozen=True, slots=True)
class Moment:
    """Hits of one camera close in time; `then`: what followed, for 'A, then B'."""

    camera: Camera
    start_us: int
    end_us: int
    score: float
    hits: int
    best: Best
    then: Best | None = None

    def document(self) -> dict[str, Any]:
        """As interface.md's moment."""
        made = {
            "camera": self.camera.slug, "camera_name": self.camera.name, "site": self.camera.site,
            "start": rfc3339(self.start_us), "end": rfc3339(self.end_us),
            "score": round(self.score, 4), "hits": self.hits, "best": _best(self.best),
        }  # fmt: skip
        return made if self.then is None else {**made, "then": _best(self.then)}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a search says. `more`: camera → moments held back so that none fills the page."""

    query: dict[str, Any]
    moments: list[Moment]
    confident: bool
    coverage: Coverage
    generation: Generation | None
    warnings: list[str] = field(default_factory=list)
    more: dict[str, int] = field(default_factory=dict)
    plan: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """The JSON of interface.md."""
        return {
            "query": self.query,
            "coverage": self.coverage.document(),
            "confident": self.confident,
            "moments": [moment.document() for moment in self.moments],
            "more": self.more,
            "warnings": self.warnings,
        }


class Engine:
    """Holds the embedder and opened partitions of a data directory. Safe across threads."""

    def __init__(self, directory: DataDirectory, embedder: Embeds | None = None) -> None:
        self.directory = directory
        self._partitions = Partitions(directory)
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
            generation = generations.active_generation(tx)
            live = {} if generation is None else generations.live_parts(tx, generation.id)
        answer = self._answer(query, cameras, generation, live, now_us)
        with directory.ledger.write() as tx:
            who = Actor(actor.name, query.case_id, query.reason)
            asked = query.text or query.then_text or "picture"
            detail = {**answer.query, "moments": len(answer.moments)}
            audit.record(tx, who, "search", asked, at_us=now_us, detail=detail)
        return answer

    def _answer(
        self,
        query: Query,
        cameras: list[Camera],
        generation: Generation | None,
        live: dict[str, list[str]],
        now_us: int,
    ) -> Answer:
        narrowed = bool(query.cameras or query.sites)
        top = query.top or self.directory.settings.search.top
        understood = query.understood([c.slug for c in cameras] if narrowed else None, top)
        plan: list[str] = []
        shown: list[Moment] = []
        more: dict[int, int] = {}
        lost: dict[str, str] = {}
        confident = False
        if generation is not None and live:
            partitions = self._open(query, generation, live, plan)
            for partition in partitions:
                lost |= partition.lost
            embedder = self._embedder(generation)
            steps = questions(query, embedder)
            scored = [
                self._score(step, query, cameras, generation, embedder, partitions, plan)
                for step in steps
            ]
            shown, more = self._moments(query, cameras, scored, top)
            least = self.directory.settings.search.confident_from
            meant = generation.meaningful or not (query.text or query.then_text)
            confident = meant and bool(shown) and shown[0].score >= least
        with self.directory.ledger.read() as tx:
            stated = coverage(
                tx, cameras, generation, from_us=query.from_us, to_us=query.to_us,
                between=query.between, now_us=now_us, unread=lost,
            )  # fmt: skip
        names = {camera.id: camera.slug for camera in cameras}
        return Answer(
            understood, shown, confident, stated, generation,
            warnings=[*self._warnings(query, generation), *lost.values()],
            more={names[key]: count for key, count in more.items()}, plan=plan,
        )  # fmt: skip

    def _open(
        self, query: Query, generation: Generation, live: dict[str, list[str]], plan: list[str]
    ) -> list[Partition]:
        days = sorted({day_of(part) for part in live})
        if query.from_us is not None:  # a segment over midnight lies in the day it began
            days = [day for day in days if day >= utc_day(query.from_us) - timedelta(days=1)]
        if query.to_us is not None:
            days = [day for day in days if day <= utc_day(query.to_us - 1)]
        opened = [self._partitions.open(generation, live, day) for day in days]
        plan.append(f"{len(days)} of {len({day_of(part) for part in live})} partitions by day")
        return opened

    def _score(
        self,
        step: Question,
        query: Query,
        cameras: list[Camera],
        generation: Generation,
        embedder: Embeds,
        partitions: list[Partition],
        plan: list[str],
    ) -> tuple[Hits, list[tuple[Rows, int]]]:
        """Score every qualifying row; returns the best and where each lies."""
        by_id = {camera.id: camera for camera in cameras}
        chosen = [
            scan.preselected(selection, step.combined)
            for partition in partitions
            for selection in scan.qualifying(partition, query, by_id)
        ]
        total = sum(len(block.rows) for partition in partitions for block in partition.blocks)
        plan.append(
            f"{sum(one.at.size for one in chosen)} of {total} rows compared"
            f" ({', '.join(sorted({one.how for one in chosen})) or 'none qualify'})"
        )
        if not chosen:
            nothing = np.zeros(0, dtype=np.int64)
            return Hits(nothing.astype(np.float32), nothing, nothing, nothing, nothing), []
        bank = self._bank.vectors(generation, embedder)
        ids = np.unique(np.concatenate([one.block.rows.camera_id[one.at] for one in chosen]))
        judge = _Judge(step, bank, {int(key): scan.sample_of(partitions, int(key)) for key in ids})
        scores = np.concatenate(
            [
                judge.scores(one.block.rows.vectors, one.at, one.block.rows.camera_id[one.at])
                for one in chosen
            ]
        )
        places = [(one.block.rows, int(at)) for one in chosen for at in one.at]
        best = np.argsort(-scores, kind="stable")[:MOST_HITS]

        def column(read: Callable[[Rows], npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
            return np.concatenate([read(one.block.rows)[one.at] for one in chosen])[best]

        hits = Hits(
            scores[best], column(lambda rows: rows.camera_id), column(lambda rows: rows.ts_us),
            column(lambda rows: rows.frame_id), best,
        )  # fmt: skip
        return hits, places

    def _moments(
        self,
        query: Query,
        cameras: list[Camera],
        scored: list[tuple[Hits, list[tuple[Rows, int]]]],
        top: int,
    ) -> tuple[list[Moment], dict[int, int]]:
        gap_us = round(self.directory.settings.search.moment_gap_s * US)
        most = 4 * top + 50
        found = [peaks(hits, gap_us, most) for hits, _ in scored]
        by_id = {camera.id: camera for camera in cameras}
        if len(scored) == 1:
            chosen, more = page(found[0], top, query.diversify)
            made = [self._moment(by_id, peak, scored[0][1]) for peak in chosen]
            return [one for one in made if one is not None], more
        pairs = followed(found[0], found[1], round(query.then_within_s * US))[:top]
        steps = []
        for a, b in pairs:
            first = self._moment(by_id, a, scored[0][1])
            second = self._moment(by_id, b, scored[1][1])
            if first is not None and second is not None:
                steps.append(
                    Moment(
                        first.camera, first.start_us, max(first.end_us, second.end_us),
                        float(np.sqrt(first.score * second.score)), first.hits + second.hits,
                        first.best, second.best,
                    )
                )  # fmt: skip
        return steps, {}

    def _moment(
        self, cameras: dict[int, Camera], peak: Peak, places: list[tuple[Rows, int]]
    ) -> Moment | None:
        """Hydrate from the ledger; None when the footage went away meanwhile."""
        rows, at = places[peak.best]
        _, segment_id = rows.pairs[rows.pair[at]]
        with self.directory.ledger.read() as tx:
            rows_found = segments.get(tx, [segment_id])
        if not rows_found or rows_found[0].state.value != "closed":
            return None
        segment = rows_found[0]
        kind = KIND_NAMES[int(rows.kind[at])]
        x, y, w, h = (int(side) for side in rows.box[at])
        box = (x, y, w, h) if kind == "region" else None
        best = Best(peak.best_us, segment, kind, box)
        start_us = peak.start_us - HALF_PICTURE_US
        end_us = peak.end_us + HALF_PICTURE_US
        if peak.start_us >= segment.start_us:
            start_us = max(start_us, min(segment.start_us, peak.start_us))
        if peak.end_us < segment.end_us:
            end_us = min(end_us, segment.end_us)
        return Moment(
            cameras[peak.camera], start_us, max(end_us, peak.best_us + 1), peak.score, peak.hits,
            best,
        )  # fmt: skip

    def _embedder(self, generation: Generation) -> Embeds:
        if self._given is not None:
            return self._given
        with self._loading:
            if self._loaded is None or self._loaded[0] != generation.id:
                from indexer.embedder import load_embedder  # seconds of torch: only when asked

                self._loaded = (generation.id, load_embedder(self.directory, generation))
            return self._loaded[1]

    def _warnings(self, query: Query, generation: Generation | None) -> list[str]:
        from indexer.embedder import model_warning

        said = model_warning(generation) if query.text or query.then_text else None
        return [] if said is None else [said]


class _Judge:
    """Turns similarities of one step into calibrated scores."""

    def __init__(self, step: Question, bank: Floats, samples: dict[int, Floats]) -> None:
        self._step = step
        self._bank = bank
        everything = np.concatenate(list(samples.values()))
        self._typical = [float(np.median(everything @ picture)) for picture in self._step.pictures]
        self._usual = [
            {key: calibration.reference(self._evidence(sample)[:, i])
             for key, sample in samples.items()}
            for i in range(len(step.stacked))
        ]  # fmt: skip

    def scores(
        self, vectors: npt.NDArray[np.float16], at: npt.NDArray[np.int64],
        camera: npt.NDArray[np.int64],
    ) -> Floats:  # fmt: skip
        """Scores 0..1 of rows `at`; camera: key of each."""
        result = np.empty(at.size, dtype=np.float32)
        for start in range(0, at.size, scan.CHUNK_ROWS):
            piece = slice(start, start + scan.CHUNK_ROWS)
            rows = vectors[at[piece]].astype(np.float32)
            result[piece] = self._scores(self._evidence(rows), camera[piece])
        return result

    def _evidence(self, rows: Floats) -> Floats:
        """(rows, parts of the step)."""
        similarity = rows @ self._step.stacked.T
        bank = rows @ self._bank.T
        texts, pictures = len(self._step.texts), len(self._step.pictures)
        columns = []
        for i in range(similarity.shape[1]):
            if texts <= i < texts + pictures:
                typical = self._typical[i - texts]
                columns.append(calibration.picture_evidence(similarity[:, i], typical))
            else:
                columns.append(calibration.text_evidence(similarity[:, i], bank))
        return np.stack(columns, axis=1)

    def _scores(self, evidence: Floats, camera: npt.NDArray[np.int64]) -> Floats:
        texts, pictures = len(self._step.texts), len(self._step.pictures)
        asked: list[Floats] = []
        excluded: list[Floats] = []
        for i in range(evidence.shape[1]):
            is_picture = texts <= i < texts + pictures
            judge = calibration.picture_scores if is_picture else calibration.text_scores
            part = judge(evidence[:, i], camera, self._usual[i])
            (asked if i < texts + pictures else excluded).append(part)
        # Words and a picture must both fit: the geometric mean lets neither be ignored.
        score = np.prod(asked, axis=0) ** (1.0 / len(asked))
        for part in excluded:
            score = score * (1.0 - part)
        return np.asarray(score, dtype=np.float32)


_engines: WeakKeyDictionary[DataDirectory, Engine] = WeakKeyDictionary()
_making = threading.Lock()


def search(directory: DataDirectory, query: Query, actor: Actor) -> Answer:
    """Search with the engine of this opened data directory; it lives as long as that does."""
    with _making:
        engine = _engines.setdefault(directory, Engine(directory))
    return engine.search(query, actor)


def _best(best: Best) -> dict[str, Any]:
    return {
        "time": rfc3339(best.at_us), "segment": best.segment.id, "kind": best.kind,
        "box": None if best.box is None else list(best.box),
    }  # fmt: skip
