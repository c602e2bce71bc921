"""The weights that ship: they load, fit their card, and find what they were taught to find."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors import safe_open

from indexer.embedder import Embedder
from indexer.evaluation import LANGUAGES, evaluate, never_taught, read_captions
from indexer.nano.examination import examine
from indexer.nano.real import HELD_OUT
from indexer.weights import NANO_CLIPS, NANO_WEIGHTS

MOST_BYTES = 30_000_000


def test_the_weights_are_half_precision_and_small() -> None:
    assert NANO_WEIGHTS.stat().st_size <= MOST_BYTES
    with safe_open(NANO_WEIGHTS, framework="pt") as file:
        kinds = {file.get_slice(key).get_dtype() for key in file.keys()}  # noqa: SIM118
    assert kinds <= {"F16", "I64"}


def test_it_was_taught_with_no_held_out_clip(nano: Embedder) -> None:
    taught = json.loads(NANO_CLIPS.read_text(encoding="utf-8"))
    assert nano.taught_clips == frozenset(taught)
    assert len(taught) > 30
    assert not nano.taught_clips & HELD_OUT


def test_it_says_that_it_is_trained(nano: Embedder) -> None:
    assert nano.meaningful


@pytest.mark.parametrize(
    "question",
    [
        "white van on a wet road", "a person in red pushing a bicycle", "smoke over a parking lot",
        "two people running at night", "heavy traffic on the motorway in the rain",
        "湿路面上的白色面包车", "夜间奔跑的行人", "停车场着火", "穿红色衣服的人推着自行车",
        "three blue bottles on a white table", "从上方看到的停车场里的汽车",
    ],
)  # fmt: skip
def test_it_knows_the_words_people_ask_with(nano: Embedder, question: str) -> None:
    assert nano.unknown_words(question) == []


@pytest.mark.parametrize(
    ("question", "unknown"),
    [
        ("a giraffe at night", ["giraffe"]),
        ("a man with a rifle", ["rifle"]),
        ("河边的长颈鹿", ["河", "长颈鹿"]),
        ("верблюд", ["верблюд"]),
    ],
)
def test_it_names_words_it_never_met(nano: Embedder, question: str, unknown: list[str]) -> None:
    assert nano.unknown_words(question) == unknown


def test_it_finds_in_scenes_it_has_never_seen(nano: Embedder) -> None:
    """Four made scenes: too few for a figure, enough to tell broken weights from whole ones."""
    found = examine(nano, scenes=4)
    for lang in LANGUAGES:
        assert found.crops[lang] > 3 * found.crops["chance"]


def test_it_finds_real_crops_of_clips_it_has_never_seen(nano: Embedder, captions: Path) -> None:
    pictures = never_taught(read_captions(captions), nano.taught_clips)
    found = evaluate(nano, pictures)
    for lang in LANGUAGES:
        assert found.scores[lang].map >= 0.45
        assert found.scores[lang].recall[10] >= 0.35
    assert found.parity.overlap >= 0.7
