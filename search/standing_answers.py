"""What new footage shows of a standing query, and whether it would convince in a search of its day.

A look compares a minute of footage, and the best of few rows is soon good enough; thousands of
looks a day would find something for any words. So what a look finds is asked for once more among
all that those cameras showed in the day before it, as a person would search, and only what is
confident there fires.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from search.admission import Keys
from search.query import MOST_TOP, Query
from storage import standing_firings, standing_queries
from storage.clock import US
from storage.directory import DataDirectory
from storage.standing_queries import NewFootage, StandingQuery
from storage.vocabulary import Generation

if TYPE_CHECKING:
    from search.answer import Moment
    from search.engine import Engine

DAY_US = 86_400 * US
MOST_OF_A_DAY = 20 * MOST_TOP  # moments; what a day shows more often is no event


@dataclass(frozen=True, slots=True)
class Noticed:
    """A moment of new footage. `score`: in a search of its day; None: it does not convince there,
    and at most goes on what fired before."""

    moment: Moment
    score: float | None


@dataclass(frozen=True, slots=True)
class Answering:
    """Asks the engine for standing queries."""

    directory: DataDirectory
    engine: Callable[[], Engine]
    stop: Callable[[], bool]

    @property
    def again_us(self) -> int:
        """So close to a firing, a moment at the same camera is the same one."""
        settings = self.directory.settings.search
        return round(max(settings.moment_gap_s, settings.standing_again_s) * US)

    def noticed(
        self,
        one: StandingQuery,
        query: Query,
        generation: Generation,
        cameras: Mapping[int, str],
        new: Sequence[NewFootage],
        within: Keys,
    ) -> Iterator[tuple[Generation | None, list[Noticed]]]:
        """What these segments show, and the generation that says so; in as many answers as it
        takes. `cameras`: key → slug of those of the query; `within`: keys of those that its
        owner may search."""
        start_us = min(row.start_us for row in new)
        end_us = max(row.end_us for row in new)
        chosen = {row.segment_id for row in new}
        here = {row.camera_id for row in new}
        if query.then is not None:
            # Either step may lie in footage that was looked at before.
            if query.then.near_m is not None:
                here = set(cameras)
            within_us = round(query.then.within_s * US)
            start_us, end_us = start_us - within_us, end_us + within_us
            with self.directory.ledger.read() as tx:
                chosen |= set(
                    standing_queries.footage_around(
                        tx, generation.id, camera_ids=here, start_us=start_us,
                        end_us=end_us, recorded_after_us=one.created_us,
                    )
                )  # fmt: skip
        narrowed = query.model_copy(
            update={
                "from_us": max(one.created_us, start_us - US), "to_us": end_us + US,
                "cameras": tuple(cameras[key] for key in sorted(here)), "sites": (),
                "top": MOST_TOP, "diversify": False,
            }
        )  # fmt: skip
        answer = self.engine().answer(
            narrowed, within=within, segments=frozenset(chosen), stop=self.stop
        )
        strong = self._strong(one, answer.moments)
        if len(strong) >= MOST_TOP and len(new) > 1:  # there are more than an answer holds
            for half in (new[: len(new) // 2], new[len(new) // 2 :]):
                yield from self.noticed(one, query, generation, cameras, half, within)
            return
        # What would not be confident when it is searched for wakes nobody: words that the model
        # was never taught, or a model that was never trained.
        if not answer.confident or not strong:
            yield answer.generation, []
        elif self._all_go_on(one, strong):
            yield answer.generation, [Noticed(moment, None) for moment in strong]
        else:
            day = self._day(one, query, start_us, end_us, within)
            yield answer.generation, [Noticed(each, _score(each, day)) for each in strong]

    def _day(
        self, one: StandingQuery, query: Query, start_us: int, end_us: int, within: Keys
    ) -> dict[int, list[Moment]]:
        """Camera → what is confident of the day until then."""
        # More than a page: model_copy does not check, and nobody is shown it.
        asked = query.model_copy(
            update={
                "from_us": start_us - DAY_US, "to_us": end_us + US, "top": MOST_OF_A_DAY,
                "diversify": False,
            }
        )  # fmt: skip
        answer = self.engine().answer(asked, within=within, stop=self.stop)
        found: dict[int, list[Moment]] = {}
        for moment in self._strong(one, answer.moments) if answer.confident else ():
            found.setdefault(moment.camera.id, []).append(moment)
        return found

    def _strong(self, one: StandingQuery, moments: Sequence[Moment]) -> list[Moment]:
        least = max(one.threshold, self.directory.settings.search.confident_from)
        return [moment for moment in moments if moment.score >= least]

    def _all_go_on(self, one: StandingQuery, moments: Sequence[Moment]) -> bool:
        """Whether there was a firing close to each of them: then the day need not be searched."""
        with self.directory.ledger.read() as tx:
            return all(
                standing_firings.near(
                    tx, one.id, moment.camera.id, moment.start_us - self.again_us,
                    moment.end_us + self.again_us,
                )
                for moment in moments
            )  # fmt: skip


def _score(moment: Moment, day: dict[int, list[Moment]]) -> float | None:
    scores = [
        each.score
        for each in day.get(moment.camera.id, ())
        if each.start_us <= moment.end_us and each.end_us >= moment.start_us
    ]
    return max(scores, default=None)
