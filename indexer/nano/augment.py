"""What a camera, its lens and its codec do to a picture; drawn anew each time one is trained on."""

from __future__ import annotations

import cv2
import numpy as np

from indexer.scenes.arrays import Picture, bytes_of, floats


def augmented(rng: np.random.Generator, picture: Picture, size: int) -> Picture:
    """A picture (n, n, 3) as another camera might have given it, (size, size, 3)."""
    out = _cropped(rng, picture, size)
    if rng.random() < 0.5:
        out = np.ascontiguousarray(out[:, ::-1])
    if rng.random() < 0.8:
        out = _exposed(rng, out)
    if rng.random() < 0.3:
        out = _coarse(rng, out)
    elif rng.random() < 0.25:
        out = np.asarray(
            cv2.GaussianBlur(out, (0, 0), float(rng.uniform(0.5, 1.6))), dtype=np.uint8
        )
    if rng.random() < 0.3:
        grain = rng.standard_normal(out.shape[:2], np.float32) * float(rng.uniform(2, 11))
        out = bytes_of(out + grain[:, :, None])
    if rng.random() < 0.12:
        _stamp(rng, out)
    if rng.random() < 0.3:
        out = _coded(rng, out)
    return out


def _cropped(rng: np.random.Generator, picture: Picture, size: int) -> Picture:
    side = picture.shape[0]
    wide, high = (int(side * rng.uniform(0.78, 1.0)) for _ in "xy")
    x, y = int(rng.integers(side - wide + 1)), int(rng.integers(side - high + 1))
    part = picture[y : y + high, x : x + wide]
    how = cv2.INTER_AREA if min(wide, high) > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(part, (size, size), interpolation=how), dtype=np.uint8)


def _exposed(rng: np.random.Generator, picture: Picture) -> Picture:
    """Brightness, contrast, saturation and a slight cast; colours keep their names."""
    levels = floats(np.arange(256)) / 255
    curve = levels ** float(np.exp(rng.normal(0, 0.22)))
    curve = (curve - 0.5) * float(rng.uniform(0.75, 1.25)) + 0.5 + float(rng.normal(0, 0.05))
    cast = rng.normal(1, 0.035, 3)
    table = bytes_of(curve[None, :, None] * 255 * cast[None, None, :])
    out = np.asarray(cv2.LUT(picture, table), dtype=np.uint8)
    if rng.random() < 0.5:
        grey = np.asarray(cv2.cvtColor(out, cv2.COLOR_RGB2GRAY))[:, :, None]
        share = float(rng.uniform(0.6, 1.2))
        out = bytes_of(floats(out) * share + floats(grey) * (1 - share))
    return out


def _coarse(rng: np.random.Generator, picture: Picture) -> Picture:
    """As if it had been that much smaller."""
    size = picture.shape[0]
    small = max(20, int(size * rng.uniform(0.25, 0.7)))
    down = cv2.resize(picture, (small, small), interpolation=cv2.INTER_AREA)
    return np.asarray(
        cv2.resize(down, (size, size), interpolation=cv2.INTER_LINEAR), dtype=np.uint8
    )


def _coded(rng: np.random.Generator, picture: Picture) -> Picture:
    """Blocks and ringing of a low bitrate."""
    quality = int(rng.integers(12, 60))
    done, coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        return picture
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), dtype=np.uint8)


def _stamp(rng: np.random.Generator, picture: Picture) -> None:
    """A burnt-in clock, in place."""
    text = f"{rng.integers(2010, 2030)}-{rng.integers(1, 13):02d}-{rng.integers(1, 29):02d} "
    text += f"{rng.integers(0, 24):02d}:{rng.integers(0, 60):02d}:{rng.integers(0, 60):02d}"
    unit = picture.shape[0] / 128
    y = int(rng.choice([9, 122]) * unit)
    at = (int(rng.uniform(0, 50) * unit), y)
    size = float(rng.uniform(0.22, 0.34)) * unit
    cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, (0, 0, 0), 2, cv2.LINE_AA)
    cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, (240, 240, 240), 1, cv2.LINE_AA)
