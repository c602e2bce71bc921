"""The engine: a query → partitions → pre-filter → scores → moments, with its coverage, audited."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial

from search.admission import Keys, admitted, approved
from search.answer import Answer, Moment
from search.coverage import Coverage, coverage
from search.early import MOST, PACE, Early, Pace, SoFar
from search.explaining import explained
from search.feedback import Taught, taught
from search.filters import Filters
from search.footage import Footage
from search.hydrating import Place, RowDamaged, hydrated, paired
from search.moments import Peak, followed, page
from search.partitions import Partition, Partitions
from search.places import around, near, said_of_places
from search.query import Query
from search.questions import BackgroundBank, Embeds, Remembering, questions, unknown_words
from search.ranking import Step
from search.rows import Floats
from search.samples import Samples
from search.scan import Stop, Workers
from search.shards import ShardDamaged
from storage import audit, generations, register
from storage.clock import US, utc_day
from storage.directory import DataDirectory
from storage.errors import HindsightError, Unavailable
from storage.i18n import N_, tr
from storage.lake_days import day_versions, days_reaching
from storage.vocabulary import Actor, Camera, Generation

MOST_STEPS = 2_000  # moments of A and of B among which 'A, then B' looks for pairs
MOST_READS = 3  # of the partitions, when parts vanish or rows turn out to be damaged
log = logging.getLogger(__name__)

NOTHING_GRANTED = N_(
    "no camera may be searched by you yet; ask an administrator, who grants it with `hindsight"
    " grant add`"
)


@dataclass(frozen=True, slots=True)
class _Opened:
    """What is searched: the generation that answers and its partitions, as of one instant."""

    generation: Generation
    partitions: list[Partition]
    days: int  # that the generation has, asked or not

    @property
    def lost(self) -> dict[str, str]:
        """Lake parts that could not be read → why."""
        return {part: why for one in self.partitions for part, why in one.lost.items()}


@dataclass(slots=True)
class _Found:
    """What the partitions gave."""

    moments: list[Moment]
    more: dict[int, int]  # camera key → moments beyond those shown
    plan: list[str]


class Engine:
    """Holds the embedder and opened partitions of a data directory. Safe across threads."""

    def __init__(
        self,
        directory: DataDirectory,
        embedder: Embeds | None = None,
        partitions: Partitions | None = None,
        workers: Workers | None = None,
        *,
        pace: Pace = PACE,
    ) -> None:
        """`pace`: of telling what is found before the end."""
        self.directory = directory
        self._partitions = partitions or Partitions(directory)
        self._samples = Samples()
        self._workers = workers or Workers()
        self._pace = pace
        self._bank = BackgroundBank(directory)
        self._footage = Footage(directory.cache / "footage")
        self._given = embedder
        self._loaded: tuple[int, Embeds] | None = None
        self._loading = threading.Lock()

    @property
    def footage(self) -> Footage:
        """What is kept and indexed by day, as the coverage of answers knows it."""
        return self._footage

    def search(
        self,
        query: Query,
        actor: Actor,
        *,
        token: str | None = None,
        stop: Stop | None = None,
        progress: Callable[[float], object] | None = None,
        so_far: Callable[[SoFar], object] | None = None,
    ) -> Answer:
        """Answer a query. The audit row is committed before anything is returned.

        `token`: of the stored run this is, for the audit. `so_far`: told of what was found, while
        a search lasts; whoever shows it writes down the look.

        NotFound: unknown camera, site or case. Conflict: closed case, or stopped. Denied: a case
        is required.
        """
        directory = self.directory
        with directory.ledger.read() as tx:
            within = admitted(tx, directory, query, actor.name)
            said = approved(tx, directory, query, actor.name)
        tell = None if so_far is None else partial(_approved_by, so_far, tuple(said.numbers))
        answer = self.answer(query, within=within, stop=stop, progress=progress, so_far=tell)
        answer = replace(answer, coverage=replace(answer.coverage, unapproved=said.left_out))
        with directory.ledger.write() as tx:
            who = actor.under(query.case_id, query.reason)
            shown = {one.camera.slug for one in answer.moments}
            shown |= {one.then.segment.camera for one in answer.moments if one.then is not None}
            detail = {**answer.query, "moments": len(answer.moments), "shown": sorted(shown)}
            if token is not None:
                detail["token"] = token
            if said.numbers:
                detail["approvals"] = said.numbers
            at_us = directory.clock.now_us()
            audit.record(tx, who, "search", query.subject, at_us=at_us, detail=detail)
        return answer

    def answer(
        self,
        query: Query,
        *,
        within: Keys = None,
        segments: Collection[str] | None = None,
        stop: Stop | None = None,
        progress: Callable[[float], object] | None = None,
        so_far: Callable[[SoFar], object] | None = None,
    ) -> Answer:
        """As `search`, without case and audit: whoever calls records what it is for.

        `within`: keys of the cameras that may be searched, for the answer there are no others.
        `segments`: only rows of these, and no coverage. NotFound: unknown camera or site.
        Conflict: stopped.
        """
        now_us = self.directory.clock.now_us()
        with self.directory.ledger.read() as tx:
            among = None if within is None else (lambda camera: camera.id in within)
            named = register.find_cameras(tx, query.cameras, query.sites, among)
        cameras = named if query.around is None else around(named, query.around)
        top = query.top or self.directory.settings.search.top
        narrowed = bool(query.cameras or query.sites or query.around) or within is not None
        understood = query.understood([one.slug for one in cameras] if narrowed else None, top)
        with self.directory.ledger.read() as tx:
            generation = generations.active_generation(tx)
        found, lost = _Found([], {}, []), dict[str, str]()
        warnings, notes = said_of_places(query, named), list[str]()
        if within is not None and not within:
            warnings.append(tr(NOTHING_GRANTED))
        strange: list[str] = []  # asked for, but never taught: nothing can be said of it
        if generation is not None:
            told, expected = _said_of_model(query, generation)
            warnings += told
            notes += expected
        if generation is not None and self._days(query, generation)[1]:
            embedder = self._embedder(generation)
            strange = unknown_words(query.texts, embedder)
            warnings += _said_of_words(strange, unknown_words(query.excluded_texts, embedder))
            taught_by = taught(self.directory, generation, query.marks) if query.marks else None
            notes += [] if taught_by is None else taught_by.notes
            found, lost = self._searched(
                query, cameras, generation, embedder, taught_by, segments, top,
                stop or (lambda: False), progress or (lambda _: None),
                None if strange else self._telling(query, cameras, generation, so_far),
            )  # fmt: skip
        stated = self._stated(query, cameras, generation, now_us, lost, segments)
        names = {camera.id: camera.slug for camera in cameras}
        return Answer(
            understood, found.moments,
            not strange and self._convinces(query, generation, found.moments), stated, generation,
            warnings=[*warnings, *lost.values()], notes=notes,
            more={names[key]: count for key, count in found.more.items()}, plan=found.plan,
        )  # fmt: skip

    def _stated(
        self, query: Query, cameras: list[Camera], generation: Generation | None, now_us: int,
        lost: dict[str, str], segments: Collection[str] | None,
    ) -> Coverage:  # fmt: skip
        if segments is not None:  # of some segments only, nothing is to be said of a span
            model, number = (generation.model, generation.number) if generation else (None, None)
            return Coverage(len(cameras), 0, 0, 0, (), None, model, number)
        with self.directory.ledger.read() as tx:
            return coverage(
                tx, cameras, generation, from_us=query.from_us, to_us=query.to_us,
                between=query.between, weekdays=query.weekdays, now_us=now_us, unread=lost,
                footage=self._footage,
            )  # fmt: skip

    def bank(self, generation: Generation) -> Floats:
        """Vectors (sentences, dimension) of the everyday sentences."""
        return self._bank.vectors(generation, lambda: self._embedder(generation))

    def _searched(
        self, query: Query, cameras: list[Camera], generation: Generation, embedder: Embeds,
        taught_by: Taught | None, segments: Collection[str] | None, top: int, stop: Stop,
        progress: Callable[[float], object], early: Callable[[], Early] | None,
    ) -> tuple[_Found, dict[str, str]]:  # fmt: skip
        """What is found, and the lake parts that could not be read → why."""
        filters = Filters.of(query, cameras)
        asked = questions(query, embedder)
        bank = self.bank(generation)
        for attempt in range(MOST_READS):
            opened = self._open(query, generation)
            try:
                steps = [
                    Step(
                        one, filters, opened.partitions, self._samples, bank, self._workers,
                        taught=None if number else taught_by,  # marks are of what comes first
                        segments=segments, stop=stop,
                        progress=partial(_share, progress, number, len(asked)),
                        early=None if early is None else early(),
                    )
                    for number, one in enumerate(asked)
                ]  # fmt: skip
                moments, more = self._moments(query, cameras, steps, top)
            except (RowDamaged, ShardDamaged) as error:
                self._partitions.close()  # opened anew, what is damaged is found out
                if attempt + 1 == MOST_READS:
                    raise Unavailable(
                        "the index changes while it is read ({error}); ask again", error=error
                    ) from None
                continue
            plan = explained(opened.partitions, opened.days, steps)
            return _Found(moments, more, plan), opened.lost
        raise AssertionError("unreachable")

    def _open(self, query: Query, generation: Generation) -> _Opened:
        """The partitions of the days that are asked for.

        A part may vanish between the ledger's word and the file: a segment was indexed anew.
        Then the ledger says something else by now, and is asked again.
        """
        for _ in range(MOST_READS):
            versions, days = self._days(query, generation)
            partitions = [self._partitions.open(generation, day, versions[day]) for day in days]
            opened = _Opened(generation, partitions, len(versions))
            if not opened.lost or self._days(query, generation)[0] == versions:
                break  # all is there, or lost for good: the answer and its coverage say so
        return opened

    def _days(self, query: Query, generation: Generation) -> tuple[dict[date, int], list[date]]:
        """All days of the generation with their versions, and those that are asked for.

        A segment lies, whole, in the day of its first row: one over midnight in the day it began,
        a long import perhaps days before what is asked.
        """
        with self.directory.ledger.read() as tx:
            versions = day_versions(tx, generation.id)
            days = set(versions)
            if query.from_us is not None:
                first = utc_day(query.from_us) - timedelta(days=1)
                reaching = days_reaching(tx, generation.id, query.from_us)
                days = {day for day in days if day >= first or day in reaching}
        if query.to_us is not None:
            last = utc_day(query.to_us - 1)
            days = {day for day in days if day <= last}
        return versions, sorted(days)

    def _moments(
        self, query: Query, cameras: list[Camera], steps: list[Step], top: int
    ) -> tuple[list[Moment], dict[int, int]]:
        """What is shown, best first, and how many each camera has beyond (camera key → count)."""
        gap_us = round(self.directory.settings.search.moment_gap_s * US)
        if query.then is None:
            (step,) = steps
            chosen, more = page(step.peaks(gap_us, 4 * top + 50), top, query.diversify)
            made = self._hydrated(cameras, step, step.widened(chosen, gap_us))
            return [one for one in made if one is not None], more
        first, second = (step.peaks(gap_us, MOST_STEPS) for step in steps)
        close = None if query.then.near_m is None else near(cameras, query.then.near_m)
        pairs = followed(first, second, round(query.then.within_s * US), close)[:top]
        ways = [
            self._hydrated(cameras, step, step.widened([both[number] for both in pairs], gap_us))
            for number, step in enumerate(steps)
        ]
        both = zip(*ways, strict=True)
        return [paired(a, b) for a, b in both if a is not None and b is not None], {}

    def _telling(
        self, query: Query, cameras: list[Camera], generation: Generation,
        so_far: Callable[[SoFar], object] | None,
    ) -> Callable[[], Early] | None:  # fmt: skip
        """What tells of moments that convince, while others are looked for; None where there is
        nobody to tell, and where one is nothing without the others: 'A, then B'."""
        told: dict[int, Moment] = {}  # by frame: damaged rows make the engine look again

        def tell(found: Sequence[tuple[Peak, Place]], days_done: int, days: int) -> None:
            assert so_far is not None
            try:
                moments = hydrated(self.directory, self._partitions, cameras, found)
            except (RowDamaged, ShardDamaged, HindsightError) as error:
                # The answer is without them, comes upon the same, or fails for a reason of its own.
                log.warning("what a search has found so far cannot be told: %s", error)
                return
            for one in moments:
                if one is not None and len(told) < MOST:
                    told.setdefault(one.best.frame_id, one)
            so_far(SoFar(tuple(told.values()), days_done, days))

        settings = self.directory.settings.search
        if so_far is None or query.then or (query.texts and not generation.meaningful):
            return None
        gap_us = round(settings.moment_gap_s * US)
        return lambda: Early(tell, least=settings.confident_from, gap_us=gap_us, pace=self._pace)

    def _hydrated(
        self, cameras: list[Camera], step: Step, found: list[Peak]
    ) -> list[Moment | None]:
        places = [(peak, step.row(peak)) for peak in found]
        return hydrated(self.directory, self._partitions, cameras, places)

    def _convinces(self, query: Query, generation: Generation | None, shown: list[Moment]) -> bool:
        """Whether the best moment is a match. Words say nothing to weights never trained."""
        if generation is None or not shown:
            return False
        strong = shown[0].score >= self.directory.settings.search.confident_from
        return strong and (generation.meaningful or not query.texts)

    def warm(self) -> None:
        """Load the model that answers, and let it read a first word: seconds that the first
        question would wait. Nothing, where nothing is indexed yet."""
        with self.directory.ledger.read() as tx:
            generation = generations.active_generation(tx)
        if generation is not None:
            self._embedder(generation).embed_texts(["a street"])

    def _embedder(self, generation: Generation) -> Embeds:
        if self._given is not None:
            return self._given
        with self._loading:
            if self._loaded is None or self._loaded[0] != generation.id:
                from indexer.embedder import load_embedder  # seconds of torch: only when asked

                loaded = load_embedder(self.directory, generation)
                self._loaded = (generation.id, Remembering(loaded))
            return self._loaded[1]


def _approved_by(
    so_far: Callable[[SoFar], object], approvals: tuple[int, ...], found: SoFar
) -> None:
    so_far(replace(found, approvals=approvals))


def _share(progress: Callable[[float], object], step: int, steps: int, share: float) -> None:
    """How far the query is, when one of its steps is so far."""
    progress((step + share) / steps)


def _said_of_model(query: Query, generation: Generation) -> tuple[list[str], list[str]]:
    """Warnings and notes: what to expect of the model where words are asked."""
    from indexer.embedder import model_warning

    said = model_warning(generation) if query.texts else None
    if said is None:
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


def engine_of(directory: DataDirectory) -> Engine:
    """The engine of this opened data directory, kept until another one is asked for."""
    global _shared
    with _making:
        if _shared is None or _shared.directory is not directory:
            _shared = Engine(directory)
        return _shared
