"""Whatever is asked is kept as it was, can be asked again, and differences have their causes."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

import numpy as np
import pytest
from sqlalchemy import update

from search import runs
from search.circumstances import code_version, decisive_modules
from search.differences import differences, matched
from search.kept_queries import read_back
from search.kept_runs import find, named, with_footage
from storage import (
    audit,
    clocks,
    generations,
    register,
    search_runs,
)
from storage.clock import US, rfc3339
from storage.errors import Conflict, DataLoss, Invalid, NotFound
from storage.search_tables import query_picture, search_run
from storage.vocabulary import Actor, Span
from tests.search.archive import ASKER, DIMENSION, START_US, Words, asked
from tests.search.keeping import BUS, CASE, HOUR_US, QUIET, Keeping, causes, changed

DAY_US = 24 * HOUR_US


def rows(keeping: Keeping, action: str) -> list[dict[str, Any]]:
    """Details of audit rows."""
    with keeping.directory.ledger.read() as tx:
        return [json.loads(row.detail) for row in audit.rows(tx, action=action)]


def test_asked_again_at_once_it_is_the_same_to_the_byte(keeping: Keeping) -> None:
    then = keeping.ask("bus")
    assert [one["camera"] for one in then.document["moments"][:2]] == ["gate", "yard"]
    now = keeping.again(then)
    as_text = json.dumps(then.document["moments"])
    assert json.dumps(now.document["moments"]) == as_text
    changes = differences(keeping.directory, keeping.kept(then), keeping.kept(now))
    assert changes["changed"] is False
    assert changes["circumstances"] == []
    assert (changes["same"], changed(changes)) == (len(then.document["moments"]), [])


def test_an_answer_is_kept_as_it_was_given(keeping: Keeping) -> None:
    then = keeping.ask("bus")
    kept = keeping.kept(then)
    assert kept.answer == then.document == {"token": then.token, **then.answer.document()}
    assert (kept.run.state, kept.run.progress) == ("done", 1.0)
    assert (kept.run.model, kept.run.generation) == ("words", 1)
    assert kept.run.code_version == code_version()
    assert (kept.query.case_id, kept.query.asked_by, kept.subject) == (CASE, "tester", "bus")
    assert set(kept.circumstances) == {"began", "code", "settings", "index", "zones", "way"}
    assert rows(keeping, "search")[-1]["token"] == then.token


def test_a_query_comes_back_with_its_pictures_unharmed(keeping: Keeping) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    query = asked("bus", image=pixels, not_texts=["van"], then_text="truck", cameras=("gate",),
                  between=(60, 120), weekdays=(3,))  # fmt: skip
    then = runs.ask(keeping.archive.engine(), query, ASKER)
    with keeping.directory.ledger.read() as tx:
        back = read_back(tx, keeping.kept(then).query.id)
    assert back == query
    assert np.array_equal(back.parts[1].image, pixels)
    assert keeping.kept(then).subject == "bus + picture → truck"
    assert keeping.changes(then)["changed"] is False


def test_the_same_asked_anew_is_another_run_of_the_same_query(keeping: Keeping) -> None:
    pixels = np.zeros((4, 4, 3), dtype=np.uint8)
    engine = keeping.archive.engine()
    one, other = (runs.ask(engine, asked("bus", image=pixels), ASKER) for _ in range(2))
    assert one.token != other.token
    assert keeping.kept(one).query == keeping.kept(other).query
    others = [
        runs.ask(engine, asked("bus", image=pixels + 1), ASKER),
        runs.ask(engine, asked("bus", image=pixels), Actor("otto")),
        runs.ask(engine, asked("bus", image=pixels, case_id=CASE), ASKER),
    ]
    keeping.clock.forward(25 * HOUR_US)
    others.append(runs.ask(engine, asked("bus", image=pixels), ASKER))
    assert len({keeping.kept(each).query.id for each in (one, *others)}) == 5


def test_a_damaged_picture_is_said_and_not_asked_with(keeping: Keeping) -> None:
    pixels = np.zeros((4, 4, 3), dtype=np.uint8)
    then = runs.ask(keeping.archive.engine(), asked(image=pixels), ASKER)
    with keeping.directory.ledger.write() as tx:
        tx.execute(update(query_picture).values(png=b"\x89PNG and no more"))
    with pytest.raises(DataLoss, match="gone or damaged"):
        keeping.again(then)
    assert find(keeping.directory, then.token).answer == then.document  # still shown


def test_a_damaged_answer_is_said_to_be_so(keeping: Keeping) -> None:
    then = keeping.ask("bus")
    with keeping.directory.ledger.write() as tx:
        tx.execute(update(search_run).values(answer='{"moments": [{"cam'))
    with pytest.raises(DataLoss, match="is damaged"):
        keeping.kept(then)


def test_footage_that_expired_is_named_with_its_tombstone(keeping: Keeping) -> None:
    then = keeping.ask("bus", cameras=("gate",))
    gone = then.document["moments"][0]
    segment = gone["best"]["segment"]
    expired_us = keeping.clock.now
    keeping.expire(segment, "class 3: 30 days")
    changes = keeping.changes(then)
    assert changes["changed"]
    assert changes["gone"] == len(then.document["moments"])
    (why,) = changed(changes)[0]["why"]
    assert why["cause"] == "footage_expired"
    assert (why["segment"], why["rule"]) == (segment, "class 3: 30 days")
    assert why["at"] == rfc3339(expired_us)
    kept = keeping.kept(then)
    assert kept.answer == then.document  # as it was given
    shown = with_footage(keeping.directory, then.document["moments"])
    assert shown[0]["footage"] == {
        "state": "gone", "rule": "class 3: 30 days", "expired": rfc3339(expired_us),
    }  # fmt: skip
    assert {**shown[0], "footage": None} == {**gone, "footage": None}


def test_footage_that_expired_in_part_is_said_and_named_where_the_moment_shrank(
    keeping: Keeping,
) -> None:
    first = keeping.footage("bridge", [*QUIET, "bus", "bus", "bus"], hour=2)
    second = keeping.archive.footage("bridge", first.end_us, ["bus", "bus", *QUIET])
    keeping.indexed(second)
    then = keeping.ask("bus", cameras=("bridge",))
    whole = then.document["moments"][0]
    assert whole["hits"] == 5
    other = second if whole["best"]["segment"] == first.id else first
    keeping.expire(other)
    changes = keeping.changes(then)
    (moved,) = [one for one in changed(changes) if one["rank"]["then"] == 1]
    assert moved["change"] == "moved"
    assert {"hits", "start" if other is first else "end"} <= set(moved["fields"])
    assert [one["segment"] for one in moved["why"] if one["cause"] == "footage_expired"] == [
        other.id
    ]
    (shown,) = with_footage(keeping.directory, [whole])
    assert shown["footage"]["state"] == "partly"
    assert shown["footage"]["rule"] == "class 3: 30 days"


def test_what_followed_elsewhere_and_expired_there_is_named(keeping: Keeping) -> None:
    keeping.archive.camera("bridge", lat=31.2, lon=121.5)
    keeping.archive.camera("ramp", lat=31.2001, lon=121.5)
    keeping.footage("bridge", BUS, hour=2)
    after = keeping.footage("ramp", [*QUIET, "road", "road", "road", "truck", *QUIET], hour=2)
    then = keeping.ask("bus", cameras=("bridge", "ramp"), then_text="truck", within_s=30.0,
                       near_m=100.0)  # fmt: skip
    best = then.document["moments"][0]
    assert (best["camera"], best["then"]["camera"]) == ("bridge", "ramp")
    assert best["then"]["segment"] == after.id
    keeping.expire(after)
    (other,) = [one for one in changed(keeping.changes(then)) if one["rank"]["then"] == 1]
    assert other["change"] in ("moved", "gone")
    (why,) = [one for one in other["why"] if one["cause"] == "footage_expired"]
    assert why["segment"] == after.id
    (shown,) = with_footage(keeping.directory, [best])
    assert shown["footage"]["state"] == "gone"


def test_footage_recorded_since_is_named(keeping: Keeping) -> None:
    then = keeping.ask("bus")
    fresh = keeping.footage("bridge", BUS, hour=2)
    changes = keeping.changes(then)
    new = [one for one in changed(changes) if one["change"] == "new"]
    assert {one["camera"] for one in new} == {"bridge"}
    assert {tuple(causes(one["why"])) for one in new} == {("footage_recorded",)}
    assert new[0]["why"][0]["segment"] == fresh.id
    assert causes(changes["circumstances"]) == ["index_changed", "coverage_changed"]


def test_a_camera_that_joined_the_asked_site_is_why_its_moments_are_new(keeping: Keeping) -> None:
    keeping.footage("bridge", BUS, hour=2, site="city/north")
    keeping.footage("lane", BUS, hour=3, site="city/south")
    then = keeping.ask("bus", sites=("city/north",))
    with keeping.directory.ledger.write() as tx:
        register.set_camera(tx, register.find_camera(tx, "lane"), site="city/north")
    changes = keeping.changes(then)
    new = [one for one in changed(changes) if one["change"] == "new"]
    assert {one["camera"] for one in new} == {"lane"}
    assert {tuple(causes(one["why"])) for one in new} == {("camera_joined",)}
    assert "cameras_joined" in causes(changes["circumstances"])


def test_footage_indexed_since_is_named(keeping: Keeping) -> None:
    keeping.archive.camera("bridge")
    late = keeping.archive.segment("bridge", START_US + 2 * HOUR_US, len(BUS))
    keeping.enter(late, created_us=keeping.clock.now)
    then = keeping.ask("bus")
    keeping.archive.index(late, Words().embed_texts(BUS))
    keeping.indexed(late)
    changes = keeping.changes(then)
    new = [one for one in changed(changes) if one["change"] == "new"]
    assert {one["camera"] for one in new} == {"bridge"}
    assert {tuple(causes(one["why"])) for one in new} == {("footage_indexed",)}


def test_footage_indexed_anew_is_named_where_its_moment_moved(keeping: Keeping) -> None:
    once = keeping.footage("bridge", BUS, hour=2)
    then = keeping.ask("bus", cameras=("bridge",))
    keeping.archive.index(once, Words().embed_texts([*QUIET, "bus", "bus", "bus", *QUIET[1:]]))
    keeping.indexed(once)
    moved = [one for one in changed(keeping.changes(then)) if one["change"] == "moved"]
    assert moved
    assert "hits" in moved[0]["fields"]
    assert "footage_indexed" in causes(moved[0]["why"])
    assert moved[0]["moment"]["then"]["hits"] == 2
    assert moved[0]["moment"]["now"]["hits"] == 3


def test_the_code_version_is_of_what_decides_and_of_nothing_else() -> None:
    modules = decisive_modules()
    assert {"engine", "calibration", "judge", "moments", "partitions", "questions"} <= set(modules)
    assert not {"runs", "kept_runs", "jobs", "standing", "webhooks", "reasons"} & set(modules)
    number, _, digest = code_version().partition("/")
    assert (number, len(digest)) == (version("hindsight-archive"), 16)


def test_another_model_is_named_with_both_generations(keeping: Keeping) -> None:
    then = keeping.ask("bus")
    with keeping.directory.ledger.write() as tx:
        other = generations.add_generation(
            tx, model="words", checkpoint=None, weights_hash="v" * 64, preprocess_hash="p" * 64,
            dimension=DIMENSION, meaningful=True, state="building", at_us=keeping.clock.now,
        )  # fmt: skip
        generations.activate(tx, other.id, at_us=keeping.clock.now)
    changes = keeping.changes(then)
    assert changes["gone"] == len(then.document["moments"])
    assert {tuple(causes(one["why"])) for one in changed(changes)} == {("model_changed",)}
    why = changed(changes)[0]["why"][0]
    assert why["then"] == {"model": "words", "generation": 1}
    assert why["now"] == {"model": "words", "generation": 2}
    assert (changes["then"]["generation"], changes["now"]["generation"]) == (1, 2)
    assert keeping.kept(then).answer == then.document


def test_another_setting_is_named_where_it_decides(keeping: Keeping) -> None:
    then = keeping.ask("bus")
    assert then.document["confident"]
    search = keeping.directory.settings.search.model_copy(update={"confident_from": 1.0})
    keeping.directory.settings = keeping.directory.settings.model_copy(update={"search": search})
    changes = keeping.changes(then)
    assert changes["changed"]
    assert changed(changes) == []
    assert changes["confident"]["now"] is False
    (why,) = changes["confident"]["why"]
    assert (why["cause"], why["setting"]) == ("setting_changed", "confident_from")
    assert causes(changes["circumstances"]) == ["setting_changed"]


def test_another_gap_between_moments_is_named_where_they_grew(keeping: Keeping) -> None:
    keeping.footage("bridge", [*QUIET, "bus", *QUIET[:20], "bus", *QUIET], hour=2)
    then = keeping.ask("bus", cameras=("bridge",))
    search = keeping.directory.settings.search.model_copy(update={"moment_gap_s": 0.1})
    keeping.directory.settings = keeping.directory.settings.model_copy(update={"search": search})
    changes = keeping.changes(then)
    assert changes["changed"]
    for one in changed(changes):
        assert causes(one["why"])[0] == "setting_changed"
        assert one["why"][0]["setting"] == "moment_gap_s"


def test_other_code_is_named_even_if_nothing_came_of_it(keeping: Keeping) -> None:
    then = keeping.ask("bus")
    with keeping.directory.ledger.write() as tx:
        tx.execute(update(search_run).values(code_version="0.0.9/0123456789abcdef"))
    changes = keeping.changes(then)
    assert changes["changed"] is False
    (why,) = changes["circumstances"]
    assert (why["cause"], why["then"]) == ("code_changed", "0.0.9/0123456789abcdef")


def test_a_stronger_moment_that_fills_the_page_is_why_another_is_gone(keeping: Keeping) -> None:
    keeping.footage("bridge", [*QUIET, "road bus", "road bus", *QUIET], hour=2)
    keeping.archive.camera("lane")
    then = keeping.ask("bus", cameras=("bridge", "lane"), top=1)
    keeping.footage("lane", BUS, hour=3)
    changes = keeping.changes(then)
    by = {one["change"]: one for one in changed(changes)}
    assert causes(by["new"]["why"]) == ["footage_recorded"]
    assert "displaced" in causes(by["gone"]["why"])
    assert by["gone"]["rank"] == {"then": 1, "now": None}


def test_a_camera_that_left_the_asked_site_is_why_its_moments_are_gone(keeping: Keeping) -> None:
    keeping.footage("bridge", BUS, hour=2, site="city/north")
    keeping.footage("lane", BUS, hour=3, site="city/north")
    then = keeping.ask("bus", sites=("city/north",))
    with keeping.directory.ledger.write() as tx:
        register.set_camera(tx, register.find_camera(tx, "lane"), site="city/south")
    changes = keeping.changes(then)
    gone = [one for one in changed(changes) if one["change"] == "gone"]
    assert {one["camera"] for one in gone} == {"lane"}
    assert {tuple(causes(one["why"])) for one in gone} == {("camera_left",)}
    (left,) = [one for one in changes["circumstances"] if one["cause"] == "cameras_left"]
    assert left["cameras"] == ["lane"]


@pytest.mark.parametrize("way", [["chosen by codes: 3"], None])
def test_what_nothing_explains_is_said_to_be_so(keeping: Keeping, way: list[str] | None) -> None:
    then = keeping.ask("bus")
    now = keeping.again(then)
    with keeping.directory.ledger.write() as tx:
        kept = search_runs.answer(tx, then.token)
        assert kept is not None
        document = json.loads(kept)
        document["moments"][0]["score"] = 0.1234  # as if the engine had its moods
        if way is not None:
            document["circumstances"]["way"]["lines"] = way
        text = json.dumps(document)
        tx.execute(update(search_run).where(search_run.c.id == then.token).values(answer=text))
    changes = differences(keeping.directory, keeping.kept(then), keeping.kept(now))
    (one,) = changed(changes)
    assert one["fields"] == ["score"]
    assert causes(one["why"]) == ["unexplained" if way is None else "searched_otherwise"]


def test_a_name_finds_the_latest_run_and_cannot_pose_as_a_token(keeping: Keeping) -> None:
    first = keeping.ask("bus")
    runs.rename(keeping.directory, keeping.kept(first), "  the   bus ")
    assert named(keeping.directory, "the bus").run.id == first.token
    second = keeping.again(first)
    assert named(keeping.directory, "the bus").run.id == second.token
    assert named(keeping.directory, first.token.lower()).run.id == first.token
    for name in (first.token, "x" * 201):
        with pytest.raises(Invalid):
            runs.rename(keeping.directory, keeping.kept(first), name)
    runs.rename(keeping.directory, keeping.kept(first), "")
    with pytest.raises(NotFound):
        named(keeping.directory, "the bus")


def test_answers_to_different_questions_are_not_compared(keeping: Keeping) -> None:
    one, other = keeping.ask("bus"), keeping.ask("road")
    with pytest.raises(Conflict, match="different things"):
        differences(keeping.directory, keeping.kept(one), keeping.kept(other))


def test_a_clock_correction_since_is_named_where_times_moved(keeping: Keeping) -> None:
    once = keeping.footage("bridge", BUS, hour=2)
    then = keeping.ask("bus", cameras=("bridge",))
    with keeping.directory.ledger.write() as tx:
        clocks.correct(
            tx, keeping.archive.cameras["bridge"], Span(once.start_us, once.end_us), 3 * US,
            reason="set by hand", actor="ines", at_us=keeping.clock.now,
        )  # fmt: skip
    keeping.archive.index(once, Words().embed_texts([*QUIET, "road", "bus", "bus", *QUIET[1:]]))
    keeping.indexed(once)
    moved = [one for one in changed(keeping.changes(then)) if one["change"] == "moved"]
    assert "clock_corrected" in causes(moved[0]["why"])
    (why,) = [one for one in moved[0]["why"] if one["cause"] == "clock_corrected"]
    assert (why["offset_s"], why["reason"]) == (3.0, "set by hand")


def test_moments_match_the_one_they_overlap_most_and_each_once() -> None:
    def moment(camera: str, start: int, end: int, score: float = 0.9) -> dict[str, Any]:
        at = {"start": rfc3339(start * US + 1), "end": rfc3339(end * US + 1)}
        return {"camera": camera, "score": score, "hits": 1, "best": {}, **at}

    base = 2_000_000_000
    old = [moment("a", base, base + 10), moment("a", base + 10, base + 20),
           moment("b", base, base + 10)]  # fmt: skip
    new = [moment("a", base + 8, base + 20), moment("a", base, base + 8),
           moment("c", base, base + 10), moment("b", base + 10, base + 20)]  # fmt: skip
    pairs = [(pair.then, pair.now) for pair in matched(old, new)]
    assert pairs == [(1, 0), (0, 1), (None, 2), (None, 3), (2, None)]
    assert [(p.then, p.now) for p in matched(old, old)] == [(0, 0), (1, 1), (2, 2)]
