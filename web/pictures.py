"""Pictures out of the archive for people's eyes: thumbnails by size, stills, snapshots."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from indexer.pictures import Picture, picture_of
from storage.directory import DataDirectory
from storage.masking import zones_key
from storage.reading import Footage
from web.cache import get_or_make

Pixels = npt.NDArray[np.uint8]
THUMBNAIL_QUALITY = 82
STILL_QUALITY = 92


def picture(footage: Footage, at_us: int) -> Picture:
    """The picture on screen at `at_us`, masked for who may not see what privacy zones hide.

    DataLoss when the file is gone or cannot be decoded.
    """
    return picture_of(footage, at_us)


def thumbnail(directory: DataDirectory, footage: Footage, at_us: int, width: int) -> Path:
    """A JPEG of at most `width` pixels across, made once; masked, whoever asks."""

    def make(unfinished: Path) -> None:
        image = Image.fromarray(picture_of(footage, at_us, always_masked=True).rgb)
        height = max(1, round(image.height * width / image.width))
        if width < image.width:
            image = image.resize((width, height), Image.Resampling.BOX, reducing_gap=2.0)
        image.save(unfinished, "JPEG", quality=THUMBNAIL_QUALITY)

    folder = directory.made_of_segments / footage.segment.id
    return get_or_make(folder / thumbnail_name(footage, at_us, width), make)


def thumbnail_name(footage: Footage, at_us: int, width: int) -> str:
    """Another one as soon as other zones count: what was made before is never shown."""
    return "-".join(filter(None, [str(at_us), str(width), zones_key(footage.zones)])) + ".jpg"


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
