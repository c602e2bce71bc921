"""What a query is made of: every part that cannot be used is refused in one line."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from pydantic import ValidationError

from search import asking
from search.query import MOST_PARTS, Around, Marked, Part, Query, Then
from search.query_picture import LONGEST_SIDE
from storage.clock import parse_time
from storage.errors import HindsightError, Invalid, NotFound

CAR = Part(text="car")
SMALL = np.zeros((4, 6, 3), dtype=np.uint8)


def noise(height: int, width: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "fields",
    [
        {}, {"text": ""}, {"text": " \n "}, {"text": "x" * 1001}, {"text": "car", "image": SMALL},
        {"text": "car", "box": (0, 0, 1, 1)}, {"text": 5}, {"text": "car", "colour": "red"},
        {"text": "car", "weight": 0}, {"text": "car", "weight": -1},
        {"text": "car", "weight": math.nan}, {"text": "car", "weight": math.inf},
        {"text": "car", "weight": 100.5}, {"text": "car", "weight": "much"},
        {"image": b"not a picture"}, {"image": b""}, {"image": SMALL[:0]}, {"image": SMALL[:, :0]},
        {"image": SMALL[:, :, :1]}, {"image": SMALL.astype(np.float32)}, {"image": SMALL[0]},
        {"image": SMALL, "box": (0, 0, 7, 4)}, {"image": SMALL, "box": (-1, 0, 2, 2)},
        {"image": SMALL, "box": (0, 0, 0, 1)}, {"image": SMALL, "box": (1, 2, 3)},
        {"image": Path()},
    ],
)  # fmt: skip
def test_a_part_that_makes_no_sense_is_refused_in_one_line(fields: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        Part(**fields)
    assert refused.value.text("en").count("\n") == 0


@pytest.mark.parametrize(
    "fields",
    [
        {}, {"parts": ()}, {"exclusions": (CAR,)}, {"then": Then(parts=(CAR,))},
        {"parts": (CAR,) * (MOST_PARTS + 1)},
        {"parts": (CAR,), "exclusions": (Part(text="bus"),) * (MOST_PARTS + 1)},
        {"parts": (CAR,), "exclusions": (Part(text="  Car "),)},
        {"parts": (Part(text="红色  汽车"),), "exclusions": (Part(text="红色 汽车", weight=9),)},
        {"parts": (Part(image=SMALL),), "exclusions": (Part(image=SMALL.copy()),)},
        {"parts": (CAR,), "from_us": 2 * 10**15, "to_us": 2 * 10**15},
        {"parts": (CAR,), "from_us": 10**18}, {"parts": (CAR,), "to_us": -1},
        {"parts": (CAR,), "from_us": 10**40}, {"parts": (CAR,), "between": (60, 60)},
        {"parts": (CAR,), "between": (1440, 60)}, {"parts": (CAR,), "between": (0, 1441)},
        {"parts": (CAR,), "weekdays": (0,)}, {"parts": (CAR,), "weekdays": (8,)},
        {"parts": (CAR,), "weekdays": ("mon",)}, {"parts": (CAR,), "kind": "person"},
        {"parts": (CAR,), "light": "dusk"}, {"parts": (CAR,), "least_box": 0},
        {"parts": (CAR,), "least_box": 10**9}, {"parts": (CAR,), "top": 0},
        {"parts": (CAR,), "top": 1001}, {"parts": (CAR,), "text": "car"},
        {"parts": (CAR,), "cameras": "gate"},
        {"parts": (CAR,), "marks": (Marked(frame_id=1, segment_id="a", right=True),) * 1001},
    ],
)  # fmt: skip
def test_a_query_that_makes_no_sense_is_refused_in_one_line(fields: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        Query(**fields)
    assert refused.value.text("en").count("\n") == 0


def test_what_is_large_but_sensible_is_taken() -> None:
    years = parse_time("2016-01-01T00:00:00Z"), parse_time("2026-01-01T00:00:00Z")
    query = Query(
        parts=(Part(text="车" * 1000, weight=100), *(Part(text=f"car {i}") for i in range(15))),
        cameras=tuple(f"camera-{i}" for i in range(1000)),
        from_us=years[0], to_us=years[1], weekdays=(7, 1, 7), top=1000,
    )  # fmt: skip
    assert query.weekdays == (1, 7)


@pytest.mark.parametrize(
    ("make", "fields"),
    [
        (Then, {"parts": ()}), (Then, {"parts": (CAR,) * 17}),
        (Then, {"parts": (CAR,), "within_s": 0}), (Then, {"parts": (CAR,), "within_s": math.nan}),
        (Then, {"parts": (CAR,), "within_s": 86_401}), (Then, {"parts": (CAR,), "near_m": 0}),
        (Then, {"parts": (CAR,), "near_m": math.inf}),
        (Around, {"lat": 91, "lon": 0, "radius_m": 1}),
        (Around, {"lat": math.nan, "lon": 0, "radius_m": 1}),
        (Around, {"lat": 0, "lon": -180.5, "radius_m": 1}),
        (Around, {"lat": 0, "lon": 0, "radius_m": 0}),
        (Around, {"lat": 0, "lon": 0, "radius_m": -5}),
        (Around, {"lat": 0, "lon": 0, "radius_m": 20_000_001}), (Around, {"lat": 0, "lon": 0}),
        (Marked, {"frame_id": -1, "segment_id": "a", "right": True}),
        (Marked, {"frame_id": 2**63, "segment_id": "a", "right": True}),
    ],
)  # fmt: skip
def test_steps_places_and_marks_that_make_no_sense_are_refused(
    make: type, fields: dict[str, Any]
) -> None:
    with pytest.raises(Invalid):
        make(**fields)


def test_a_query_does_not_change_once_it_is_made() -> None:
    mine = noise(20, 30)
    query = Query(parts=(Part(image=mine),))
    kept = query.parts[0].image
    assert kept is not None
    before = kept.copy()
    mine[:] = 0
    assert np.array_equal(kept, before)
    with pytest.raises(ValueError, match="read-only"):
        kept[0, 0] = 1
    with pytest.raises(ValidationError, match="frozen"):
        query.top = 5


def test_a_picture_is_cut_to_its_box_before_it_is_made_smaller() -> None:
    large = noise(1500, 3000)
    whole = Part(image=large).image
    assert whole is not None
    assert whole.shape == (512, LONGEST_SIDE, 3)
    part = Part(image=large, box=(2900, 1400, 100, 100))
    assert part.image is not None
    assert np.array_equal(part.image, large[1400:, 2900:])
    assert part.box == (2900, 1400, 100, 100)


def test_a_sliver_of_a_picture_keeps_a_pixel() -> None:
    sliver = Part(image=noise(1, 5000)).image
    assert sliver is not None
    assert sliver.shape == (1, LONGEST_SIDE, 3)


def test_the_same_picture_is_kept_the_same_however_it_is_given(tmp_path: Path) -> None:
    pixels = noise(1100, 900)
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "PNG")
    path = tmp_path / "q.png"
    path.write_bytes(target.getvalue())
    given = [Part(image=pixels), Part.model_validate({"image": path}),
             Part.model_validate({"image": target.getvalue()})]  # fmt: skip
    assert len({part.pixels_sha256 for part in given}) == 1
    assert given[0] == given[1] == given[2]
    assert len(set(given)) == 1
    assert given[0] != Part(image=pixels, weight=2)


def test_pictures_of_the_same_bytes_but_another_shape_have_another_name() -> None:
    flat, tall = (Part(image=np.zeros(shape, np.uint8)) for shape in ((2, 8, 3), (8, 2, 3)))
    assert flat.pixels_sha256 != tall.pixels_sha256


@pytest.mark.parametrize(
    ("text", "words", "weight"),
    [
        ("a red car", "a red car", 1.0), ("a red car^2", "a red car", 2.0),
        ("red car ^0.5", "red car", 0.5), ("红色汽车^3", "红色汽车", 3.0), ("car^.5", "car", 0.5),
        ("a^b", "a^b", 1.0), ("car^", "car^", 1.0), ("^2", "^2", 1.0), ("car^two", "car^two", 1.0),
        ("sign x^2^3", "sign x^2", 3.0), ("car^2 blue", "car^2 blue", 1.0),
        ("car^nan", "car^nan", 1.0),
    ],
)  # fmt: skip
def test_a_caret_and_a_number_weigh_words(text: str, words: str, weight: float) -> None:
    part = asking.words(text)
    assert (part.text, part.weight) == (words, weight)


@pytest.mark.parametrize("text", ["car^0", "car^-1", "car^101", "car^00"])
def test_a_weight_that_cannot_be_used_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="weight"):
        asking.words(text)


def test_boxes_and_weights_belong_to_pictures_in_their_order(tmp_path: Path) -> None:
    paths = []
    for number in range(3):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray(noise(10, 20, number)).save(paths[-1])
    first, second, third = asking.picture_files(
        [str(paths[0]), f"{paths[1]}^2.5", str(paths[2])], [(1, 2, 3, 4), None]
    )
    assert [part.image.shape for part in (first, second, third) if part.image is not None] == [
        (4, 3, 3), (10, 20, 3), (10, 20, 3),
    ]  # fmt: skip
    assert [part.weight for part in (first, second, third)] == [1, 2.5, 1]
    with pytest.raises(Invalid, match="box"):
        asking.picture_files([str(paths[0])], [(0, 0, 1, 1)] * 2)


def test_a_file_whose_name_ends_like_a_weight_is_a_file(tmp_path: Path) -> None:
    Image.fromarray(SMALL).save(tmp_path / "x^2", "PNG")
    (part,) = asking.picture_files([str(tmp_path / "x^2")])
    assert part.weight == 1
    with pytest.raises(NotFound, match=r"missing\.png does not exist"):
        asking.picture_files([str(tmp_path / "missing.png^3")])


def test_a_picture_of_the_archive_is_named_by_camera_time_and_box() -> None:
    at = parse_time("2026-11-18T13:04:07.240Z")
    found = asking.like("north gate@2026-11-18T21:04:07.240+08:00#1,2,30,40^2")
    assert found == asking.Like("north gate", at, (1, 2, 30, 40), 2.0)
    assert asking.like("a@b@2026-11-18T13:04:07.240Z") == asking.Like("a@b", at, None, 1.0)


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (asking.like, "gate"), (asking.like, "gate@"), (asking.like, "@2026-11-18T13:04:07Z"),
        (asking.like, "gate@yesterday"), (asking.like, "gate@2026-11-18T13:04:07"),
        (asking.like, "gate@2026-11-18T13:04:07Z#1,2"), (asking.box, "1,2,x,4"), (asking.box, ""),
        (asking.around, "1,2"), (asking.around, "north,2,3"), (asking.around, "95,2,3"),
        (asking.around, "1,2,nan"), (asking.weekday, "0"), (asking.weekday, "funday"),
        (asking.weekday, ""), (asking.weekday, "²"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(read: Any, text: str) -> None:
    with pytest.raises(HindsightError) as refused:
        read(text)
    assert refused.value.exit_code == 4


def test_weekdays_are_names_or_numbers() -> None:
    names = ["mon", "Tue", "WED", "4", "fri ", "6", "sun"]
    assert [asking.weekday(name) for name in names] == [1, 2, 3, 4, 5, 6, 7]


def test_how_soon_and_how_near_need_what_follows() -> None:
    assert asking.then(None, None) is None
    assert asking.then("bus^2", None, 50) == Then(parts=(Part(text="bus", weight=2),), near_m=50)
    for fields in ((None, 5.0, None), ("  ", None, 5.0)):
        with pytest.raises(Invalid, match="--then"):
            asking.then(*fields)
