"""`hindsight camera`: add, list, show, set, disable, enable; credentials never show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from storage import audit, timeline
from storage.register import credentials_of, find_camera
from storage.vocabulary import GapCause
from tests.storage.media import START_US, CommandLine, House

URL = "rtsp://admin:p%40ss@10.0.0.7:554/main"


def credentials(house: House, name: str = "gate") -> tuple[str, str] | None:
    with house.ledger.read() as tx:
        return credentials_of(tx, find_camera(tx, name).id, house.directory.vault)


def test_what_was_given_stands_in_the_register(house: House, hindsight: CommandLine) -> None:
    made = hindsight.json(
        "camera", "add", "Gate", URL, "--site", "city/east", "--class", "1", "--gb-code", "1" * 20,
        "--lat", "31.2", "--lon", "121.5", "--tz", "Asia/Shanghai", "--department", "交警",
        "--address", "1 Main St", "--vendor", "Acme", "--view", "90",
    )  # fmt: skip
    assert {key: made[key] for key in ("slug", "name", "site", "class", "url", "enabled", "tz",
                                       "lat", "lon", "gb_code", "view", "credentials")} == {
        "slug": "gate", "name": "Gate", "site": "city/east", "class": 1,
        "url": "rtsp://10.0.0.7:554/main", "enabled": True, "tz": "Asia/Shanghai", "lat": 31.2,
        "lon": 121.5, "gb_code": "1" * 20, "view": 90.0, "credentials": True,
    }  # fmt: skip
    (listed,) = hindsight.json("camera", "list")
    assert listed == made | {"state": "stopped"}
    assert credentials(house) == ("admin", "p@ss")


def test_no_output_and_no_audit_row_holds_the_password(
    house: House, hindsight: CommandLine
) -> None:
    said = [
        hindsight("camera", "add", "gate", URL),
        hindsight("camera", "add", "web", "http://10.0.0.8/v.cgi?user=a&pwd=hunter2"),
        hindsight("camera", "set", "gate", "--url", "rtsp://admin:hunter2@10.0.0.7/sub", "--json"),
        hindsight("camera", "list", "--json"),
        hindsight("camera", "list"),
        hindsight("camera", "show", "gate"),
        hindsight("camera", "show", "web", "--json"),
        hindsight("audit", "--json"),
    ]
    for one in said:
        assert one.code == 0, one.err
        for secret in ("p%40ss", "p@ss", "hunter2"):
            assert secret not in one.out + one.err


def test_a_camera_without_url_takes_imports_only(hindsight: CommandLine) -> None:
    assert hindsight.json("camera", "add", "evidence shelf")["url"] is None


def test_a_relative_file_is_found_from_anywhere(
    hindsight: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    url = hindsight.json("camera", "add", "loop", "file:clip.mp4?loop=1")["url"]
    assert url == f"file://{tmp_path}/clip.mp4?loop=1"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["camera", "add", "gate", "--lat", "north"], 4),
        (["camera", "add", "gate", "--lat", "91"], 4),
        (["camera", "add", "gate", "--gb-code", "12"], 4),
        (["camera", "add", "gate", "--tz", "Mars/Olympus"], 4),
        (["camera", "add", "gate", "--class", "4"], 2),
        (["camera", "add", "gate", "--retention", "for ever"], 4),
        (["camera", "add", "///"], 4),
        (["camera", "add", "gate", "file:"], 4),
        (["camera", "add", "gate", "rtsp://[::1/x"], 4),
        (["camera", "add", "gate", "gate.mp4"], 4),
        (["camera", "add"], 2),
        (["camera", "show", "gate"], 3),
        (["camera", "set", "gate", "--class", "1"], 3),
        (["camera", "disable", "gate"], 3),
    ],
)
def test_a_mistake_gets_one_line_and_registers_nothing(
    hindsight: CommandLine, words: list[str], code: int
) -> None:
    said = hindsight(*words)
    assert said.code == code
    assert len(said.err.splitlines()) == 1
    assert hindsight.json("camera", "list") == []


def test_adding_twice_is_a_conflict(hindsight: CommandLine) -> None:
    hindsight("camera", "add", "gate", "rtsp://a/x")
    said = hindsight("camera", "add", "GATE", "rtsp://b/x")
    assert said.code == 5
    assert hindsight.json("camera", "show", "gate")["url"] == "rtsp://a/x"


def test_set_changes_what_is_named_and_clears_what_is_empty(
    house: House, hindsight: CommandLine
) -> None:
    hindsight("camera", "add", "gate", URL, "--vendor", "Acme", "--class", "2")
    changed = hindsight.json("camera", "set", "gate", "--class", "1", "--vendor", "")
    assert (changed["class"], changed["vendor"], changed["credentials"]) == (1, None, True)
    with house.ledger.read() as tx:
        (row,) = audit.rows(tx, action="camera.set")
    assert json.loads(row.detail) == {"class": [2, 1], "vendor": ["Acme", None]}
    assert hindsight("camera", "set", "gate").code == 4


def test_a_password_does_not_follow_to_another_host(house: House, hindsight: CommandLine) -> None:
    hindsight("camera", "add", "gate", URL)
    hindsight("camera", "set", "gate", "--url", "rtsp://10.0.0.7:554/sub")
    assert credentials(house) == ("admin", "p@ss")
    hindsight("camera", "set", "gate", "--url", "rtsp://10.0.0.99:554/sub")
    assert credentials(house) is None
    hindsight("camera", "set", "gate", "--url", "rtsp://eve:x@10.0.0.99/sub")
    assert credentials(house) == ("eve", "x")


def test_of_a_disabled_camera_nothing_is_expected(house: House, hindsight: CommandLine) -> None:
    camera = house.camera("gate")
    house.expect("gate", START_US)
    with house.ledger.write() as tx:
        timeline.open_gap(tx, camera.id, START_US, GapCause.SHUTDOWN)
    assert hindsight("camera", "disable", "gate").code == 0
    assert hindsight.json("camera", "show", "gate")["state"] == "disabled"
    with house.ledger.read() as tx:
        assert timeline.open_expectation(tx, camera.id) is None
        assert timeline.gaps(tx)[0].end_us is not None
    assert hindsight("check").code == 0
    assert hindsight("camera", "enable", "gate").code == 0
    assert hindsight.json("camera", "show", "gate")["enabled"] is True


def test_a_name_in_brackets_is_printed_as_it_is(hindsight: CommandLine) -> None:
    hindsight("camera", "add", "[red] gate :smile:", "rtsp://a/x")
    assert "[red] gate :smile:" in hindsight("camera", "list").out
