"""Export: what a bundle holds, what it refuses, and that nothing is left when it does."""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import bagit
import pytest

from evidence.verify_bundle import verify
from storage import audit
from storage.audit_walk import verify as verify_chain
from storage.cases import close_case, open_case
from storage.clock import US
from storage.durable import sha256_file
from storage.errors import (
    Conflict,
    DataLoss,
    Denied,
    HindsightError,
    Invalid,
    NotFound,
    ResourceExhausted,
    Unavailable,
)
from storage.settings import SearchSettings
from storage.vocabulary import Actor


def document(bundle: Path, name: str) -> Any:
    """data/<name>.json."""
    return json.loads((bundle / "data" / f"{name}.json").read_text(encoding="utf-8"))


def names_in(folder: Path) -> list[str]:
    """What lies in a folder, hidden or not."""
    return sorted(path.name for path in folder.iterdir())


def actions(house: Any) -> list[str]:
    """What the audit log says was done, oldest first."""
    with house.ledger.read() as tx:
        return [row.action for row in audit.rows(tx)]


def refused(house: Any, out: Path, kind: type[HindsightError], from_s: float = 0, to_s: float = 4,
            **how: Any) -> HindsightError:  # fmt: skip
    """Export must fail as `kind` and leave the folder as it was."""
    before = sorted(out.parent.rglob("*"))
    with pytest.raises(kind) as caught:
        house.export(out, from_s, to_s, **how)
    assert sorted(out.parent.rglob("*")) == before
    return caught.value


# What is in it


def test_originals_are_bit_exact(house: Any, out: Path) -> None:
    kept = [house.segment(at_s=at_s) for at_s in (0, 4, 8)]
    house.segment(at_s=12)  # outside the span
    house.export(out, 1, 10)
    copies = {path.name: path for path in (out / "data/originals/north-gate").iterdir()}
    assert sorted(copies) == sorted(Path(segment.path).name for segment in kept)
    for segment in kept:
        copy = copies[Path(segment.path).name]
        assert copy.read_bytes() == house.file(segment).read_bytes()
        assert sha256_file(copy) == segment.sha256


def test_an_imported_file_is_exported_as_it_came(house: Any, out: Path) -> None:
    segment = house.segment(container="avi", codec="mpeg4", origin="import",
                            original_name="现场 DVR.avi")  # fmt: skip
    house.export(out, 0, 4)
    [entry] = document(out, "manifest")["cameras"][0]["segments"]
    assert (out / entry["file"]).read_bytes() == house.file(segment).read_bytes()
    assert (entry["origin"], entry["original_name"]) == ("import", "现场 DVR.avi")


def test_a_bundle_is_a_valid_bag(house: Any, out: Path) -> None:
    house.segment()
    house.segment("北门 2号", 0)
    house.export(out, 0, 4)
    bagit.Bag(str(out)).validate()


def test_sha256sum_alone_checks_all_of_it(house: Any, out: Path) -> None:
    house.segment("北门 2号")
    house.export(out, 0, 4)
    lists = ["fingerprint-sha256.txt", "tagmanifest-sha256.txt", "manifest-sha256.txt"]
    done = subprocess.run(["sha256sum", "-c", *lists], cwd=out, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    checked = {line.split(": ")[0] for line in done.stdout.splitlines()}
    there = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()}
    assert there - checked == {"fingerprint-sha256.txt", "fingerprint-sha256.txt.sig"}


def test_the_manifest_states_the_facts_of_custody(house: Any, out: Path) -> None:
    with house.ledger.write() as tx:
        open_case(tx, "A-117", "theft", "li.wei", 0)
    first = house.segment(at_s=0)
    house.segment(at_s=4, recovered=True)
    actor = Actor("li.wei", "A-117", "report 88")
    result = house.export(out, 1, 7, actor=actor)
    manifest = document(out, "manifest")
    assert manifest["export"] == result.export
    assert manifest["made_by"] == "li.wei"
    assert manifest["case"] == {"id": "A-117", "reason": "theft"}
    assert manifest["reason"] == "report 88"
    assert manifest["requested"] == {
        "start": "2026-11-18T13:00:01.000000Z", "end": "2026-11-18T13:00:07.000000Z",
        "duration_s": 6.0,
    }  # fmt: skip
    assert manifest["tool"]["version"]
    [camera] = manifest["cameras"]
    assert (camera["recorded_s"], camera["gap_s"], camera["measured_s"]) == (6.0, 0.0, 6.0)
    assert camera["clock"] == [{"source": "arrival", "error_s": 0.04, "segments": 2}]
    one, two = camera["segments"]
    assert (one["recovered"], two["recovered"]) == (False, True)
    assert (one["prev_sha256"], two["prev_sha256"]) == (None, first.sha256)


