"""Recipes: what is wrong is refused, and the message names the place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evidence.redaction_recipe import MOST_BYTES, load_recipe, parse_recipe
from storage.clock import parse_time
from storage.errors import HindsightError, Invalid, NotFound
from storage.vocabulary import Span

SPAN = Span(parse_time("2026-11-18T13:00:00Z"), parse_time("2026-11-18T13:01:00Z"))
AT = "2026-11-18T13:00:02Z"
BOX = [0.4, 0.2, 0.1, 0.35]


def text(*subjects: Any, **more: Any) -> str:
    return json.dumps({"recipe": 1, "subjects": list(subjects), **more})


def one(**more: Any) -> dict[str, Any]:
    return {"name": "a man", "boxes": [{"at": AT, "box": BOX}], **more}


def boxed(*box: Any) -> str:
    return text(one(boxes=[{"at": AT, "box": list(box)}]))


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{", "line 1, column 2"),
        ("[]", "top: an object"),
        ("[" * 100_000, "nested too deep"),
        ('{"recipe": 1, "recipe": 1}', "recipe twice"),
        ('{"recipe": NaN}', "NaN"),
        ('{"recipe": ' + "9" * 5000 + "}", "which is no number"),
        ("{}", 'reads "recipe": 1'),
        ('{"recipe": 2}', 'reads "recipe": 1'),
        ('{"recipe": true}', 'reads "recipe": 1'),
        (text(blur=3), "top: blur is not known"),
        (text(hide="faces"), "hide: one of boxes, all-but-boxes"),
        (text(fill="blur"), "fill: one of blocks, solid"),
        (text(hide="all-but-boxes"), "hide: without a subject"),
        ('{"recipe": 1, "subjects": {}}', "subjects: a list"),
        (text("a man"), "subjects[0]: an object"),
        (text({"boxes": []}), "subjects[0].name: this is missing"),
        (text(one(name="")), "subjects[0].name: a name"),
        (text(one(name="a\x1b[31m")), "subjects[0].name: a name has at most"),
        (text(one(), one()), "subjects[0]: two subjects have the same name"),
        (text({"name": "a man"}), "subjects[0].boxes: this is missing"),
        (text(one(boxes=[])), "subjects[0].boxes: a subject needs a box"),
        (text(one(), one(name="b", colour="red")), "subjects[1]: colour is not known"),
        (text(one(boxes=[{"box": BOX}])), "subjects[0].boxes[0].at: this is missing"),
        (text(one(boxes=[{"at": 5, "box": BOX}])), "subjects[0].boxes[0].at: a time such as"),
        (text(one(boxes=[{"at": "13:00", "box": BOX}])), "subjects[0].boxes[0].at: time 13:00"),
        (text(one(boxes=[{"at": "2026-11-18T13:00:02", "box": BOX}])), "has no zone"),
        (text(one(boxes=[{"at": "2026-11-18T13:01:00Z", "box": BOX}])), "lies outside the span"),
        (text(one(boxes=[{"at": AT, "box": BOX}] * 2)), "boxes[1].at: boxes stand in order"),
        (text(one(boxes=[{"at": AT}])), "subjects[0].boxes[0].box: this is missing"),
        (boxed(0.1, 0.1, 0.1), "boxes[0].box: a box is [x, y, width, height]"),
        (boxed(0.1, 0.1, "w", 0.1), "boxes[0].box: a box is"),
        (boxed(0.1, 0.1, True, 0.1), "boxes[0].box: a box is"),
        (boxed(0.1, 0.1, 10**400, 0.1), "boxes[0].box: a box is"),
        (boxed(0.1, 0.1, 0, 0.1), "boxes[0].box: the box has no area"),
        (boxed(0.1, 0.1, -0.1, 0.1), "boxes[0].box: the box has no area"),
        (boxed(0.95, 0.1, 0.1, 0.1), "boxes[0].box: the box lies partly outside"),
        (boxed(100, 80, 40, 60), "boxes[0].box: the box lies partly outside"),
        (text(one(**{"from": "2026-11-18T13:00:03Z"})), "boxes[0].at: the subject is not there"),
        (text(one(until=AT)), "boxes[0].at: the subject is not there"),
        (text(one(until="2026-11-18T13:00:02Z", **{"from": AT})), "until: it lies at or before"),
        (text(one(track="yes")), "subjects[0].track: true or false"),
    ],
)
def test_a_wrong_recipe_is_refused_by_name_and_place(written: str, said: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_recipe(written, SPAN)
    assert said in caught.value.text("en")


def test_a_recipe_reads_as_it_was_written() -> None:
    written = text(
        one(until="2026-11-18T21:01:00+08:00", track=False), hide="all-but-boxes", fill="solid"
    )
    found = parse_recipe(written, SPAN)
    again = parse_recipe(json.dumps(found.document()), SPAN)
    assert again.document() == found.document()
    assert again.sha256 == found.sha256
    [subject] = found.subjects
    assert (subject.until_us, subject.track) == (SPAN.end_us, False)


def test_the_hash_stands_for_the_shapes_not_the_names() -> None:
    assert parse_recipe(text(one()), SPAN).sha256 == parse_recipe(text(one(name="x")), SPAN).sha256
    moved = one(boxes=[{"at": AT, "box": [0.4, 0.2, 0.1, 0.34]}])
    assert parse_recipe(text(one()), SPAN).sha256 != parse_recipe(text(moved), SPAN).sha256


@pytest.mark.parametrize(
    ("data", "kind"),
    [(None, NotFound), (b"\xff\xfe", Invalid), (b" " * (MOST_BYTES + 1), Invalid)],
)
def test_a_file_that_is_no_recipe_is_refused(
    tmp_path: Path, data: bytes | None, kind: type[HindsightError]
) -> None:
    path = tmp_path / "recipe.json"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(kind, match=r"recipe\.json"):
        load_recipe(path, SPAN)
