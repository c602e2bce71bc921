"""Answers mean something: what is there is found, what is not is not claimed, limits are stated."""

from __future__ import annotations

import numpy as np
import pytest

from indexer.embedder import SMALL
from search.coverage import coverage_line
from search.engine import Engine
from storage import audit, cases, timeline
from storage.clock import US
from storage.directory import DataDirectory
from storage.errors import Conflict, Denied, NotFound
from storage.i18n import use_language
from storage.settings import SearchSettings
from storage.vocabulary import GapCause
from tests.search.archive import ASKER, START_US, Archive, Words, asked, new_archive

STREET = ["street"] * 30


def test_the_event_wins_over_what_a_camera_always_shows(archive: Archive) -> None:
    archive.footage("always", START_US, ["red street"] * 60)
    archive.footage("event", START_US, [*STREET, "red truck", *STREET])
    best = archive.ask(text="red truck").moments[0]
    assert best.camera.slug == "event"
    assert best.best.at_us == START_US + 30 * US
    assert best.score > 0.9


def test_what_is_there_is_confident_and_what_is_not_is_not(archive: Archive) -> None:
    archive.footage("gate", START_US, [*STREET, "truck", *STREET])
    assert archive.ask(text="truck").confident
    absent = [f"absent{i}" for i in range(20)]
    claimed = [text for text in absent if archive.ask(text=text).confident]
    assert len(claimed) <= 2, claimed


def test_an_untrained_model_is_never_confident_about_words(directory: DataDirectory) -> None:
    archive = new_archive(directory, meaningful=False)
    archive.footage("gate", START_US, [*STREET, "truck", *STREET])
    answer = archive.ask(text="truck")
    assert not answer.confident
    assert answer.moments
    assert (len(answer.warnings), answer.notes) == (1, [])


def test_a_word_the_model_was_never_taught_is_no_confident_match(archive: Archive) -> None:
    archive.footage("gate", START_US, [*STREET, "red truck", *STREET])
    engine = archive.engine(strange=["truck", "zebra"])
    assert archive.ask(engine, text="red").confident
    for fields in ({"text": "red truck truck"}, {"text": "red", "then_text": "truck"}):
        answer = archive.ask(engine, **fields)
        assert not answer.confident
        assert answer.warnings == [
            "the model in use has never seen these words: truck; results are not confident"
        ]
    use_language("zh")
    (said,) = archive.ask(engine, text="truck").warnings
    assert said == "所用模型从未见过这些词：truck；结果不可信"


def test_an_exclusion_of_words_never_taught_is_warned_of(archive: Archive) -> None:
    archive.footage("gate", START_US, [*STREET, "red truck", *STREET])
    answer = archive.ask(
        archive.engine(strange=["zebra", "owl"]), text="red", not_texts=("a zebra", "owl zebra")
    )
    assert answer.confident
    (said,) = answer.warnings
    assert "of an exclusion: zebra, owl; it may" in said


def test_the_small_model_is_noted_once_where_words_are_asked(directory: DataDirectory) -> None:
    archive = new_archive(directory, model="nano")
    archive.footage("gate", START_US, [*STREET, "truck", *STREET, "truck", *STREET])
    answer = archive.ask(text="truck")
    assert answer.confident
    assert (answer.warnings, answer.notes) == ([], [SMALL])
    assert answer.document()["notes"] == [SMALL]
    assert archive.ask(image=np.full((8, 8, 3), 9, dtype=np.uint8)).notes == []


def test_a_full_model_needs_no_note(archive: Archive) -> None:
    archive.footage("gate", START_US, ["truck"])
    assert archive.ask(text="truck").notes == []


def test_a_picture_finds_itself_first_and_surely(directory: DataDirectory) -> None:
    archive = new_archive(directory, meaningful=False)
    archive.footage("gate", START_US, [*STREET, "pixel9,9,9", *STREET])
    answer = archive.ask(image=np.full((8, 8, 3), 9, dtype=np.uint8))
    assert answer.confident
    assert answer.moments[0].best.at_us == START_US + 30 * US


