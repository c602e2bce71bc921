"""Opens the picture somebody asks with: judged by its header before a pixel is decoded."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from storage.errors import HindsightError, Invalid, NotFound
from storage.i18n import tr

MOST_PIXELS = 64_000_000  # a 64-megapixel camera's picture; 192 MB once decoded
MOST_BYTES = 256_000_000  # an uncompressed picture of MOST_PIXELS, with room
LONGEST_SIDE = 1024  # of the picture that is kept; twice what the largest models look at
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")  # what phones, cameras and screens make

# Pillow warns from 89 megapixels on; MOST_PIXELS is stricter and answers with an error of ours.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def open_picture(source: bytes | Path) -> npt.NDArray[np.uint8]:
    """Picture bytes or file → RGB (height, width, 3), turned upright as its EXIF says.

    NotFound for a missing file; Invalid for what is no picture, is damaged, or has more than
    MOST_PIXELS pixels — found in the header, so a bomb is refused before it goes off.
    """
    name = source.name if isinstance(source, Path) else ""
    data = _read(source) if isinstance(source, Path) else source
    if len(data) > MOST_BYTES:
        raise Invalid("picture {name} is larger than 256 MB; nothing was searched", name=name)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > MOST_PIXELS:
                raise _too_large(name, f"{width}×{height}")
            upright = ImageOps.exif_transpose(picture)
            return np.asarray(upright.convert("RGB"))
    except HindsightError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(name, "?") from None
    except Exception as error:  # on hostile bytes decoders raise every kind there is
        raise Invalid(
            "{name} is not a picture that can be read ({error}); use JPEG, PNG or WebP",
            name=name or tr("the upload"), error=_short(error),
        ) from None  # fmt: skip


def crop(picture: npt.NDArray[np.uint8], box: tuple[int, int, int, int]) -> npt.NDArray[np.uint8]:
    """The part of a picture in `box` (x, y, width, height); Invalid when not inside it."""
    x, y, w, h = box
    height, width = picture.shape[:2]
    if w < 1 or h < 1 or x < 0 or y < 0 or x + w > width or y + h > height:
        raise Invalid(
            "box {box} does not lie inside the picture of {width}×{height} pixels",
            box=",".join(str(part) for part in box), width=width, height=height,
        )  # fmt: skip
    return picture[y : y + h, x : x + w]


def bounded(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The picture, made smaller where a side is longer than LONGEST_SIDE; always the same way."""
    height, width = picture.shape[:2]
    scale = LONGEST_SIDE / max(width, height)
    if scale >= 1:
        return picture
    size = max(1, round(width * scale)), max(1, round(height * scale))
    whole = Image.fromarray(np.ascontiguousarray(picture))
    return np.asarray(whole.resize(size, Image.Resampling.LANCZOS))


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise Invalid(
                "picture {name} is larger than 256 MB; nothing was searched", name=path.name
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise NotFound("picture {file} does not exist", file=path) from None
    except OSError as error:
        raise Invalid(
            "picture {file} cannot be read: {error}", file=path, error=error.strerror
        ) from None


def _too_large(name: str, size: str) -> Invalid:
    return Invalid(
        "picture {name} has too many pixels ({size}); at most 64 megapixels, make it smaller",
        name=name, size=size,
    )  # fmt: skip


def _short(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):  # its message names our buffer, not their file
        return tr("no known format")
    return (str(error) or type(error).__name__).splitlines()[0][:120]
