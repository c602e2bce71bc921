"""Redacted copies: what was hidden is gone, what is left is true, and nothing half-made stays."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evidence.redaction import Redaction, redact
from evidence.redaction_film import Filming, require_true
from evidence.redaction_hiding import hide
from evidence.redaction_recipe import Recipe
from storage.clock import US
from storage.directory import init_directory
from storage.errors import DataLoss
from storage.masking import FILL
from storage.vocabulary import Span
from storage.zones import add_zone
from tests.evidence.conftest import INVESTIGATOR, START_US, House
from tests.evidence.redact_footage import (
    HEIGHT,
    SECRET,
    SUBJECT,
    WIDTH,
    box,
    clip,
    magenta,
    scene,
    seen,
    with_subject,
)
from tests.evidence.redacting import (
    Place,
    at,
    copy,
    crossing,
    drawn,
    film,
    filmed,
    jumping,
    leaving,
    recipe,
    returning,
    still,
    swing,
)


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Three seconds of a crossing, for tests that change nothing."""
    folder = tmp_path_factory.mktemp("lasting")
    directory, _ = init_directory(folder / "data")
    made = House(directory)
    filmed(made, folder, crossing)
    yield made
    directory.close()


@pytest.fixture(scope="module")
def made(lasting: House, tmp_path_factory: pytest.TempPathFactory) -> Redaction:
    """A copy, never changed."""
    out = tmp_path_factory.mktemp("copies") / "copy"
    return copy(lasting, out, recipe(drawn(crossing, 0, 29)), burn_time=True)


# What is hidden is gone


@pytest.mark.parametrize(
    ("place", "pictures"),
    [
        (crossing, (0, 29)),
        (swing, (0, 10, 20, 29)),
        (swing, (0, 29)),  # not a straight line, and nobody drew the turns
        (crossing, (15,)),  # before and after the only box
        (jumping, (0, 29)),
        (jumping, (13, 14)),
        (leaving, (0,)),
        (leaving, (5, 29)),
        (returning, (0, 29)),
    ],
)
def test_a_drawn_subject_shows_in_no_picture(
    house: House, out: Path, tmp_path: Path, place: Place, pictures: tuple[int, ...]
) -> None:
    filmed(house, tmp_path, place)
    result = copy(house, out, recipe(drawn(place, *pictures)))
    shown = [magenta(picture) for _, picture in seen(film(result))]
    assert len(shown) == 30
    assert max(shown) <= 2, shown  # a pixel's edge in the recording's own blur


def test_what_is_followed_well_hides_little_more_than_its_box(
    house: House, out: Path, tmp_path: Path
) -> None:
    filmed(house, tmp_path, crossing)
    result = copy(house, out, recipe(drawn(crossing, 0, 29)))
    [trail] = result.trails
    assert trail.unsure == ()
    subject = SUBJECT[0] * SUBJECT[1] / (WIDTH * HEIGHT)
    areas = [rect.width * rect.height for rect in trail.rects.values() if rect]
    assert max(areas) < 2.2 * subject


def test_where_the_tracker_lost_it_the_copy_says_so_and_hides_more(
    house: House, out: Path, tmp_path: Path
) -> None:
    filmed(house, tmp_path, jumping)
    result = copy(house, out, recipe(drawn(jumping, 0, 29)))
    document = json.loads((out / "redaction.json").read_text())
    [subject] = document["subjects"]
    [unsure] = subject["unsure"]
    assert unsure["start"] == at(0)
    assert subject["pictures"] == 30
    middle = result.trails[0].rects[START_US + round(2 * US)]
    assert middle is not None
    assert middle.width > 0.7


def test_what_was_lost_after_its_last_box_is_hidden_by_an_ever_larger_one(
    house: House, out: Path, tmp_path: Path
) -> None:
    filmed(house, tmp_path, jumping)
    [trail] = copy(house, out, recipe(drawn(jumping, 5))).trails
    widths = [rect.width for _, rect in sorted(trail.rects.items())[14:] if rect]
    assert len(widths) == 16
    assert widths == sorted(widths)
    assert widths[-1] > 2 * widths[0]
    # When it went is not known: from the box that was drawn on, as far as it goes.
    assert trail.unsure == (Span(START_US + 600_000, START_US + 2_900_001),)


