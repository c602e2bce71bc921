"""Recipes for made footage, ways in which its subject moves, and copies made of it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evidence.redaction import Redaction, redact
from evidence.redaction_recipe import Recipe, parse_recipe
from storage.clock import US, rfc3339
from storage.vocabulary import Span
from tests.evidence.conftest import INVESTIGATOR, START_US, House
from tests.evidence.redact_footage import (
    box,
    clip,
)

Place = Callable[[int], tuple[float, float] | None]


def at(seconds: float) -> str:
    return rfc3339(START_US + round(seconds * US))


def recipe(*subjects: dict[str, Any], seconds: float = 3, **more: Any) -> Recipe:
    """As it would be read from a file."""
    named = [{"name": f"subject {i}", **one} for i, one in enumerate(subjects)]
    text = json.dumps({"recipe": 1, "subjects": named, **more})
    return parse_recipe(text, Span(START_US, START_US + round(seconds * US)))


def drawn(place: Place, *pictures: int, **more: Any) -> dict[str, Any]:
    """A subject, drawn by somebody who looks at these pictures."""
    boxes = []
    for i in pictures:
        where = place(i)
        assert where is not None
        boxes.append({"at": at(i / 10), "box": box(*where)})
    return {"boxes": boxes, **more}


def copy(house: House, out: Path, made: Recipe, from_s: float = 0, to_s: float = 3,
         **how: Any) -> Redaction:  # fmt: skip
    how.setdefault("actor", INVESTIGATOR)
    return redact(
        house.directory, camera=house.camera(), from_us=START_US + round(from_s * US),
        to_us=START_US + round(to_s * US), recipe=made, out=out, **how,
    )  # fmt: skip


def film(result: Redaction) -> Path:
    return result.path / result.file


def filmed(house: House, tmp_path: Path, place: Place, at_s: float = 0, **how: Any) -> None:
    house.adopt(clip(tmp_path / f"{at_s}.mp4", place, **how), at_s=at_s)


def swing(i: int) -> tuple[float, float]:
    """Across the picture, up and down on the way: no straight line."""
    return 12 + 8 * i, 78 + 40 * math.sin(i / 5)


def still(i: int) -> tuple[float, float]:
    return 130, 80


def crossing(i: int) -> tuple[float, float]:
    return 30 + 6 * i, 80


def jumping(i: int) -> tuple[float, float]:
    """Nobody can follow this."""
    return (20, 20) if i < 14 else (240, 130)


def leaving(i: int) -> tuple[float, float]:
    """Stands still before a wall that is as good to follow, and walks off."""
    return 130 + 8 * max(0, i - 10), 80


def returning(i: int) -> tuple[float, float]:
    """Walks off and is back where it was when the next box is drawn."""
    return 130 + 8 * max(0, 6 - abs(i - 16)), 80
