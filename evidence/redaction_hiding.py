"""Hides boxes in a picture so that nothing of what they held is left, and checks that it is gone.

The blocks' colours come from the rim outside the box, never from inside: whatever stood in the
box, the result is the same to the bit. docs/design/redaction.md says why a mosaic of the box's own
colours would not do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor

import numpy as np
import numpy.typing as npt

from evidence.redaction_pictures import Rgb
from evidence.redaction_recipe import SOLID
from evidence.redaction_tracking import Rect
from storage.masking import FILL

MOST_BLOCKS = 8  # along the longer side of a box
LEAST_BLOCK_PX = 8
COLOUR_PX = 2  # beyond the even pixel outside a box
LEVELS = 16  # per colour channel
LINE = (24, 24, 24)  # round every box: seen to be hidden, not thought to be the scene
# What the encoder may change in flat colour; measured on its output, not believed.
EDGE_PX = 4  # of a patch, at most, where a neighbour's colour runs into it
MOST_OFF, MOST_SPREAD = 20.0, 16.0
Pixels = tuple[int, int, int, int]  # left, top, right, bottom


@dataclass(frozen=True, slots=True)
class Hidden:
    """What one picture must show where something was hidden: flat patches, later over earlier."""

    patches: npt.NDArray[np.int16]  # (n, 8): left, top, right, bottom, r, g, b, box it is of
    boxes: int


NOTHING = Hidden(np.zeros((0, 8), np.int16), 0)


def pixels_hidden(rect: Rect, width: int, height: int) -> Pixels | None:
    """Every pixel the box touches, and those that share a colour with them: a recording has one
    colour for each two by two pixels, and decoding mixes neighbours. None when it lies outside
    the picture."""
    return _clipped(
        floor(rect.x0 * width) // 2 * 2 - COLOUR_PX, floor(rect.y0 * height) // 2 * 2 - COLOUR_PX,
        ceil(rect.x1 * width / 2) * 2 + COLOUR_PX, ceil(rect.y1 * height / 2) * 2 + COLOUR_PX,
        width, height,
    )  # fmt: skip


def pixels_shown(rect: Rect, width: int, height: int) -> Pixels | None:
    """Only pixels that lie in the box as a whole."""
    return _clipped(
        ceil(rect.x0 * width), ceil(rect.y0 * height),
        floor(rect.x1 * width), floor(rect.y1 * height), width, height,
    )  # fmt: skip


def hide(picture: Rgb, boxes: Sequence[Pixels], fill: str) -> tuple[Rgb, Hidden]:
    """A copy with the boxes hidden; nothing in it depends on what they held."""
    if not boxes:
        return picture, NOTHING
    result = picture.copy()
    seen = np.ones(picture.shape[:2], bool)
    for x0, y0, x1, y1 in boxes:
        seen[y0:y1, x0:x1] = False
    patches: list[tuple[int, ...]] = []
    for number, box in enumerate(boxes):
        blocks = [(*box, *FILL)] if fill == SOLID else _blocks(picture, seen, box)
        for x0, y0, x1, y1, *colour in blocks:
            result[y0:y1, x0:x1] = colour
        patches += [(*block, number) for block in blocks]
        _outline(result, box)
    return result, Hidden(np.array(patches, np.int16), len(boxes))


def hide_all_but(picture: Rgb, boxes: Sequence[Pixels]) -> tuple[Rgb, Hidden]:
    """Nothing but what lies in the boxes; the rest is flat."""
    height, width = picture.shape[:2]
    result = np.empty_like(picture)
    result[:] = FILL
    for x0, y0, x1, y1 in boxes:
        result[y0:y1, x0:x1] = picture[y0:y1, x0:x1]
    side = max(16, max(width, height) // 16)
    patches = [
        (x, y, min(x + side, width), min(y + side, height), *FILL, 0)
        for y in range(0, height, side)
        for x in range(0, width, side)
        if not any(
            x < x1 and x + side > x0 and y < y1 and y + side > y0 for x0, y0, x1, y1 in boxes
        )
    ]
    return result, Hidden(np.array(patches, np.int16).reshape(-1, 8), 1)


def is_hidden(decoded: Rgb, hidden: Hidden) -> bool:
    """Whether a decoded picture shows flat patches where it must."""
    boxes = [
        _hull(hidden.patches[hidden.patches[:, 7] == number]) for number in range(hidden.boxes)
    ]
    for x0, y0, x1, y1, r, g, b, number in hidden.patches.tolist():
        # Under a later box, its patches are what is seen.
        if any(one and _meet((x0, y0, x1, y1), one) for one in boxes[number + 1 :]):
            continue
        edge = min(EDGE_PX, (x1 - x0) // 4, (y1 - y0) // 4)
        inner = decoded[y0 + edge : y1 - edge, x0 + edge : x1 - edge]
        flat = inner.reshape(-1, 3).astype(np.float32)
        if np.abs(flat.mean(axis=0) - (r, g, b)).max() > MOST_OFF:
            return False
        if flat.std(axis=0).max() > MOST_SPREAD:
            return False
    return True


def _blocks(picture: Rgb, seen: npt.NDArray[np.bool_], box: Pixels) -> list[tuple[int, ...]]:
    """Blocks of quantised colours, each mixed of what is seen along the rim, the nearest most."""
    x0, y0, x1, y1 = box
    longer = max(x1 - x0, y1 - y0)
    side = max(ceil(longer / MOST_BLOCKS), LEAST_BLOCK_PX)
    xs = _marks(x0, x1, side)
    ys = _marks(y0, y1, side)
    places, colours = _rim(picture, seen, xs, ys, max(2, side // 2))
    blocks: list[tuple[int, ...]] = []
    for top, bottom in pairwise(ys):
        for left, right in pairwise(xs):
            if len(places) == 0:
                blocks.append((left, top, right, bottom, *FILL))
                continue
            middle = np.array([(left + right) / 2, (top + bottom) / 2])
            weights = 1 / (np.square(places - middle).sum(axis=1) + 1)
            mixed = (colours * weights[:, None]).sum(axis=0) / weights.sum()
            blocks.append((left, top, right, bottom, *_quantised(mixed)))
    return blocks


def _rim(
    picture: Rgb, seen: npt.NDArray[np.bool_], xs: Sequence[int], ys: Sequence[int], width: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(places, mean colours) of the pieces of the rim of which something is seen."""
    x0, y0, x1, y1 = xs[0], ys[0], xs[-1], ys[-1]
    pieces = [(a, y0 - width, b, y0) for a, b in pairwise(xs)]
    pieces += [(a, y1, b, y1 + width) for a, b in pairwise(xs)]
    pieces += [(x0 - width, a, x0, b) for a, b in pairwise(ys)]
    pieces += [(x1, a, x1 + width, b) for a, b in pairwise(ys)]
    height, wide = picture.shape[:2]
    places: list[tuple[float, float]] = []
    colours: list[npt.NDArray[np.float64]] = []
    for piece in pieces:
        clipped = _clipped(*piece, wide, height)
        if clipped is None:
            continue
        left, top, right, bottom = clipped
        open_ = seen[top:bottom, left:right]
        if open_.any():
            places.append(((left + right) / 2, (top + bottom) / 2))
            colours.append(picture[top:bottom, left:right][open_].mean(axis=0))
    return np.array(places), np.array(colours)


