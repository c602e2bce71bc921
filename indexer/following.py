"""Follows subjects from picture to picture, so that one that stays is not embedded each time.

It tells whether a subject looks like one just seen nearby; it does not know who anybody is, keeps
a colour histogram for minutes, and forgets it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from indexer.regions import Box
from storage.clock import US

Histogram = npt.NDArray[np.float32]

OVERLAP = 0.25  # intersection over union from which a subject may be the same that stayed
ALIKE_STAYED = 0.45  # of the histograms (0..1), when it is in its place
ALIKE_MOVED = 0.78  # and when it is somewhere else
SIZES = 2.2  # at most so many times larger or smaller, by area, than when last seen
SPEED = 0.22  # of the picture's diagonal per second, the most between two looks
REACH = 0.45  # of the diagonal, altogether
GREW = 2.2  # times the area: now there is more to see
CHANGED_BELOW = 0.5  # likeness to when it was embedded: it turned, or it is another
MOVED_WITHIN_US = 6 * US  # later, one that looks like it elsewhere is another
FORGOTTEN_US = 60 * US
MOST = 64
GREYEST = 128  # of U and V


@dataclass(slots=True, eq=False)
class Subject:
    """Something that changed the picture, while it does."""

    box: Box  # in the full picture
    looks: Histogram  # when last seen
    seen_us: int
    embedded_us: int
    embedded_looks: Histogram
    embedded_area: int


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """A region of this picture."""

    box: Box
    looks: Histogram


class Following:
    """The subjects of one camera."""

    def __init__(self) -> None:
        self.subjects: list[Subject] = []

    def worth(
        self, sightings: list[Sighting], at_us: int, *, diagonal: float, again_us: int, most: int
    ) -> list[Sighting]:
        """Those that want a vector, at most `most`; all are followed from here on."""
        self.subjects = [
            subject
            for subject in self.subjects
            if abs(at_us - subject.seen_us) <= max(FORGOTTEN_US, again_us)
        ]
        chosen: list[Sighting] = []
        free = list(self.subjects)
        for sighting in sightings:
            same = _same(free, sighting, at_us, diagonal)
            area = sighting.box[2] * sighting.box[3]
            if same is not None:
                free.remove(same)
                same.box, same.looks, same.seen_us = sighting.box, sighting.looks, at_us
            due = same is None or (
                abs(at_us - same.embedded_us) >= again_us
                or area >= GREW * same.embedded_area
                or likeness(sighting.looks, same.embedded_looks) < CHANGED_BELOW
            )
            if not due or len(chosen) >= most:
                continue
            chosen.append(sighting)
            if same is None:
                self.subjects.append(
                    Subject(sighting.box, sighting.looks, at_us, at_us, sighting.looks, area)
                )
            else:
                same.embedded_us, same.embedded_looks = at_us, sighting.looks
                same.embedded_area = area
        self.subjects = sorted(self.subjects, key=lambda subject: -subject.seen_us)[:MOST]
        return chosen


def histogram(small: npt.NDArray[np.uint8], mask: npt.NDArray[np.uint8]) -> Histogram:
    """Colours (YUV) of the places in `mask`, as shares; (288,)."""
    # Most colours outdoors lie near grey: the bins are fine there, and the rest is cut off.
    near = np.clip(small, (0, GREYEST - 48, GREYEST - 48), (255, GREYEST + 47, GREYEST + 47))
    found: Any = cv2.calcHist(
        [near.astype(np.uint8)], [0, 1, 2], mask, [8, 6, 6], [0, 256, 80, 176, 80, 176]
    )
    flat: Histogram = found.ravel().astype(np.float32)
    whole = float(flat.sum())
    return flat / whole if whole else flat


def likeness(a: Histogram, b: Histogram) -> float:
    """0..1: what the histograms have in common (Bhattacharyya)."""
    return float(np.sqrt(a * b).sum())


def _same(
    subjects: list[Subject], sighting: Sighting, at_us: int, diagonal: float
) -> Subject | None:
    """The subject that this is, as far as can be told; None when it is another."""
    if not subjects:
        return None
    alikes = np.sqrt(np.stack([subject.looks for subject in subjects])) @ np.sqrt(sighting.looks)
    best, most = None, 0.0
    for subject, alike in zip(subjects, alikes.tolist(), strict=True):
        if alike >= ALIKE_STAYED:
            value = _fit(subject, sighting, alike, at_us, diagonal)
            if value > most:
                best, most = subject, value
    return best


def _fit(subject: Subject, sighting: Sighting, alike: float, at_us: int, diagonal: float) -> float:
    if overlap(subject.box, sighting.box) >= OVERLAP:
        return 1 + alike
    away_us = abs(at_us - subject.seen_us)
    far = math.dist(_middle(subject.box), _middle(sighting.box)) / diagonal
    larger = (sighting.box[2] * sighting.box[3]) / max(1, subject.box[2] * subject.box[3])
    moved = (
        alike >= ALIKE_MOVED
        and away_us <= MOVED_WITHIN_US
        and far <= min(REACH, SPEED * away_us / US)
        and 1 / SIZES <= larger <= SIZES
    )
    return alike - 0.3 * far if moved else 0.0


def overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    both = w * h
    return both / (a[2] * a[3] + b[2] * b[3] - both)


def _middle(box: Box) -> tuple[float, float]:
    return box[0] + box[2] / 2, box[1] + box[3] / 2
