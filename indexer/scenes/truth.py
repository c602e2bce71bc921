"""What really happens in a scene: events with their boxes and words, as JSON lines."""

from __future__ import annotations

import json
from dataclasses import dataclass

from .arrays import floats
from .lens import Lens
from .palette import phrase
from .picture import Box, Sighting
from .spec import Parked, SceneSpec

_LIGHT = {"day": ("by day", "白天"), "dusk": ("at dusk", "傍晚"), "night": ("at night", "夜间")}
_WEATHER = {
    "sunny": ("clear weather", "晴朗"),
    "overcast": ("overcast", "多云"),
    "wet": ("wet ground after rain", "雨后地面潮湿"),
    "rain": ("raining", "下雨"),
}
BOX_EVERY_S = 1


@dataclass(frozen=True, slots=True)
class Event:
    """One object doing one thing. Seconds from the clip's start; boxes are (t, x, y, w, h).

    `start_s` and `end_s` bound when it is seen, boxes are in pixels, one a second.
    """

    object: str
    colour: str
    action: str
    carrying: str | None
    start_s: float
    end_s: float
    boxes: tuple[tuple[float, int, int, int, int], ...]
    en: str
    zh: str


@dataclass(frozen=True, slots=True)
class SceneTruth:
    """The scene and everything that can be seen to happen in it."""

    spec: SceneSpec
    en: str
    zh: str
    events: tuple[Event, ...]

    def lines(self) -> list[str]:
        """JSON, one line for the scene, then one for each event."""
        spec = self.spec
        head = {
            "camera": spec.name,
            "view": spec.view_en,
            "light": spec.light,
            "weather": spec.weather,
            "en": self.en,
            "zh": self.zh,
            "width": spec.width,
            "height": spec.height,
            "fps": spec.fps,
            "seconds": spec.seconds,
            "seed": spec.seed,
            "parked": [
                [fixture.kind, fixture.colour]
                for fixture in spec.setting.fixtures
                if isinstance(fixture, Parked) and _in_view(spec, fixture)
            ],
        }
        lines = [head]
        for event in self.events:
            lines.append(
                {
                    "camera": spec.name,
                    "object": event.object,
                    "colour": event.colour,
                    "action": event.action,
                    "carrying": event.carrying,
                    "start_s": event.start_s,
                    "end_s": event.end_s,
                    "boxes": [list(box) for box in event.boxes],
                    "en": event.en,
                    "zh": event.zh,
                }
            )
        return [json.dumps(line, ensure_ascii=False) for line in lines]


def _in_view(spec: SceneSpec, fixture: Parked) -> bool:
    lens = Lens(spec.view, spec.width, spec.height)
    pixels, depths = lens.project(floats([(fixture.x, fixture.y, 0.7)]))
    inside = (pixels[0] > 0).all() and (pixels[0] < (spec.width, spec.height)).all()
    return bool(inside and depths[0] > 0.5)


class Witness:
    """Gathers sightings frame by frame and sums them up as truth."""

    def __init__(self, spec: SceneSpec) -> None:
        self.spec = spec
        self._seen: dict[tuple[int, int], list[tuple[int, Box]]] = {}

    def note(self, index: int, sightings: list[Sighting]) -> None:
        """Take in who was seen in frame `index`."""
        for sighting in sightings:
            key = (sighting.actor, self._first_leg(sighting))
            self._seen.setdefault(key, []).append((index, sighting.box))

    def _first_leg(self, sighting: Sighting) -> int:
        """Legs that continue the same deed count as one: the number of the first of them."""
        legs = self.spec.actors[sighting.actor].legs
        leg = sighting.leg
        while leg > 0 and legs[leg - 1].action == legs[leg].action:
            leg -= 1
        return leg

    def truth(self) -> SceneTruth:
        """Everything noted, in order of time."""
        spec = self.spec
        events = [self._event(key, seen) for key, seen in self._seen.items()]
        events.sort(key=lambda event: (event.start_s, event.object))
        light_en, light_zh = _LIGHT[spec.light]
        weather_en, weather_zh = _WEATHER[spec.weather]
        return SceneTruth(
            spec,
            f"{spec.view_en}, {light_en}, {weather_en}",
            f"{spec.view_zh}，{light_zh}，{weather_zh}",
            tuple(events),
        )

    def _event(self, key: tuple[int, int], seen: list[tuple[int, Box]]) -> Event:
        actor, fps = self.spec.actors[key[0]], self.spec.fps
        action = actor.legs[key[1]].action
        sampled = [(index, box) for index, box in seen if index % (fps * BOX_EVERY_S) == 0]
        if not sampled:
            sampled = [max(seen, key=lambda item: item[1][2] * item[1][3])]
        en, zh = phrase(actor.kind, actor.colour, action, actor.carrying)
        return Event(
            actor.kind,
            actor.colour,
            action,
            actor.carrying,
            round(seen[0][0] / fps, 3),
            round((seen[-1][0] + 1) / fps, 3),
            tuple((round(index / fps, 3), *box) for index, box in sampled),
            en,
            zh,
        )