def _quantised(colour: npt.NDArray[np.float64]) -> tuple[int, ...]:
    step = 256 // LEVELS
    return tuple(int(value) // step * step + step // 2 for value in colour)


def _marks(start: int, end: int, side: int) -> list[int]:
    """Where blocks of about `side` begin, and the end."""
    count = max(1, round((end - start) / side))
    return [start + (end - start) * i // count for i in range(count + 1)]


def _outline(picture: Rgb, box: Pixels) -> None:
    x0, y0, x1, y1 = box
    for strip in (
        picture[y0 : y0 + 1, x0:x1],
        picture[y1 - 1 : y1, x0:x1],
        picture[y0:y1, x0 : x0 + 1],
        picture[y0:y1, x1 - 1 : x1],
    ):
        strip[:] = LINE


def _clipped(x0: int, y0: int, x1: int, y1: int, width: int, height: int) -> Pixels | None:
    x0, y0, x1, y1 = max(0, x0), max(0, y0), min(width, x1), min(height, y1)
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def _hull(patches: npt.NDArray[np.int16]) -> Pixels | None:
    if len(patches) == 0:
        return None
    low, high = patches[:, :2].min(axis=0).tolist(), patches[:, 2:4].max(axis=0).tolist()
    return (low[0], low[1], high[0], high[1])


def _meet(one: Pixels, other: Pixels) -> bool:
    return one[0] < other[2] and one[2] > other[0] and one[1] < other[3] and one[3] > other[1]
