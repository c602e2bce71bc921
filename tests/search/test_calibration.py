"""Scores mean the same for every camera and query, and nothing is claimed that is not there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from search import calibration
from search.background import SENTENCES
from search.calibration import Sample, Usual, by_chance, row_statistics
from search.judge import Judge
from search.questions import Question, QuestionPart
from storage.clock import US
from storage.lake import BLACK, BLURRED, DARK
from storage.settings import SearchSettings
from tests.conftest import SHARED
from tests.search.archive import START_US, Archive

Floats = npt.NDArray[np.float32]
WIDTH = 64
CONFIDENT = SearchSettings().confident_from
FRAME, REGION = 0, 1
CAPTIONS = SHARED / "captions"


def unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), dtype=np.float32)


class World:
    """Pictures and words of WIDTH dimensions. `word(i)`: a direction nothing else has much of."""

    def __init__(self, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.bank = unit(self.random.standard_normal((len(SENTENCES), WIDTH)))

    def words(self, count: int) -> Floats:
        return unit(self.random.standard_normal((count, WIDTH)))

    def pictures(self, scene: Floats, count: int, noise: float = 0.3) -> Floats:
        """Of one scene: alike, with a little of everything else in each."""
        other = self.words(count)
        return unit(scene + noise * other)

    def sample(self, vectors: Floats) -> Sample:
        return Sample(vectors, row_statistics(vectors, self.bank))

    def scores(
        self, asked: Floats | Question, rows: Floats, usual: dict[tuple[int, int], Sample],
        compared: int | dict[int, int] = 0, *, camera: int = 1, kind: int = FRAME, quality: int = 0,
    ) -> Floats:  # fmt: skip
        question = asked if isinstance(asked, Question) else words(asked)
        count = len(rows)
        return Judge(question, Usual.of(usual), compared).scores(
            rows, np.full(count, camera, dtype=np.int64),
            np.full(count, kind, dtype=np.uint8), np.full(count, quality, dtype=np.int32),
        )  # fmt: skip


def words(*asked: Floats, excluded: tuple[Floats, ...] = ()) -> Question:
    return Question(
        tuple(QuestionPart(one, 1.0, False) for one in asked),
        tuple(QuestionPart(one, 1.0, False) for one in excluded),
    )


def picture(asked: Floats) -> Question:
    return Question((QuestionPart(asked, 1.0, True),))


@pytest.fixture
def world() -> World:
    return World()


def test_what_a_camera_always_shows_counts_less_than_the_same_elsewhere(world: World) -> None:
    word, street = world.words(2)
    shows = unit(street + 0.6 * word)
    usual = {
        (1, FRAME): world.sample(world.pictures(shows, 64)),
        (2, FRAME): world.sample(world.pictures(street, 64)),
        (3, FRAME): world.sample(world.pictures(street, 64)),
    }
    row = shows[None]
    always, once = (world.scores(word, row, usual, 256, camera=key)[0] for key in (1, 2))
    assert once - always > 0.05


def test_a_camera_that_always_shows_it_does_not_fill_the_page(archive: Archive) -> None:
    archive.footage("always", START_US, ["red street"] * 60, every_s=20.0)
    for number, name in enumerate("abc"):
        words = [*["street"] * 20, "red truck", *["street"] * 20]
        archive.footage(name, START_US + number * 3600 * US, words, every_s=20.0)
    answer = archive.ask(text="red truck", top=6)
    assert {moment.camera.slug for moment in answer.moments[:3]} == {"a", "b", "c"}
    assert answer.confident
    assert [moment for moment in answer.moments[3:] if moment.score >= CONFIDENT] == []


def test_the_same_event_scores_alike_on_cameras_with_other_backgrounds(world: World) -> None:
    event, *scenes = world.words(7)
    usual = {
        (key, FRAME): world.sample(world.pictures(scene, 64)) for key, scene in enumerate(scenes)
    }
    scores = [
        float(world.scores(event, unit(scene + 2 * event)[None], usual, 384, camera=key)[0])
        for key, scene in enumerate(scenes)
    ]
    assert max(scores) - min(scores) < 0.2
    assert min(scores) > CONFIDENT


@pytest.mark.parametrize("count", [256, 2_048, 16_384, 100_000])
def test_noise_is_no_confident_match(count: int) -> None:
    """Pictures of 300 scenes, none of which shows what is asked for."""
    world = World(count)
    scenes = world.words(300)
    which = world.random.integers(0, len(scenes), count)
    rows = unit(scenes[which] + 0.2 * world.words(count))
    usual = {
        (key, FRAME): world.sample(rows[which % 10 == key][:64]) for key in range(10)
    }  # of ten cameras
    claimed = [
        world.scores(word, rows, usual, {FRAME: count}).max() >= CONFIDENT
        for word in world.words(60)
    ]
    assert np.mean(claimed) <= 0.15  # one in ten is what the law allows


@pytest.mark.parametrize("count", [256, 1_024, 2_048])
def test_pictures_that_have_nothing_in_common_are_no_match_either(count: int) -> None:
    world = World(count)
    rows = world.words(count)
    usual = {(1, FRAME): world.sample(rows[:64])}
    claimed = [
        world.scores(word, rows, usual, {FRAME: count}).max() >= CONFIDENT
        for word in world.words(60)
    ]
    assert np.mean(claimed) <= 0.15


def test_the_same_picture_is_found_surely_however_usual_it_is(world: World) -> None:
    (wall,) = world.words(1)
    usual = {(1, FRAME): world.sample(world.pictures(wall, 64, noise=0.05))}
    rows = np.stack([wall, *world.pictures(wall, 5)]).astype(np.float16)
    scores = world.scores(picture(wall), rows.astype(np.float32), usual, 64)
    assert scores[0] > 0.999
    assert scores[1:].max() < scores[0]


@pytest.mark.parametrize("kind", ["words", "picture"])
def test_scores_lie_within_0_and_1_and_rise_with_likeness(world: World, kind: str) -> None:
    asked, other = world.words(2)
    other = unit(other - (other @ asked) * asked)
    usual = {(1, FRAME): world.sample(world.pictures(other, 64))}
    ways = np.linspace(-1, 1, 201, dtype=np.float32)[:, None]
    rows = ways * asked + np.sqrt(1 - ways**2) * other
    judge = Judge(words(asked) if kind == "words" else picture(asked), Usual.of(usual), 1_000)
    scores = judge.scores(
        unit(rows), np.ones(201, dtype=np.int64), np.zeros(201, dtype=np.uint8),
        np.zeros(201, dtype=np.int32),
    )  # fmt: skip
    assert scores.min() >= 0
    assert scores.max() <= 1
    assert (np.diff(scores) >= -1e-6).all()
    assert scores[-1] > 0.9 > 0.1 > scores[100]


def test_two_rows_are_not_called_usual(world: World) -> None:
    word, street = world.words(2)
    shows = unit(street + 0.6 * word)
    others = {(key, FRAME): world.sample(world.pictures(street, 64)) for key in (2, 3)}
    row = shows[None]

    def score(rows: int) -> float:
        usual = {**others, (1, FRAME): world.sample(world.pictures(shows, rows))}
        return float(world.scores(word, row, usual, 256)[0])

    unknown = float(world.scores(word, row, others, 256)[0])
    assert abs(score(2) - unknown) < (unknown - score(64)) / 3


def test_of_more_pictures_the_best_must_fit_better() -> None:
    needed = [by_chance(count) for count in (0, 16, 256, 2_048, 100_000, 10_000_000)]
    assert needed[0] == needed[1]
    assert needed[1:] == sorted(set(needed))
    assert needed[-1] < 5


def test_few_frames_are_not_held_against_many_regions(world: World) -> None:
    word, street = world.words(2)
    rows = unit(street + 0.6 * word)[None]
    usual = {(1, kind): world.sample(world.pictures(street, 64)) for kind in (FRAME, REGION)}
    compared = {FRAME: 64, REGION: 2_048}
    frame, region = (
        world.scores(word, rows, usual, compared, kind=kind)[0] for kind in (FRAME, REGION)
    )
    assert frame > region + 0.1


def test_what_fits_all_regions_is_not_news_in_one(world: World) -> None:
    word, street = world.words(2)
    part = unit(street + 0.6 * word)
    row = part[None]

    def score(regions: Floats) -> float:
        usual = {
            (1, FRAME): world.sample(world.pictures(street, 64)),
            (1, REGION): world.sample(world.pictures(regions, 64)),
        }
        return float(world.scores(word, row, usual, 64, kind=REGION)[0])

    assert score(part) < score(street) - 0.1


def test_in_a_black_or_blurred_picture_less_is_seen(world: World) -> None:
    word, street = world.words(2)
    usual = {(1, FRAME): world.sample(world.pictures(street, 64))}
    rows = unit(street + 0.6 * word)[None]
    clear, dark, blurred, black = (
        float(world.scores(word, rows, usual, 64, quality=flag)[0])
        for flag in (0, DARK, BLURRED, BLACK | BLURRED)
    )
    assert clear == dark > blurred > black


def test_all_asked_parts_must_fit_and_excluded_ones_must_not(world: World) -> None:
    one, two, street = world.words(3)
    usual = {(1, FRAME): world.sample(world.pictures(street, 64))}
    both, only = unit(one + two)[None], unit(one)[None]
    assert (
        world.scores(words(one, two), both, usual)[0]
        > 2 * world.scores(words(one, two), only, usual)[0]
    )
    without = words(one, excluded=(two,))
    assert world.scores(without, only, usual)[0] > 2 * world.scores(without, both, usual)[0]


def test_a_part_counts_by_its_weight(world: World) -> None:
    one, two, street = world.words(3)
    usual = {(1, FRAME): world.sample(world.pictures(street, 64))}
    row = unit(one)[None]

    def score(weight: float) -> float:
        question = Question((QuestionPart(one, 1.0, False), QuestionPart(two, weight, False)))
        return float(world.scores(question, row, usual)[0])

    assert score(0.1) > score(1.0) > score(10.0)


def test_damaged_and_missing_numbers_never_make_a_score(world: World) -> None:
    word, street = world.words(2)
    rows = np.stack([np.full(WIDTH, np.nan), np.zeros(WIDTH), np.full(WIDTH, np.inf), word])
    rows = rows.astype(np.float16).astype(np.float32)
    statistics = np.array([[np.nan, np.nan], [0, 0], [np.inf, 1], [0, 0.1]], dtype=np.float32)
    for usual in (
        {},
        {(1, FRAME): world.sample(np.zeros((0, WIDTH), dtype=np.float32))},
        {(1, FRAME): world.sample(world.pictures(street, 3))},
        {(1, FRAME): Sample(rows, statistics)},
    ):
        for question in (words(word), picture(word), words(word, excluded=(street,))):
            scores = Judge(question, Usual.of(usual), 10).scores(
                rows, np.ones(4, dtype=np.int64), np.zeros(4, dtype=np.uint8),
                np.zeros(4, dtype=np.int32),
            )  # fmt: skip
            assert np.isfinite(scores).all()
            assert scores[:3].max() < CONFIDENT


def test_no_rows_have_no_scores(world: World) -> None:
    nothing = np.zeros((0, WIDTH), dtype=np.float32)
    assert len(world.scores(world.words(1)[0], nothing, {})) == 0
    assert row_statistics(nothing, world.bank).shape == (0, calibration.STATISTICS)


@pytest.mark.skipif(not (CAPTIONS / "captions.jsonl").is_file(), reason="no real pictures here")
def test_of_real_pictures_what_they_do_not_show_is_not_claimed() -> None:
    from PIL import Image

    from indexer.embedder import load_model

    nano = load_model("nano", threads=1)
    bank = nano.embed_texts(list(SENTENCES))
    entries = [json.loads(line) for line in _lines(CAPTIONS / "captions.jsonl")][::4]
    rows = nano.embed_images(
        [np.asarray(Image.open(CAPTIONS / entry["file"]).convert("RGB")) for entry in entries]
    )
    names = sorted({entry["clip"] for entry in entries})
    camera = np.array([names.index(entry["clip"]) for entry in entries], dtype=np.int64)
    kind = np.array([entry["kind"] == "region" for entry in entries], dtype=np.uint8)
    statistics = row_statistics(rows, bank)
    usual = {
        (key, of): Sample(rows[at], statistics[at])
        for key in range(len(names))
        for of in (FRAME, REGION)
        if (at := (camera == key) & (kind == of)).any()
    }
    compared = {of: int((kind == of).sum()) for of in (FRAME, REGION)}

    def best(text: str) -> float:
        judge = Judge(words(nano.embed_texts([text])[0]), Usual.of(usual), compared)
        nothing = np.zeros(len(rows), dtype=np.int32)
        return float(judge.scores(rows, camera, kind, nothing).max())

    absent = [
        "a dog on the road", "路上的狗", "a person with an umbrella", "打着伞的人", "a fire",
        "着火", "a burning car", "着火的汽车", "fog", "大雾", "a flooded road", "a purple bus",
        "紫色公交车", "a crowd of people", "人群", "a red bus at night", "夜间的红色公交车",
        "a motorway in fog", "a pink van", "粉色面包车", "a row of parked bicycles", "两只狗",
        "an orange bus", "a street at dusk", "a woman in a red skirt", "a person in pink",
    ]  # fmt: skip
    there = [
        "a bottle",
        "瓶子",
        "a white van",
        "白色面包车",
        "motorway at night",
        "a table",
        "桌子",
    ]
    claimed = [text for text in absent if best(text) >= CONFIDENT]
    assert len(claimed) <= len(absent) // 10, claimed
    assert sum(best(text) >= CONFIDENT for text in there) >= 5


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines()