def test_a_subject_is_hidden_only_while_it_is_there(
    house: House, out: Path, tmp_path: Path
) -> None:
    filmed(house, tmp_path, lambda i: crossing(i) if 8 <= i < 20 else None)
    life = {"from": at(0.8), "until": at(2.0)}
    result = copy(house, out, recipe(drawn(crossing, 8, 19, **life)))
    assert max(magenta(picture) for _, picture in seen(film(result))) <= 2
    [trail] = result.trails
    hidden = [at_us for at_us, rect in trail.rects.items() if rect is not None]
    assert (min(hidden), max(hidden)) == (START_US + 800_000, START_US + 1_900_000)


def test_what_stands_in_a_box_does_not_change_a_bit_of_the_copy(
    house: House, tmp_path: Path
) -> None:
    """Two recordings that differ in the box alone give the same film."""
    films = []
    for name, text in (("north gate", "K7"), ("south gate", "M4")):
        source = clip(tmp_path / f"{text}.mp4", still, 12, text=text, lossless=True)
        house.adopt(source, name)
        subject = {"track": False, "boxes": [{"at": at(0), "box": box(*still(0), margin=6)}]}
        result = redact(
            house.directory, camera=house.camera(name), from_us=START_US,
            to_us=START_US + 1_200_000, recipe=recipe(subject), out=tmp_path / name,
            actor=INVESTIGATOR,
        )  # fmt: skip
        films.append([picture.tobytes() for _, picture in seen(film(result))])
    originals = [[p.tobytes() for _, p in seen(tmp_path / f"{t}.mp4")] for t in ("K7", "M4")]
    assert originals[0] != originals[1]
    assert films[0] == films[1]


def mosaic(picture: Any, box: tuple[int, int, int, int], blocks: int = 8) -> Any:
    """What most programs do: the mean of each block."""
    x0, y0, x1, y1 = box
    side = math.ceil((x1 - x0) / blocks)
    result = picture.copy()
    for y in range(y0, y1, side):
        for x in range(x0, x1, side):
            cell = result[y : min(y + side, y1), x : min(x + side, x1)]
            cell[:] = cell.reshape(-1, 3).mean(axis=0)
    return result


def filled(fill: str, picture: Any, box: tuple[int, int, int, int]) -> Any:
    """What this program does."""
    return hide(picture, [box], fill)[0]


def guesses(hiding: Callable[[Any, tuple[int, int, int, int]], Any], texts: list[str]) -> int:
    """How many texts an attacker reads who knows the way they were hidden, and averages eight
    pictures of each in which the subject stands a little elsewhere."""

    def attacked(text: str, noise: int) -> Any:
        rng = np.random.default_rng(noise)
        views = []
        for step in range(8):
            x, y = 100 + 3 * step, 70 + step
            picture = with_subject(scene(), x, y, text).astype(int)
            picture = np.clip(picture + rng.integers(-6, 7, picture.shape), 0, 255).astype(np.uint8)
            hidden = hiding(picture, (x - 2, y - 2, x + 50, y + 34))
            views.append(hidden[y : y + 32, x : x + 48].astype(float))
        return np.mean(views, axis=0)

    known = {text: attacked(text, 1) for text in texts}
    right = 0
    for number, text in enumerate(texts):
        seen_ = attacked(text, 100 + number)
        best = min(texts, key=lambda one: float(np.abs(known[one] - seen_).sum()))
        right += best == text
    return right


def test_averaging_many_pictures_brings_no_text_back() -> None:
    texts = ["K7", "M4", "A1", "X9", "B3", "P8", "T2", "H5"]
    # The same attack reads the ordinary mosaic, or it would show nothing here.
    assert guesses(mosaic, texts) >= 7
    for fill in ("blocks", "solid"):
        assert guesses(partial(filled, fill), texts) <= 2, fill


def test_a_hidden_box_holds_at_most_so_many_colours() -> None:
    picture = with_subject(scene(), 100, 70)
    result, _ = hide(picture, [(90, 60, 190, 130)], "blocks")
    inside = result[61:129, 91:189].reshape(-1, 3)
    assert len(np.unique(inside, axis=0)) <= 64
    assert magenta(result) == 0
    solid, _ = hide(picture, [(90, 60, 190, 130)], "solid")
    assert np.unique(solid[61:129, 91:189].reshape(-1, 3), axis=0).tolist() == [list(FILL)]


def test_boxes_that_overlap_take_no_colour_from_one_another() -> None:
    pictures = [with_subject(scene(), 100, 70, text) for text in ("K7", "M4")]
    boxes = [(98, 68, 130, 104), (120, 68, 150, 104)]
    results = [hide(picture, boxes, "blocks")[0] for picture in pictures]
    assert np.array_equal(results[0], results[1])


