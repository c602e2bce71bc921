"""Following that must not be fooled by the ground, by small faces, by gaps, and by colours that a
recording keeps two by two."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import av
import cv2
import numpy as np
import pytest

from evidence.redaction_hiding import hide, pixels_hidden
from evidence.redaction_pictures import Source
from evidence.redaction_recipe import Box, Drawn, Recipe, Subject
from evidence.redaction_tracking import Rect
from evidence.redaction_trails import Trail, trails
from storage.clock import US
from storage.vocabulary import Span

WIDTH, HEIGHT, FPS = 320, 192, 25


class Pictures:
    """Pictures by time, as a Source gives them."""

    def __init__(self, times: list[int], draw: Callable[[int], Any]) -> None:
        self.times = times
        self.draw = draw

    def pictures(self, span: Span) -> Iterator[Any]:
        for at_us in self.times:
            if span.start_us <= at_us < span.end_us:
                yield SimpleNamespace(at_us=at_us, rgb=self.draw(at_us))


def trail(pictures: Pictures, *drawn: tuple[int, Rect], track: bool = True) -> Trail:
    boxes = tuple(Drawn(us, Box(r.x0, r.y0, r.width, r.height)) for us, r in drawn)
    recipe = Recipe(subjects=(Subject("a", boxes, None, None, track),))
    span = Span(pictures.times[0], pictures.times[-1] + 1)
    return trails(cast(Source, pictures), recipe, span)[0]


def ground() -> Any:
    """Rough enough to be followed."""
    rough: Any = np.random.default_rng(5).normal(0, 1, (HEIGHT, WIDTH)).astype(np.float32)
    rough = cv2.GaussianBlur(rough, (0, 0), 1.5)
    return np.repeat((128 + rough / rough.std() * 12)[..., None], 3, 2)


@pytest.mark.parametrize(
    ("colour", "size", "soft", "speed", "margin"),
    [
        ((226, 92, 80), (30, 60), 0, 2.0, 10),  # a red coat as bright as the ground
        ((226, 92, 80), (30, 60), 0, 1.0, 10),
        ((60, 165, 120), (30, 60), 0, 1.5, 10),
        ((225, 190, 170), (12, 14), 1, 3.0, 2),  # a face
        ((180, 140, 120), (12, 14), 1, 1.5, 2),
    ],
)
def test_who_walks_off_the_ground_he_stood_on_is_hidden_all_the_way(
    colour: tuple[int, int, int], size: tuple[int, int], soft: int, speed: float, margin: int
) -> None:
    base, (w, h), count = ground(), size, 50

    def left(i: int) -> int:
        return int(60 + speed * max(0, i - 10))

    def draw(at_us: int) -> Any:
        i = at_us * FPS // US
        mask: Any = np.zeros((HEIGHT, WIDTH), np.float32)
        mask[60 : 60 + h, left(i) : left(i) + w] = 1
        if soft:
            mask = cv2.GaussianBlur(mask, (0, 0), soft)
        picture = base * (1 - mask[..., None]) + np.array(colour, np.float32) * mask[..., None]
        noise = np.random.default_rng(i).normal(0, 1, picture.shape)
        return np.clip(picture + noise, 0, 255).astype(np.uint8)

    box = Rect(
        (60 - margin) / WIDTH, (60 - margin) / HEIGHT,
        (60 + w + margin) / WIDTH, (60 + h + margin) / HEIGHT,
    )  # fmt: skip
    times = [i * US // FPS for i in range(count)]
    found = trail(Pictures(times, draw), (0, box))
    for i, at_us in enumerate(times):
        rect = found.rects[at_us]
        assert rect is not None
        hidden = min(left(i) + w, rect.x1 * WIDTH) - max(left(i), rect.x0 * WIDTH)
        assert hidden >= 0.9 * w, i


@pytest.mark.parametrize("track", [False, True])
def test_a_box_drawn_in_a_gap_is_not_of_the_picture_before_it(track: bool) -> None:
    """20 pixels a second, 0 to 2 s and 10 to 12 s."""
    times = [i * US // 10 for i in range(20)] + [10_040_000 + i * US // 10 for i in range(20)]
    base = ground().astype(np.uint8)

    def box(at_us: int) -> Rect:
        x = 20 + 20 * at_us / US
        return Rect((x - 3) / WIDTH, 76 / HEIGHT, (x + 23) / WIDTH, 114 / HEIGHT)

    drawn = [(us, box(us)) for us in (0, 10 * US, round(11.9 * US))]
    found = trail(Pictures(times, lambda _: base), *drawn, track=track)
    for at_us in times:
        rect, x = found.rects[at_us], 20 + 20 * at_us / US
        assert rect is not None
        assert rect.x0 * WIDTH <= x, at_us
        assert rect.x1 * WIDTH >= x + 20, at_us


def frame(form: str, height: int, box: tuple[int, int, int, int], secret: bool) -> av.VideoFrame:
    """Flat, but for what is in the box."""
    made = av.VideoFrame(WIDTH, height, form)
    dtype, scale = (np.uint16, 4) if "10" in form else (np.uint8, 1)
    x0, y0, x1, y1 = box
    for number, plane in enumerate(made.planes):
        values = np.full((plane.height, plane.line_size // np.dtype(dtype).itemsize), 128, dtype)
        if secret and number == 0:
            values[y0:y1, x0:x1] = 60
        elif secret:
            sx, sy = WIDTH // plane.width, round(height / plane.height)
            values[y0 // sy : -(-y1 // sy), x0 // sx : -(-x1 // sx)] = 240 if number == 2 else 90
        plane.update((values * scale).astype(dtype).tobytes())
    return made


@pytest.mark.parametrize(
    ("form", "height"), [("yuv420p10le", 192), ("yuv420p10le", 193), ("yuv420p", 193)]
)
def test_no_row_or_column_beside_an_odd_box_tells_a_hidden_colour(form: str, height: int) -> None:
    box = (101, 51, 129, 105)
    rect = Rect(box[0] / WIDTH, box[1] / height, box[2] / WIDTH, box[3] / height)
    pixels = pixels_hidden(rect, WIDTH, height)
    assert pixels is not None
    source = Source(cast(Any, None), (), {})
    pictures = [
        source._shown(cast(Any, SimpleNamespace(id="a")), 0, frame(form, height, box, secret), 1.0)
        for secret in (False, True)
    ]
    assert (pictures[0].rgb != pictures[1].rgb).any()
    for fill in ("solid", "blocks"):
        one, other = (hide(picture.rgb, [pixels], fill)[0] for picture in pictures)
        assert (one == other).all(), fill
