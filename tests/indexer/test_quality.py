"""Black, blurred, overexposed and frozen pictures are known as such."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np

from indexer.quality import Eye
from storage.lake import BLACK, BLURRED, FROZEN, OVEREXPOSED
from tests.indexer.clips import Rgb, numbered_picture

SIZE = (640, 360)


def small(rgb: Rgb) -> Rgb:
    """As the gate sees it."""
    resized = cv2.resize(rgb, (320, 180), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(resized, cv2.COLOR_RGB2YUV), dtype=np.uint8)


def test_a_clear_picture_has_no_flag() -> None:
    assert Eye().look(small(numbered_picture(5, SIZE))) == 0


def test_black_white_and_blurred_pictures_are_flagged() -> None:
    noise = np.random.default_rng(1).integers(0, 12, (360, 640, 3), dtype=np.uint8)
    assert Eye().look(small(noise)) == BLACK
    assert Eye().look(small(255 - noise)) == OVEREXPOSED
    blurred = cv2.GaussianBlur(numbered_picture(5, SIZE), (0, 0), 12)
    assert Eye().look(small(np.asarray(blurred, dtype=np.uint8))) == BLURRED


def test_only_an_identical_keyframe_is_frozen() -> None:
    eye = Eye()
    picture = numbered_picture(5, SIZE)
    eye.look(small(picture))
    assert eye.look(small(picture)) == FROZEN
    # A picture coded by its difference to another may say "no difference" of a still scene.
    assert eye.look(small(picture), key=False) == 0
    grain = np.random.default_rng(1).integers(0, 6, picture.shape, dtype=np.uint8)
    assert eye.look(small(np.minimum(picture, 249) + grain)) == 0


def test_real_street_pictures_by_day_and_night_are_neither_black_nor_blurred(footage: Path) -> None:
    for name in ("tfl_jamcam_625_201709042131.mp4", "tfl_jamcam_625_201709141107.mp4"):
        with av.open(str(footage / name)) as container:
            frame = next(container.decode(video=0))
            assert Eye().look(small(frame.to_ndarray(format="rgb24"))) == 0, name