def test_a_picture_finds_itself_on_a_camera_that_shows_little_else(archive: Archive) -> None:
    still = Words().embed_texts(["wall"] * 60)
    still[20] = Words().embed_images([np.full((8, 8, 3), 9, dtype=np.uint8)])[0]
    still[21:40] = still[20]
    archive.index(archive.segment("gate", START_US, 60), still)
    answer = archive.ask(image=np.full((8, 8, 3), 9, dtype=np.uint8))
    assert answer.moments[0].score > 0.99
    assert answer.moments[0].start_us >= START_US + 19 * US


def test_an_exclusion_takes_its_pictures_away(archive: Archive) -> None:
    archive.footage("a", START_US, [*STREET, "truck night", *STREET])
    archive.footage("b", START_US, [*STREET, "truck day", *STREET])
    assert {m.camera.slug for m in archive.ask(text="truck").moments[:2]} == {"a", "b"}
    best = archive.ask(text="truck", not_texts=("night",)).moments[0]
    assert best.camera.slug == "b"


def test_then_wants_both_in_this_order_and_in_time(archive: Archive) -> None:
    archive.footage("right", START_US, [*STREET, "door", *STREET[:4], "fire", *STREET])
    archive.footage("wrong", START_US, [*STREET, "fire", *STREET[:4], "door", *STREET])
    found = archive.ask(text="door", then_text="fire", within_s=10).moments
    assert found[0].camera.slug == "right"
    assert found[0].then is not None
    assert found[0].then.at_us - found[0].best.at_us == 5 * US
    late = archive.ask(text="door", then_text="fire", within_s=2).moments
    assert not [m for m in late if m.camera.slug == "right" and m.score > 0.5]


def test_hits_close_in_time_are_one_moment(archive: Archive) -> None:
    archive.footage("gate", START_US, [*STREET, *["truck"] * 5, *STREET, *["truck"] * 3, *STREET])
    found = [m for m in archive.ask(text="truck").moments if m.score > 0.8]
    assert [m.hits for m in found] in ([5, 3], [3, 5])
    for moment in found:
        assert moment.start_us <= moment.best.at_us < moment.end_us


def test_no_camera_fills_the_page(archive: Archive) -> None:
    busy = [word for _ in range(12) for word in (*["truck"] * 2, *STREET)]
    archive.footage("busy", START_US, busy)
    archive.footage("calm", START_US, [*STREET, "truck", *STREET])
    answer = archive.ask(text="truck", top=6)
    shown = [moment.camera.slug for moment in answer.moments]
    assert "calm" in shown
    assert answer.more.get("busy", 0) > 0


def test_noise_of_other_cameras_displaces_no_match(archive: Archive) -> None:
    busy = [word for _ in range(15) for word in [*STREET, "red truck"]]
    archive.footage("busy", START_US, [*busy, *STREET], every_s=2.0)
    for name in "abcdef":
        archive.footage(name, START_US, ["street"] * 200, every_s=2.0)
    scores = {True: [], False: []}  # type: dict[bool, list[float]]
    for moment in archive.ask(text="red truck").moments:
        scores[moment.camera.slug == "busy"].append(moment.score)
    assert sum(score > 0.8 for score in scores[True]) == 15
    assert max(scores[False]) < 0.2


