"""`hindsight mark` and `search --refine`: said by number, listed, taken back, asked again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from search import runs
from storage import audit, cases
from storage.vocabulary import Actor
from tests.search.archive import asked
from tests.search.keeping import CASE, Keeping, Run, command_line
from tests.storage.media import House

STREET = ["street"] * 30


@pytest.fixture
def keeping(house: House) -> Keeping:
    made = Keeping(house)
    for number, kind in enumerate(("milk", "fire", "milk", "fire")):
        made.footage(f"gate-{number}", [*STREET, f"truck {kind}", *STREET])
    return made


@pytest.fixture
def hindsight(
    keeping: Keeping, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Run:
    """The command line on this archive and its clock."""
    return command_line(keeping, capsys, monkeypatch)


def asked_for(hindsight: Run, *words: str) -> dict[str, Any]:
    code, out, err = hindsight("search", *words, "--json")
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def number_of(answer: dict[str, Any], camera: str) -> str:
    return str([one["camera"] for one in answer["moments"]].index(camera) + 1)


def test_mark_refine_repeat(hindsight: Run) -> None:
    first = asked_for(hindsight, "truck", "--case", CASE, "--reason", "milk")
    token = first["token"]
    code, out, err = hindsight("mark", token, number_of(first, "gate-1"), "--right")
    assert (code, err) == (0, "")
    assert "gate-1" in out
    assert f"search --refine {token}" in out
    second = asked_for(hindsight, "--refine", token)
    assert [one["camera"] for one in second["moments"][:2]] == ["gate-1", "gate-3"]
    wrong = number_of(second, "gate-3")
    code, out, _ = hindsight("mark", second["token"], wrong, "--wrong", "--json")
    assert [one["right"] for one in json.loads(out)] == [True, False]
    third = asked_for(hindsight, "--refine", second["token"])
    assert third["moments"][0]["camera"] == "gate-1"
    assert len(third["query"]["marks"]) == 2


def test_marks_are_listed_and_taken_back_by_number_or_frame(
    hindsight: Run, keeping: Keeping
) -> None:
    first = asked_for(hindsight, "truck")
    token = first["token"]
    assert "Nothing is marked" in hindsight("mark", token)[1]
    hindsight("mark", token, "1", "2", "--wrong")
    rows = json.loads(hindsight("mark", token, "--json")[1])
    assert {one["frame"] for one in rows} == {
        one["best"]["frame"] for one in first["moments"][:2]
    }  # fmt: skip
    code, out, _ = hindsight("mark", token, "1", "--undo", "--json")
    assert (code, len(json.loads(out))) == (0, 1)
    (left,) = json.loads(out)
    code, out, _ = hindsight("mark", token, left["frame"], "--undo")
    assert code == 0
    assert "Nothing is marked" in out
    with keeping.directory.ledger.read() as tx:
        assert len(audit.rows(tx, action="mark")) == 3


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("99", "--right"), 4, "moment 99 is not in the answer"),
        (("0", "--right"), 4, "moment 0 is not in the answer"),
        (("1", "--right", "--wrong"), 4, "right or wrong, not both"),
        (("1",), 4, "say --right, --wrong or --undo"),
        (("--right",), 4, "name the moments by their number"),
        (("one", "--right"), 4, "one is not the number of a moment"),
        (("1", "--undo"), 3, "is not marked"),
        (("1", "--undo", "--wrong"), 4, "leave out the other option"),
        (("9" * 40, "--undo"), 3, "is not marked"),
    ],
)
def test_bad_marks_are_one_clear_line(
    hindsight: Run, keeping: Keeping, words: tuple[str, ...], code: int, said: str
) -> None:
    token = asked_for(hindsight, "truck")["token"]
    found, _, err = hindsight("mark", token, *words)
    assert found == code, err
    assert said in err
    assert err.count("\n") == 1
    with keeping.directory.ledger.read() as tx:
        assert not audit.rows(tx, action="mark")


def test_what_is_not_there_closed_or_of_somebody_else(hindsight: Run, keeping: Keeping) -> None:
    code, _, err = hindsight("mark", "nowhere", "1", "--right")
    assert (code, err.count("\n")) == (3, 1)
    theirs = runs.ask(keeping.archive.engine(), asked("truck"), Actor("ines"))
    code, _, err = hindsight("mark", theirs.token, "1", "--right")
    assert code == 6
    assert "was asked by ines outside a case" in err
    token = asked_for(hindsight, "truck", "--case", CASE)["token"]
    assert hindsight("mark", token, "1", "--right")[0] == 0
    with keeping.directory.ledger.write() as tx:
        cases.close_case(tx, CASE, keeping.clock.now)
    assert hindsight("mark", token, "1", "--wrong")[0] == 5
    assert hindsight("search", "--refine", token)[0] == 5


def test_refine_asks_the_same_and_nothing_else(hindsight: Run) -> None:
    token = asked_for(hindsight, "truck")["token"]
    code, _, err = hindsight("search", "--refine", token)
    assert code == 4
    assert "nothing is marked" in err
    code, _, err = hindsight("search", "bus", "--refine", token)
    assert code == 4
    assert "leave out everything else" in err


def test_marking_speaks_chinese(hindsight: Run) -> None:
    token = asked_for(hindsight, "truck")["token"]
    _, out, _ = hindsight("--lang", "zh", "mark", token, "1", "--right")
    assert "正确" in out
    _, _, err = hindsight("--lang", "zh", "mark", token, "99", "--right")
    assert "99" in err
    assert "moment" not in err
