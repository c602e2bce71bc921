"""Queries of several parts: all of them count, by their weight, and what is excluded goes away."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from search.engine import Engine
from search.query import Part, Query, Then
from search.questions import questions
from storage.clock import US
from storage.errors import Invalid, Unavailable
from tests.search.archive import ASKER, DIMENSION, START_US, Archive, Words, meaning

STREET = ["street"] * 30
PIXEL = np.full((8, 8, 3), 9, dtype=np.uint8)


def text(words: str, weight: float = 1.0) -> Part:
    return Part(text=words, weight=weight)


def first(archive: Archive, **fields: Any) -> str:
    """The camera of the best moment."""
    answer = archive.engine().search(Query(**fields), ASKER)
    return answer.moments[0].camera.slug


class Counting(Words):
    """Also counts the batches."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def embed_texts(self, texts: Any) -> Any:
        self.batches.append(len(texts))
        return super().embed_texts(texts)


def test_all_that_is_asked_must_be_there(archive: Archive) -> None:
    archive.footage("both", START_US, [*STREET, "red truck", *STREET])
    archive.footage("red", START_US, [*STREET, "red", *STREET])
    archive.footage("truck", START_US, [*STREET, "truck", *STREET])
    assert first(archive, parts=(text("red"), text("truck"))) == "both"


@pytest.mark.parametrize(("red", "truck", "wanted"), [(9, 1, "red"), (1, 9, "truck")])
def test_what_weighs_more_decides(archive: Archive, red: float, truck: float, wanted: str) -> None:
    archive.footage("red", START_US, [*STREET, "red red truck", *STREET])
    archive.footage("truck", START_US, [*STREET, "red truck truck", *STREET])
    assert first(archive, parts=(text("red", red), text("truck", truck))) == wanted


def test_only_the_proportion_of_weights_counts(archive: Archive) -> None:
    archive.footage("gate", START_US, [*STREET, "red truck", *STREET])
    scores = [
        archive.engine().search(Query(parts=parts), ASKER).moments[0].score
        for parts in (
            (text("red"), text("truck", 2)), (text("red", 20), text("truck", 40)),
            (text("truck", 0.02), text("red", 0.01)),
        )
    ]  # fmt: skip
    assert scores == pytest.approx([scores[0]] * 3, rel=1e-4)


def test_words_and_a_picture_together_find_what_shows_both(archive: Archive) -> None:
    archive.footage("both", START_US, [*STREET, "pixel9,9,9 night", *STREET])
    archive.footage("picture", START_US, [*STREET, "pixel9,9,9 day", *STREET])
    archive.footage("words", START_US, [*STREET, "night", *STREET])
    assert first(archive, parts=(text("night"), Part(image=PIXEL))) == "both"


def test_a_picture_is_excluded_as_words_are(archive: Archive) -> None:
    archive.footage("with", START_US, [*STREET, "truck pixel9,9,9", *STREET])
    archive.footage("without", START_US, [*STREET, "truck day", *STREET])
    found = archive.engine().search(
        Query(parts=(text("truck"),), exclusions=(Part(image=PIXEL),)), ASKER
    )
    assert found.moments[0].camera.slug == "without"


def test_a_box_asks_for_what_lies_in_it(archive: Archive) -> None:
    archive.footage("corner", START_US, [*STREET, "pixel9,9,9", *STREET])
    archive.footage("rest", START_US, [*STREET, "pixel200,0,0", *STREET])
    picture = np.zeros((20, 20, 3), dtype=np.uint8)
    picture[:, :, 0] = 200
    picture[12:, 12:] = 9
    assert first(archive, parts=(Part(image=picture),)) == "rest"
    assert first(archive, parts=(Part(image=picture, box=(12, 12, 8, 8)),)) == "corner"


def test_what_follows_may_be_seen_by_a_camera_near_by(archive: Archive) -> None:
    archive.camera("door", lat=31.2400, lon=121.4900)
    archive.camera("corner", lat=31.2404, lon=121.4900)  # 44 m on
    archive.camera("elsewhere", lat=31.2500, lon=121.4900)
    archive.camera("unknown")
    archive.footage("door", START_US, [*STREET, "leaves", *STREET])
    for name, after in (("corner", 8), ("elsewhere", 5), ("unknown", 4)):
        archive.footage(name, START_US, [*STREET, *["street"] * after, "fire", *STREET])

    def asked(near_m: float | None) -> Any:
        then = Then(parts=(text("fire"),), within_s=20, near_m=near_m)
        return archive.engine().search(Query(parts=(text("leaves"),), then=then), ASKER)

    near = asked(100)
    best = near.moments[0]
    assert best.camera.slug == "door"
    assert best.then is not None
    assert best.then.segment.camera == "corner"
    assert best.then.at_us - best.best.at_us == 8 * US
    assert "unknown" in near.warnings[0]
    assert asked(None).moments == [] or asked(None).moments[0].score < 0.5
    assert asked(None).warnings == []


