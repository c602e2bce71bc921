"""Black, blurred, overexposed and frozen pictures are known as such."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np

from indexer.quality import Eye
from storage.lake import BLACK, BLURRED, FROZEN, OVEREXPOSED
from tests.indexer.clips import numbered_picture

SIZE = (640, 360)


def test_a_clear_picture_has_no_flag_and_is_all_new() -> None:
    assert Eye().look(numbered_picture(5, SIZE)) == (0, 1.0)


def test_black_white_and_blurred_pictures_are_flagged() -> None:
    noise = np.random.default_rng(1).integers(0, 12, (360, 640, 3), dtype=np.uint8)
    assert Eye().look(noise)[0] == BLACK
    assert Eye().look(255 - noise)[0] == OVEREXPOSED
    blurred = cv2.GaussianBlur(numbered_picture(5, SIZE), (0, 0), 12)
    assert Eye().look(blurred)[0] == BLURRED  # type: ignore[arg-type]


def test_only_an_identical_picture_is_frozen() -> None:
    eye = Eye()
    picture = numbered_picture(5, SIZE)
    eye.look(picture)
    assert eye.look(picture) == (FROZEN, 0.0)
    grain = np.random.default_rng(1).integers(0, 6, picture.shape, dtype=np.uint8)
    flags, novelty = eye.look(np.minimum(picture, 249) + grain)
    assert (flags, novelty) == (0, 0.0)


def test_novelty_is_the_share_of_the_picture_that_changed() -> None:
    eye = Eye()
    picture = numbered_picture(0, SIZE)
    eye.look(picture)
    changed = picture.copy()
    changed[:90] = 250  # a quarter
    assert abs(eye.look(changed)[1] - 0.25) < 0.01


def test_real_street_pictures_by_day_and_night_are_neither_black_nor_blurred(footage: Path) -> None:
    for name in ("tfl_jamcam_625_201709042131.mp4", "tfl_jamcam_625_201709141107.mp4"):
        with av.open(str(footage / name)) as container:
            frame = next(container.decode(video=0))
            assert Eye().look(frame.to_ndarray(format="rgb24"))[0] == 0, name
