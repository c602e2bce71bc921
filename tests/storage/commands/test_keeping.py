"""`hindsight retain`, `hold`, `check`, `rebuild`, `scrub`: words, JSON, exit codes."""

from __future__ import annotations

import shutil
from pathlib import Path

from storage.violations import record_violation
from tests.storage.media import DAY_US, START_US, CommandLine, House

OLD_US = START_US - 100 * DAY_US  # past the promise of class 3 by the machine's own clock


def test_a_dry_run_lists_and_a_run_deletes(house: House, hindsight: CommandLine) -> None:
    segment = house.segment("gate", OLD_US)
    would = hindsight.json("retain", "--dry-run")
    assert [one["segment"] for one in would["expired"]] == [segment.id]
    assert would["expired"][0]["rule"] == "class_3_days = 30"
    assert (would["removed"], would["freed_bytes"]) == (0, 0)
    assert segment.id in hindsight("retain", "--dry-run").out
    done = hindsight.json("retain")
    assert (done["removed"], done["freed_bytes"]) == (1, segment.size_bytes)
    assert not house.file(segment).exists()
    assert hindsight.json("segments") == []


def test_a_file_that_will_not_go_is_said_with_an_exit_code(
    house: House, hindsight: CommandLine
) -> None:
    segment = house.segment("gate", OLD_US)
    house.file(segment).unlink()
    house.file(segment).mkdir()
    said = hindsight("retain")
    assert said.code == 7
    assert segment.path in said.out
    assert "`hindsight retain`" in hindsight.json("status")["warnings"][-1]


def test_a_hold_is_added_kept_listed_and_released(house: House, hindsight: CommandLine) -> None:
    segment = house.segment("gate", OLD_US)
    hindsight("case", "open", "2026-311", "--reason", "theft")
    span = ["--from", "2026-08-10T13:00:00Z", "--to", "2026-08-10T14:00:00Z"]
    held = hindsight.json(
        "hold", "add", "--camera", "gate", *span, "--reason", "theft", "--case", "2026-311"
    )
    assert (held["segments"], held["held_bytes"]) == (1, segment.size_bytes)
    assert (held["case"], held["expires"], held["released"]) == ("2026-311", None, None)
    assert hindsight.json("retain")["held"] == {"segments": 1, "bytes": segment.size_bytes}
    assert house.file(segment).exists()
    assert hindsight.json("hold", "list") == [held]
    released = hindsight.json("hold", "release", str(held["id"]), "--reason", "closed")
    assert released["release_reason"] == "closed"
    assert hindsight.json("hold", "list") == []
    assert len(hindsight.json("hold", "list", "--all")) == 1
    assert hindsight("hold", "release", str(held["id"]), "--reason", "again").code == 5
    assert hindsight.json("retain")["removed"] == 1
    said = hindsight("hold", "add", "--camera", "gate", *span, "--reason", "too late")
    assert "Deleted before, so not held: 1" in said.out


def test_a_hold_that_makes_no_sense(house: House, hindsight: CommandLine) -> None:
    house.camera("gate")
    common = ["hold", "add", "--camera", "gate", "--reason", "x"]
    day = ["--from", "2026-11-18T00:00:00Z", "--to", "2026-11-19T00:00:00Z"]
    assert hindsight(*common, "--from", day[3], "--to", day[1]).code == 4
    assert hindsight(*common, *day, "--expires", "2020-01-01T00:00:00Z").code == 4
    assert hindsight(*common, *day, "--case", "none").code == 3
    assert hindsight("hold", "add", "--camera", "gate", *day).code == 2
    assert hindsight("hold", "release", "7", "--reason", "x").code == 3
    assert hindsight.json("hold", "list", "--all") == []