def test_the_second_step_takes_several_parts_and_no_exclusions(archive: Archive) -> None:
    archive.footage("gate", START_US, [*STREET, "door", *STREET[:4], "fire truck night", *STREET])
    query = Query(
        parts=(text("door"),), exclusions=(text("night"),),
        then=Then(parts=(text("fire"), text("truck")), within_s=10),
    )  # fmt: skip
    found = archive.engine().search(query, ASKER).moments[0]
    assert found.then is not None
    assert found.then.at_us == START_US + 35 * US
    assert [len(step.excluded) for step in questions(query, Words())] == [1, 0]


def test_vectors_come_in_order_and_in_one_batch_of_each_kind() -> None:
    embedder = Counting()
    query = Query(
        parts=(text("a", 2), Part(image=PIXEL), text("b")),
        exclusions=(Part(image=PIXEL + 1), text("c", 3)), then=Then(parts=(text("d"),)),
    )  # fmt: skip
    one, two = questions(query, embedder)
    assert embedder.batches == [4]
    assert [part.picture for part in one.asked] == [False, True, False]
    assert [part.weight for part in (*one.asked, *one.excluded)] == [2, 1, 1, 1, 3]
    wanted = [meaning(word) for word in ("a", "pixel9,9,9", "b", "pixel10,10,10", "c")]
    assert np.allclose(one.stacked, wanted, atol=1e-6)
    assert np.allclose(two.asked[0].vector, meaning("d"), atol=1e-6)


def test_directions_are_each_part_and_what_they_make_together() -> None:
    (alone,) = questions(Query(parts=(text("a", 5),)), Words())
    assert alone.directions.shape == (1, DIMENSION)
    (both,) = questions(Query(parts=(text("a", 3), text("b"))), Words())
    together = 3 * meaning("a") + meaning("b")
    assert both.directions.shape == (3, DIMENSION)
    assert np.allclose(both.directions[2], together / np.linalg.norm(together), atol=1e-6)
    (turned,) = questions(Query(parts=(text("a"),), exclusions=(text("b"),)), Words())
    assert turned.directions.shape == (2, DIMENSION)
    assert turned.directions[1] @ meaning("b") < turned.directions[0] @ meaning("b")


class Opposites(Words):
    """'anti x' is the opposite direction of 'x'; 'nothing' has none; 'broken' is no number."""

    def embed_texts(self, texts: Any) -> npt.NDArray[np.float32]:
        rows = []
        for each in texts:
            row = meaning(each.removeprefix("anti ")) * (-1 if each.startswith("anti ") else 1)
            rows.append(row * {"nothing": 0, "broken": np.nan}.get(each, 1))
        return np.stack(rows).astype(np.float32)


@pytest.mark.parametrize(
    "fields",
    [
        {"parts": (text("x"), text("anti x"))},
        {"parts": (text("x", 7), text("anti x", 7), text("x", 0.001), text("anti x", 0.001))},
        {"parts": (text("a"),), "then": Then(parts=(text("x"), text("anti x")))},
    ],
)
def test_weights_that_cancel_out_are_refused(archive: Archive, fields: dict[str, Any]) -> None:
    archive.footage("gate", START_US, ["x", "a"])
    engine = Engine(archive.directory, Opposites())
    with pytest.raises(Invalid, match="cancel out"):
        engine.search(Query(**fields), ASKER)


def test_what_means_the_same_to_the_model_is_not_asked_for_and_excluded() -> None:
    query = Query(parts=(text("red truck"),), exclusions=(text("truck red"),))
    with pytest.raises(Invalid, match="cancel out"):
        questions(query, Words())


@pytest.mark.parametrize("words", ["nothing", "broken"])
def test_a_model_that_makes_no_vector_finds_nothing_wrong(words: str) -> None:
    with pytest.raises(Unavailable):
        questions(Query(parts=(text(words),)), Opposites())


def test_the_audit_row_names_all_that_was_asked(archive: Archive) -> None:
    from storage import audit

    archive.footage("gate", START_US, ["red"])
    query = Query(
        parts=(text("红色"), Part(image=PIXEL)), exclusions=(text("bus"),),
        then=Then(parts=(text("truck"),)),
    )  # fmt: skip
    archive.engine().search(query, ASKER)
    with archive.directory.ledger.read() as tx:
        row = audit.rows(tx, action="search")[0]
    assert row.subject == "红色 + picture → truck"
    assert str(query.parts[1].pixels_sha256) in row.detail
    assert '"not":["bus"]' in row.detail
