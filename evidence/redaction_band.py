"""The time burnt into a copy: a line below the picture, so that it covers nothing of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from pylopdf_fonts_zh_cn import sans_path

from evidence.redaction_pictures import Rgb
from storage.clock import local_text
from storage.clocks import Correction, in_force
from storage.vocabulary import Camera

PART = 1 / 24  # of the picture's height
LEAST_PX = 20
GROUND, INK, DIM = (0, 0, 0), (240, 240, 240), (176, 176, 176)
NO_FOOTAGE = "no footage · 无录像"  # for readers of both languages: the picture has one text


def band_height(height: int) -> int:
    """Pixels of the line under a picture of this height; even, as H.264 wants it."""
    return max(LEAST_PX, round(height * PART / 2) * 2)


def band(
    width: int, height: int, camera: Camera, at_us: int, *, segment: str | None,
    corrections: Sequence[Correction] = (),
) -> Rgb:  # fmt: skip
    """The line at an instant, (height, width, 3). `segment` None: there is no footage then."""
    local = local_text(at_us, camera.tz)
    parts = [(local, INK), (f"UTC {local_text(at_us, 'UTC')[:23]}", DIM)]
    counts = None if segment is None else in_force(corrections, at_us, segment)
    if counts is not None and counts.offset_us:
        corrected = local_text(at_us + counts.offset_us, camera.tz)
        parts.append((f"corrected · 校正 {corrected}", INK))
    if segment is None:
        parts.append((NO_FOOTAGE, INK))
    parts.append((camera.name, DIM))
    picture = Image.new("RGB", (width, height), GROUND)
    draw = ImageDraw.Draw(picture)
    size = _size([text for text, _ in parts], width, height)
    font, gap = _font(size), size
    x = gap / 2
    for text, colour in parts:
        draw.text((x, height / 2), text, fill=colour, font=font, anchor="lm")
        x += font.getlength(text) + gap
    return np.asarray(picture)


def _size(texts: Sequence[str], width: int, height: int) -> int:
    """Of the type: as large as the line, or smaller so that all of it is seen."""
    for size in range(max(7, round(height * 0.62)), 7, -1):
        font = _font(size)
        if sum(font.getlength(text) for text in texts) + size * len(texts) <= width:
            return size
    return 7


@lru_cache(maxsize=64)
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(sans_path(), size)
