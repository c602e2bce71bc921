"""What is known of a training picture, as data: things, place, light, weather, events."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

OBJECTS, DEEDS, PLACE, LIGHT, WEATHER, EVENTS, DENSITY, VIEW = (
    "objects", "deeds", "place", "light", "weather", "events", "density", "view",
)  # fmt: skip
EVERYTHING = (OBJECTS, DEEDS, PLACE, LIGHT, WEATHER, EVENTS, DENSITY, VIEW)


@dataclass(frozen=True, slots=True)
class Thing:
    """One object: keys of `words`. `deed` of a person or a vehicle, `carrying` of a person."""

    kind: str
    colour: str | None = None
    deed: str | None = None
    carrying: str | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """Things are listed largest first; `doubtful` ones may be seen or not (tiny, cut off).

    `known` names the aspects that were looked at: what is not listed there is known to be
    absent. `denied`: keys of claims that are false though their aspect was not looked at as a
    whole. `captions`: sentences of people, by language.
    """

    things: tuple[Thing, ...] = ()
    doubtful: tuple[Thing, ...] = ()
    place: str | None = None
    light: str | None = None
    weather: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    density: str | None = None
    view: str | None = None
    known: tuple[str, ...] = EVERYTHING
    denied: tuple[str, ...] = ()
    captions: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @staticmethod
    def of(document: dict[str, Any]) -> Facts:
        """Back from `document`."""
        plain = dict(document)
        for key in ("things", "doubtful"):
            plain[key] = tuple(Thing(**thing) for thing in plain[key])
        for key in ("weather", "events", "known", "denied"):
            plain[key] = tuple(plain[key])
        plain["captions"] = {lang: tuple(said) for lang, said in plain["captions"].items()}
        return Facts(**plain)
