"""The words that nano was taught, for telling a question that it cannot understand."""

from __future__ import annotations

import re

from indexer.nano import words
from indexer.nano.claims import claims
from indexer.nano.facts import Facts

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
_CHINESE = re.compile(r"[\u4e00-\u9fff]+")


def lexicon(facts: list[Facts]) -> dict[str, list[str]]:
    """English words and Chinese words of every claim, and of people's captions of `facts`.

    Chinese captions are not segmented, so of them every run of two to four characters counts
    that was seen in three pictures at least: what is less often together is hardly a word that
    was learnt. Single characters are part of too many words: 影 of 阴影 would make 电影 half known.
    """
    english = {
        word for claim in claims() for text in claim.en for word in _WORD.findall(text.lower())
    }
    chinese = {text for claim in claims() for text in claim.zh}
    tables = (
        words.KINDS, words.COLOURS, words.DEEDS, words.CARRYING, words.PLACES, words.LIGHTS,
        words.WEATHERS, words.EVENTS, words.DENSITIES, words.VIEWS, words.VEHICLE_DEEDS,
    )  # fmt: skip
    for table in tables:
        for en, zh in table.values():
            english |= {word for text in en for word in _WORD.findall(text.lower())}
            chinese |= set(zh)
    english_seen: dict[str, int] = {}
    chinese_seen: dict[str, int] = {}
    for one in facts:
        for word in {w for text in one.captions.get("en", ()) for w in _WORD.findall(text.lower())}:
            english_seen[word] = english_seen.get(word, 0) + 1
        runs = {run for text in one.captions.get("zh", ()) for run in _runs(text)}
        for run in runs:
            chinese_seen[run] = chinese_seen.get(run, 0) + 1
    english |= {word for word, times in english_seen.items() if times >= 2}
    chinese |= {run for run, times in chinese_seen.items() if times >= 3}
    return {"en": sorted(english), "zh": sorted(chinese)}


def _runs(text: str) -> set[str]:
    """Every run of two to four characters."""
    return {
        part[start : start + length]
        for part in _CHINESE.findall(text)
        for length in (2, 3, 4)
        for start in range(len(part) - length + 1)
    }
