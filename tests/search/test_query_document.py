"""A stored query is the same query: nothing is lost, and what is damaged is said to be."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.query import Around, Marked, Part, Query, Then
from search.query_document import document, from_document, pictures_of
from storage.clock import EARLIEST_US, LATEST_US, parse_time
from storage.errors import DataLoss, Invalid

WORDS = st.text(min_size=1, max_size=30).filter(lambda text: bool(text.strip()))
WEIGHTS = st.floats(0, 100, exclude_min=True)


@st.composite
def pictures(draw: st.DrawFn) -> dict[str, Any]:
    height, width, seed = draw(st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(0, 3)))
    picture = np.random.default_rng(seed).integers(0, 2, (height, width, 3), dtype=np.uint8)
    x, y = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    w, h = draw(st.integers(1, width - x)), draw(st.integers(1, height - y))
    return {"image": picture, "box": draw(st.sampled_from([None, (x, y, w, h)]))}


PARTS = st.builds(
    lambda what, weight: Part(**what, weight=weight),
    WORDS.map(lambda text: {"text": text}) | pictures(), WEIGHTS,
)  # fmt: skip
SEVERAL = st.lists(PARTS, min_size=1, max_size=4).map(tuple)
TIMES = st.integers(EARLIEST_US, LATEST_US - 1)
QUERIES = st.fixed_dictionaries(
    {"parts": SEVERAL},
    optional={
        "exclusions": SEVERAL,
        "then": st.builds(
            Then, parts=SEVERAL, within_s=st.floats(0, 86_400, exclude_min=True),
            near_m=st.none() | st.floats(0, 2e7, exclude_min=True),
        ),
        "cameras": st.lists(WORDS, max_size=3).map(tuple),
        "sites": st.lists(WORDS, max_size=3).map(tuple),
        "around": st.builds(
            Around, lat=st.floats(-90, 90), lon=st.floats(-180, 180),
            radius_m=st.floats(0, 2e7, exclude_min=True),
        ),
        "from_us": TIMES,
        "to_us": TIMES,
        "between": st.tuples(st.integers(0, 1439), st.integers(0, 1440)).filter(
            lambda between: between[0] != between[1]
        ),
        "weekdays": st.lists(st.integers(1, 7), max_size=7).map(tuple),
        "kind": st.sampled_from(["frame", "region"]),
        "least_box": st.integers(1, 100_000),
        "light": st.sampled_from(["day", "night"]),
        "marks": st.lists(
            st.builds(
                Marked, frame_id=st.integers(0, 2**63 - 1), segment_id=WORDS, right=st.booleans()
            ),
            max_size=3,
        ).map(tuple),
        "top": st.integers(1, 1000),
        "diversify": st.booleans(),
        "case_id": WORDS,
        "reason": WORDS,
    },
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(QUERIES)
def test_any_query_comes_back_the_same_from_json(fields: dict[str, Any]) -> None:
    try:
        query = Query(**fields)
    except Invalid:  # the same asked for and excluded, or a span that is empty
        return
    stored = json.loads(json.dumps(document(query), allow_nan=False))
    kept = {name: picture.copy() for name, picture in pictures_of(query).items()}
    again = from_document(stored, kept)
    assert again == query
    assert document(again) == document(query)
    assert pictures_of(again).keys() == kept.keys()


def large() -> Query:
    noise = np.random.default_rng(5).integers(0, 256, (1500, 2500, 3), dtype=np.uint8)
    return Query(
        parts=(Part(text="红色汽车", weight=2), Part(image=noise, box=(100, 50, 2200, 1300))),
        exclusions=(Part(text="a bus"),), then=Then(parts=(Part(text="a dog"),), within_s=5),
        cameras=("gate",), from_us=parse_time("2026-11-18T13:04:07.240001Z"), case_id="A-1",
    )  # fmt: skip


def test_a_stored_picture_is_not_cut_or_made_smaller_again() -> None:
    query = large()
    again = from_document(document(query), pictures_of(query))
    (kept,) = pictures_of(again).values()
    assert kept.shape == (605, 1024, 3)
    assert again.parts[1].pixels_sha256 == query.parts[1].pixels_sha256


def test_a_picture_that_is_gone_or_another_one_is_data_loss() -> None:
    query = large()
    (name,) = pictures_of(query)
    damaged = pictures_of(query)[name].copy()
    damaged[3, 5, 1] ^= 1
    for kept in ({}, {name: damaged}, {name: damaged[:-1]}):
        with pytest.raises(DataLoss, match=name[:12]):
            from_document(document(query), kept)


@pytest.mark.parametrize(
    "damage",
    [
        lambda doc: doc.pop("parts"), lambda doc: doc.update(parts=[]),
        lambda doc: doc.update(parts=[{"weight": 1}]), lambda doc: doc.update(parts="car"),
        lambda doc: doc.update(marks=[{"frame": "x", "segment": "s", "right": True}]),
        lambda doc: doc.update(colour="red"), lambda doc: doc.update(weekdays=[9]),
        lambda doc: doc.update({"from": 5}), lambda doc: doc.update({"from": "yesterday"}),
        lambda doc: doc.update(then_parts=[{"text": "a", "weight": 1}], within_s=None),
    ],
)  # fmt: skip
def test_a_document_of_something_else_is_refused(damage: Any) -> None:
    query = Query(parts=(Part(text="car"),))
    doc = document(query)
    damage(doc)
    with pytest.raises(Invalid):
        from_document(doc, {})


def test_an_answer_says_what_was_understood_in_words_scripts_know() -> None:
    said = large().understood(["gate"], 20)
    assert said == json.loads(json.dumps(said))
    assert {name: said[name] for name in ("text", "not", "then", "within_s", "box", "top")} == {
        "text": "红色汽车", "not": ["a bus"], "then": "a dog", "within_s": 5.0,
        "box": [100, 50, 2200, 1300], "top": 20,
    }  # fmt: skip
    assert (said["image"]["width"], said["image"]["height"]) == (1024, 605)
    assert (said["cameras"], said["from"]) == (["gate"], "2026-11-18T13:04:07.240001Z")
    assert (said["case"], said["reason"], said["near_m"]) == ("A-1", None, None)
