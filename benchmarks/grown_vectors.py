"""Vectors for a large archive, grown from few real ones: what every camera shows, hour by hour.

A row is what a thing that passes looks like there (a real vector of a clip that this camera was
made from, moved to the camera's own place), in that day's and hour's light, as this thing differs
from others of its sort and as it differs from picture to picture; then normalised:

  real vector + camera + light(day, hour) + STRAY * (thing + SHAKE * picture) + grain

Camera, light and thing are drawn from the covariances of the real rows: of clip means, of the
same camera's clips at other times, of rows within a clip. Things last for a few rows. nano has
256 dimensions; a fixed orthonormal map into 512 leaves every cosine as it is, and the grain, the
same in all of the 512, fills the rest. `structure` says how alike near and far are, in real rows
and in grown ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.real_vectors import Real

Floats = npt.NDArray[np.float32]
Int64s = npt.NDArray[np.int64]
DIMENSION = 512
SEED = 6
THINGS = 256  # real rows that a camera's rows come from
ELSEWHERE = 48  # of these: from clips of other scenes, for the same things pass everywhere
COMMON = 2.5  # 1: all of them as often
FRAMES = 2
FRAME_SHARE = 0.05  # of rows; the real clips give 0.043
FACTORS = 128  # of a covariance: 99 % of it
STRAY, SHAKE = 0.55, 0.5
CAMERA, LIGHT = 0.4, 0.4
GRAIN = 0.004  # of a row's squared length
LASTING = 1.1  # rows of one thing, on average
HELD_OUT = 8  # every so many-th real row is kept for questions


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """n rows to be made: of which camera, day and UTC hour, in order, and whether whole frames."""

    camera: Int64s
    hour: Int64s
    frame: npt.NDArray[np.bool_]


class Grown:
    """Draws rows of `cameras` cameras. The same arguments give the same rows."""

    def __init__(self, real: Real, cameras: int, days: int, seed: int = SEED) -> None:
        rng = np.random.default_rng(seed)
        held = np.arange(len(real.vectors)) % HELD_OUT == 0
        self._widen = _orthonormal(real.vectors.shape[1], DIMENSION, rng)
        self._seed = seed
        self.days = days
        vectors, clip, frame = (one[~held] for one in (real.vectors, real.clip, real.frame))
        means = _means(vectors, clip)
        lights = _means(vectors[frame], real.scene[clip[frame]], clip[frame])
        within = {kind: _within(vectors[frame == kind], clip[frame == kind]) for kind in (0, 1)}
        self._noise = [_factor(within[kind]) @ self._widen for kind in (0, 1)]
        places = _factor(means - means.mean(axis=0))
        light = _factor(lights)
        self._centre = vectors.mean(axis=0) @ self._widen
        self._home = rng.choice(clip, cameras)  # clips with much in them are homes more often
        keep = np.sqrt(1 - STRAY**2)
        tables = []
        for home in self._home:
            here = np.flatnonzero((real.scene[clip] == real.scene[home]) & ~frame)
            there = np.flatnonzero(~frame)
            whole = np.flatnonzero((clip == home) & frame)
            near = rng.choice(here if here.size else there, THINGS - ELSEWHERE)
            rows = [near, rng.choice(there, ELSEWHERE), rng.choice(whole, FRAMES)]
            chosen = vectors[np.concatenate(rows)]
            place = CAMERA * rng.standard_normal(len(places)).astype(np.float32) @ places
            middle = means[np.searchsorted(np.unique(clip), home)]
            tables.append(middle + keep * (chosen - middle) + place)
        self._things = np.stack(tables).astype(np.float32) @ self._widen
        steps = rng.standard_normal((cameras, days, len(light))).astype(np.float32)
        walk = np.cumsum(steps, axis=1) / np.sqrt(days) + 0.5 * steps
        self._day = LIGHT * (walk @ light @ self._widen)
        turn = rng.standard_normal((2, cameras, len(light))).astype(np.float32)
        self._turn = LIGHT * (turn @ light @ self._widen)
        self.asked = _normalised(self._pictures(real.vectors[held], rng))
        self.texts = _normalised(real.texts @ self._widen)

    def _pictures(self, vectors: Floats, rng: np.random.Generator) -> Floats:
        """Held-out real rows, as another picture of the same thing would have them."""
        draw = rng.standard_normal((len(vectors), len(self._noise[0]))).astype(np.float32)
        return vectors @ self._widen + STRAY * SHAKE * draw @ self._noise[0]

    def rows(self, cells: Cells, day: int, lot: int = 0) -> npt.NDArray[np.float16]:
        """(n, DIMENSION) of one day, L2-normalised; neighbours may be the same thing.

        `lot` tells apart what is drawn for other cells of that day.
        """
        rng = np.random.default_rng([self._seed, 1, day, lot])
        n = len(cells.camera)
        new = rng.random(n) < 1 / LASTING
        new |= cells.frame | np.r_[True, np.diff(cells.camera * 24 + cells.hour) != 0]
        new |= np.r_[True, cells.frame[:-1]]
        thing = np.cumsum(new) - 1
        which = (THINGS * rng.random(n) ** COMMON).astype(np.int64)
        which[cells.frame] = THINGS + rng.integers(0, FRAMES, int(cells.frame.sum()))
        which = which[new][thing]
        angle = (cells.hour * (2 * np.pi / 24)).astype(np.float32)
        made = self._things[cells.camera, which] + self._day[cells.camera, day]
        made += np.cos(angle)[:, None] * self._turn[0, cells.camera]
        made += np.sin(angle)[:, None] * self._turn[1, cells.camera]
        for kind in (0, 1):
            at = np.flatnonzero(cells.frame == kind)
            mine, inverse = np.unique(thing[at], return_inverse=True)
            factor = STRAY * self._noise[kind]
            draw = rng.standard_normal((mine.size, len(factor)), dtype=np.float32)
            made[at] += (draw @ factor)[inverse]
            draw = rng.standard_normal((at.size, len(factor)), dtype=np.float32)
            made[at] += SHAKE * draw @ factor
        made = _normalised(made)
        made += np.float32(np.sqrt(GRAIN / DIMENSION)) * rng.standard_normal(
            made.shape, dtype=np.float32
        )
        return _normalised(made).astype(np.float16)


@dataclass(frozen=True, slots=True)
class Structure:
    """How near is near: medians over rows, distances on the unit sphere (0..2)."""

    nearest: float
    tenth: float
    typical: float
    dimension: float  # local intrinsic dimension: maximum likelihood over 20 neighbours
    spread: float  # participation ratio: how many directions carry the variance

    @property
    def ratio(self) -> float:
        """Of the nearest to the typical distance: 1 when nothing resembles anything."""
        return self.nearest / self.typical


def structure(vectors: Floats) -> Structure:
    """Of (n, dimension) rows, compared with one another."""
    distance = np.sqrt(np.maximum(0, 2 - 2 * vectors @ vectors.T))
    np.fill_diagonal(distance, np.inf)
    near = np.maximum(np.sort(np.partition(distance, 20, axis=1)[:, :20], axis=1), 1e-6)
    local = -1 / np.mean(np.log(near[:, :-1] / near[:, -1:]), axis=1)
    share = np.linalg.eigvalsh(np.cov(vectors.T))
    return Structure(
        float(np.median(near[:, 0])), float(np.median(near[:, 9])),
        float(np.median(distance[np.isfinite(distance)])), float(np.median(local)),
        float(share.sum() ** 2 / (share**2).sum()),
    )  # fmt: skip


def _means(vectors: Floats, group: Int64s, inside: Int64s | None = None) -> Floats:
    """Of each group; with `inside`, of each of these, less the mean of its group."""
    if inside is None:
        return np.stack([vectors[group == one].mean(axis=0) for one in np.unique(group)])
    found = []
    for one in np.unique(group):
        means = _means(vectors[group == one], inside[group == one])
        found.append(means - means.mean(axis=0))
    return np.concatenate(found)


def _within(vectors: Floats, group: Int64s) -> Floats:
    """Rows less the mean of their group."""
    names, which = np.unique(group, return_inverse=True)
    means = np.stack([vectors[group == one].mean(axis=0) for one in names])
    return np.asarray(vectors - means[which], dtype=np.float32)


def _factor(rows: Floats) -> Floats:
    """(k, dimension) F such that normals (n, k) @ F have the covariance of centred `rows`."""
    values, axes = np.linalg.eigh(rows.T @ rows / len(rows))
    values, axes = values[::-1][:FACTORS], axes[:, ::-1][:, :FACTORS]
    factor: Floats = (np.sqrt(np.maximum(values, 0)) * axes).T.astype(np.float32)
    return factor


def _orthonormal(narrow: int, wide: int, rng: np.random.Generator) -> Floats:
    """(narrow, wide) with orthonormal rows."""
    axes, _ = np.linalg.qr(rng.standard_normal((wide, narrow)))
    return np.ascontiguousarray(axes.T, dtype=np.float32)


def _normalised(rows: Floats) -> Floats:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True), dtype=np.float32)


def sample_like(real: Real, grown: Grown, cameras: int) -> list[Floats]:
    """As many rows as each real clip has, of one hour of a camera; a scene is a camera."""
    rng = np.random.default_rng(SEED)
    chosen = rng.choice(cameras, int(real.scene.max()) + 1, replace=False)
    samples = []
    for clip, scene in enumerate(real.scene.tolist()):
        count = int((real.clip == clip).sum())
        camera, hour = (np.full(count, value) for value in (chosen[scene], rng.integers(24)))
        cells = Cells(camera, hour, rng.random(count) < FRAME_SHARE)
        samples.append(grown.rows(cells, int(rng.integers(grown.days)), clip).astype(np.float32))
    return samples
