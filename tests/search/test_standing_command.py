"""`hindsight standing` as people and scripts meet it: what it says, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from hindsight import cli
from search import standing_register
from storage import audit, cases
from storage.clock import SystemClock, rfc3339
from storage.commandline import run
from storage.directory import DataDirectory
from storage.register import add_camera
from storage.vocabulary import Actor
from tests.search.receiver import SECRET

Run = Callable[..., tuple[int, str, str]]
DAY_US = 86_400_000_000


def later(days: float) -> str:
    return rfc3339(SystemClock().now_us() + round(days * DAY_US))


SETTINGS = f'[webhooks.duty]\nurl = "https://duty.example/geheim"\nsecret = "{SECRET}"\n'
GOOD = {
    "--case": "A-1", "--reason": "storm warning", "--expires": later(10),
}  # fmt: skip


@pytest.fixture
def hindsight(directory: DataDirectory, capsys: pytest.CaptureFixture[str]) -> Run:
    """On an archive with one camera, an open and a closed case: (exit code, stdout, stderr)."""
    with directory.ledger.write() as tx:
        add_camera(tx, name="gate", url=None, created_us=1, site="city/north")
        for number in ("A-1", "A-2"):
            cases.open_case(tx, number, "storm", "ines", 1)
        cases.close_case(tx, "A-2", 2)
    (directory.root / "hindsight.toml").write_text(SETTINGS)

    def command(*words: str | Path) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(cli, ["--data", str(directory.root), *map(str, words)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


def words(name: str = "flood", text: str | None = "water on the road", **changes: str | None) -> (
    list[str]
):  # fmt: skip
    options = {**GOOD, **{f"--{key.replace('_', '-')}": value for key, value in changes.items()}}
    made = ["standing", "add", name, *([] if text is None else [text])]
    for option, value in options.items():
        made += [] if value is None else [option, value]
    return made


def test_it_is_added_listed_shown_extended_and_ended(
    hindsight: Run, directory: DataDirectory
) -> None:
    code, out, err = hindsight(*words(quiet="22:00-6:00", webhook="duty", site="city"), "--json")
    assert (code, err) == (0, "")
    made = json.loads(out)
    assert (made["name"], made["subject"], made["case"]) == ("flood", "water on the road", "A-1")
    assert (made["threshold"], made["quiet"], made["webhook"]) == (0.6, "22:00-06:00", "duty")
    assert made["notes"] == ["nothing is indexed yet; it begins with what is indexed from now on"]
    code, out, _ = hindsight("standing", "list", "--json")
    listed = json.loads(out)
    assert listed["running"] is False
    assert [one["name"] for one in listed["standing"]] == ["flood"]
    assert 0 <= listed["standing"][0]["lag_s"] < 60
    code, out, _ = hindsight("standing", "show", "flood", "--json")
    assert json.loads(out)["fired"] == []
    until = later(80)
    code, out, _ = hindsight(
        "standing", "extend", "flood", "--expires", until, "--reason", "still", "--json"
    )
    assert (code, json.loads(out)["expires"]) == (0, until)
    code, out, _ = hindsight("standing", "end", "flood", "--reason", "it is dry", "--json")
    assert (code, json.loads(out)["end_reason"]) == (0, "it is dry")
    code, out, _ = hindsight("standing", "list")
    assert "no standing query" in out
    code, out, _ = hindsight("standing", "list", "--all")
    assert "ended: it is dry" in out
    with directory.ledger.read() as tx:
        rows = audit.rows(tx)
    assert [row.action for row in rows][1:] == [
        "standing_added", "standing_shown", "standing_extended", "standing_ended",
    ]  # fmt: skip
    assert {row.case_id for row in rows[1:]} == {"A-1"}
    added = json.loads(rows[1].detail)
    assert added["query"]["parts"] == [{"text": "water on the road", "weight": 1.0}]
    assert (rows[1].reason, added["webhook"], added["threshold"]) == ("storm warning", "duty", 0.6)


def test_people_read_it_in_both_languages(hindsight: Run) -> None:
    code, out, _ = hindsight(*words())
    assert code == 0
    assert "flood is looked for until" in out
    assert "Nobody looks now" in out
    code, out, _ = hindsight("--lang", "zh", "standing", "list")
    assert "water on the road" in out
    assert "Nobody" not in out
    code, out, _ = hindsight("--lang", "zh", "standing", "show", "flood")
    assert "storm warning" in out
    code, out, _ = hindsight("standing", "run")
    assert (code, out) == (0, "1 standing queries saw 0 new segments and fired 0 times.\n")


@pytest.mark.parametrize(
    ("made", "code", "said"),
    [
        (words(case=None), 4, "case and a reason"),
        (words(reason=None), 4, "case and a reason"),
        (words(reason="  "), 4, "case and a reason"),
        (words(case="B-9"), 3, "B-9"),
        (words(case="A-2"), 5, "closed"),
        (words(expires="2020-01-01T00:00:00Z"), 4, "has passed"),
        (words(expires=later(91)), 4, "too far"),
        (words(expires="2026-12-01T00:00:00"), 4, "no zone"),
        (words(expires="soon"), 4, "soon"),
        (words(expires=None), 2, "--expires"),
        (words(threshold="0.49"), 4, "0.5 to 1"),
        (words(threshold="1.01"), 4, "0.5 to 1"),
        (words(threshold="nan"), 4, "0.5 to 1"),
        (words(threshold="high"), 2, "--threshold"),
        (words(quiet="22-6"), 4, "22-6"),
        (words(quiet="22:00-22:00"), 4, "22:00-22:00"),
        (words(quiet="00:00-24:00"), 4, "all day"),
        (words(quiet="25:00-26:00"), 4, "25:00"),
        (words(webhook="other"), 3, "duty"),
        (words(webhook="https://duty.example/geheim"), 3, "not in the settings"),
        (words(camera="nowhere"), 3, "nowhere"),
        (words(site="atlantis"), 3, "atlantis"),
        (words(name=""), 4, "name"),
        (words(name="a/b"), 4, "name"),
        (words(name="x" * 65), 4, "name"),
        (words(text=None), 4, "empty query"),
        (words(text=None, image="PICTURE"), 4, "--box"),
        (words(image="PICTURE", kind="region"), 4, "whole pictures only"),
        (words(**{"from": later(-1)}), 4, "--from"),
        (words(to=later(1)), 4, "--to"),
        (words(then="a bus", within="4000"), 4, "within an hour"),
        (["standing", "show", "nothing"], 3, "nothing"),
        (["standing", "end", "nothing", "--reason", "r"], 3, "nothing"),
        (["standing", "extend", "nothing", "--expires", later(1), "--reason", "r"], 3, "nothing"),
        (["standing", "end", "nothing"], 2, "--reason"),
    ],
)
def test_what_cannot_be_is_one_line(
    hindsight: Run, tmp_path: Path, directory: DataDirectory, made: list[str], code: int, said: str
) -> None:
    picture = tmp_path / "small.png"
    Image.new("RGB", (32, 16)).save(picture)
    found, out, err = hindsight(*(word.replace("PICTURE", str(picture)) for word in made))
    assert (found, out) == (code, ""), err
    assert err.count("\n") == 1
    assert err.startswith("hindsight: ")
    assert said in err
    assert standing_register.listed(directory, Actor("ines"), ended=True) == []
    with directory.ledger.read() as tx:
        assert [row.action for row in audit.rows(tx)] == ["init"]


def test_a_name_is_used_once(hindsight: Run) -> None:
    assert hindsight(*words())[0] == 0
    code, _, err = hindsight(*words())
    assert (code, "exists already" in err) == (5, True)
    hindsight("standing", "end", "flood", "--reason", "r")
    assert hindsight(*words())[0] == 5
    code, _, err = hindsight("standing", "end", "flood", "--reason", "r")
    assert (code, "has ended (r)" in err) == (5, True)


def test_the_part_of_a_picture_is_enough_and_is_kept(
    hindsight: Run, tmp_path: Path, directory: DataDirectory
) -> None:
    picture = tmp_path / "small.png"
    Image.effect_noise((64, 32), 60).save(picture)
    code, out, err = hindsight(*words(text=None, image=str(picture), box="2,3,10,12"), "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["subject"] == "picture"
    with directory.ledger.read() as tx:
        (row,) = audit.rows(tx, action="standing_added")
    (part,) = json.loads(row.detail)["query"]["parts"]
    assert part["box"] == [2, 3, 10, 12]
    assert len(part["picture"]["pixels_sha256"]) == 64
    assert json.loads(row.detail)["query"]["kind"] == "frame"
    assert "its picture is held against whole pictures" in json.loads(out)["notes"][0]


def test_nothing_goes_on_when_its_case_is_closed(hindsight: Run, directory: DataDirectory) -> None:
    hindsight(*words())
    hindsight("case", "close", "A-1")
    code, _, err = hindsight("standing", "extend", "flood", "--expires", later(20), "--reason", "r")
    assert (code, "case was closed" in err) == (5, True)
    code, out, _ = hindsight("standing", "run", "--json")
    assert json.loads(out)["ended"] == ["flood"]
    (shown,) = standing_register.listed(directory, Actor("ines"), ended=True)
    assert shown.standing.end_reason == "its case was closed"
    _, out, _ = hindsight("--lang", "zh", "standing", "list", "--all", "--json")
    assert json.loads(out)["standing"][0]["end_reason"] == "其案件已结案"


def test_only_one_looks(hindsight: Run, directory: DataDirectory) -> None:
    hindsight(*words())
    with directory.exclusive("standing"):
        code, _, err = hindsight("standing", "run")
        _, out, _ = hindsight("standing", "list")
    assert (code, "another `hindsight standing`" in err) == (5, True)
    assert "Nobody looks" not in out


def test_who_looks_at_what_fired_is_audited_under_the_case(
    hindsight: Run, directory: DataDirectory
) -> None:
    hindsight(*words())
    standing_register.shown(directory, "flood", Actor("ines"), limit=5)
    with directory.ledger.read() as tx:
        (row,) = audit.rows(tx, action="standing_shown")
    assert (row.actor, row.case_id, row.subject) == ("ines", "A-1", "flood")
