"""Follows what a box holds from picture to picture, by the motion of points in it, and says when
it is not sure (after Kalal, Mikolajczyk, Matas: Forward-Backward Error, ICPR 2010)."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

Small = npt.NDArray[np.uint8]  # (height, width, 3): a red coat may be as bright as the ground
LONGEST_SIDE = 640  # of the pictures that are followed in: faces of 20 pixels in full HD still show
MOST_POINTS, LEAST_POINTS = 60, 6
LEAST_PART = 0.4  # of the points must come back to where they began
RETURN_PX = 1.0  # this near
APART_PX, LEAST_TOGETHER = 2.0, 0.5  # points that move otherwise are of something else
LARGEST_STEP = 1.08  # by so much a box grows or shrinks from one picture to the next, at most
ALIKE = 0.3  # correlation with what was drawn, below which it is something else
STEADY = 0.6  # with the picture before
# Something moves just outside the box: the subject that leaves it, or another that comes near.
RING, MOVED, LEAST_MOVED = 0.25, 22, 0.03  # of the longer side; levels of a channel; of the ring
LEAST_RING_PX, LEAST_MOVED_PX = 8, 4  # what is small leaves a ring of its own size in one step
# Where points of the ground hold the box and what it holds goes, seen over some pictures.
CHANGED, LEAST_CHANGED = 18, 0.06  # levels of a channel; of the box
STILL_PX = 1.5  # a box that moved by less may lie on the ground
_PATCH = (24, 24)
_FLOW: dict[str, Any] = {
    "winSize": (15, 15),
    "maxLevel": 3,
    "criteria": (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.03),
}


class Rect(NamedTuple):
    """Left, top, right, bottom, as fractions of the picture; may reach out of it."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        """Of the picture's."""
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        """Of the picture's."""
        return self.y1 - self.y0

    def moved(self, other: Rect, share: float) -> Rect:
        """On the way from here to `other`."""
        return Rect(*(a + (b - a) * share for a, b in zip(self, other, strict=True)))

    def hull(self, *others: Rect) -> Rect:
        """The smallest that holds all."""
        every = (self, *others)
        return Rect(
            min(one.x0 for one in every), min(one.y0 for one in every),
            max(one.x1 for one in every), max(one.y1 for one in every),
        )  # fmt: skip

    def common(self, other: Rect) -> Rect | None:
        """What lies in both."""
        x0, y0 = max(self.x0, other.x0), max(self.y0, other.y0)
        x1, y1 = min(self.x1, other.x1), min(self.y1, other.y1)
        return Rect(x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None

    def grown(self, part: float) -> Rect:
        """Larger by this part of its size on every side."""
        dx, dy = self.width * part, self.height * part
        return Rect(self.x0 - dx, self.y0 - dy, self.x1 + dx, self.y1 + dy)

    def spread(self, widths: float, aspect: float) -> Rect:
        """Larger by so many widths of the picture, in every direction."""
        dx, dy = widths, widths * aspect
        return Rect(self.x0 - dx, self.y0 - dy, self.x1 + dx, self.y1 + dy)

    def length(self, aspect: float) -> float:
        """Its longer side, in widths of the picture."""
        return max(self.width, self.height / aspect)

    def overlap(self, other: Rect) -> float:
        """Intersection over union, 0…1."""
        both = self.common(other)
        if both is None:
            return 0.0
        area = both.width * both.height
        return area / (self.width * self.height + other.width * other.height - area)


def small(rgb: npt.NDArray[np.uint8]) -> Small:
    """A picture as it is followed in."""
    height, width = rgb.shape[:2]
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def patch(picture: Small, rect: Rect) -> npt.NDArray[np.float32] | None:
    """What a box holds, for comparing; None when too little of it is in the picture."""
    x0, y0, x1, y1 = _pixels(picture, rect)
    if x1 - x0 < 4 or y1 - y0 < 4:
        return None
    cut: Any = cv2.resize(picture[y0:y1, x0:x1], _PATCH, interpolation=cv2.INTER_AREA)
    values = cut.astype(np.float32)
    values -= values.mean()  # of all channels: a colour counts, not only a pattern
    length = float(np.linalg.norm(values))
    return None if length < 1 else np.asarray(values / length, dtype=np.float32)


class Step(NamedTuple):
    """Where a box has gone from one picture to the next."""

    rect: Rect
    alert: bool  # something moves just outside it, or it stands still and what it holds does not
    alike: bool = True  # it looks like what was drawn


class Past(NamedTuple):
    """A picture some time ago, and where the box was in it."""

    picture: Small
    rect: Rect


def follow(
    before: Small, now: Small, rect: Rect, drawn: npt.NDArray[np.float32] | None,
    past: Past | None = None,
) -> Step | None:  # fmt: skip
    """Where what `rect` held in `before` is in `now`; None when that is not sure.

    `drawn`: the patch of what was drawn. `past`: what is slow shows only against it.
    """
    if before.shape != now.shape:
        return None  # the camera's picture changed its shape
    x0, y0, x1, y1 = _pixels(before, rect)
    if x1 - x0 < 4 or y1 - y0 < 4:
        return None
    inner = _points(before[y0:y1, x0:x1])
    if len(inner) < LEAST_POINTS:
        return None  # nothing to hold on to
    start = (inner + np.array([x0, y0], np.float32)).astype(np.float32)
    flow: Any = cv2.calcOpticalFlowPyrLK
    there, found, _ = flow(before, now, start, None, **_FLOW)
    back, returned, _ = flow(now, before, there, None, **_FLOW)
    error = np.linalg.norm(start - back, axis=2).ravel()
    kept = (found.ravel() == 1) & (returned.ravel() == 1) & (error < RETURN_PX)
    if kept.sum() < max(LEAST_POINTS, LEAST_PART * len(start)):
        return None
    a, b = start[kept, 0], there[kept, 0]
    step = np.median(b - a, axis=0)
    scale = _scale(a, b)
    # What stands still behind a subject that leaves is as good to follow as the subject.
    middle = np.median(a, axis=0)
    off = np.linalg.norm(b - (middle + step + (a - middle) * scale), axis=1)
    if (off <= APART_PX).mean() < LEAST_TOGETHER:
        return None
    result = _placed(rect, step / (now.shape[1], now.shape[0]), scale)
    if not all(0 <= (one + other) / 2 <= 1 for one, other in (result[::2], result[1::2])):
        return None  # it has left the picture
    seen = patch(now, result)
    for other, least in ((drawn, ALIKE), (patch(before, rect), STEADY)):
        if other is not None and (seen is None or float((other * seen).sum()) < least):
            return None
    alert = _moves_outside(before, now, rect.hull(result))
    if past is not None and past.picture.shape == now.shape:
        alert = alert or _moves_outside(past.picture, now, past.rect.hull(rect, result))
        alert = alert or _leaves(past, now, result)
    alike = drawn is None or (seen is not None and float((drawn * seen).sum()) >= STEADY)
    return Step(result, alert, alike)


def _points(picture: Small) -> npt.NDArray[np.float32]:
    """Corners of every channel: (n, 1, 2)."""
    found: list[Any] = [
        cv2.goodFeaturesToTrack(np.ascontiguousarray(picture[..., i]), MOST_POINTS // 3, 0.01, 2)
        for i in range(3)
    ]
    some = [one for one in found if one is not None]
    return np.concatenate(some).astype(np.float32) if some else np.zeros((0, 1, 2), np.float32)


def _leaves(past: Past, now: Small, rect: Rect) -> bool:
    """Whether the box has stood still while what it holds changed: it may lie on the ground."""
    height, width = now.shape[:2]
    dx, dy = abs(rect.x0 - past.rect.x0) * width, abs(rect.y0 - past.rect.y0) * height
    if max(dx, dy) >= STILL_PX:
        return False
    x0, y0, x1, y1 = _pixels(now, rect)
    changed = _differ(past.picture[y0:y1, x0:x1], now[y0:y1, x0:x1], CHANGED)
    return bool(np.count_nonzero(changed) > LEAST_CHANGED * changed.size)


def _differ(one: Small, other: Small, most: int) -> npt.NDArray[np.bool_]:
    """Where a channel differs by more."""
    apart: Any = cv2.absdiff(one, other)
    return np.asarray(apart.max(axis=2) > most)


def _moves_outside(before: Small, now: Small, rect: Rect) -> bool:
    """Whether something moves in a ring round the box, on one of its sides."""
    height, width = now.shape[:2]
    x0, y0, x1, y1 = _pixels(now, rect)
    dx = max(LEAST_RING_PX, round(max(x1 - x0, y1 - y0) * RING))
    a0, b0, a1, b1 = max(0, x0 - dx), max(0, y0 - dx), min(width, x1 + dx), min(height, y1 + dx)
    for left, top, right, bottom in (
        (a0, b0, x0, b1), (x1, b0, a1, b1), (a0, b0, a1, y0), (a0, y1, a1, b1),
    ):  # fmt: skip
        if left >= right or top >= bottom:
            continue
        moved = _differ(before[top:bottom, left:right], now[top:bottom, left:right], MOVED)
        if np.count_nonzero(moved) > max(LEAST_MOVED * moved.size, LEAST_MOVED_PX):
            return True
    return False


def _scale(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> float:
    """By how much points moved apart: the median over pairs of them."""
    before = np.linalg.norm(a[:, None] - a[None], axis=2)
    after = np.linalg.norm(b[:, None] - b[None], axis=2)
    apart = before > 3
    if apart.sum() < 10:
        return 1.0
    ratio = float(np.median(after[apart] / before[apart]))
    return min(max(ratio, 1 / LARGEST_STEP), LARGEST_STEP)


def _placed(rect: Rect, step: npt.NDArray[np.float64], scale: float) -> Rect:
    x, y = (rect.x0 + rect.x1) / 2 + float(step[0]), (rect.y0 + rect.y1) / 2 + float(step[1])
    w, h = rect.width * scale / 2, rect.height * scale / 2
    return Rect(x - w, y - h, x + w, y + h)


def _pixels(picture: Small, rect: Rect) -> tuple[int, int, int, int]:
    height, width = picture.shape[:2]
    return (
        max(0, round(rect.x0 * width)), max(0, round(rect.y0 * height)),
        min(width, round(rect.x1 * width)), min(height, round(rect.y1 * height)),
    )  # fmt: skip
