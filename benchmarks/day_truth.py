"""What truly happens in a made camera-day: events with their times, boxes and words."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from indexer.scenes.palette import ACTIONS, COLOURS_ZH, VEHICLES, family, phrase

Box = tuple[int, int, int, int]
"""x, y, width, height in pixels of the stream."""
SMALL_PX = 48


@dataclass(frozen=True, slots=True)
class Event:
    """One thing from its coming to its going. `boxes` are (t_us, x, y, w, h), about 0.4 s apart.

    `colour` is None where it cannot be seen (infrared). Times are UTC microseconds; inside a
    minute's file they count from its beginning.
    """

    camera: str
    start_us: int
    end_us: int
    kind: str
    colour: str | None
    en: str
    zh: str
    boxes: tuple[tuple[int, int, int, int, int], ...]
    height: int  # of the median box, pixels
    minute: str  # the distinct minute it was made in
    light: str  # day, dusk, ir, rain

    @property
    def small(self) -> bool:
        """Whether it is what regions are for."""
        return self.height <= SMALL_PX

    def at(self, camera: str, start_us: int) -> Event:
        """As it happens when its minute is shown by `camera` from `start_us`."""
        boxes = tuple((t + start_us, x, y, w, h) for t, x, y, w, h in self.boxes)
        return replace(
            self, camera=camera, start_us=self.start_us + start_us,
            end_us=self.end_us + start_us, boxes=boxes,
        )  # fmt: skip

    def box_near(self, ts_us: int) -> Box:
        """Where it was, as of the noted instant nearest to `ts_us`."""
        return min(self.boxes, key=lambda box: abs(box[0] - ts_us))[1:]


def said(
    kind: str, colour: str | None, action: str, carrying: str | None = None
) -> tuple[str, str]:
    """An English and a Chinese sentence; without the colour where that is None."""
    if colour is not None:
        return phrase(kind, colour, action, carrying)
    deed_en, deed_zh = ACTIONS[family(kind)][action]
    if kind in VEHICLES:
        return f"a {kind} {deed_en}", f"一辆{VEHICLES[kind]}{deed_zh}"
    return f"a person {deed_en}", f"一个人{deed_zh}"


def named(kind: str, colour: str | None) -> tuple[str, str]:
    """As `said`, of real things: kinds and colours of the captions."""
    one = "taxi" if kind == "taxi" else kind
    zh = {"taxi": "出租车", "person": "人", **VEHICLES}[kind]
    if kind == "person":
        clothes = f" in {colour}" if colour else ""
        return f"a person{clothes}", f"一个穿{COLOURS_ZH[colour]}衣服的人" if colour else "一个人"
    painted = f"{colour} {one}" if colour else one
    return f"a {painted}", f"一辆{COLOURS_ZH[colour] if colour else ''}{zh}"


def write_events(file: Path, events: Iterable[Event]) -> None:
    """JSON lines."""
    lines = [json.dumps(asdict(event), ensure_ascii=False) for event in events]
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def read_events(file: Path) -> list[Event]:
    """What `write_events` wrote."""
    return [_event(json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]


def _event(row: dict[str, Any]) -> Event:
    return Event(**{**row, "boxes": tuple(tuple(box) for box in row["boxes"])})
