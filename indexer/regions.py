"""From the places that changed to boxes in the full picture: found, joined, given room."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Box = tuple[int, int, int, int]  # x, y, w, h
Mask = npt.NDArray[np.uint8]

LEAST_AREA = 9  # places at working size
LEAST_WIDTH = 1.9  # places, on average: thinner is a drop of rain, or a wire in the wind
MANY = 8  # so many specks are weather: what is to be seen in it must be larger
NEW_CONTOURS_SHARE = 0.06  # of an area; less is a shadow, or light on a wall
JOIN_SHARE = 0.22  # of the smaller box's long side: nearer neighbours are one subject
JOINED_MOST = 1.6  # times the area of its parts, at most
JOINED_LARGEST = 0.08  # of the picture: beyond that it is a crowd, not a subject
ROOM = 1.3  # a region is so much larger than what changed: a subject has edges and a place
NARROWEST = 0.6  # short side / long side: models cut or squeeze to a square
LEAST_SIDE = 32  # pixels of the full picture
LARGEST = 0.6  # of the picture: beyond that the whole picture says the same


@dataclass(frozen=True, slots=True)
class Blob:
    """Something that changed: its box at working size and how many places it covers."""

    box: Box
    area: int


def blobs(changed: Mask, new_contours: Mask, least_area: float) -> list[Blob]:
    """What changed, largest first. Both masks (height, width), 255 where it is so."""
    closed: Any = cv2.morphologyEx(changed, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(closed, connectivity=8)
    if count <= 1:
        return []
    contours = np.bincount(labels[new_contours > 0], minlength=count)
    found = []
    least = least_area * max(1.0, np.count_nonzero(stats[1:, 4] < 3 * least_area) / MANY)
    for label in range(1, count):
        x, y, w, h, area = (int(value) for value in stats[label])
        wide = area >= LEAST_WIDTH * max(w, h)
        if area >= least and wide and contours[label] >= NEW_CONTOURS_SHARE * area:
            found.append(Blob((x, y, w, h), area))
    return sorted(joined(found, changed.size), key=lambda blob: -blob.area)


def joined(found: list[Blob], places: int) -> list[Blob]:
    """Neighbours as one: a person is often a head, a body and a bicycle. `places`: of the
    picture."""
    left = sorted(found, key=lambda blob: -blob.area)[:200]
    again = True
    while again:
        again = False
        for i, one in enumerate(left):
            for j in range(len(left) - 1, i, -1):
                both = _union(one.box, left[j].box)
                parts = _size(one.box) + _size(left[j].box)
                most = min(JOINED_MOST * parts, max(JOINED_LARGEST * places, parts))
                if _near(one.box, left[j].box) and _size(both) <= most:
                    one = left[i] = Blob(both, one.area + left[j].area)
                    del left[j]
                    again = True
    return left


def region_of(box: Box, scale: float, width: int, height: int) -> Box | None:
    """The region of the full picture (`width` × `height`) for a box at working size.

    With room around it, not too narrow, inside the picture; None where it would be nearly all.
    """
    x, y, w, h = (side * scale for side in box)
    long = max(w, h)
    new_w = min(float(width), max(max(w, NARROWEST * long) * ROOM, LEAST_SIDE))
    new_h = min(float(height), max(max(h, NARROWEST * long) * ROOM, LEAST_SIDE))
    if new_w * new_h > LARGEST * width * height:
        return None
    left = min(max(0.0, x + w / 2 - new_w / 2), width - new_w)
    top = min(max(0.0, y + h / 2 - new_h / 2), height - new_h)
    return int(left), int(top), int(new_w), int(new_h)


def _size(box: Box) -> int:
    return box[2] * box[3]


def _union(a: Box, b: Box) -> Box:
    x, y = min(a[0], b[0]), min(a[1], b[1])
    return x, y, max(a[0] + a[2], b[0] + b[2]) - x, max(a[1] + a[3], b[1] + b[3]) - y


def _near(a: Box, b: Box) -> bool:
    room = max(2.0, JOIN_SHARE * min(max(a[2], a[3]), max(b[2], b[3])))
    apart_x = max(a[0], b[0]) - min(a[0] + a[2], b[0] + b[2])
    apart_y = max(a[1], b[1]) - min(a[1] + a[3], b[1] + b[3])
    return apart_x <= room and apart_y <= room