def test_a_link_to_a_segment_outside_is_accounted_for(house: Any, out: Path) -> None:
    before = house.segment(at_s=0)
    house.segment(at_s=4)
    house.export(out, 5, 7)
    [link] = document(out, "manifest")["cameras"][0]["chain"]["outside"]
    assert (link["sha256"], link["segment"], link["state"]) == (before.sha256, before.id, "closed")


def test_several_cameras_share_a_bundle_and_one_without_footage_is_a_gap(
    house: Any, out: Path
) -> None:
    house.segment("north gate")
    house.camera("south gate")
    house.export(out, 0, 4)
    cameras = {one["camera"]: one for one in document(out, "manifest")["cameras"]}
    assert cameras["south-gate"]["segments"] == []
    assert document(out, "gaps") == [
        {"camera": "south-gate", "start": "2026-11-18T13:00:00.000000Z",
         "end": "2026-11-18T13:00:04.000000Z", "duration_s": 4.0, "cause": "not_expected",
         "detail": None}
    ]  # fmt: skip


def test_the_report_speaks_both_languages_and_needs_nothing_else(house: Any, out: Path) -> None:
    house.segment("<script>门</script>")
    house.export(out, 0, 4)
    page = (out / "data/report.html").read_text(encoding="utf-8")
    assert "Evidence bundle" in page
    assert "证据包" in page
    assert "<script" not in page
    assert "http:" not in page.replace("http-equiv", "")
    assert "https:" not in page


def test_a_zip_holds_the_same_bundle_uncompressed(house: Any, out: Path) -> None:
    for at_s in (0, 4):
        house.segment("北门", at_s)
    path = out.with_name("证据 1.zip")
    result = house.export(path, 0, 8)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}
        assert {member.filename.split("/")[0] for member in archive.infolist()} == {"证据-1"}
    assert verify(path, result.fingerprint).findings == []
    assert names_in(out.parent) == [path.name]


def test_progress_grows_to_its_end(house: Any, out: Path) -> None:
    for at_s in (0, 4):
        house.segment(at_s=at_s)
    told: list[tuple[int, int]] = []
    house.export(out, 0, 8, progress=lambda done, total: told.append((done, total)))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] == told[-1][1]


# Custody


def test_an_export_is_logged_before_and_sealed_with_its_fingerprint(house: Any, out: Path) -> None:
    house.segment()
    result = house.export(out, 0, 4)
    with house.ledger.read() as tx:
        began, sealed = audit.rows(tx)[-2:]
        assert list(verify_chain(tx)) == []
    assert (began.action, began.subject) == ("export", "north-gate")
    assert json.loads(began.detail)["export"] == result.export
    assert (sealed.action, sealed.subject) == ("export.sealed", result.export)
    assert json.loads(sealed.detail)["fingerprint"] == result.fingerprint
    assert result.fingerprint == sha256_file(out / "tagmanifest-sha256.txt")


def test_custody_holds_the_rows_about_this_footage_and_no_others(house: Any, out: Path) -> None:
    segment = house.segment("north gate")
    house.segment("south gate", 0)
    span = {"from": "2026-11-18T13:00:00Z", "to": "2026-11-18T13:00:02Z"}
    later = {"from": "2026-11-18T14:00:00Z", "to": "2026-11-18T14:00:02Z"}
    rows = [
        ("play", "north-gate", span, True),
        ("play", "north-gate", later, False),
        ("play", "south-gate", span, False),
        ("snapshot", "north-gate", {"at": "2026-11-18T13:00:03Z"}, True),
        ("delete", segment.id, {"rule": "x"}, True),
        ("hold", "5", {"camera": "north-gate", **span}, True),
        ("search", "a red car", {"cameras": ["north-gate"], **span}, False),
        ("view", "north-gate, south-gate", {"cameras": ["north-gate"]}, False),
        ("play", "north-gate", {"from": "yesterday", "to": 5}, False),
        ("login", "li.wei", {}, False),
    ]
    with house.ledger.write() as tx:
        for action, subject, detail, _ in rows:
            audit.record(tx, Actor("li.wei"), action, subject, at_us=0, detail=detail)
    house.export(out, 0, 4, cameras=[house.camera("north gate")])
    found = [(row["action"], row["subject"]) for row in document(out, "custody")["rows"]]
    due = [(action, subject) for action, subject, _, touches in rows if touches]
    assert found == [*due, ("export", "north-gate")]


def test_a_case_must_be_open(house: Any, out: Path) -> None:
    house.segment()
    actor = Actor("li.wei", "A-117", "report 88")
    refused(house, out, NotFound, actor=actor)
    with house.ledger.write() as tx:
        open_case(tx, "A-117", "theft", "li.wei", 0)
        close_case(tx, "A-117", 1)
    refused(house, out, Conflict, actor=actor)
    assert "export" not in actions(house)


