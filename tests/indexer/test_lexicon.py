"""Words a model was taught are known in every form people write them; others are named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from indexer.lexicon import Lexicon
from storage.errors import DataLoss

LEXICON = Lexicon(
    english=["car", "lorry", "parking lot", "red", "bus", "box", "walking", "person", "ride"],
    chinese=["汽车", "白色", "停车场", "人", "火", "车", "路", "路人", "人行道", "雪", "衣服"],
)


@pytest.mark.parametrize(
    "text",
    [
        "car", "two CARS near the lorries", "people walked past a parked bus",
        "who was riding by the boxes?", "a person's car isn't red", "parking-lot, 18:00", "2nd bus",
        "Ｃａｒ ’s", "lot A", "buses 24h", "", "  …!", "¾ car", "\ufe0f car",
    ],
)  # fmt: skip
def test_what_was_taught_is_known_inflected_or_not(text: str) -> None:
    assert LEXICON.unknown(text) == []


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("an elephant in a parking lot", ["elephant"]),
        ("Zebras, zebras and a GIRAFFE", ["zebras", "giraffe"]),
        ("a caring person", ["caring"]),  # not a 'car'
        ("the bring lotus", ["bring", "lotus"]),
        ("plate ABC123", ["plate", "abc123"]),
        ("ＥＬＥＰＨＡＮＴ", ["elephant"]),
        ("слон у машины", ["слон", "у", "машины"]),
        ("هاتف", ["هاتف"]),
        ("हिन्दी", ["हिन्दी"]),  # combining marks do not tear a word apart
        ("red 🐘", ["🐘"]),
    ],
)
def test_words_never_taught_are_named_once_in_their_order(text: str, unknown: list[str]) -> None:
    assert LEXICON.unknown(text) == unknown


@pytest.mark.parametrize(
    "text",
    [
        "白色汽车", "停车场里的两辆车", "穿红色衣服的人", "路人行道", "一个人在走", "３辆白车",
        "没有人", "汽车 and a person",
    ],
)  # fmt: skip
def test_chinese_of_taught_words_is_known(text: str) -> None:
    assert LEXICON.unknown(text) == []


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("长颈鹿", ["长颈鹿"]),
        ("停车场里的大象和汽车", ["象"]),
        ("火车", ["火车"]),  # neither a fire nor a car, though both are known
        ("雪人", ["雪人"]),
        ("打架的人", ["打架"]),
        ("消防车旁边的人", ["消防车"]),
        ("汽车 and an elephant", ["elephant"]),
        ("red汽車", ["汽車"]),  # traditional characters were not taught
        ("象，象", ["象"]),
    ],
)
def test_leftover_chinese_characters_are_one_unknown_word(text: str, unknown: list[str]) -> None:
    assert LEXICON.unknown(text) == unknown


def test_the_longest_question_is_read_at_once() -> None:
    assert LEXICON.unknown("路人行道" * 250) == []
    assert LEXICON.unknown("象" * 1000) == ["象" * 1000]
    assert LEXICON.unknown("x" * 1000) == ["x" * 1000]


def test_a_lexicon_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "lexicon.json"
    file.write_text(json.dumps({"en": ["Car"], "zh": ["雨伞"]}), encoding="utf-8")
    assert Lexicon.read(file).unknown("cars, 雨伞 and a lorry") == ["lorry"]


@pytest.mark.parametrize("content", ["", "[]", '{"en": []}', '{"en": 1, "zh": []}', "\ud800"])
def test_a_damaged_lexicon_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "lexicon.json"
    file.write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(DataLoss, match=r"lexicon\.json cannot be read"):
        Lexicon.read(file)


def test_a_lexicon_without_words_knows_none() -> None:
    assert Lexicon([], []).unknown("the car 汽车") == ["car", "汽车"]
