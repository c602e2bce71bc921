"""What is marked right stays and brings the like of it up; what is marked wrong goes down."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search import feedback, marking, runs
from search.feedback import Feedback, Floats, Taught, spread_out, taught
from search.kept_runs import find
from search.query import Marked
from search.runs import Asked
from storage import audit, cases, generations, lake, marks, schema, segments, stored_queries
from storage.clock import US, rfc3339
from storage.errors import Conflict, Denied, Invalid, NotFound
from storage.vocabulary import Actor, Segment
from tests.search.archive import ASKER, DIMENSION, START_US, Archive, Words, asked
from tests.search.keeping import CASE, HOUR_US, Keeping
from tests.storage.media import House

STREET = ["street"] * 30
INES, PAUL = Actor("ines"), Actor("paul")


@pytest.fixture
def keeping(house: House) -> Keeping:
    """Two kinds of trucks at four cameras; the words say nothing about which is meant."""
    made = Keeping(house)
    for number, kind in enumerate(("milk", "fire", "milk", "fire")):
        made.footage(f"gate-{number}", [*STREET, f"truck {kind}", *STREET], hour=1)
    return made


def moments(one: Asked) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = one.document["moments"]
    return found


def place(one: Asked, camera: str) -> int:
    """At which number of the answer, from 1, a camera is first."""
    return next(n for n, found in enumerate(moments(one), 1) if found["camera"] == camera)


def say(keeping: Keeping, one: Asked, camera: str, right: bool, by: Actor = ASKER) -> None:
    kept = keeping.kept(one)
    (shown,) = marking.numbered(kept, [place(one, camera)])
    marking.mark(keeping.directory, kept, [(shown, right)], by)


def refined(keeping: Keeping, one: Asked, by: Actor = ASKER) -> Asked:
    keeping.clock.forward(US)
    return marking.refine(keeping.archive.engine(), keeping.kept(one), by)


def vectors(*words: str) -> Floats:
    return Words().embed_texts(words) if words else np.zeros((0, DIMENSION), np.float32)


def of(right: tuple[str, ...] = (), wrong: tuple[str, ...] = ()) -> Feedback:
    ids = np.arange(100, dtype=np.int64)
    said = Taught(vectors(*right), vectors(*wrong), ids[: len(right)], ids[50 : 50 + len(wrong)])
    return Feedback(said, vectors(*STREET, "house", "tree", "road"))


def moved(one: Feedback, scores: list[float], *words: str, first_id: int = 1000) -> list[float]:
    ids = np.arange(first_id, first_id + len(words))
    given = np.array(scores, dtype=np.float32)
    return [float(each) for each in one.refined(given, vectors(*words).astype(np.float16), ids)]


def test_one_right_mark_brings_the_like_of_it_up(keeping: Keeping) -> None:
    first = keeping.ask("truck")
    say(keeping, first, "gate-1", True)
    after = refined(keeping, first)
    assert [one["camera"] for one in moments(after)[:2]] == ["gate-1", "gate-3"]
    assert after.document["query"]["marks"][0]["right"] is True


def test_one_wrong_mark_pushes_it_down(keeping: Keeping) -> None:
    first = keeping.ask("truck")
    say(keeping, first, "gate-1", False)
    after = refined(keeping, first)
    assert {one["camera"] for one in moments(after)[:3]} == {"gate-0", "gate-2", "gate-3"}
    assert all(
        one["score"] < 0.1 for one in moments(after) if one["camera"] == "gate-1"
    )  # fmt: skip


def test_a_wrong_mark_beside_a_right_one_pushes_its_like_down(keeping: Keeping) -> None:
    first = keeping.ask("truck")
    say(keeping, first, "gate-0", True)
    say(keeping, first, "gate-1", False)
    after = refined(keeping, first)
    assert [one["camera"] for one in moments(after)[:3]] == ["gate-0", "gate-2", "gate-3"]


def test_marked_right_stays_first_however_little_the_words_see_in_it(keeping: Keeping) -> None:
    keeping.footage("yard", [*STREET, "wall"], hour=2)
    first = keeping.ask("truck", cameras=("yard",))
    say(keeping, first, "yard", True)
    after = refined(keeping, first)
    assert moments(after)[0]["best"] == moments(first)[0]["best"]
    assert moments(after)[0]["score"] >= feedback.MARKED_RIGHT


def test_refining_again_keeps_what_was_said_before(keeping: Keeping) -> None:
    first = keeping.ask("truck")
    say(keeping, first, "gate-1", True)
    second = refined(keeping, first)
    say(keeping, second, "gate-0", False)
    third = refined(keeping, second)
    said = {mark["right"] for mark in third.document["query"]["marks"]}
    assert said == {True, False}
    assert len(third.document["query"]["marks"]) == 2
    kept = keeping.kept(third)
    (undone,) = marking.numbered(kept, [place(third, "gate-1")])
    left = marking.take_back(keeping.directory, kept, [undone.frame_id], ASKER)
    assert [row.right for row in left] == [False]
    assert len(refined(keeping, third).document["query"]["marks"]) == 1


def test_wrong_marks_alone_make_nothing_more_sure(keeping: Keeping) -> None:
    first = keeping.ask("zebra")
    assert not first.answer.confident
    kept = keeping.kept(first)
    said = [(one, False) for one in marking.shown(kept)[:3]]
    marking.mark(keeping.directory, kept, said, ASKER)
    after = refined(keeping, first)
    assert not after.answer.confident
    assert max(one["score"] for one in moments(after)) <= max(
        one["score"] for one in moments(first)
    )


@given(
    st.lists(st.floats(0, 1, width=32), min_size=1, max_size=8),
    st.lists(st.sampled_from(["red", "blue", "street", "car red"]), min_size=1, max_size=4),
)
def test_wrong_marks_never_raise_a_score(scores: list[float], wrong: list[str]) -> None:
    words = [f"word{n}" for n in range(len(scores) - 1)] + ["red"]
    after = moved(of(wrong=tuple(wrong)), scores, *words)
    assert all(b <= max(a, feedback.SURE) + 1e-6 for a, b in zip(scores, after, strict=True))


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=8))
def test_scores_stay_scores(scores: list[float]) -> None:
    words = [f"word{n}" for n in range(len(scores) - 1)] + ["red"]
    after = moved(of(("red", "blue"), ("green",)), scores, *words)
    assert all(0 <= one <= 1 for one in after)


def test_likeness_alone_is_no_match() -> None:
    """What resembles a right picture half, and the words hardly, is not called a match."""
    teacher = of(("car red",))
    half = moved(teacher, [0.1], "car street")[0]
    assert half < 0.3
    assert moved(teacher, [0.5], "car red")[0] > 0.7


def test_a_right_mark_makes_what_is_unlike_it_less_sure() -> None:
    after = moved(of(("car red",)), [0.8, 0.8], "car red", "house")
    assert after[0] > 0.9
    assert after[1] < 0.7


def test_marked_rows_are_known_by_their_id_in_any_chunk() -> None:
    count = 2 * feedback.CHUNK_ROWS + 10
    teacher = of(("red",), ("blue",))
    ids = np.arange(1000, 1000 + count)
    ids[count - 3], ids[2] = 0, 50
    rows = np.repeat(vectors("word"), count, axis=0)
    after = teacher.refined(np.full(count, 0.5, np.float32), rows, ids)
    assert after[count - 3] >= feedback.MARKED_RIGHT
    assert after[2] <= feedback.MARKED_WRONG


def test_few_stand_for_many_marks_and_are_spread_out() -> None:
    rows = vectors(*["car"] * 50, "bus", "dog", *["car"] * 50)
    chosen = spread_out(rows, 3)
    assert len(chosen) == 3
    for word in ("car", "bus", "dog"):
        assert float((chosen @ vectors(word)[0]).max()) > 0.99
    assert spread_out(rows[:2], 3) is not None
    many = Taught(rows, rows[:0], np.arange(len(rows)), np.zeros(0, np.int64))
    assert len(many.directions) <= feedback.MOST_DIRECTIONS


def test_without_marks_or_usual_nothing_breaks() -> None:
    nothing = Feedback(
        Taught(vectors(), vectors(), np.zeros(0, np.int64), np.zeros(0, np.int64)), vectors()
    )
    assert moved(nothing, [0.25], "car") == [0.25]
    bare = Feedback(
        Taught(vectors("car"), vectors(), np.zeros(1, np.int64), np.zeros(0, np.int64)), vectors()
    )
    assert moved(bare, [0.25], "car")[0] > 0.5


def test_marks_of_then_speak_of_what_comes_first(keeping: Keeping) -> None:
    words = [*STREET, "door", *STREET[:3], "door", *STREET[:3], "fire", *STREET]
    keeping.footage("right", words, hour=3)
    first = keeping.ask("door", then_text="fire", within_s=10, cameras=("right",))
    say(keeping, first, "right", True)
    after = refined(keeping, first)
    for one in (first, after):
        assert moments(one)[0]["then"]["time"] == rfc3339(START_US + 3 * HOUR_US + 38 * US)
    assert moments(after)[0]["best"] == moments(first)[0]["best"]


def test_a_mark_without_footage_is_kept_and_refines_nothing(keeping: Keeping) -> None:
    first = keeping.ask("truck")
    say(keeping, first, "gate-1", True)
    with keeping.directory.ledger.read() as tx:
        (row,) = marks.of_query(tx, keeping.kept(first).query.id)
    with keeping.directory.ledger.write() as tx:
        segments.expire(tx, [row.segment_id], "class 3: 30 days", keeping.clock.now)
    after = refined(keeping, first)
    assert any("no longer there: 1" in note for note in after.document["notes"])
    assert {one["camera"] for one in moments(after)} == {"gate-0", "gate-2", "gate-3"}
    with keeping.directory.ledger.read() as tx:
        (kept,) = marks.of_query(tx, keeping.kept(after).query.id)
    assert (kept.kept, kept.right) == (False, True)


def test_marks_are_found_again_in_another_generation(archive: Archive) -> None:
    segment = archive.footage("gate", START_US, ["truck milk", "street"])
    frame_id = int(archive.ask(text="truck").moments[0].best.frame_id)
    mark = Marked(frame_id=frame_id, segment_id=segment.id, right=True)
    with archive.directory.ledger.write() as tx:
        other = generations.add_generation(
            tx, model="other", checkpoint=None, weights_hash="v" * 64, preprocess_hash="p" * 64,
            dimension=DIMENSION, meaningful=True, state="building", at_us=2,
        )  # fmt: skip
    old, archive.generation = archive.generation, other
    assert taught(archive.directory, other, [mark]).lost == 1  # not gone over yet
    rows = vectors("truck fire", "street")
    _beside(archive, segment, rows)
    said = taught(archive.directory, other, [mark])
    assert (said.lost, said.right_ids.tolist()) == (0, [frame_id])
    assert float(said.right[0] @ rows[0]) > 0.999
    assert float(taught(archive.directory, old, [mark]).right[0] @ rows[0]) < 0.99


def _beside(archive: Archive, segment: Segment, rows: Floats) -> None:
    """A second index row, of the generation that is being made."""
    frames = [
        lake.Frame(
            lake.frame_id(segment.id, i, "frame", None), segment.camera_id, segment.id,
            segment.start_us + i * US, i, "frame", None, 0.0, 0,
        )
        for i in range(len(rows))
    ]  # fmt: skip
    parts = lake.write_parts(
        archive.directory.lake, archive.generation, frames, rows.astype(np.float16)
    )
    (part,) = parts
    with archive.directory.ledger.write() as tx:
        tx.execute(
            schema.index_work.insert().values(
                segment_id=segment.id, generation_id=archive.generation.id, state="done",
                worker="tester", attempts=1, frames=len(frames), part=part, done_us=1,
            )
        )  # fmt: skip


def test_a_mark_of_a_frame_that_is_not_there_is_lost(archive: Archive) -> None:
    segment = archive.footage("gate", START_US, ["truck", "street"])
    stray = Marked(frame_id=7, segment_id=segment.id, right=True)
    nowhere = Marked(frame_id=7, segment_id="0" * 26, right=False)
    said = taught(archive.directory, archive.generation, [stray, nowhere])
    assert (said.lost, len(said.right), len(said.wrong)) == (2, 0, 0)
    answer = archive.ask(text="truck", marks=(stray,))
    assert answer.moments[0].best.at_us == START_US
    assert any("no longer there: 1" in note for note in answer.notes)


def test_a_damaged_part_takes_only_its_marks_away(archive: Archive) -> None:
    one = archive.footage("gate", START_US, ["truck milk", "street"])
    two = archive.footage("yard", START_US, ["truck fire", "street"])
    said = [
        Marked(frame_id=moment.best.frame_id, segment_id=moment.best.segment.id, right=True)
        for moment in archive.ask(text="truck").moments[:2]
    ]
    parts = sorted(archive.directory.lake.rglob("part-*.parquet"))
    parts[0].write_bytes(parts[0].read_bytes()[:100])
    learnt = taught(archive.directory, archive.generation, said)
    assert {one.id, two.id} == {mark.segment_id for mark in said}
    assert (learnt.lost, len(learnt.right)) == (1, 1)


def test_the_last_word_counts_and_every_word_is_audited(keeping: Keeping) -> None:
    first = keeping.ask("truck")
    say(keeping, first, "gate-1", True)
    say(keeping, first, "gate-1", False, PAUL)
    with keeping.directory.ledger.read() as tx:
        (row,) = marks.of_query(tx, keeping.kept(first).query.id)
        said = [
            (audited.actor, audited.case_id, json.loads(audited.detail)["marks"][0])
            for audited in audit.rows(tx, action="mark")
        ]
    assert (row.right, row.actor, row.case_id) == (False, "paul", CASE)
    assert [(actor, case) for actor, case, _ in sorted(said, key=lambda one: one[0])] == [
        ("paul", CASE), (ASKER.name, CASE),
    ]  # fmt: skip
    assert {(one["right"], one["was"]) for _, _, one in said} == {(True, None), (False, True)}


def test_what_cannot_be_marked_is_refused_in_a_sentence(keeping: Keeping) -> None:
    first = keeping.ask("truck")
    kept = keeping.kept(first)
    count = len(moments(first))
    for number in (0, count + 1):
        with pytest.raises(Invalid, match=f"moment {number} is not in the answer"):
            marking.numbered(kept, [1, number])
    (one,) = marking.numbered(kept, [1])
    with pytest.raises(Invalid, match="right or wrong, not both"):
        marking.mark(keeping.directory, kept, [(one, True), (one, False)], ASKER)
    with pytest.raises(Invalid, match="nothing is marked"):
        refined(keeping, first)
    with pytest.raises(NotFound, match="is not marked"):
        marking.take_back(keeping.directory, kept, [one.frame_id], ASKER)
    with pytest.raises(NotFound, match="frame 12 is not in the answer"):
        marking.with_frame(kept, "12")
    with keeping.directory.ledger.read() as tx:
        assert not marks.of_query(tx, kept.query.id)
        assert not audit.rows(tx, action="mark")


def test_more_marks_than_help_are_refused(
    keeping: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marking, "MOST_MARKS", 2)
    first = keeping.ask("truck")
    kept = keeping.kept(first)
    said = [(one, True) for one in marking.shown(kept)[:3]]
    with pytest.raises(Invalid, match="3 marks are too many; use at most 2"):
        marking.mark(keeping.directory, kept, said, ASKER)
    marking.mark(keeping.directory, kept, said[:2], ASKER)
    with pytest.raises(Invalid, match="3 marks are too many"):
        marking.mark(keeping.directory, kept, said[2:], ASKER)
    assert len(marking.mark(keeping.directory, kept, said[:1], ASKER)) == 2  # said again


def test_a_closed_case_is_not_marked_for(keeping: Keeping) -> None:
    first = keeping.ask("truck")
    say(keeping, first, "gate-1", True)
    with keeping.directory.ledger.write() as tx:
        cases.close_case(tx, CASE, keeping.clock.now)
    with pytest.raises(Conflict, match="is closed"):
        say(keeping, first, "gate-0", False)
    with pytest.raises(Conflict, match="is closed"):
        refined(keeping, first)
    with keeping.directory.ledger.read() as tx:
        assert [row.right for row in marks.of_case(tx, CASE)] == [True]  # kept with it


def test_a_case_is_marked_together_and_what_is_nobodys_case_only_by_who_asked(
    keeping: Keeping,
) -> None:
    together = keeping.ask("truck", actor=INES)
    say(keeping, together, "gate-1", True, PAUL)
    assert moments(refined(keeping, together, PAUL))[0]["camera"] == "gate-1"
    alone = keeping.ask("truck", case=None, actor=INES)
    with pytest.raises(Denied, match="was asked by ines outside a case"):
        say(keeping, alone, "gate-1", True, PAUL)
    say(keeping, alone, "gate-1", True, INES)
    with pytest.raises(Denied):
        refined(keeping, alone, PAUL)


def test_a_search_that_did_not_end_has_nothing_to_mark(keeping: Keeping) -> None:
    token = runs.enter(keeping.directory, asked("truck"), ASKER, state="waiting")
    with pytest.raises(Conflict, match="has no answer"):
        marking.shown(find(keeping.directory, token))


def test_marks_go_with_their_query_but_not_from_a_case(keeping: Keeping) -> None:
    for case in (None, CASE):
        one = keeping.ask("truck", case=case)
        say(keeping, one, "gate-1", True)
    with keeping.directory.ledger.write() as tx:
        stored_queries.prune(tx, keeping.clock.now + US)
    with keeping.directory.ledger.read() as tx:
        assert len(marks.of_case(tx, CASE)) == 1
        assert len(tx.execute(marks.mark.select()).all()) == 1