def test_a_case_closed_midway_stops_the_export(house: Any, out: Path) -> None:
    house.segment()
    with house.ledger.write() as tx:
        open_case(tx, "A-117", "theft", "li.wei", 0)

    def close(done: int, total: int) -> None:
        with house.ledger.write() as tx:
            tx.exec_driver_sql("UPDATE case_file SET closed_us = 1")

    refused(house, out, Conflict, actor=Actor("li.wei", "A-117"), progress=close)
    assert actions(house)[-1] == "export"


def test_without_a_case_where_one_is_demanded(house: Any, out: Path) -> None:
    house.segment()
    settings = house.directory.settings
    house.directory.settings = settings.model_copy(
        update={"search": SearchSettings(require_case=True)}
    )
    refused(house, out, Denied)
    assert "export" not in actions(house)


# What it refuses


def test_span_the_wrong_way_round(house: Any, out: Path) -> None:
    house.segment()
    for end_s in (2, 1):
        refused(house, out, Invalid, 2, end_s)


def test_span_without_footage_names_what_is_there(house: Any, out: Path) -> None:
    house.camera()
    assert "at all" in str(refused(house, out, NotFound, 5, 6))
    house.segment(at_s=0)
    assert "the last ends at 2026-11-18T13:00:04.0" in str(refused(house, out, NotFound, 5, 6))
    house.segment(at_s=8)
    message = str(refused(house, out, NotFound, 5, 6))
    assert "the nearest ends at 2026-11-18T13:00:04.0" in message
    assert "begins again at 2026-11-18T13:00:08.0" in message
    assert "the first begins at 2026-11-18T13:00:00.0" in str(refused(house, out, NotFound, -5, -4))
    assert "export" not in actions(house)


@pytest.mark.parametrize("name", ["bundle", "bundle.zip"])
def test_destination_that_exists_is_left_alone(house: Any, out: Path, name: str) -> None:
    house.segment()
    out = out.with_name(name)
    out.write_text("precious")
    refused(house, out, Conflict)
    assert out.read_text() == "precious"
    out.unlink()
    out.symlink_to("nowhere")
    refused(house, out, Conflict)


@pytest.mark.parametrize("name", ["bundle", "bundle.zip"])
def test_destination_taken_while_exporting_is_left_alone(house: Any, out: Path, name: str) -> None:
    house.segment()
    out = out.with_name(name)

    def take(done: int, total: int) -> None:
        out.write_text("precious")

    with pytest.raises(Conflict):
        house.export(out, 0, 4, progress=take)
    assert names_in(out.parent) == [name]
    assert out.read_text() == "precious"


def test_folder_that_does_not_exist(house: Any, tmp_path: Path) -> None:
    house.segment()
    with pytest.raises(NotFound):
        house.export(tmp_path / "no" / "bundle", 0, 4)
    assert not (tmp_path / "no").exists()


def test_destination_inside_a_volume(house: Any) -> None:
    house.segment()
    volume = house.directory.archive.recording_volume()
    refused(house, volume.root / "bundle", Invalid)


@pytest.mark.parametrize("name", ["bundle", "bundle.zip"])
def test_damaged_original_stops_the_export(house: Any, out: Path, name: str) -> None:
    house.segment(at_s=0)
    segment = house.segment(at_s=4)
    content = bytearray(house.file(segment).read_bytes())
    content[len(content) // 2] ^= 1
    house.file(segment).write_bytes(content)
    message = str(refused(house, out.with_name(name), DataLoss, 0, 8))
    assert segment.id in message
    assert segment.path in message


def test_missing_original_stops_the_export(house: Any, out: Path) -> None:
    segment = house.segment()
    house.file(segment).unlink()
    assert segment.id in str(refused(house, out, DataLoss))


def test_absent_volume_stops_the_export(house: Any, out: Path) -> None:
    segment = house.segment()
    volume = house.directory.archive.volume(segment.volume)
    (volume.root / ".volume.json").unlink()
    refused(house, out, Unavailable)


def test_file_shorter_than_the_ledger_says_stops_the_export(house: Any, out: Path) -> None:
    segment = house.segment()
    with house.ledger.write() as tx:
        tx.exec_driver_sql(f"UPDATE segment SET end_us = {segment.end_us + 9 * US}")
    assert "4.0 s of pictures, the ledger says 13.0 s" in str(refused(house, out, DataLoss))


def test_an_export_that_would_stop_a_recorder_does_not_start(house: Any, out: Path) -> None:
    house.segment()
    settings = house.directory.settings
    retention = settings.retention.model_copy(update={"free_floor_bytes": 1 << 60})
    house.directory.settings = settings.model_copy(update={"retention": retention})
    refused(house, out, ResourceExhausted)
    assert "export" not in actions(house)