def test_check_of_a_sound_archive_finds_nothing(house: House, hindsight: CommandLine) -> None:
    house.footage()
    house.imported(start_us=START_US + 60 * DAY_US // 1000)
    for level in ("presence", "size", "hash"):
        assert hindsight.json("check", "--level", level) == {"ok": True, "findings": []}
    assert hindsight("check").out == "Nothing is lost.\n"
    assert hindsight("check", "--level", "smell").code == 2


def test_check_says_loss_with_its_exit_code(house: House, hindsight: CommandLine) -> None:
    segment = house.footage(count=1)[0]
    house.file(segment).unlink()
    said = hindsight("check", "--json")
    assert said.code == 9
    assert said.json["ok"] is False
    (finding,) = said.json["findings"]
    assert (finding["invariant"], finding["rule"]) == (1, "Row ⇒ file")
    assert (finding["segment"], finding["path"]) == (segment.id, segment.path)
    assert "Row ⇒ file" in hindsight("check").out


def test_an_unknown_file_is_listed_and_is_no_loss(house: House, hindsight: CommandLine) -> None:
    stray = house.directory.archive.volume("main").root / "gate" / "holiday.mp4"
    stray.parent.mkdir()
    stray.write_bytes(b"not ours")
    said = hindsight("check", "--json")
    assert (said.code, said.json["ok"]) == (0, True)
    assert said.json["findings"][0]["path"] == "gate/holiday.mp4"
    assert stray.exists()


def test_scrub_goes_on_where_it_stopped(house: House, hindsight: CommandLine) -> None:
    house.footage(count=3)
    first = hindsight.json("scrub", "--budget-s", "0.000001")
    assert (first["segments"], first["never_verified"]) == (1, 2)
    second = hindsight.json("scrub", "--budget-s", "0.000001")
    assert (second["segments"], second["never_verified"]) == (1, 1)
    assert second["longest_unverified_since"] is not None
    everything = hindsight.json("scrub")
    assert (everything["segments"], everything["never_verified"]) == (3, 0)
    assert hindsight("scrub", "--budget-s", "0").code == 2


def test_scrub_finds_damage_and_says_so_every_time(house: House, hindsight: CommandLine) -> None:
    segment = house.footage(count=2)[0]
    path = house.file(segment)
    raw = bytearray(path.read_bytes())
    raw[-20] ^= 1
    path.write_bytes(raw)
    for _ in range(2):
        said = hindsight("scrub", "--json")
        assert said.code == 9
        assert [f["segment"] for f in said.json["findings"]] == [segment.id]


def test_rebuild_of_a_whole_archive_adds_nothing(house: House, hindsight: CommandLine) -> None:
    house.footage()
    assert hindsight.json("rebuild")["added"] == []


def test_a_data_directory_lost_whole_is_made_anew_around_its_volume(
    house: House, hindsight: CommandLine, tmp_path: Path
) -> None:
    rows = [*house.footage(), house.imported("shelf")]
    house.directory.close()
    shutil.move(house.root / "volumes", tmp_path / "nas")
    shutil.rmtree(house.root)
    (tmp_path / "hindsight.toml").write_text(
        f'[volumes.main]\npath = "{tmp_path / "nas" / "main"}"\n'
    )
    assert hindsight("rebuild").code == 3
    assert hindsight("init").code == 5  # never takes footage for its own by accident
    assert not house.root.exists()
    said = hindsight.json("rebuild", "--adopt")
    assert {one["segment"] for one in said["added"]} == {row.id for row in rows}
    assert said["cameras"] == ["gate", "shelf"]
    assert said["one_time_password"]
    assert hindsight.json("check", "--level", "hash")["ok"] is True


def test_violations_are_listed_by_camera_and_by_when_they_happened(
    house: House, hindsight: CommandLine
) -> None:
    key = house.camera("gate").id
    house.camera("yard")
    assert hindsight.json("violations") == []
    assert "No footage was deleted" in hindsight("violations").out
    with house.ledger.write() as tx:
        record_violation(
            tx, at_us=START_US, camera_id=key, volume="main", start_us=START_US - DAY_US,
            end_us=START_US - DAY_US + 60_000_000, segments=2, size_bytes=7_000_000,
            promised_until_us=START_US + 29 * DAY_US, promise="class_3_days = 30",
            reason="volume main is at its floor",
        )  # fmt: skip
    (one,) = hindsight.json("violations")
    assert one == {
        "at": "2026-11-18T13:00:00.000000Z", "camera": "gate", "volume": "main",
        "start": "2026-11-17T13:00:00.000000Z", "end": "2026-11-17T13:01:00.000000Z",
        "segments": 2, "size_bytes": 7_000_000, "promised_until": "2026-12-17T13:00:00.000000Z",
        "promise": "class_3_days = 30", "reason": "volume main is at its floor",
    }  # fmt: skip
    assert hindsight.json("violations", "--camera", "yard") == []
    assert hindsight.json("violations", "--from", "2026-11-18T13:00:01Z") == []
    assert hindsight.json("violations", "--to", "2026-11-18T13:00:01Z") == [one]
    assert "存储卷 main 的剩余空间已到下限" in hindsight("--lang", "zh", "violations").out
