"""What a camera usually shows: several remembered values for every place, at a small size.

A place is background when enough of its remembered values look like what is there now. So what
comes and goes in the same place (a branch, the digit of a burnt-in clock) is known after a
while, and what never looked like that is not. After ViBe (Barnich and Van Droogenbroeck, 2011),
but updated everywhere: what stays becomes background.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from indexer.light import Light, light_change, relit
from indexer.shake import moved_back, shift_between

Small = npt.NDArray[np.uint8]  # (height, width, 3) Y, U, V at working size
Mask = npt.NDArray[np.uint8]  # (height, width), 255 where it is so

VALUES = 10  # remembered for every place
ALIKE = 2  # so many of them make it background
KNOWN_SHARE = 1 / 6  # of the background that is learnt anew at each look
STRANGE_SHARE = 1 / 14  # of the rest: slower, so that traffic does not become the road
BASE_RADIUS = 16.0  # grey levels, over Y, U and V together
NOISE_RADIUS = 4.5  # times the noise
MOST_NOISE = 10.0  # grey levels; more is another picture
LIGHT_TOLERANCE = 0.25  # of what matching the light changed: cameras are not linear
MOST_LIGHT = 20.0
EDGE_TOLERANCE = 0.4  # of the local contrast: where an edge moves by a fraction of a pixel
NEAR_SHARE = 0.6  # of the radius: so near to the mean nothing changed
MEAN_SHARE = 1 / 8
SLOW_EVERY = 24  # looks, for what changes slowly
UNREST_TOLERANCE = 1.0  # of the span of most of a place's values: leaves, water, a flickering lamp
TILES = 4  # of 8 × 6 in which something changed
CONTOUR = 14  # grey levels of a new edge
COLOUR = 10  # levels of U or V by which a colour is new
GLOBAL_SHARE = 0.55  # from so much on it is the light, the lens or the view, not a subject
VIEW_SHARE = 0.25  # from so much on it is another view, where the contours are others as well
OTHER_CONTOURS = 0.25  # their correlation with the usual ones, at most
SHAKE_SHARE = 0.0008  # less is not worth looking for a movement of the camera
# Of colour and infrared: a tile is coloured from so far off grey on, U and V together; …
COLOUR_FROM = 2.0
COLOURED_TILES = 10  # … of 48: fewer cannot tell
GREY_SHARE = 0.35  # … it lost its colour with so much of it left
SWITCHED_SHARE = 0.8  # … and so many of them did


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What differs from the scene. `small` is the picture brought to the scene's place and light.

    `changed` is of the places that cannot be explained; `light` and `shift` say what was.
    """

    small: Small
    changed: Mask
    share: float  # of the picture that changed, 0..1
    light: Light
    shift: tuple[float, float]  # pixels at working size
    switched: bool  # between colour and grey
    alike: float  # correlation of the contours with the usual ones, -1..1

    @property
    def is_global(self) -> bool:
        """Whether it is the light, the lens or the view that changed, and not a subject."""
        if self.share > GLOBAL_SHARE or self.switched:
            return True
        return self.share > VIEW_SHARE and self.alike < OTHER_CONTOURS


