"""`hindsight query`: what was asked is listed, shown as it was, asked again, named, cancelled."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from search import runs
from storage import audit, cases
from tests.search.archive import ASKER, asked
from tests.search.keeping import CASE, HOUR_US, Keeping, Run, command_line
from tests.storage.media import House

ROAD = ["road"] * 30
BUS = [*ROAD, "bus", "bus", *ROAD]


@pytest.fixture
def keeping(house: House) -> Keeping:
    made = Keeping(house)
    made.footage("gate", BUS, site="city/north")
    made.footage("yard", BUS, hour=2)
    return made


@pytest.fixture
def hindsight(
    keeping: Keeping, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Run:
    """The command line on this archive and its clock."""
    return command_line(keeping, capsys, monkeypatch)


def answer_of(hindsight: Run, *words: str) -> dict[str, Any]:
    code, out, err = hindsight("search", "bus", *words, "--json")
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def test_search_gives_a_token_and_says_how_to_ask_again(hindsight: Run, keeping: Keeping) -> None:
    answer = answer_of(hindsight, "--case", CASE)
    assert len(answer["token"]) == 26
    _, out, _ = hindsight("search", "bus")
    (line,) = [line for line in out.splitlines() if "hindsight query again" in line]
    code, shown, _ = hindsight("query", "show", line.split()[-1], "--json")
    assert code == 0
    assert json.loads(shown)["subject"] == "bus"


def test_an_answer_is_shown_as_it_was_given(hindsight: Run, keeping: Keeping) -> None:
    answer = answer_of(hindsight, "--case", CASE, "--reason", "theft")
    code, out, _ = hindsight("query", "show", answer["token"], "--json")
    shown = json.loads(out)
    assert code == 0
    for one in shown["answer"]["moments"]:
        assert one.pop("footage") == {"state": "kept"}
    assert shown["answer"] == answer
    assert (shown["case"], shown["reason"], shown["state"]) == (CASE, "theft", "done")
    with keeping.directory.ledger.read() as tx:
        (look,) = audit.rows(tx, action="search_shown")
    assert (look.case_id, look.subject) == (CASE, "bus")
    assert json.loads(look.detail)["token"] == answer["token"]


def test_shown_in_words_it_says_what_became_of_the_footage(
    hindsight: Run, keeping: Keeping
) -> None:
    token = answer_of(hindsight, "--case", CASE)["token"]
    segment = keeping.segment_of(token, "yard")
    keeping.expire(segment, "class 3: 30 days")
    code, out, _ = hindsight("query", "show", token)
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("bus — asked by command line")
    told = {
        (name, word)
        for name in ("gate", "yard")
        for word in ("kept", "deleted: class 3: 30 days")
        for line in lines
        if name in line.split() and word in line
    }
    assert told == {("gate", "kept"), ("yard", "deleted: class 3: 30 days")}
    assert "cameras searched: 2" in out
    _, out, _ = hindsight("--lang", "zh", "query", "show", token)
    assert "录像已删除" in out


def test_asked_again_it_says_that_nothing_changed(hindsight: Run) -> None:
    answer = answer_of(hindsight)
    code, out, _ = hindsight("query", "again", answer["token"], "--json")
    again = json.loads(out)
    assert code == 0
    assert again["differences"]["changed"] is False
    assert json.dumps(again["answer"]["moments"]) == json.dumps(answer["moments"])
    assert again["token"] != answer["token"]
    _, out, _ = hindsight("query", "again", answer["token"])
    assert "The same as at" in out
    assert "What has changed since" not in out


def test_asked_again_it_says_in_words_what_changed_and_why(
    hindsight: Run, keeping: Keeping
) -> None:
    token = answer_of(hindsight)["token"]
    keeping.expire(keeping.segment_of(token, "yard"), "class 3: 30 days")
    keeping.footage("bridge", BUS, hour=3)
    keeping.clock.forward(HOUR_US)
    code, out, _ = hindsight("query", "again", token)
    assert code == 0
    assert re.search(r"the same \d+, changed \d+, new [1-9]\d*, gone [1-9]\d*\.", out), out
    assert "by rule: class 3: 30 days" in out
    assert "its footage was taken in since" in out
    assert "What has changed since:" in out
    code, out, _ = hindsight("--lang", "zh", "query", "again", token)
    assert "新增" in out
    assert "by rule" not in out


def test_a_list_is_newest_first_and_by_case(hindsight: Run, keeping: Keeping) -> None:
    code, out, _ = hindsight("query", "list")
    assert (code, out) == (0, "Nothing that was asked is kept.\n")
    first = answer_of(hindsight, "--case", CASE)["token"]
    second = answer_of(hindsight)["token"]
    _, out, _ = hindsight("query", "list", "--json")
    assert [one["token"] for one in json.loads(out)] == [second, first]
    _, out, _ = hindsight("query", "list", "--case", CASE, "--json")
    assert [one["token"] for one in json.loads(out)] == [first]
    _, out, _ = hindsight("query", "list", "--limit", "1")
    assert second in out
    assert first not in out
    assert hindsight("query", "list", "--case", "nowhere")[0] == 3


def test_a_name_is_given_and_found(hindsight: Run) -> None:
    cased = answer_of(hindsight, "--case", CASE)["token"]
    idle = answer_of(hindsight)["token"]
    _, out, _ = hindsight("query", "name", cased, "the bus")
    assert out == f"Named. It is kept as long as case {CASE}.\n"
    _, out, _ = hindsight("query", "name", idle, "another")
    assert "kept for 7 days" in out
    code, out, _ = hindsight("query", "show", "the bus", "--json")
    assert (code, json.loads(out)["token"]) == (0, cased)
    assert hindsight("query", "name", idle, cased)[0] == 4


def test_what_waits_is_cancelled_and_what_ended_stays(hindsight: Run, keeping: Keeping) -> None:
    token = runs.enter(keeping.directory, asked("bus"), ASKER, state="waiting")
    assert hindsight("query", "cancel", token)[:2] == (0, "Cancelled.\n")
    code, out, _ = hindsight("query", "cancel", token)
    assert (code, out) == (0, "It had ended already: cancelled.\n")
    code, out, _ = hindsight("query", "again", token)
    assert code == 0
    assert "no earlier answer to compare with" in out


@pytest.mark.parametrize("command", ["show", "again", "cancel", "name"])
def test_an_unknown_token_is_not_found(hindsight: Run, command: str) -> None:
    more = ["x"] if command == "name" else []
    for token in ("nonsense", "01KB3F6E0V8Q4YJ2M5T7W9XZAC"):
        code, out, err = hindsight("query", command, token, *more)
        assert (code, out) == (3, "")
        assert err.count("\n") == 1


def test_a_closed_case_is_shown_and_not_asked_in_again(hindsight: Run, keeping: Keeping) -> None:
    token = answer_of(hindsight, "--case", CASE)["token"]
    with keeping.directory.ledger.write() as tx:
        cases.close_case(tx, CASE, keeping.clock.now)
    assert hindsight("query", "again", token)[0] == 5
    assert hindsight("query", "show", token)[0] == 0
