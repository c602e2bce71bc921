"""Pictures out of the archive for people's eyes: thumbnails by size, stills, snapshots."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from indexer.pictures import Picture, picture_at
from storage.directory import DataDirectory
from storage.reading import Footage
from web.cache import SEGMENTS, get_or_make

Pixels = npt.NDArray[np.uint8]
THUMBNAIL_QUALITY = 82
STILL_QUALITY = 92


def picture(footage: Footage, at_us: int) -> Picture:
    """The picture on screen at `at_us`. DataLoss when the file is gone or cannot be decoded."""
    return picture_at(footage.media, footage.segment, at_us)


def thumbnail(directory: DataDirectory, footage: Footage, at_us: int, width: int) -> Path:
    """A JPEG of at most `width` pixels across, made once."""

    def make(unfinished: Path) -> None:
        image = Image.fromarray(picture(footage, at_us).rgb)
        height = max(1, round(image.height * width / image.width))
        if width < image.width:
            image = image.resize((width, height), Image.Resampling.BOX, reducing_gap=2.0)
        image.save(unfinished, "JPEG", quality=THUMBNAIL_QUALITY)

    return get_or_make(
        directory.cache / SEGMENTS / footage.segment.id / f"{at_us}-{width}.jpg", make
    )


def jpeg(pixels: Pixels) -> bytes:
    """For looking at."""
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "JPEG", quality=STILL_QUALITY)
    return target.getvalue()


def png(pixels: Pixels) -> bytes:
    """For keeping: every decoded pixel as it is."""
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "PNG", compress_level=3)
    return target.getvalue()