def test_all_but_the_boxes_can_be_hidden(house: House, out: Path, tmp_path: Path) -> None:
    filmed(house, tmp_path, crossing)
    result = copy(house, out, recipe(drawn(crossing, 0, 29), hide="all-but-boxes"))
    for i, (_, picture) in enumerate(seen(film(result))):
        rect = result.trails[0].rects[START_US + i * 100_000]
        assert rect is not None
        outside = np.ones((HEIGHT, WIDTH), bool)
        outside[
            max(0, int(rect.y0 * HEIGHT) - 8) : int(rect.y1 * HEIGHT) + 8,
            max(0, int(rect.x0 * WIDTH) - 8) : int(rect.x1 * WIDTH) + 8,
        ] = False
        assert np.abs(picture[outside].astype(int) - FILL).max() < 12
        assert magenta(picture) > 700  # of 1536


def test_what_is_lost_is_not_shown(house: House, out: Path, tmp_path: Path) -> None:
    filmed(house, tmp_path, jumping)
    result = copy(house, out, recipe(drawn(jumping, 0, 29), hide="all-but-boxes"))
    shown = [magenta(picture) for _, picture in seen(film(result))]
    assert shown[0] > 700
    assert max(shown[1:-1]) == 0


def test_privacy_zones_are_hidden_whatever_the_recipe_says(
    house: House, out: Path, tmp_path: Path
) -> None:
    filmed(house, tmp_path, still)
    with house.ledger.write() as tx:
        corners = [(0.35, 0.3), (0.65, 0.3), (0.65, 0.7), (0.35, 0.7)]
        add_zone(tx, camera=house.camera(), name="the Lis' window", points=corners, from_us=0,
                 until_us=None, reason="they asked", made_by="admin", at_us=START_US)  # fmt: skip
    result = copy(house, out, Recipe())
    assert max(magenta(picture) for _, picture in seen(film(result))) == 0
    assert result.zones == 1
    text = (out / "redaction.json").read_text()
    assert "Lis" not in text
    assert json.loads(text)["privacy_zones"][0]["points"][0] == [0.35, 0.3]


def test_names_of_subjects_stay_in_the_house(house: House, out: Path, tmp_path: Path) -> None:
    filmed(house, tmp_path, still)
    subject = {**drawn(still, 0), "name": "Wang Fang"}
    copy(house, out, recipe(subject))
    for path in out.iterdir():
        assert b"Wang Fang" not in path.read_bytes()


def test_nothing_that_the_source_carried_beside_its_pictures_is_left(made: Redaction) -> None:
    for path in made.path.iterdir():
        assert SECRET not in path.read_bytes()


def test_a_copy_in_which_something_shows_is_not_published(tmp_path: Path) -> None:
    picture = with_subject(scene(), 100, 70)
    _, hidden = hide(picture, [(98, 68, 150, 104)], "blocks")
    filming = Filming(tmp_path / "film.mp4", WIDTH, HEIGHT, 10, 1, "a test")
    filming.add(picture, 0, hidden)  # not what was hidden
    with pytest.raises(DataLoss, match="shows in picture 1"):
        require_true(filming.finish(US))


# What is left is true


def test_pictures_stand_at_their_time_and_the_copy_is_as_long_as_asked(
    house: House, out: Path, tmp_path: Path
) -> None:
    filmed(house, tmp_path, crossing)
    result = copy(house, out, Recipe(), 0.25, 2.65)
    times = [seconds for seconds, _ in seen(film(result))]
    due = [0.0, *(i / 10 - 0.25 for i in range(3, 27))]
    assert times == pytest.approx(due, abs=2e-5)
    assert result.document["file"]["measured_s"] == pytest.approx(2.4, abs=1e-4)  # type: ignore[index]


def test_a_gap_shows_no_frozen_picture(house: House, out: Path, tmp_path: Path) -> None:
    house.expect("north gate", 0)
    filmed(house, tmp_path, crossing)
    filmed(house, tmp_path, crossing, at_s=8)
    result = copy(house, out, recipe(seconds=11), 0, 11)
    pictures = seen(film(result))
    [blank] = [(s, p) for s, p in pictures if np.abs(p.astype(int) - FILL).max() < 12]
    assert blank[0] == pytest.approx(3, abs=0.01)
    assert [gap["cause"] for gap in json.loads((out / "redaction.json").read_text())["gaps"]] == [
        "unknown"
    ]
    assert result.document["file"]["measured_s"] == pytest.approx(11, abs=1e-4)  # type: ignore[index]


