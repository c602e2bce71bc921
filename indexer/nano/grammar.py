"""Facts → one sentence in English or Chinese, worded differently each time."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from indexer.nano import words
from indexer.nano.facts import Facts, Thing

EN, ZH = 0, 1
MOST_THINGS = 3
# Sentences of people say "man" or "woman"; nano must not learn the difference.
_PEOPLE_EN = ("person", "someone", "man", "woman", "pedestrian")
_PEOPLE_ZH = ("人", "男子", "女子", "行人")
_SAID_EN = re.compile(r"\b(man|woman|boy|girl|lady|gentleman|male|female)\b")
_SAID_ZH = re.compile("男子|女子|男人|女人|男性|女性|男孩|女孩|女士|男士")


@dataclass(frozen=True, slots=True)
class Said:
    """One sentence in English and one in Chinese, and the things that both speak of."""

    en: str
    zh: str
    things: tuple[Thing, ...]


class Speaker:
    """Words facts, drawing its choices from `rng`."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def pick(self, names: words.Names, lang: int) -> str:
        """The usual name half of the time, else another."""
        said = names[lang]
        return said[0] if self.rng.random() < 0.5 else said[int(self.rng.integers(len(said)))]

    def said(self, facts: Facts) -> Said:
        """A sentence in each language about the same things; mostly a person's own where there
        are such."""
        pairs = list(zip(facts.captions.get("en", ()), facts.captions.get("zh", ()), strict=True))
        if pairs and self.rng.random() < 0.75:
            en, zh = pairs[int(self.rng.integers(len(pairs)))]
            return Said(self.neutral(en, EN), self.neutral(zh, ZH), facts.things)
        shown = self._shown(facts)
        return Said(self._english(facts, shown), self._chinese(facts, shown), shown)

    def neutral(self, sentence: str, lang: int) -> str:
        """The sentence with words for people exchanged at random."""
        people = _PEOPLE_EN if lang == EN else _PEOPLE_ZH
        said = _SAID_EN if lang == EN else _SAID_ZH
        return said.sub(lambda _: people[int(self.rng.integers(len(people)))], sentence)

    def thing(self, thing: Thing, lang: int) -> str:
        """A thing with what is known of it."""
        return self._thing_en(thing) if lang == EN else self._thing_zh(thing)

    def _maybe(self, chance: float) -> bool:
        return bool(self.rng.random() < chance)

    def _kind(self, kind: str, lang: int) -> str:
        if kind in words.VEHICLES and self._maybe(0.12):
            return self.pick(words.VEHICLE, lang)
        return self.pick(words.KINDS[kind], lang)

    def _thing_en(self, thing: Thing) -> str:
        noun = self._kind(thing.kind, EN)
        colour = self.pick(words.COLOURS[thing.colour], EN) if thing.colour else None
        if thing.kind == "person":
            said = article(noun) if noun != "someone" else noun
            if colour:
                said += self._one(f" in {colour}", f" wearing {colour}", f" in {colour} clothes")
            if thing.deed:
                said += " " + self.pick(words.DEEDS[thing.deed], EN)
            if thing.carrying:
                said += " " + self.pick(words.CARRYING[thing.carrying], EN)
            return said
        said = article(f"{colour} {noun}" if colour else noun)
        if thing.deed in words.VEHICLE_DEEDS and self._maybe(0.6):
            said += " " + self.pick(words.VEHICLE_DEEDS[thing.deed], EN)
        return said

    def _thing_zh(self, thing: Thing) -> str:
        noun = self._kind(thing.kind, ZH)
        colour = self.pick(words.COLOURS[thing.colour], ZH) if thing.colour else None
        if thing.kind == "person":
            said = (
                self._one(f"穿{colour}衣服的", f"身穿{colour}的", f"穿{colour}上衣的")
                if colour
                else ""
            )
            said = self._one("一个", "一名", "") + said + noun
            if thing.carrying:
                said += self.pick(words.CARRYING[thing.carrying], ZH)
            if thing.deed:
                said += self.pick(words.DEEDS[thing.deed], ZH)
            return said
        one = "一辆" if thing.kind in (*words.VEHICLES, "bicycle") else "一个"
        said = (self._one(one, "") + self._one(f"{colour}", f"{colour}的") if colour else "") + noun
        if thing.deed in words.VEHICLE_DEEDS and self._maybe(0.6):
            said += self.pick(words.VEHICLE_DEEDS[thing.deed], ZH)
        return said

    def _one(self, *choices: str) -> str:
        return choices[int(self.rng.integers(len(choices)))]

    def _shown(self, facts: Facts) -> tuple[Thing, ...]:
        if not facts.things:
            return ()
        return facts.things[: int(self.rng.integers(1, min(MOST_THINGS, len(facts.things)) + 1))]

    def _english(self, facts: Facts, shown: tuple[Thing, ...]) -> str:
        parts = []
        things = " and ".join(self.thing(thing, EN) for thing in shown)
        if facts.density and self._maybe(0.6):
            parts.append(self.pick(words.DENSITIES[facts.density], EN))
        if things:
            parts.append(things)
        if facts.events and (not parts or self._maybe(0.85)):
            parts.append(self.pick(words.EVENTS[facts.events[0]], EN))
        if facts.place and (not parts or self._maybe(0.45)):
            place = article(self.pick(words.PLACES[facts.place], EN))
            parts.append(
                f"on {place}" if parts and self._maybe(0.5) else f"in {place}" if parts else place
            )
        for weather in facts.weather:
            if self._maybe(0.4):
                name = self.pick(words.WEATHERS[weather], EN)
                parts.append(f"on a {name}" if weather == "wet" and parts else name)
        if facts.light and (not parts or self._maybe(0.35)):
            parts.append(self.pick(words.LIGHTS[facts.light], EN))
        if facts.view and self._maybe(0.25):
            parts.append(self.pick(words.VIEWS[facts.view], EN))
        return self._joined(parts, (" ", ", ")) or "a picture with nothing in it"

    def _chinese(self, facts: Facts, shown: tuple[Thing, ...]) -> str:
        before, after = [], []
        if facts.light and self._maybe(0.4):
            before.append(self.pick(words.LIGHTS[facts.light], ZH))
        before += [self.pick(words.WEATHERS[w], ZH) for w in facts.weather if self._maybe(0.4)]
        if facts.place and self._maybe(0.5):
            before.append(self.pick(words.PLACES[facts.place], ZH))
        if facts.density and self._maybe(0.6):
            after.append(self.pick(words.DENSITIES[facts.density], ZH))
        if shown:
            things = [self.thing(thing, ZH) for thing in shown]
            after.append(self._one("和", "、").join(things))
        if facts.events and (not after or self._maybe(0.85)):
            after.append(self.pick(words.EVENTS[facts.events[0]], ZH))
        if facts.view and self._maybe(0.25):
            after.append(self.pick(words.VIEWS[facts.view], ZH))
        parts = [*before, *after]
        if not parts and facts.place:
            parts = [self.pick(words.PLACES[facts.place], ZH)]
        return self._joined(parts, ("", "，", "的")) or "空无一物的画面"

    def _joined(self, parts: list[str], signs: tuple[str, ...]) -> str:
        said = ""
        for part in parts:
            said += (signs[int(self.rng.integers(len(signs)))] if said else "") + part
        return said


def article(words_: str) -> str:
    """'a' or 'an' before words; none before a plural or what cannot be counted."""
    return f"{'an' if words_[0].lower() in 'aeio' else 'a'} {words_}"
