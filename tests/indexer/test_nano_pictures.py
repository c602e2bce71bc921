"""Training pictures: made alike from a seed, told truly, in both languages; no held-out clips."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from indexer.lexicon import Lexicon
from indexer.nano import words
from indexer.nano.augment import augmented
from indexer.nano.batches import Batches, label
from indexer.nano.claims import FALSE, TRUE, UNKNOWN, claims
from indexer.nano.collage import collages, repainted
from indexer.nano.corpus import Part, read_part, write_piece
from indexer.nano.examination import UNSEEN
from indexer.nano.facts import EVERYTHING, Facts, Thing
from indexer.nano.grammar import EN, ZH, Speaker
from indexer.nano.pictures import SIZE
from indexer.nano.real import HELD_OUT, cut_out, read_crops
from indexer.nano.rendered import made_pictures
from indexer.nano.train import SEED, SHARES
from indexer.nano.vocabulary import lexicon
from indexer.scenes.arrays import Picture, seeded
from indexer.scenes.palette import COLOURS
from indexer.tags import COLOURS as TAG_COLOURS
from indexer.tags import TYPES

Pair = tuple[Picture, Facts]
HUES = ("red", "green", "blue", "yellow", "orange", "purple", "turquoise")


@pytest.fixture(scope="module")
def made() -> list[Pair]:
    """The pictures of four scenes."""
    return [pair for number in range(4) for pair in made_pictures(3, number)]


def claim(key: str, facts: Facts) -> int:
    """What a claim says of a picture."""
    return next(one for one in claims() if one.key == key).of(facts)


def test_the_same_seed_makes_the_same_pictures(made: list[Pair]) -> None:
    again = list(made_pictures(3, 0))
    for (picture, facts), (other, told) in zip(made, again, strict=False):
        assert np.array_equal(picture, other)
        assert facts == told


def test_another_seed_makes_others(made: list[Pair]) -> None:
    assert not np.array_equal(made[0][0], next(made_pictures(4, 0))[0])


def test_pictures_are_of_one_size_and_of_many_kinds(made: list[Pair]) -> None:
    assert {picture.shape for picture, _ in made} == {(SIZE, SIZE, 3)}
    kinds = {thing.kind for _, facts in made for thing in facts.things}
    assert {"car", "van", "truck", "person"} <= kinds


def test_what_is_called_by_a_colour_has_it(made: list[Pair]) -> None:
    """Pictures of one brightly coloured thing by day have more of that colour than of others."""
    right = wrong = 0
    for picture, facts in made:
        if len(facts.things) != 1 or facts.light != "day" or facts.events or facts.doubtful:
            continue
        thing = facts.things[0]
        if thing.colour not in HUES or thing.kind not in ("car", "van", "truck", "bus"):
            continue
        middle = picture[SIZE // 4 : -SIZE // 4, SIZE // 4 : -SIZE // 4].reshape(-1, 3)
        near = {hue: _near(middle, COLOURS[hue]) for hue in HUES}
        best = max(near, key=lambda hue: near[hue])
        right, wrong = right + (best == thing.colour), wrong + (best != thing.colour)
    assert right >= 3
    assert right >= 3 * wrong


def _near(pixels: Picture, rgb: tuple[float, float, float]) -> float:
    """How many pixels point the way of a colour, away from grey."""
    shade = pixels - pixels.mean(axis=1, keepdims=True)
    wanted = np.array(rgb) - np.mean(rgb)
    cosine = shade @ wanted / (np.linalg.norm(shade, axis=1) * np.linalg.norm(wanted) + 1e-6)
    return float(((cosine > 0.9) & (np.linalg.norm(shade, axis=1) > 25)).mean())


def test_a_claim_is_true_false_or_honestly_unknown() -> None:
    seen = Facts((Thing("car", "red"),), light="day", known=("objects", "light"))
    assert claim("colour:red car", seen) == TRUE
    assert claim("kind:vehicle", seen) == TRUE
    assert claim("kind:truck", seen) == FALSE
    assert claim("light:night", seen) == FALSE
    assert claim("weather:snow", seen) == UNKNOWN  # nobody looked
    assert claim("kind:dog", replace(seen, doubtful=(Thing("dog"),))) == UNKNOWN
    assert claim("weather:snow", replace(seen, denied=("weather:snow",))) == FALSE


def test_a_vehicle_whose_colour_nobody_wrote_down_denies_no_colour() -> None:
    seen = Facts((Thing("car", None),), known=("objects",))
    assert claim("colour:red car", seen) == UNKNOWN
    assert claim("colour:red bus", seen) == FALSE


def test_every_claim_is_worded_in_both_languages() -> None:
    keys = [one.key for one in claims()]
    assert len(keys) == len(set(keys)) > 150
    for one in claims():
        assert one.en, one.key
        assert one.zh, one.key
        assert all(re.search("[\u4e00-\u9fff]", text) for text in one.zh), one.key
        assert not any(re.search("[\u4e00-\u9fff]", text) for text in one.en), one.key


def test_claims_use_the_words_of_the_tag_queries() -> None:
    for kind, (en, zh) in words.KINDS.items():
        assert TYPES[kind] == zh[0]
        assert en[0] == kind
    for colour, (_, zh) in words.COLOURS.items():
        assert TAG_COLOURS[colour] == zh[0]


def test_the_issue_s_scenes_can_all_be_asked_for() -> None:
    keys = {one.key for one in claims()}
    for wanted in (
        "kind:motorcycle", "kind:dog", "kind:bag", "kind:umbrella", "deed:fallen", "deed:riding",
        "light:dusk", "light:night", "weather:fog", "weather:snow", "weather:wet", "event:smoke",
        "event:fire", "event:flood", "event:collision", "density:crowd", "density:traffic",
        "place:room", "view:overhead",
    ):  # fmt: skip
        assert wanted in keys


def test_sentences_say_the_same_in_both_languages(made: list[Pair]) -> None:
    speaker = Speaker(seeded(1, "test"))
    for _, facts in made:
        said = speaker.said(facts)
        assert said.en.isascii()
        assert re.search("[\u4e00-\u9fff]", said.zh)
        for thing in said.things:
            if thing.colour is not None:
                english, chinese = words.COLOURS[thing.colour]
                assert any(name in said.en for name in english), (said.en, thing)
                assert any(name in said.zh for name in chinese), (said.zh, thing)


def test_words_for_people_are_exchanged_so_that_nobody_is_told_apart() -> None:
    speaker = Speaker(seeded(1, "test"))
    english = Counter(speaker.neutral("a woman in red", EN).split()[1] for _ in range(400))
    chinese = Counter(speaker.neutral("穿红色衣服的女子", ZH).split("的")[1] for _ in range(400))
    assert {"person", "man", "woman"} <= set(english)
    assert {"人", "男子", "女子"} <= set(chinese)
    assert max(english.values()) < 160  # each about as often as the others


def test_what_nano_was_taught_it_knows(made: list[Pair]) -> None:
    told = lexicon([facts for _, facts in made])
    known = Lexicon(told["en"], told["zh"])
    for one in claims():
        for text in (*one.en, *one.zh):
            assert known.unknown(text) == [], one.key
    assert known.unknown("a submarine on the moon") == ["submarine", "moon"]
    assert known.unknown("河里的潜水艇") != []


def test_a_batch_is_fixed_by_its_seed_and_step(made: list[Pair]) -> None:
    part = Part(np.stack([picture for picture, _ in made]), [facts for _, facts in made])
    one, other = (Batches([(part, 16)], seed=5) for _ in "ab")
    first, again, next_one = one.batch(3, 96), other.batch(3, 96), one.batch(4, 96)
    assert first.pictures.shape == (16, 96, 96, 3)
    assert np.array_equal(first.pictures, again.pictures)
    assert first.said == again.said
    assert not np.array_equal(first.pictures, next_one.pictures)


def test_a_picture_that_a_sentence_also_fits_is_no_rival() -> None:
    red, both = Thing("car", "red"), (Thing("car", "red"), Thing("bus", "green"))
    facts = [Facts((red,), known=EVERYTHING), Facts(both), Facts((Thing("bus", "green"),))]
    part = Part(np.zeros((3, SIZE, SIZE, 3), np.uint8), facts)
    batch = Batches([(part, 24)], seed=2).batch(0, 96)
    for i, said in enumerate(batch.said):
        assert not batch.rivals[i, i]
        for j in range(len(batch.said)):
            fits = set(said.things) <= set(batch.said[j].things)
            assert not (fits and batch.rivals[i, j])


def test_a_worn_picture_keeps_its_size_and_its_brightness_roughly(made: list[Pair]) -> None:
    rng = seeded(1, "wear")
    for picture, _ in made[:40]:
        worn = augmented(rng, picture, 128)
        assert worn.shape == (128, 128, 3)
        assert worn.dtype == np.uint8
        assert abs(float(worn.mean()) - float(picture.mean())) < 90


def test_a_piece_is_read_as_it_was_written(tmp_path: Path, made: list[Pair]) -> None:
    write_piece(tmp_path / "part" / "00000", made[:5])
    part = read_part(tmp_path / "part")
    assert part.facts == [facts for _, facts in made[:5]]
    assert np.array_equal(part.pictures, np.stack([picture for picture, _ in made[:5]]))
    assert {file.name for file in (tmp_path / "part").iterdir()} == {"00000.npy", "00000.jsonl"}


def test_examination_scenes_are_not_of_the_training_s_seed() -> None:
    assert UNSEEN != SEED
    assert sum(SHARES.values()) == 128


# -- of real clips, where they are beside the checkout --


@pytest.fixture
def few(captions: Path) -> list[object]:
    """Crops of two short clips that may be trained on."""
    wanted = ("tfl_jamcam_625_201709211436.mp4", "intel_car-detection.mp4")
    return [crop for crop in read_crops(captions) if crop.clip in wanted]


def test_held_out_clips_exist_and_are_more_than_a_quarter(captions: Path) -> None:
    crops = read_crops(captions)
    assert {crop.clip for crop in crops} >= HELD_OUT
    assert 0.25 < sum(crop.clip in HELD_OUT for crop in crops) / len(crops) < 0.5


def test_captions_become_facts_that_deny_only_what_was_looked_at(captions: Path) -> None:
    crops = read_crops(captions)
    labels = label([crop.facts for crop in crops])
    keys = [one.key for one in claims()]
    snow = labels[:, keys.index("weather:snow")]
    assert set(snow.tolist()) == {FALSE}  # it snows in none of the clips
    night = labels[:, keys.index("light:night")]
    assert int((night == TRUE).sum()) == 18
    assert (labels[:, keys.index("kind:tree")] == FALSE).sum() == 0  # seldom written down


def test_things_are_cut_out_repainted_and_set_elsewhere(few: list[object], footage: Path) -> None:
    sprites, empties = cut_out(footage, few)  # type: ignore[arg-type]
    assert len(empties) == 2
    assert len(sprites) >= 5
    for sprite in sprites:
        assert sprite.alpha.shape == sprite.rgb.shape[:2]
        assert 0.05 < float(sprite.alpha.mean()) <= 1
    rng = seeded(1, "test")
    painted = [new for sprite in sprites if (new := repainted(rng, sprite, "green"))]
    assert painted
    for new in painted:
        assert new.things[0].colour == "green"
        assert _near(new.rgb[new.alpha > 0.5], COLOURS["green"]) > 0.1
    pairs = list(collages(sprites, empties, 1, 0))
    assert {picture.shape for picture, _ in pairs} == {(SIZE, SIZE, 3)}
    assert any(len(facts.things) > 2 for _, facts in pairs)


def test_a_clip_s_empty_scene_has_its_size(few: list[object], footage: Path) -> None:
    _, empties = cut_out(footage, few)  # type: ignore[arg-type]
    sizes = set()
    for name in ("tfl_jamcam_625_201709211436.mp4", "intel_car-detection.mp4"):
        with av.open(str(footage / name)) as container:
            stream = container.streams.video[0]
            sizes.add((stream.height, stream.width, 3))
    assert {empty.picture.shape for empty in empties} == sizes