def test_coverage_counts_exactly_what_was_asked(archive: Archive) -> None:
    archive.footage("gate", START_US, ["car"] * 60)
    camera = archive.cameras["gate"]
    with archive.directory.ledger.write() as tx:
        timeline.expect(tx, camera.id, START_US + 60 * US, START_US + 100 * US)
        timeline.add_gap(
            tx, camera.id, START_US + 60 * US, START_US + 100 * US, GapCause.STALLED
        )  # fmt: skip
    archive.segment("gate", START_US + 100 * US, 20)  # recorded, not indexed
    whole = archive.ask(text="car").coverage
    assert (whole.expected_us, whole.recorded_us, whole.indexed_us) == (
        120 * US, 80 * US, 60 * US,
    )  # fmt: skip
    assert whole.index_lag_us == 60 * US
    assert [gap.cause for gap in whole.gaps] == ["stalled"]
    part = archive.ask(text="car", from_us=START_US + 50 * US, to_us=START_US + 70 * US).coverage
    assert (part.expected_us, part.recorded_us, part.indexed_us) == (20 * US, 10 * US, 10 * US)
    assert part.gaps[0].end_us == START_US + 70 * US


def test_what_is_yet_to_come_is_not_due(archive: Archive) -> None:
    now_us = archive.directory.clock.now_us()
    camera = archive.camera("gate")
    with archive.directory.ledger.write() as tx:
        timeline.expect(tx, camera.id, now_us - 60 * US)
        timeline.add_gap(tx, camera.id, now_us - 60 * US, None, GapCause.CONNECT_FAILED)
    stated = archive.ask(text="car", to_us=now_us + 86_400 * US).coverage
    assert 60 * US <= stated.expected_us < 90 * US
    assert stated.recorded_us == 0
    assert sum(gap.end_us - gap.start_us for gap in stated.gaps) == stated.expected_us


def test_coverage_of_a_time_of_day_is_of_that_time_of_day(archive: Archive) -> None:
    archive.camera("gate", tz="Asia/Shanghai")
    archive.footage("gate", START_US, ["car"] * 60, every_s=60)  # 08:00 to 09:00 there
    stated = archive.ask(text="car", between=(8 * 60 + 30, 20 * 60)).coverage
    assert stated.recorded_us == stated.expected_us == stated.indexed_us == 1800 * US
    assert archive.ask(text="car", between=(0, 60)).coverage.recorded_us == 0


def test_the_coverage_line_speaks_both_languages(archive: Archive) -> None:
    archive.footage("gate", START_US, ["car"] * 60)
    stated = archive.ask(text="car").coverage
    assert "1 m 0 s indexed" in coverage_line(stated)
    use_language("zh")
    assert "已检索 1 台摄像机" in coverage_line(stated)


def test_an_archive_without_index_answers_honestly(directory: DataDirectory) -> None:
    answer = Engine(directory).search(asked(text="car"), ASKER)
    assert (answer.moments, answer.confident) == ([], False)
    assert answer.document()["coverage"]["model"] is None


def test_a_search_is_in_the_audit_chain_before_it_answers(archive: Archive) -> None:
    archive.footage("gate", START_US, ["car"])
    with archive.directory.ledger.write() as tx:
        cases.open_case(tx, "A-1", "theft", "tester", 1)
    archive.ask(text="car", case_id="A-1", reason="looking for the van")
    with archive.directory.ledger.read() as tx:
        row = audit.rows(tx, action="search")[0]
        assert list(audit.verify(tx)) == []
    assert (row.subject, row.case_id, row.reason) == ("car", "A-1", "looking for the van")


def test_a_case_must_be_open_when_it_is_named(archive: Archive) -> None:
    with pytest.raises(NotFound):
        archive.ask(text="car", case_id="A-1", reason="r")
    with archive.directory.ledger.write() as tx:
        cases.open_case(tx, "A-1", "theft", "tester", 1)
        cases.close_case(tx, "A-1", 2)
    with pytest.raises(Conflict):
        archive.ask(text="car", case_id="A-1", reason="r")


def test_a_setting_can_demand_a_case(archive: Archive) -> None:
    settings = archive.directory.settings
    archive.directory.settings = settings.model_copy(
        update={"search": SearchSettings(require_case=True)}
    )
    with pytest.raises(Denied):
        archive.ask(text="car")
