"""gaps.json: every microsecond of the request without footage has one cause."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evidence.verify_bundle import verify
from storage.clock import US, parse_time
from storage.timeline import add_gap, open_gap
from storage.vocabulary import GapCause

START_US = parse_time("2026-11-18T13:00:00Z")


def listed(house: Any, out: Path, from_s: float, to_s: float) -> list[tuple[float, float, str]]:
    """(start, end, cause) in seconds after START_US; checks that the bundle verifies."""
    result = house.export(out, from_s, to_s)
    assert verify(out).findings == []
    [camera] = result.cameras
    lost_us = sum(one.end_us - one.start_us for one in camera.absences)
    assert camera.recorded_us + lost_us == round((to_s - from_s) * US)
    gaps = json.loads((out / "data/gaps.json").read_text())
    return [
        ((parse_time(gap["start"]) - START_US) / US, (parse_time(gap["end"]) - START_US) / US,
         gap["cause"])
        for gap in gaps
    ]  # fmt: skip


def gap(house: Any, start_s: float, end_s: float, cause: GapCause) -> None:
    """Enter a gap row."""
    camera = house.camera()
    with house.ledger.write() as tx:
        add_gap(tx, camera.id, START_US + round(start_s * US), START_US + round(end_s * US), cause)


def test_a_gap_row_is_listed_with_its_cause(house: Any, tmp_path: Path) -> None:
    house.expect("north gate", 0)
    house.segment(at_s=0)
    gap(house, 4, 7, GapCause.STALLED)
    house.segment(at_s=7)
    assert listed(house, tmp_path / "out", 1, 10) == [(4, 7, "stalled")]


def test_a_gap_is_cut_to_the_request_and_to_what_is_missing(house: Any, tmp_path: Path) -> None:
    house.segment(at_s=0)
    gap(house, -5, 1, GapCause.CONNECT_FAILED)  # overlaps what was recorded after all
    gap(house, 3, 20, GapCause.DISK_FULL)
    assert listed(house, tmp_path / "out", -2, 6) == [
        (-2, 0, "connect_failed"), (4, 6, "disk_full"),
    ]  # fmt: skip


def test_each_moment_has_one_cause_where_gap_rows_overlap(house: Any, tmp_path: Path) -> None:
    house.segment(at_s=0)
    gap(house, 4, 8, GapCause.STALLED)
    gap(house, 6, 9, GapCause.SHUTDOWN)
    assert listed(house, tmp_path / "out", 0, 10) == [
        (4, 8, "stalled"), (8, 9, "shutdown"), (9, 10, "not_expected"),
    ]  # fmt: skip


def test_time_nobody_expected_is_named_so(house: Any, tmp_path: Path) -> None:
    house.expect("north gate", 0, 4)
    house.segment(at_s=0)
    assert listed(house, tmp_path / "out", -1, 5) == [
        (-1, 0, "not_expected"), (4, 5, "not_expected"),
    ]  # fmt: skip


def test_expected_time_without_a_gap_row_is_unknown(house: Any, tmp_path: Path) -> None:
    house.expect("north gate", 0, 20)
    house.segment(at_s=0)
    house.segment(at_s=10)
    assert listed(house, tmp_path / "out", 0, 14) == [(4, 10, "unknown")]


def test_a_seam_between_segments_is_told_from_a_gap(house: Any, tmp_path: Path) -> None:
    house.expect("north gate", 0, 20)
    house.segment(at_s=0)
    house.segment(at_s=4.05)
    assert listed(house, tmp_path / "out", 0, 8) == [(4, 4.05, "seam")]


def test_a_camera_silent_before_the_next_segment_leaves_a_gap(house: Any, tmp_path: Path) -> None:
    """A recorder lets a segment end where the next begins, up to 5 s after its last picture."""
    house.expect("north gate", 0)
    first = house.segment(at_s=0)
    house.segment(at_s=6.5)
    with house.ledger.write() as tx:
        tx.exec_driver_sql(
            f"UPDATE segment SET end_us = {first.end_us + 2_500_000} WHERE id = '{first.id}'"
        )
    assert listed(house, tmp_path / "out", 1, 8) == [(4, 6.5, "no_picture")]


def test_lawfully_deleted_footage_is_named_with_its_rule(house: Any, tmp_path: Path) -> None:
    house.expect("north gate", 0)
    house.expire(house.segment(at_s=0))
    house.segment(at_s=4)
    assert listed(house, tmp_path / "out", 1, 6) == [(1, 4, "expired")]
    [gap_] = json.loads((tmp_path / "out/data/gaps.json").read_text())
    assert gap_["detail"] == "class 3: 30 days"
    manifest = json.loads((tmp_path / "out/data/manifest.json").read_text())
    [link] = manifest["cameras"][0]["chain"]["outside"]
    assert link["state"] == "expired"


def test_what_is_being_recorded_is_not_yet_there(house: Any, tmp_path: Path) -> None:
    house.expect("north gate", 0)
    house.segment(at_s=0)
    assert listed(house, tmp_path / "out", 0, 6) == [(4, 6, "not_yet")]


def test_an_open_gap_outranks_the_open_file(house: Any, tmp_path: Path) -> None:
    house.expect("north gate", 0)
    house.segment(at_s=0)
    camera = house.camera()
    with house.ledger.write() as tx:
        open_gap(tx, camera.id, START_US + 4 * US, GapCause.CONNECT_FAILED)
    assert listed(house, tmp_path / "out", 0, 6) == [(4, 6, "connect_failed")]


def test_the_future_is_not_yet_there(house: Any, tmp_path: Path) -> None:
    house.segment(at_s=0)
    house.directory.clock = _Fixed(START_US + 6 * US)
    assert listed(house, tmp_path / "out", 0, 9) == [(4, 6, "not_expected"), (6, 9, "not_yet")]


class _Fixed:
    """A clock that stands."""

    def __init__(self, us: int) -> None:
        self.us = us

    def now_us(self) -> int:
        """Where it stands."""
        return self.us

    def monotonic_us(self) -> int:
        """The same."""
        return self.us


@pytest.mark.parametrize("overlap_s", [0.05, 2.0])
def test_overlapping_segments_count_once(house: Any, tmp_path: Path, overlap_s: float) -> None:
    house.segment(at_s=0)
    house.segment(at_s=4 - overlap_s)
    assert listed(house, tmp_path / "out", 0, 8) == [(8 - overlap_s, 8, "not_expected")]
