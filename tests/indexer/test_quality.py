"""Black, blurred, overexposed and frozen pictures are known as such, and those by night."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np

from indexer.novelty import working_size
from indexer.quality import Eye
from indexer.shown import Shown
from storage.lake import BLACK, BLURRED, DARK, FROZEN, INFRARED, OVEREXPOSED
from tests.indexer.clips import Rgb, numbered_picture

SIZE = (640, 360)
NIGHT = "tfl_jamcam_625_20170904212", "tfl_jamcam_625_201709042131"


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


def keyframes(file: Path, most: int = 5) -> list[Shown]:
    with av.open(str(file)) as container:
        container.streams.video[0].codec_context.skip_frame = "NONKEY"
        shown = (Shown(frame, 0, 0, key=True) for frame in container.decode(video=0))
        return list(islice(shown, most))


def test_real_clips_by_day_are_day_and_those_of_a_lit_street_by_night_are_night(
    footage: Path,
) -> None:
    clips = [file for file in sorted(footage.iterdir()) if file.suffix in (".mp4", ".avi")]
    nights = [file for file in clips if file.name.startswith(NIGHT)]
    assert len(nights) == 3
    for file in clips:
        wanted = DARK if file in nights else 0
        for shown in keyframes(file):
            size = working_size(*shown.size)
            flags = Eye().look(shown.small(*size))
            assert flags & (BLACK | DARK | INFRARED) == wanted, file.name
            if file.name.startswith("tfl"):
                assert flags == wanted, file.name


def test_a_real_street_without_colour_is_infrared_also_with_a_coloured_logo(footage: Path) -> None:
    shown = keyframes(footage / "tfl_jamcam_625_201708311656.mp4")[0]
    picture = shown.small(320, 180)
    picture[:, :, 1:] = 128
    assert Eye().look(picture) == INFRARED
    picture[2:22, 2:60, 1:] = 200  # 2 % of it
    assert Eye().look(picture) == INFRARED
    picture[:22, :, 1:] = 200
    assert Eye().look(picture) == 0


def test_a_street_whose_lamps_are_out_is_dark_and_one_without_any_light_is_black() -> None:
    picture = numbered_picture(5, SIZE)
    assert Eye().look(small((picture // 3).astype(np.uint8))) & ~BLURRED == DARK
    assert Eye().look(small((picture // 20).astype(np.uint8))) == BLACK
