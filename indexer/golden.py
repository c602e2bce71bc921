"""Golden queries: made pictures of known scenes that a model must find by what is said of them.

They ask whether weights, tokenizer and transform fit together and speak, not how good a model is:
that is what `hindsight model eval` measures on real pictures.
"""

from __future__ import annotations

import json
import logging
import math
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from indexer.scenes.arrays import Picture
from indexer.scenes.picture import Renderer
from indexer.scenes.shorthand import bounds
from indexer.scenes.spec import (
    Actor,
    Building,
    Fence,
    Lamp,
    Leg,
    Parked,
    Patch,
    SceneSpec,
    Setting,
    Stripe,
    Tree,
    View,
)
from storage.durable import remove_file, write_file
from storage.standings import Golden

if TYPE_CHECKING:
    import numpy.typing as npt

    from indexer.embedder import Embedder

EDITION = "1"  # another one when pictures, sentences or figures change
# mAP above that of chance that no model reaches without knowing what it sees: nano with weights
# drawn at random gave 0.21 on average, 0.35 in one case of 200, 0.40 at most (600 figures).
MARGIN = 0.2
SHARE = 0.8  # of the answering model's mAP that its successor must reach
UNIT_OFF = 1e-3
STEADY = 1 - 1e-4  # cosine of the same picture embedded twice, alone and among others
WIDTH, HEIGHT, RATE = 320, 240, 10
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Thing:
    """Who is alone in a picture, where it faces, and what is said of the picture."""

    kind: str
    colour: str
    action: str
    x: float
    y: float
    facing_deg: float
    en: str
    zh: str
    carrying: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A view in one light; one picture for each thing."""

    setting: Setting
    view: View
    light: str
    weather: str
    things: tuple[Thing, ...]


_STREET = Setting(
    (-30, -12, 30, 60), "paving",
    (
        Patch("asphalt", bounds(-30, -3, 30, 7)),
        Stripe(((-30, 2), (30, 2)), 0.15, (214, 174, 62), (3, 2)),
        Stripe(((-30, 7), (30, 7)), 0.2, (176, 174, 168)),
    ),
    (
        Building(-28, 12, -6, 24, 12, "flats", (172, 158, 140)),
        Building(-3, 13, 20, 26, 9, "office", (150, 150, 146)),
        Tree(-4.5, 10, 5, 1.8), Lamp(6, 9), Lamp(-12, 9),
    ),
)  # fmt: skip
_BAYS = [-15.0 + 2.6 * k for k in range(13)]
_PARKED = ((1, "grey"), (3, "white"), (4, "black"), (7, "grey"), (9, "white"))
_CAR_PARK = Setting(
    (-34, -14, 34, 44), "asphalt",
    (
        Patch("grass", bounds(-34, 22, 34, 44)),
        *(Stripe(((x - 1.3, 8), (x - 1.3, 13)), 0.12) for x in _BAYS),
    ),
    (
        *(Parked("car", colour, _BAYS[k], 10.5, 90, k % 3) for k, colour in _PARKED),
        *(Tree(x, 25, 5.6, 2) for x in (-20.0, -8.0, 5.0, 17.0)),
    ),
)  # fmt: skip
_PARK = Setting(
    (-34, -14, 34, 60), "grass", (Patch("paving", bounds(-2, -14, 2, 60)),),
    (
        *(Tree(x, y) for x, y in ((-7, 8), (6, 10), (-9, 18), (9, 20), (-5, 26))),
        Fence((-30, 32), (30, 32)),
    ),
)  # fmt: skip
_LOW, _HIGH = View((0, -9, 3.0), 0, 9, 0, 56), View((0, -9, 8.0), 0, 34, 0, 52)
PLACES = (
    Place(_STREET, _LOW, "day", "sunny", (
        Thing("car", "red", "stopped", 0, 1, 0, "a red car on a street", "街道上的红色汽车"),
        Thing("bus", "yellow", "stopped", 0, 4, 180, "a yellow bus", "黄色公交车"),
        Thing("truck", "white", "stopped", 0, 2, 180,
              "a white truck on a street", "街道上的白色卡车"),
        Thing("person", "blue", "walking", 0, -3.2, 0,
              "a person in blue walking on a street by day", "白天街道上走过的穿蓝色衣服的人"),
    )),
    Place(_STREET, _LOW, "night", "sunny", (
        Thing("van", "white", "stopped", 0, 1, 180, "a white van at night", "夜间的白色面包车"),
        Thing("bicycle", "red", "riding", 0, -3, 0,
              "a person riding a bicycle at night", "夜间骑自行车的人"),
        Thing("person", "yellow", "standing", -1, -3.2, -90,
              "a person in yellow standing at night", "夜间站着的穿黄色衣服的人"),
    )),
    Place(_CAR_PARK, _HIGH, "day", "overcast", (
        Thing("truck", "green", "stopped", 0, 2, 0,
              "a green truck in a parking lot", "停车场里的绿色卡车"),
        Thing("car", "blue", "stopped", 1, 2, 0,
              "a blue car in a parking lot", "停车场里的蓝色汽车"),
        Thing("person", "red", "fallen", 0, -1, 0,
              "a person lying on the ground in a parking lot", "停车场里摔倒在地上的人"),
        Thing("motorcycle", "orange", "stopped", 0, 0, 0,
              "a motorcycle in a parking lot", "停车场里的摩托车"),
    )),
    Place(_STREET, _LOW, "dusk", "rain", (
        Thing("person", "black", "standing", 0, -3.2, -90,
              "a person holding an umbrella in the rain", "雨中打着伞的人", "umbrella"),
        Thing("car", "black", "stopped", 0, 1, 0, "a black car in the rain", "雨中的黑色汽车"),
        Thing("van", "orange", "stopped", 0, 1, 0, "an orange van in the rain", "雨中的橙色面包车"),
    )),
    Place(_PARK, _LOW, "day", "sunny", (
        Thing("dog", "brown", "walking", 0, -3.5, 0, "a dog", "狗"),
        Thing("person", "orange", "running", 0, -2.5, -90,
              "a person in orange running", "奔跑的穿橙色衣服的人"),
    )),
)  # fmt: skip


def golden_pictures() -> list[Picture]:
    """One for each sentence, RGB uint8 (HEIGHT, WIDTH, 3). The same in every run; takes 3 s."""
    return list(_rendered())


def sentences(lang: str) -> list[str]:
    """What is true of one picture and of no other, in their order."""
    return [thing.en if lang == "en" else thing.zh for place in PLACES for thing in place.things]


def ask(embedder: Embedder, remembered: Path | None = None) -> Golden:
    """What a model answers. `remembered`: folder that keeps it by weights and edition."""
    file = None
    if remembered is not None:
        file = answer_file(remembered, embedder.weights_hash, embedder.preprocess_hash)
        if (known := recall(file)) is not None:
            return known
    golden = measure(embedder)
    log.info("golden queries of %s: %s", embedder.model, golden)
    if file is not None:
        keep(file, golden)
    return golden


def measure(embedder: Embedder) -> Golden:
    """Embed all, and rank the pictures by every sentence."""
    pictures = golden_pictures()
    vectors = embedder.embed_images(pictures)
    again = embedder.embed_images(pictures[:1])
    texts = {lang: embedder.embed_texts(sentences(lang)) for lang in ("en", "zh")}
    count = len(pictures)
    chance = sum(1 / rank for rank in range(1, count + 1)) / count
    every = np.concatenate([vectors, again, *texts.values()])
    fault = None
    if not np.isfinite(every).all():
        return Golden(EDITION, 0.0, 0.0, chance, "infinite")
    if np.abs(np.linalg.norm(every, axis=1) - 1).max() > UNIT_OFF:
        fault = "long"
    elif float(vectors[0] @ again[0]) < STEADY:
        fault = "unsteady"
    found = {lang: mean_precision(texts[lang] @ vectors.T) for lang in texts}
    return Golden(EDITION, found["en"], found["zh"], chance, fault)


def mean_precision(scores: npt.NDArray[np.float32]) -> float:
    """mAP where row i asks for picture i alone: the mean of 1 / its rank.

    Equal scores count against the model: the same vector for all must not look like finding.
    """
    ranks = (scores >= np.diagonal(scores)[:, None]).sum(axis=1)
    return float((1 / ranks).mean())


def judge(mine: Golden, theirs: Golden | None, against: int, *, at_home: bool) -> Golden:
    """`mine` with what is wanted of it to follow the generation `against`, which answers `theirs`
    (None: its model cannot be loaded any more).

    A successor must tell pictures apart at all, and reach SHARE of the other's figure, in English:
    most models know no Chinese, which is worth a warning and no refusal. `at_home`: the other one
    was trained with pictures of this kind, so that its figure is nothing to be held to. Where the
    other one answers no better than chance itself, anything may follow.
    """
    least = mine.chance + MARGIN
    if theirs is None:
        return replace(mine, against=against, theirs=None, wanted=least)
    wanted = None
    if theirs.fault is None and theirs.en >= theirs.chance + MARGIN:
        wanted = least if at_home else max(least, SHARE * theirs.en)
    return replace(mine, against=against, theirs=theirs.en, wanted=wanted)


def answer_file(folder: Path, weights_hash: str, preprocess_hash: str) -> Path:
    """Where the answers of these very weights are remembered."""
    return folder / f"{weights_hash[:32]}-{preprocess_hash[:16]}.json"


def recall(file: Path) -> Golden | None:
    """What was remembered of this edition."""
    try:
        golden = Golden(**json.loads(file.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None  # a cache: what cannot be read is found out again
    return golden if golden.edition == EDITION else None


def keep(file: Path, golden: Golden) -> None:
    """Remember it, in place of an older edition."""
    try:
        remove_file(file)
        write_file(file, json.dumps(asdict(golden)).encode())
    except OSError as error:  # another worker writes the same, or the disk is full
        log.info("answers to golden queries are not kept: %s", error)


@lru_cache(maxsize=1)
def _rendered() -> tuple[Picture, ...]:
    pictures: list[Picture] = []
    for number, place in enumerate(PLACES):
        actors = tuple(_actor(thing, second) for second, thing in enumerate(place.things))
        spec = SceneSpec(
            f"golden-{number}", "", "made", 1, 0.0, 0.0, place.view, place.setting, "", "",
            actors, place.light, place.weather, seed=number + 1, seconds=len(actors) + 1.0,
            fps=RATE, width=WIDTH, height=HEIGHT,
        )  # fmt: skip
        renderer = Renderer(spec)
        pictures += [renderer.frame(second * RATE + RATE // 2)[0] for second in range(len(actors))]
    return tuple(pictures)


def _actor(thing: Thing, second: int) -> Actor:
    """There from the beginning of that second of the scene to its end."""
    turned = math.radians(thing.facing_deg)
    ahead = (math.cos(turned), math.sin(turned))
    speed = {"walking": 1.3, "running": 3.0, "riding": 3.0}.get(thing.action)
    here = (thing.x, thing.y)
    if speed is None:
        leg = Leg(thing.action, (here, (here[0] + ahead[0], here[1] + ahead[1])), seconds=0.98)
    else:
        half = speed * 0.49
        start = (here[0] - ahead[0] * half, here[1] - ahead[1] * half)
        leg = Leg(
            thing.action, (start, (here[0] + ahead[0] * half, here[1] + ahead[1] * half)), speed
        )
    return Actor(thing.kind, thing.colour, float(second), (leg,), thing.carrying)
