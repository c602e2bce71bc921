"""What marking gains: an investigator marks the first K moments by what is really there, and the
rest is ranked again. Against no feedback, on the same rest, in the same run.

Measured on the residual collection (Salton and Buckley 1990): what was marked is taken out of both
rankings, so that finding again what one was told counts for nothing. What counts are stretches of
three seconds of real clips, also of clips that are not marked (`other_clips`), and on made days
the other times at which such a thing came by. Moments are kept short, so that these are told apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks import day_stream, small_subjects
from benchmarks.absent_things import FAR, NEAR
from benchmarks.day_finding import slack_us
from benchmarks.day_minutes import BUSY
from benchmarks.feedback_questions import CAPTIONS, LANGUAGES, Question, of_clips, of_days
from benchmarks.house import SHARED_FOOTAGE
from benchmarks.report import report
from benchmarks.search_quality import with_data
from search.answer import Moment
from search.engine import Engine
from search.query import Marked, Part, Query
from storage.directory import DataDirectory

MARKED = (1, 3, 5)
EVERYTHING, DEPTH = 1000, 5
SHORT_S = 1.0  # between pictures of one moment, where what is left is ranked


@dataclass(frozen=True, slots=True)
class Round:
    """One question in one language: whether what is found is right, thing by thing."""

    question: Question
    before: list[bool]
    after: list[bool]
    there: int  # right things that can still be found
    sure_before: list[bool]  # of the moments that are called a match
    sure_after: list[bool]
    right_kept: list[bool]  # of each moment marked right: is it still on the page
    wrong_gone: list[bool]  # of each moment marked wrong: is it off the first places


def main() -> None:
    """Real clips, then made days."""
    if not CAPTIONS.is_file() or not (SHARED_FOOTAGE / "queries.jsonl").is_file():
        print(f"real clips and captions are absent ({SHARED_FOOTAGE}): not measured")  # noqa: T201
        return
    with_data(measure_clips)
    made = day_stream.day(day_stream.cache())
    names = list(BUSY)
    with small_subjects.indexed(made, names, small_subjects.WAYS["regions"]) as directory:
        truth = [event for camera in small_subjects.CAMERAS for event in made.truth(camera, names)]
        asked = list(of_days(truth, slack_us(small_subjects.INTERVAL_S)))
        measure("feedback_days", directory, asked)


def measure_clips(directory: DataDirectory) -> None:
    """Of an indexed data directory of all clips."""
    asked = list(of_clips())
    measure("feedback_clips", directory, asked)
    measure("feedback_other_clips", directory, asked, other_clips=True)
    _report_absent(Engine(directory))


def measure(
    name: str, directory: DataDirectory, asked: Sequence[Question], other_clips: bool = False
) -> None:
    """Ask everything, with 1, 3 and 5 marks."""
    short = directory.settings.search.model_copy(update={"moment_gap_s": SHORT_S})
    settings = directory.settings.model_copy(update={"search": short})
    finely = DataDirectory(
        directory.root, settings, directory.ledger, directory.archive, directory.clock
    )
    desk, ruler = Engine(directory), Engine(finely)
    for count in MARKED:
        every = [
            one for question in asked for lang in LANGUAGES
            if (one := ask(desk, ruler, question, lang, count, other_clips)) is not None
        ]  # fmt: skip
        _report(f"{name}_{count}", every)
        _report(f"{name}_{count}_held_out", [one for one in every if one.question.held_out])
        _report_marked(f"{name}_{count}", every)


def ask(
    desk: Engine, ruler: Engine, question: Question, lang: str, count: int, other_clips: bool
) -> Round | None:
    """None when nothing right is left to be found, or nobody can mark."""
    query = Query(parts=(Part(text=question.text[lang]),))
    page = desk.answer(query).moments
    marked = [moment for moment in page if question.says(moment) is not None][:count]
    before = _rest(ruler, query, question, marked, other_clips)
    if not marked or not any(map(question.says, before)):
        return None
    marks = tuple(_mark(moment, bool(question.says(moment))) for moment in marked)
    refined = query.model_copy(update={"marks": marks})
    after = _rest(ruler, refined, question, marked, other_clips)
    shown = [moment.best.frame_id for moment in desk.answer(refined).moments]
    right = {question.unit(one) for one in (*before, *after) if question.says(one)}
    confident_from = desk.directory.settings.search.confident_from
    sure_before, sure_after = (
        [bool(question.says(one)) for one in moments if one.score >= confident_from]
        for moments in (before, after)
    )
    return Round(
        question, _things(before, question), _things(after, question), len(right),
        sure_before, sure_after,
        [mark.frame_id in shown for mark in marks if mark.right],
        [mark.frame_id not in shown[:DEPTH] for mark in marks if not mark.right],
    )  # fmt: skip


def _rest(
    ruler: Engine, query: Query, question: Question, marked: Sequence[Moment], other_clips: bool
) -> list[Moment]:
    """All that can be judged, best first, but what was marked."""

    def seen(one: Moment) -> bool:
        if other_clips:
            return one.best.segment.id in {moment.best.segment.id for moment in marked}
        return any(
            one.camera.id == moment.camera.id
            and one.start_us < moment.end_us
            and one.end_us > moment.start_us
            for moment in marked
        )

    whole = query.model_copy(update={"top": EVERYTHING, "diversify": False})
    found = ruler.answer(whole).moments
    return [one for one in found if question.says(one) is not None and not seen(one)]


def _things(moments: Sequence[Moment], question: Question) -> list[bool]:
    """Each thing where it is first found: other scores make other moments of the same pictures."""
    found: dict[str, bool] = {}
    for one in moments:
        found.setdefault(question.unit(one), bool(question.says(one)))
    return list(found.values())


def _average_precision(right: list[bool], there: int) -> float:
    hits = np.array(right, dtype=bool)
    return float((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].sum() / there)


def _precision(right: list[bool], _there: int) -> float:
    return sum(right[:DEPTH]) / DEPTH


def _recall(right: list[bool], there: int) -> float:
    """Of what there is, but of DEPTH at most."""
    return sum(right[:DEPTH]) / min(DEPTH, there)


MEASURES: dict[str, Callable[[list[bool], int], float]] = {
    "map": _average_precision, "p5": _precision, "r5": _recall,
}  # fmt: skip


def _report(name: str, rounds: Sequence[Round]) -> None:
    for what, measured in MEASURES.items():
        before = float(np.mean([measured(one.before, one.there) for one in rounds]))
        after = float(np.mean([measured(one.after, one.there) for one in rounds]))
        report(f"{name}_{what}", after, f"of {len(rounds)} questions", "no feedback", before)


def _report_marked(name: str, rounds: Sequence[Round]) -> None:
    """Of what is called a match, how much is one; and what becomes of what was marked."""
    before = [said for one in rounds for said in one.sure_before]
    after = [said for one in rounds for said in one.sure_after]
    unit = f"of {len(after)} confident moments, {len(before)} without"
    report(f"{name}_confident_right", _share(after), unit, "no feedback", _share(before))
    kept = [said for one in rounds for said in one.right_kept]
    report(f"{name}_right_kept", _share(kept), f"of {len(kept)} marked right", "wanted", 1.0)
    gone = [said for one in rounds for said in one.wrong_gone]
    report(f"{name}_wrong_gone", _share(gone), f"of {len(gone)} marked wrong", "wanted", 1.0)


def _report_absent(engine: Engine) -> None:
    """Marking wrong what answers a question about nothing must not make it more sure."""
    before, after = [], []
    for text in (text for pair in (*NEAR, *FAR) for text in pair):
        query = Query(parts=(Part(text=text),))
        first = engine.answer(query)
        marks = tuple(_mark(moment, False) for moment in first.moments[:3])
        before.append(first.confident)
        after.append(engine.answer(query.model_copy(update={"marks": marks})).confident)
    unit = f"of {len(after)} questions about nothing, after 3 wrong ones"
    report("feedback_absent_confident", _share(after), unit, "no feedback", _share(before))


def _mark(moment: Moment, right: bool) -> Marked:
    best = moment.best
    return Marked(frame_id=best.frame_id, segment_id=best.segment.id, right=right)


def _share(said: Sequence[bool]) -> float:
    return float(np.mean(said)) if said else 0.0


if __name__ == "__main__":
    main()
