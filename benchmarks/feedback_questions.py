"""What an investigator asks of real clips and of made days, and what is really there."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.day_finding import Row, shows
from benchmarks.day_truth import Event
from benchmarks.house import SHARED_FOOTAGE
from indexer.tags import tag_query
from search.answer import Moment
from storage.clock import US

CAPTIONS = SHARED_FOOTAGE.parent / "captions" / "captions.jsonl"
LANGUAGES = ("en", "zh")
NEAR_S = 1.5  # a caption speaks of the moment around it
FEWEST = 5  # captions with a tag
UNIT_US = 3 * US
COMING = "coming"
Captions = dict[str, list[dict[str, object]]]
Tag = tuple[str, str | None]
Holds = Callable[[str, str, str], bool]  # scene, light, weather of a clip
SCENES: tuple[tuple[str, str, Holds], ...] = (
    ("a motorway in daylight", "白天的高速公路", lambda s, lit, _: (s, lit) == ("motorway", "day")),
    ("a wet road", "湿滑的道路", lambda _s, _l, weather: weather == "wet"),
    ("a parking lot", "停车场", lambda s, _l, _w: s == "parking lot"),
    ("an intersection", "十字路口", lambda s, _l, _w: s == "intersection"),
    ("an indoor room", "室内房间", lambda s, _l, _w: s in ("indoor room", "empty hall")),
    ("a conveyor belt", "传送带", lambda s, _l, _w: s == "conveyor belt"),
    ("a table", "桌子", lambda s, _l, _w: "table" in s),
    ("a road at night", "夜间的道路", lambda _s, lit, _w: lit == "night"),
)


@dataclass(frozen=True, slots=True)
class Question:
    """Something asked; what is said of a moment; what counts in a ranking."""

    name: str
    text: dict[str, str]  # by language
    says: Callable[[Moment], bool | None]  # right, wrong; None: nobody can tell
    # What is found with a moment, counted once, where it is first: some seconds of a clip, or
    # one coming of a thing.
    unit: Callable[[Moment], str]

    @property
    def held_out(self) -> bool:
        """Not among those that the method's constants were chosen on."""
        return hashlib.sha256(f"feedback {self.name}".encode()).digest()[-1] % 2 == 1


def of_clips() -> Iterator[Question]:
    """What people would type; scenes; things with their colours."""
    for line in (SHARED_FOOTAGE / "queries.jsonl").read_text(encoding="utf-8").splitlines():
        query = json.loads(line)
        texts = {lang: query[lang] for lang in LANGUAGES}
        yield _of_whole_clips(query["id"], texts, frozenset(query["clips"]))
    captions: Captions = defaultdict(list)
    for line in CAPTIONS.read_text(encoding="utf-8").splitlines():
        caption = json.loads(line)
        captions[caption["clip"]].append(caption)
    for en, zh, holds in SCENES:
        found = frozenset(clip for clip, said in captions.items() if holds(*_scene(said)))
        yield _of_whole_clips(f"s:{en}", {"en": en, "zh": zh}, found)
    every = [tag for said in captions.values() for one in said for tag in _tags(one)]
    for tag in sorted(set(every), key=str):
        texts = tag_query(*tag) or {}
        if texts and every.count(tag) >= FEWEST:
            says = partial(_caption_says, captions, tag)
            yield Question(f"t:{tag[0]}/{tag[1]}", texts, says, _seconds)


def of_days(truth: Sequence[Event], slack_us: int) -> Iterator[Question]:
    """Every kind of thing in its colour that comes more than once."""
    for event in {(one.kind, one.colour): one for one in truth}.values():
        same = [one for one in truth if (one.kind, one.colour) == (event.kind, event.colour)]
        if len(same) > 1:
            unit = partial(_coming, same, slack_us)
            yield Question(
                f"d:{event.kind}/{event.colour}", {"en": event.en, "zh": event.zh},
                partial(_comes, unit), unit,
            )  # fmt: skip


def _of_whole_clips(name: str, texts: dict[str, str], held: frozenset[str]) -> Question:
    return Question(name, texts, partial(_in_clips, held), _seconds)


def _in_clips(held: frozenset[str], moment: Moment) -> bool:
    return moment.best.segment.original_name in held


def _seconds(moment: Moment) -> str:
    segment = moment.best.segment
    return f"{segment.id} {(moment.best.at_us - segment.start_us) // UNIT_US}"


def _coming(same: Sequence[Event], slack_us: int, moment: Moment) -> str:
    best = moment.best
    row = Row(moment.camera.id, best.at_us, best.kind, best.box)
    for number, event in enumerate(same):
        if event.camera == moment.camera.slug and shows(row, event, slack_us):
            return f"{COMING} {number}"
    return f"{moment.camera.slug} {best.at_us // UNIT_US}"


def _comes(unit: Callable[[Moment], str], moment: Moment) -> bool:
    return unit(moment).startswith(COMING)


def _caption_says(captions: Captions, tag: Tag, moment: Moment) -> bool | None:
    """A caption nearby names it; or one of the whole picture does not."""
    segment = moment.best.segment
    at_s = (moment.best.at_us - segment.start_us) / US
    near = [
        one for one in captions[str(segment.original_name)]
        if abs(float(str(one["t_s"])) - at_s) <= NEAR_S
    ]  # fmt: skip
    if any(tag in _tags(one) for one in near):
        return True
    return False if any(one["kind"] == "frame" for one in near) else None


def _tags(caption: dict[str, object]) -> set[Tag]:
    objects = caption["objects"]
    assert isinstance(objects, list)
    return {(kind, one) for kind, colour in objects for one in (None, colour)}


def _scene(captions: Sequence[dict[str, object]]) -> tuple[str, str, str]:
    """Of a clip, as most of its captions have it."""
    said = [(str(one["scene"]), str(one["light"]), str(one["weather"])) for one in captions]
    return max(sorted(set(said)), key=said.count)