class Scene:
    """The memory of one camera. Holds about VALUES × height × width × 3 bytes."""

    def __init__(self, first: Small) -> None:
        self.values: npt.NDArray[np.uint8] = np.repeat(first[None], VALUES, axis=0)
        self.mean: npt.NDArray[np.float32] = first.astype(np.float32)
        self.contours = _contour_energy(first)
        self._unrest = np.zeros(first.shape[:2], np.float32)
        self.looks = 1

    @classmethod
    def of(cls, pictures: Sequence[Small]) -> Scene:
        """What several pictures from the same time have in common, the first as good as the last.

        For a camera seen for the first time: who is in one of them is not in the others.
        """
        scene = cls(np.median(np.stack(pictures), axis=0).astype(np.uint8))
        for number in range(VALUES):
            scene.values[number] = pictures[number * len(pictures) // VALUES]
        scene.looks = VALUES + 1
        scene.refresh()
        return scene

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) at working size."""
        height, width = self.mean.shape[:2]
        return int(height), int(width)

    @property
    def memory_bytes(self) -> int:
        """What it holds."""
        return self.values.nbytes + self.mean.nbytes

    @property
    def settled(self) -> bool:
        """Whether each remembered value was seen, not copied from the first."""
        return self.looks > VALUES

    def see(self, picture: Small, radius_factor: float) -> Seen:
        """Compare a picture of the same size; nothing is learnt. `radius_factor`: 1 is usual."""
        usual = self._usual()
        switched = _gained_colour(usual, picture) or _gained_colour(picture, usual)
        light = light_change(usual[:, :, 0], picture[:, :, 0])
        small = relit(picture, light)
        lit: Any = cv2.absdiff(small[:, :, 0], picture[:, :, 0])
        changed, share = self._compare(small, usual, radius_factor, lit)
        shift = (0.0, 0.0)
        if share > SHAKE_SHARE and not switched and _everywhere(changed):
            found = shift_between(usual[:, :, 0], small[:, :, 0])
            if found is not None:
                back = moved_back(small, found)
                again, less = self._compare(back, usual, radius_factor, lit)
                _without_rim(again, found)
                if less < share / 2:
                    small, changed, share, shift = back, again, less, found
        alike = 1.0
        if share > VIEW_SHARE or switched:
            alike = _alike(usual[:, :, 0], small[:, :, 0])
        return Seen(small, changed, share, light, shift, switched, alike)

    def learn(self, seen: Seen, at_us: int) -> None:
        """Take a picture in. What is drawn by lot depends on the instant alone."""
        lot = np.random.default_rng(at_us % (1 << 63))
        self.looks += 1
        # At first every look fills one value; later chance keeps some for long.
        slot = self.looks % VALUES if not self.settled else int(lot.integers(VALUES))
        source = seen.small
        strange = seen.changed > 0
        if self.settled and lot.random() < 0.5:  # a neighbour's value: leaves sway by a pixel
            down, right = (int(step) for step in lot.integers(-1, 2, 2))
            source = np.roll(source, (down, right), axis=(0, 1))
        if self.settled:
            chance = np.frombuffer(lot.bytes(strange.size), np.uint8).reshape(self.shape)
            where = chance < np.where(strange, 256 * STRANGE_SHARE, 256 * KNOWN_SHARE)
            np.copyto(self.values[slot], source, where=where[:, :, None])
        else:
            self.values[slot] = source
        cv2.accumulateWeighted(seen.small, self.mean, MEAN_SHARE / 4, seen.changed)
        cv2.accumulateWeighted(seen.small, self.mean, MEAN_SHARE, cv2.bitwise_not(seen.changed))
        if self.looks % SLOW_EVERY == 0:
            self.refresh()
            self.contours += MEAN_SHARE * (_contour_energy(seen.small) - self.contours)

    def refresh(self) -> None:
        """Work out anew what follows from the values: after they were put in place."""
        self._unrest = _unrest(self.values[..., 0])

    def rebase(self, light: Light) -> None:
        """Bring what is remembered into today's light, so that later pictures need no matching."""
        for value in self.values:
            value[:, :, 0] = _lit(value[:, :, 0].astype(np.float32), light)
        self.mean[:, :, 0] = np.clip(self.mean[:, :, 0] * light.gain + light.offset, 0, 255)

    def contours_of(self, picture: Small) -> float:
        """How rich in contours a picture is against what is usual here; 1 is as usual."""
        return _contour_energy(picture) / max(self.contours, 1e-3)

    def new_contours(self, small: Small) -> Mask:
        """Where contours or colours are that the scene has not: not so of a shadow or a lamp."""
        usual = self._usual()
        edges: Any = cv2.absdiff(_contours(small[:, :, 0]), _contours(usual[:, :, 0]))
        colours: Any = cv2.absdiff(small[:, :, 1:], usual[:, :, 1:])
        strange: Mask = ((edges > CONTOUR) | (colours.max(axis=2) > COLOUR)).astype(np.uint8) * 255
        return strange

    def _usual(self) -> Small:
        usual: Small = np.clip(self.mean + 0.5, 0, 255).astype(np.uint8)
        return usual

    def _compare(self, small: Small, usual: Small, factor: float, lit: Mask) -> tuple[Mask, float]:
        radius = self._radius(small, usual, factor, lit)
        # Most places are as on average: only the others are held against each value.
        suspects = np.flatnonzero(_distance(small, usual) > NEAR_SHARE * radius)
        changed = np.zeros(self.shape, np.uint8)
        if suspects.size:
            values = self.values.reshape(VALUES, -1, 3)[:, suspects].astype(np.int16)
            now = small.reshape(-1, 3)[suspects].astype(np.int16)
            far = np.abs(values - now[None]).sum(axis=2) > radius.ravel()[suspects]
            strange = np.count_nonzero(far, axis=0) > VALUES - ALIKE
            changed.ravel()[suspects[strange]] = 255
            # A place alone is noise: a subject covers neighbours as well.
            around: Any = cv2.boxFilter(changed, -1, (3, 3))
            changed[around < 255 * 4 // 9] = 0
        return changed, float(np.count_nonzero(changed)) / changed.size

    def _radius(self, small: Small, usual: Small, factor: float, lit: Mask) -> Mask:
        off: Any = cv2.absdiff(small[:, :, 0], usual[:, :, 0])
        # Of the quieter third, so that it is noise also where much of the picture changed.
        noise = min(MOST_NOISE, float(np.percentile(off[::2, ::2], 30)) / 0.385)
        grey = usual[:, :, 0]
        square = np.ones((3, 3), np.uint8)
        contrast: Any = cv2.subtract(cv2.dilate(grey, square), cv2.erode(grey, square))
        tolerance = EDGE_TOLERANCE * contrast + np.minimum(LIGHT_TOLERANCE * lit, MOST_LIGHT)
        tolerance += UNREST_TOLERANCE * np.maximum(self._unrest - 3 * noise, 0)
        radius = max(BASE_RADIUS, NOISE_RADIUS * noise) * factor + tolerance
        whole: Mask = np.clip(radius, 0, 250).astype(np.uint8)
        return whole


def _unrest(values: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """The least span that holds six of ten values of each place: where many cars pass, the road's;
    in a tree, the leaves'. `values`: (VALUES, height, width)."""
    ordered = np.sort(values, axis=0).astype(np.int16)
    most = VALUES * 6 // 10
    spans = ordered[most - 1 :] - ordered[: VALUES - most + 1]
    least: npt.NDArray[np.float32] = spans.min(axis=0).astype(np.float32)
    return least


def _without_rim(changed: Mask, shift: tuple[float, float]) -> None:
    """Nothing is known of the rim that a moved picture lacks."""
    right, down = (int(abs(step)) + 2 for step in shift)
    for rim in (np.s_[:down], np.s_[-down:], np.s_[:, :right], np.s_[:, -right:]):
        changed[rim] = 0


def _distance(a: Small, b: Small) -> Any:
    """Sum of the differences in Y, U and V; 255 at most."""
    return cv2.transform(cv2.absdiff(a, b), np.ones((1, 3), np.float32))


def _everywhere(changed: Mask) -> bool:
    """Whether changes are spread over the picture, as when the camera itself moved."""
    tiles: Any = cv2.resize(changed, (8, 6), interpolation=cv2.INTER_AREA)
    return bool(np.count_nonzero(tiles) >= TILES)


def _gained_colour(before: Small, after: Small) -> bool:
    """Whether colour is nearly everywhere where there was none: not so of a red van."""
    grey, colourful = (
        cv2.resize(
            np.abs(picture[::2, ::2, 1:].astype(np.int16) - 128).sum(axis=2).astype(np.float32),
            (8, 6), interpolation=cv2.INTER_AREA,
        )
        for picture in (before, after)
    )  # fmt: skip
    coloured = colourful > COLOUR_FROM
    if np.count_nonzero(coloured) < COLOURED_TILES:
        return False
    gained = np.count_nonzero(coloured & (grey < GREY_SHARE * colourful))
    return bool(gained >= SWITCHED_SHARE * np.count_nonzero(coloured))


def _contours(grey: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    across: Any = cv2.Sobel(grey, cv2.CV_16S, 1, 0)
    down: Any = cv2.Sobel(grey, cv2.CV_16S, 0, 1)
    both: Any = cv2.addWeighted(
        cv2.convertScaleAbs(across, alpha=0.5), 0.5, cv2.convertScaleAbs(down, alpha=0.5), 0.5, 0
    )
    return both  # type: ignore[no-any-return]


def _contour_energy(picture: Small) -> float:
    return float(_contours(picture[:, :, 0]).mean())


def _alike(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8]) -> float:
    one, other = (_contours(grey).astype(np.float32).ravel() for grey in (a, b))
    one -= one.mean()
    other -= other.mean()
    length = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / length if length > 0 else 0.0


def _lit(grey: npt.NDArray[np.float32], light: Light) -> npt.NDArray[np.uint8]:
    lit: Mask = np.clip(grey * light.gain + light.offset + 0.5, 0, 255).astype(np.uint8)
    return lit
