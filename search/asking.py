"""How people write what they ask, the same everywhere: words^2, boxes, weekdays, places."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.query import DEFAULT_WITHIN_S, Around, Box, Part, Then
from storage.clock import parse_time
from storage.errors import Invalid

# Lucene's boost. A caret that no number follows is text, and so is one that follows nothing.
WEIGHTED = re.compile(r"(?P<what>.*\S)\s*\^(?P<weight>[+-]?(?:\d+\.?\d*|\.\d+))", re.DOTALL)
LIKE = re.compile(r"(?P<camera>.+)@(?P<time>[^@#]+)(?:#(?P<box>[^#]*))?")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Like:
    """A picture of the archive to ask with: what a camera showed at an instant."""

    camera: str
    at_us: int
    box: Box | None
    weight: float


def weighted(text: str) -> tuple[str, float]:
    """'a red car^2' → ('a red car', 2.0)."""
    match = WEIGHTED.fullmatch(text.strip())
    if match is None:
        return text, 1.0
    return match["what"], float(match["weight"])


def words(text: str) -> Part:
    """A description, perhaps with its weight."""
    what, weight = weighted(text)
    return Part(text=what.strip(), weight=weight)


def several_words(texts: Sequence[str | None]) -> tuple[Part, ...]:
    """Descriptions; blank ones are left out."""
    return tuple(words(text) for text in texts if text is not None and text.strip())


def pictures(
    sources: Sequence[bytes | Path],
    boxes: Sequence[Box | None] = (),
    weights: Sequence[float] = (),
) -> tuple[Part, ...]:
    """Pictures; the n-th box and weight are the n-th picture's."""
    if len(boxes) > len(sources):
        raise Invalid("a box needs the picture it lies in; add --image")
    if len(weights) > len(sources):
        raise Invalid("there are more weights than pictures; give each picture at most one")
    made = []
    for number, source in enumerate(sources):
        fields: dict[str, Any] = {"image": source}
        if number < len(boxes):
            fields["box"] = boxes[number]
        if number < len(weights):
            fields["weight"] = weights[number]
        made.append(Part.model_validate(fields))
    return tuple(made)


def picture_files(names: Sequence[str], boxes: Sequence[Box | None] = ()) -> tuple[Part, ...]:
    """Picture files, each perhaps with its weight: 'van.jpg^2', unless a file is called so."""
    given = [(name, 1.0) if Path(name).exists() else weighted(name) for name in names]
    return pictures([Path(name) for name, _ in given], boxes, [weight for _, weight in given])


def then(text: str | None, within_s: float | None, near_m: float | None = None) -> Then | None:
    """The second step, where there is one."""
    if text is None or not text.strip():
        if within_s is not None:
            raise Invalid("--within needs --then: say what happens afterwards")
        if near_m is not None:
            raise Invalid("--near needs --then: say what happens afterwards")
        return None
    within_s = DEFAULT_WITHIN_S if within_s is None else within_s
    return Then(parts=(words(text),), within_s=within_s, near_m=near_m)


def box(text: str) -> Box:
    """'x,y,w,h' → four integers; Invalid when it is not that."""
    try:
        x, y, w, h = (int(part) for part in text.split(","))
    except ValueError:
        raise Invalid(
            "box {text} cannot be read; write it as x,y,w,h in pixels of the picture", text=text
        ) from None
    return x, y, w, h


def around(text: str) -> Around:
    """'LAT,LON,RADIUS_M' → a circle; Invalid when it is not that."""
    try:
        lat, lon, radius_m = (float(part) for part in text.split(","))
    except ValueError:
        raise Invalid(
            "place {text} cannot be read; write it as latitude,longitude,radius in metres",
            text=text,
        ) from None
    return Around(lat=lat, lon=lon, radius_m=radius_m)


def weekday(text: str) -> int:
    """'mon' … 'sun' or '1' … '7' → 1 … 7."""
    name = text.strip().casefold()
    if name in WEEKDAYS:
        return WEEKDAYS.index(name) + 1
    if name in {*"1234567"}:
        return int(name)
    raise Invalid(
        "weekday {day} is not known; use mon, tue, wed, thu, fri, sat, sun or 1 to 7",
        day=text[:40],
    )


def like(text: str) -> Like:
    """'CAMERA@TIME#x,y,w,h^2', the box and the weight where they matter."""
    what, weight = weighted(text)
    match = LIKE.fullmatch(what.strip())
    if match is None:
        raise Invalid(
            "{text} names no picture; write it as CAMERA@TIME or CAMERA@TIME#x,y,w,h", text=text
        )
    where = None if match["box"] is None else box(match["box"])
    return Like(match["camera"], parse_time(match["time"]), where, weight)
