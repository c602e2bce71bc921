"""Claims: short statements that are true, false or unknown of a picture, with their wordings.

They are what people ask for ("a red car", "at night"), so nano is trained to answer them, and
the examination asks them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

from indexer.nano import words
from indexer.nano.facts import DEEDS, DENSITY, EVENTS, LIGHT, OBJECTS, PLACE, VIEW, WEATHER, Facts
from indexer.nano.grammar import article
from indexer.tags import tag_query

UNKNOWN, FALSE, TRUE = -1, 0, 1
COLOURED = ("car", "van", "truck", "bus", "motorcycle", "bicycle", "person", "bottle", "table")
Test = Callable[[Facts], bool]


@dataclass(frozen=True)
class Claim:
    """`group`: kind, colour, deed, place, light, weather, event, density or view.
    `en`, `zh`: wordings, the usual first. `aspect`: of `Facts.known`, without which unknown."""

    key: str
    group: str
    aspect: str
    en: tuple[str, ...]
    zh: tuple[str, ...]
    holds: Test
    uncoloured: tuple[str, ...] = ()  # kinds whose colour it asks for

    def of(self, facts: Facts) -> int:
        """TRUE, FALSE or UNKNOWN."""
        if self.holds(facts):
            return TRUE
        if self.key in facts.denied:
            return FALSE
        if self.aspect not in facts.known:
            return UNKNOWN
        # A thing that can hardly be seen, or whose colour nobody wrote down, makes it doubtful.
        if facts.doubtful and self.holds(replace(facts, things=facts.doubtful)):
            return UNKNOWN
        kind = self.uncoloured
        if kind and any(
            t.colour is None and t.kind in kind for t in (*facts.things, *facts.doubtful)
        ):
            return UNKNOWN
        return FALSE


@lru_cache(maxsize=1)
def claims() -> tuple[Claim, ...]:
    """All of them, always in the same order."""
    return (*_things(), *_colours(), *_deeds(), *_circumstances())


def _things() -> list[Claim]:
    found = [
        Claim(
            f"kind:{kind}", "kind", OBJECTS,
            (*map(article, en), en[0], words.PLURALS.get(kind, f"{en[0]}s")), zh, _has(kind),
        )
        for kind, (en, zh) in words.KINDS.items()
    ]  # fmt: skip
    en, zh = words.VEHICLE
    found.append(
        Claim(
            "kind:vehicle",
            "kind",
            OBJECTS,
            (*map(article, en), "vehicles"),
            zh,
            lambda facts: any(thing.kind in words.VEHICLES for thing in facts.things),
        )
    )
    return found


def _colours() -> list[Claim]:
    found = []
    english: tuple[str, ...]
    chinese: tuple[str, ...]
    for kind in COLOURED:
        for colour, (en, zh) in words.COLOURS.items():
            usual = tag_query(kind, colour)
            assert usual is not None, f"indexer.tags does not know {colour} {kind}"
            if kind == "person":
                english = (
                    usual["en"],
                    f"someone wearing {en[-1]}",
                    f"a pedestrian in {en[0]} clothes",
                )
                chinese = (usual["zh"], f"穿{zh[-1]}上衣的行人", f"身穿{zh[0]}的人")
            else:
                kinds_en, kinds_zh = words.KINDS[kind]
                english = (usual["en"], *(article(f"{en[-1]} {name}") for name in kinds_en[:3]))
                chinese = (usual["zh"], *(f"{zh[-1]}的{name}" for name in kinds_zh[:3]))
            found.append(
                Claim(
                    f"colour:{colour} {kind}",
                    "colour",
                    OBJECTS,
                    english,
                    chinese,
                    _has(kind, colour),
                    (kind,),
                )
            )
    for colour, (en, zh) in words.COLOURS.items():
        found.append(
            Claim(
                f"colour:{colour} vehicle",
                "colour",
                OBJECTS,
                (article(f"{en[0]} vehicle"),),
                (f"{zh[0]}车辆", f"{zh[0]}的车"),
                _vehicle_of(colour),
                words.VEHICLES,
            )
        )
    return found


def _deeds() -> list[Claim]:
    tests = {deed: _does(deed) for deed in words.DEEDS}
    tests |= {load: _carries(load) for load in words.CARRYING}
    return [
        Claim(
            f"deed:{key}",
            "deed",
            DEEDS,
            tuple(f"a person {said}" for said in en),
            tuple(f"{said}的人" for said in zh),
            tests[key],
        )
        for key, (en, zh) in (words.DEEDS | words.CARRYING).items()
    ]


def _circumstances() -> list[Claim]:
    found = []
    for place, (en, zh) in words.PLACES.items():
        found.append(_plain("place", place, PLACE, tuple(map(article, en)), zh, _placed(place)))
    for light, (en, zh) in words.LIGHTS.items():
        found.append(_plain("light", light, LIGHT, en, zh, _lit(light)))
    for weather, (en, zh) in words.WEATHERS.items():
        found.append(_plain("weather", weather, WEATHER, en, zh, _weathered(weather)))
    for event, (en, zh) in words.EVENTS.items():
        found.append(_plain("event", event, EVENTS, en, zh, _happens(event)))
    for density, (en, zh) in words.DENSITIES.items():
        found.append(_plain("density", density, DENSITY, en, zh, _dense(density)))
    for view, (en, zh) in words.VIEWS.items():
        found.append(_plain("view", view, VIEW, en, zh, _viewed(view)))
    return found


def _plain(
    group: str, key: str, aspect: str, en: tuple[str, ...], zh: tuple[str, ...], holds: Test
) -> Claim:
    return Claim(f"{group}:{key}", group, aspect, en, zh, holds)


def _has(kind: str, colour: str | None = None) -> Test:
    return lambda facts: any(
        thing.kind == kind and colour in (None, thing.colour) for thing in facts.things
    )


def _vehicle_of(colour: str) -> Test:
    return lambda facts: any(
        thing.kind in words.VEHICLES and thing.colour == colour for thing in facts.things
    )


def _does(deed: str) -> Test:
    return lambda facts: any(thing.deed == deed for thing in facts.things)


def _carries(load: str) -> Test:
    return lambda facts: any(thing.carrying == load for thing in facts.things)


def _placed(place: str) -> Test:
    return lambda facts: facts.place == place


def _lit(light: str) -> Test:
    return lambda facts: facts.light == light


def _weathered(weather: str) -> Test:
    return lambda facts: weather in facts.weather


def _happens(event: str) -> Test:
    return lambda facts: event in facts.events


def _dense(density: str) -> Test:
    return lambda facts: facts.density == density


def _viewed(view: str) -> Test:
    return lambda facts: facts.view == view
