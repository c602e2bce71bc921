"""Many rows: what codes choose gives the same moments as a look at every row."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from search import scan
from search.early import SoFar
from search.engine import Engine
from search.filters import Filters
from search.judge import Judge
from search.moments import Peak, peaks, widened
from search.partitions import Partitions
from search.query import Query
from search.questions import questions
from search.samples import Samples
from search.selecting import qualifying
from storage.clock import US
from storage.directory import init_directory
from storage.lake_days import day_versions
from tests.search.archive import ASKER, DIMENSION, START_US, Archive, Words, asked, new_archive
from tests.search.slow import AT_ONCE

DAYS, CAMERAS, ROWS = 5, 4, 10_500  # of a camera and day: more than scan.EXACT_ROWS in all
EVERY_S = 8.0
SCENES = [f"scene{i}" for i in range(60)]


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """Cameras that show their own scenes all day, two of them a giraffe for some pictures."""
    directory, _ = init_directory(tmp_path_factory.mktemp("wide") / "data")
    archive = new_archive(directory)
    rng = np.random.default_rng(3)
    words = Words().embed_texts(SCENES)
    giraffe = Words().embed_texts(["giraffe"])[0]
    for day in range(DAYS):
        for number in range(CAMERAS):
            start_us = START_US + day * 86_400 * US
            segment = archive.segment(f"camera{number}", start_us, ROWS * EVERY_S)
            mine = words[number * 15 + rng.integers(0, 15, ROWS)]
            rows = mine + 0.15 * rng.standard_normal((ROWS, DIMENSION))
            if number in (1, 2):
                at = 500 + 1000 * day + 300 * number
                rows[at : at + 12] = giraffe + 0.1 * rng.standard_normal((12, DIMENSION))
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            archive.index(segment, rows.astype(np.float32), EVERY_S)
    assert DAYS * CAMERAS * ROWS > scan.EXACT_ROWS
    assert archive.build().shards == DAYS
    yield archive
    directory.close()


def by_every_row(archive: Archive, query: Query, most: int) -> list[Peak]:
    """The moments of a plain look at all that qualifies."""
    directory, generation = archive.directory, archive.generation
    filters = Filters.of(query, list(archive.cameras.values()))
    with directory.ledger.read() as tx:
        versions = day_versions(tx, generation.id)
    bank = Engine(directory, Words()).bank(generation)
    opened = Partitions(directory)
    partitions = [opened.open(generation, day, at) for day, at in sorted(versions.items())]
    selections = qualifying(partitions, filters)
    (question,) = questions(query, Words())
    usual = Samples().usual(partitions, [camera.id for camera in archive.cameras.values()], bank)
    judge = Judge(question, usual, sum(one.count for one in selections))
    chosen = scan.everything(selections)
    hits = scan.score(
        chosen, lambda one: scan.scores(one, judge), scan.Workers(), lambda: False
    )  # fmt: skip
    return peaks(hits, 10 * US, most)


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "giraffe"},
        {"text": "scene7"},
        {"text": "giraffe", "not_texts": ["scene20"]},
        {"text": "scene31 giraffe"},
        {"text": "scene31", "from_us": START_US + 7200 * US},
    ],
    ids=["rare", "common", "exclusion", "two-words", "wide-span"],
)
def test_moments_are_those_of_a_look_at_every_row(wide: Archive, fields: dict[str, object]) -> None:
    query = asked(**fields, top=10, diversify=False)  # type: ignore[arg-type]
    answer = wide.engine().search(query, ASKER)
    assert any("codes" in line for line in answer.plan)
    plain = by_every_row(wide, query, 10)
    got = {(moment.camera.id, moment.best.at_us) for moment in answer.moments}
    due = {(peak.camera, peak.best_us) for peak in plain}
    assert len(got & due) >= 9
    whole = {(peak.camera, peak.best_us): peak for peak in plain}
    for moment in answer.moments:
        peak = whole.get((moment.camera.id, moment.best.at_us))
        if peak is not None:
            assert moment.score == pytest.approx(peak.score, abs=1e-4)
            assert moment.hits == peak.hits


def test_a_narrow_filter_never_meets_a_code(wide: Archive) -> None:
    answer = wide.ask(text="giraffe", cameras=("camera1",), top=10)
    assert not any("codes" in line for line in answer.plan)
    days = {(one.best.at_us - START_US) // (86_400 * US) for one in answer.moments[:DAYS]}
    assert days == {*range(DAYS)}


def test_a_scene_that_fills_the_nearest_rows_does_not_hide_other_moments(wide: Archive) -> None:
    """Thousands of rows of a camera fit; the giraffes are found beyond them."""
    answer = wide.ask(text="scene20 giraffe", top=40)
    cameras = {moment.camera.slug for moment in answer.moments}
    assert {"camera1", "camera2"} <= cameras


def test_a_damaged_row_is_not_shown_and_the_lake_answers(wide: Archive) -> None:
    engine = wide.engine()
    before = wide.ask(engine, text="giraffe", top=3)
    best = before.moments[0].best
    header = next(
        path for path in wide.shards()
        if path.parent.name == f"2026-11-{18 + (best.at_us - START_US) // (86_400 * US)}"
    )  # fmt: skip
    path = header.with_suffix(".arrow")
    data = path.read_bytes()
    wanted = np.int64(best.frame_id).tobytes()
    at = data.index(wanted)
    with path.open("r+b") as file:  # in place, as a bad disk does it: the size stays
        file.seek(at)
        file.write(bytes([data[at] ^ 1]))
    assert wide.ask(engine, text="giraffe", top=3).moments == before.moments
    assert header not in wide.shards()
    assert wide.build().shards == 1


def test_widening_takes_neighbours_and_stops_at_a_gap() -> None:
    peak = Peak(1, 100, 100, 0.8, 1, 0, 0, 100)
    ts_us = np.array([10, 80, 90, 100, 110, 120, 300])
    score = np.array([0.8, 0.5, 0.75, 0.8, 0.7, 0.69, 0.8], dtype=np.float32)
    wide = widened(peak, score, ts_us, 20)
    assert (wide.start_us, wide.end_us, wide.hits) == (90, 120, 4)


def test_what_codes_choose_is_told_by_day_with_the_scores_of_the_answer(wide: Archive) -> None:
    seen: list[SoFar] = []
    engine = Engine(wide.directory, Words(), pace=AT_ONCE)
    answer = engine.answer(asked("giraffe", top=50), so_far=seen.append)
    assert any("codes" in line for line in answer.plan), answer.plan
    last = seen[-1]
    assert (last.days_done, last.days) == (DAYS, DAYS)
    days = [one.best.at_us // (86_400 * US) for one in last.moments]
    assert days == sorted(days, reverse=True)
    assert len(set(days)) == DAYS
    scores = {one.best.frame_id: one.score for one in answer.moments}
    for one in last.moments:
        assert scores[one.best.frame_id] == pytest.approx(one.score)