def test_burnt_in_time_covers_nothing_of_the_picture(made: Redaction, lasting: House) -> None:
    pictures = [picture for _, picture in seen(film(made))]
    lines = {picture[HEIGHT:].tobytes() for picture in pictures}
    assert pictures[0].shape[0] >= HEIGHT + 20
    assert len(lines) == len(pictures)  # each has its own time
    clear = [with_subject(scene(), *crossing(i)) for i in range(30)]
    top = [
        np.abs(a[:40].astype(int) - b[:40]).mean() for a, b in zip(pictures, clear, strict=False)
    ]
    assert max(top) < 6


def test_the_copy_names_its_originals_and_its_recipe(made: Redaction, lasting: House) -> None:
    document = json.loads((made.path / "redaction.json").read_text())
    [original] = document["originals"]
    [segment] = [lasting.file(s) for s in _segments(lasting)]
    done = subprocess.run(["sha256sum", segment], capture_output=True, text=True, check=True)
    assert original["sha256"] == done.stdout.split()[0]
    assert document["recipe_sha256"] == recipe(drawn(crossing, 0, 29)).sha256
    assert document["file"]["sha256"] == made.sha256
    comment = subprocess.run(["strings", film(made)], capture_output=True, text=True, check=True)
    assert original["sha256"] in comment.stdout


def _segments(house: House) -> list[Any]:
    from storage.segments import segments

    with house.ledger.read() as tx:
        return segments(tx)


def test_coreutils_and_openssl_check_it(made: Redaction, tmp_path: Path) -> None:
    here: dict[str, Any] = {"cwd": made.path, "check": True, "capture_output": True}
    subprocess.run(["sha256sum", "--strict", "-c", "sha256.txt"], **here)
    key = tmp_path / "key.pem"
    subprocess.run(f"openssl x509 -in certificate.pem -pubkey -noout > {key}", shell=True, **here)
    subprocess.run(
        ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(key), "-rawin", "-in",
         "sha256.txt", "-sigfile", "sha256.txt.sig"], **here,
    )  # fmt: skip


# Asked, audited, whole or not at all


def test_the_same_footage_and_recipe_give_the_same_bytes(
    made: Redaction, lasting: House, tmp_path: Path
) -> None:
    again = copy(lasting, tmp_path / "again", recipe(drawn(crossing, 0, 29)), burn_time=True)
    assert again.sha256 == made.sha256


# Noise above a ramp: pictures in which x264 has much to choose.
WRITTEN = """
import sys; from pathlib import Path; import numpy as np
from evidence.redaction_film import Filming; from evidence.redaction_hiding import NOTHING
y, x = np.mgrid[0:212, 0:320]
noise = np.random.default_rng(3).integers(60, 190, (9, 27, 3)).repeat(12, 0).repeat(12, 1)
with Filming(Path(sys.argv[1]), 320, 212, 25, 1, "") as filming:
    for i in range(12):
        rgb = (np.stack([x * 3 + i * 4 + y, y * 5 + i, x + y], 2) % 256).astype(np.uint8)
        rgb[:106] = noise[:106, :320]
        filming.add(rgb, i * 40_000, NOTHING)
    filming.finish(480_000)
"""


def test_what_lay_in_memory_before_changes_no_byte(tmp_path: Path) -> None:
    """glibc fills what a program is given with the byte that MALLOC_PERTURB_ names."""
    made = []
    for filled in ("0", "1"):
        path = tmp_path / f"{filled}.mp4"
        more = {"MALLOC_PERTURB_": filled, "MALLOC_MMAP_THRESHOLD_": str(1 << 30)}
        subprocess.run(
            [sys.executable, "-c", WRITTEN, path], check=True, env={**os.environ, **more}
        )
        made.append(path.read_bytes())
    assert made[0] == made[1]


def test_pictures_of_another_size_fit_into_the_first_ones(
    house: House, out: Path, tmp_path: Path
) -> None:
    filmed(house, tmp_path, crossing, pictures=10)
    house.adopt(
        clip(tmp_path / "b.mp4", lambda i: (60, 40), 10, size=(240, 240)), at_s=1
    )  # taller than wide beside the first
    subject = {"track": False, "from": at(1), "boxes": [
        {"at": at(1.5), "box": [50 / 240, 30 / 240, 70 / 240, 52 / 240]}]}  # fmt: skip
    result = copy(house, out, recipe(subject, seconds=2), 0, 2)
    pictures = seen(film(result))
    assert {picture.shape for _, picture in pictures} == {(HEIGHT, WIDTH, 3)}
    assert max(magenta(picture) for _, picture in pictures[10:]) <= 2
    shutil.rmtree(out)
