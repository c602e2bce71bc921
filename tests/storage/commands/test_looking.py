"""`hindsight segments`, `gaps`, `status`, `forecast`: the shapes scripts rely on."""

from __future__ import annotations

import pytest

from storage import timeline
from storage.generations import add_generation
from storage.vocabulary import GapCause
from tests.storage.media import START_US, US, CommandLine, House


def test_segments_have_the_shape_of_the_interface(house: House, hindsight: CommandLine) -> None:
    (row,) = house.footage(count=1)
    (shown,) = hindsight.json("segments")
    assert shown["id"] == row.id
    assert shown["camera"] == "gate"
    assert shown["start"] == "2026-11-18T13:00:00.000000Z"
    assert shown["end"] == "2026-11-18T13:00:02.000000Z"
    assert (shown["duration_s"], shown["size_bytes"]) == (2.0, row.size_bytes)
    assert (shown["sha256"], shown["codec"], shown["state"]) == (row.sha256, "h264", "closed")
    assert shown["clock"] == {"source": "rtcp", "error_s": 0.04}
    assert shown["recovered"] is False
    volume = house.directory.archive.volume("main").root
    assert (volume / shown["path"]).is_file()
    assert (volume / ".volume.json").is_file()


def test_segments_are_chosen_by_camera_and_half_open_span(
    house: House, hindsight: CommandLine
) -> None:
    rows = house.footage(count=3)
    house.segment("yard")

    def ids(*words: str) -> list[str]:
        return [s["id"] for s in hindsight.json("segments", "--camera", "gate", *words)]

    assert ids() == [row.id for row in rows]
    assert ids("--from", "2026-11-18T21:00:02+08:00") == [row.id for row in rows[1:]]
    assert ids("--to", "2026-11-18T13:00:02Z") == [rows[0].id]
    assert ids("--from", "2026-11-18T13:00:02Z", "--to", "2026-11-18T13:00:02.000001Z") == [
        rows[1].id
    ]
    both = hindsight.json("segments", "--camera", "gate", "--camera", "yard")
    assert {s["camera"] for s in both} == {"gate", "yard"}


def test_gaps_have_the_shape_of_the_interface(house: House, hindsight: CommandLine) -> None:
    key = house.camera().id
    with house.ledger.write() as tx:
        timeline.add_gap(tx, key, START_US, START_US + US, GapCause.STALLED, "nothing came")
        timeline.open_gap(tx, key, START_US + 5 * US, GapCause.CONNECT_FAILED)
    first, last = hindsight.json("gaps")
    assert {key: first[key] for key in ("camera", "start", "end", "cause")} == {
        "camera": "gate", "start": "2026-11-18T13:00:00.000000Z",
        "end": "2026-11-18T13:00:01.000000Z", "cause": "stalled",
    }  # fmt: skip
    assert (last["end"], last["cause"]) == (None, "connect_failed")
    assert "no pictures came" in hindsight("gaps").out
    assert hindsight.json("gaps", "--to", "2026-11-18T13:00:01Z") == [first]


def test_status_has_the_shape_of_the_interface(house: House, hindsight: CommandLine) -> None:
    house.footage()
    said = hindsight.json(
        "status", "--from", "2026-11-18T13:00:00Z", "--to", "2026-11-18T14:00:00Z"
    )
    (camera,), (volume,) = said["cameras"], said["volumes"]
    assert set(camera) == {
        "camera", "name", "state", "since", "last_picture", "age_s", "recorded_s", "gap_s",
        "completeness", "bitrate", "fps", "gop_s", "clock_offset_s", "backlog_s", "restarts",
        "error", "index_lag_s",
    }  # fmt: skip
    assert (camera["recorded_s"], camera["gap_s"], camera["completeness"]) == (6, 0, 1)
    assert set(volume) == {
        "name", "root", "total", "free", "floor", "quota", "footage", "ok", "error", "refuses",
    }  # fmt: skip
    assert volume["ok"] is True
    assert said["keeping"]["verified"] == {"never": 3, "longest_ago": None, "bad": 0}
    assert said["index_backlog"] is None
    assert said["warnings"] == []
    assert "gate" in hindsight("status").out


def test_status_says_how_much_of_the_cameras_asked_for_is_not_indexed(
    house: House, hindsight: CommandLine
) -> None:
    house.footage("gate")
    house.footage("yard", count=2)
    with house.ledger.write() as tx:
        add_generation(
            tx, model="m", checkpoint=None, weights_hash="w", preprocess_hash="p", dimension=4,
            meaningful=True, state="active", at_us=1,
        )  # fmt: skip
    assert hindsight.json("status")["index_backlog"] == {
        "segments": 5, "footage_s": 10, "failed": 0, "unread_hours": 0,
    }  # fmt: skip
    assert hindsight.json("status", "--camera", "yard")["index_backlog"]["segments"] == 2
    assert "Not indexed: 0.00 h of footage (segments: 5" in hindsight("status").out


@pytest.mark.parametrize("command", ["segments", "gaps", "status"])
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--from", "2026-11-19T00:00:00Z", "--to", "2026-11-18T00:00:00Z"], 4),
        (["--from", "2026-11-18T00:00:00Z", "--to", "2026-11-18T00:00:00Z"], 4),
        (["--from", "2026-11-18T00:00:00"], 4),
        (["--from", "yesterday"], 4),
        (["--camera", "nowhere"], 3),
        (["--nonsense"], 2),
    ],
)
def test_a_question_that_makes_no_sense(
    hindsight: CommandLine, command: str, words: list[str], code: int
) -> None:
    said = hindsight(command, *words)
    assert (said.code, said.out) == (code, "")
    assert len(said.err.splitlines()) == 1


def test_an_empty_archive_says_so(hindsight: CommandLine) -> None:
    assert hindsight.json("segments") == hindsight.json("gaps") == []
    assert "No footage" in hindsight("segments").out
    assert "No camera" in hindsight("status").out


def test_forecast_in_words_and_in_json(house: House, hindsight: CommandLine) -> None:
    house.footage()
    said = hindsight.json("forecast")
    assert said["promise_kept"] is True
    assert said["cameras"][0]["promise_days"] == 30
    assert said["volumes"][0]["footage_bytes"] == sum(row.size_bytes for row in house.rows())
    assert said["violations"] == {"days": 7, "cameras": 0, "segments": 0, "bytes": 0}
    assert said["volumes"][0]["breaks"] == []
    assert "every promise is kept" in hindsight("forecast").out
