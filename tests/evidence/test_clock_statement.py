"""What a bundle says of its clocks: source, bound, every correction that meets it, true times."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evidence.verify_bundle import verify
from storage.clock import US, rfc3339
from storage.clocks import Correction, correct
from storage.vocabulary import Span
from tests.evidence.conftest import START_US
from tests.evidence.test_bundle_damage import relist


def add(
    house: Any, start_s: float, end_s: float, offset_s: float, actor: str = "li.wei"
) -> Correction:
    span = Span(START_US + round(start_s * US), START_US + round(end_s * US))
    with house.ledger.write() as tx:
        made, _ = correct(
            tx, house.camera(), span, round(offset_s * US), reason="camera an hour ahead",
            actor=actor, at_us=START_US,
        )  # fmt: skip
    return made


def at(second: float) -> str:
    return rfc3339(START_US + round(second * US))


def stated(out: Path) -> Any:
    [camera] = json.loads((out / "data/manifest.json").read_text())["cameras"]
    return camera


def test_source_and_bound_are_stated_where_nothing_was_corrected(house: Any, out: Path) -> None:
    house.segment()
    house.export(out, 0, 4)
    camera = stated(out)
    assert camera["clock"] == [{"source": "arrival", "error_s": 0.04, "segments": 1}]
    assert camera["clock_corrections"] == []
    assert camera["segments"][0]["corrected"] == []


def test_corrections_inside_the_span_give_the_true_times(house: Any, out: Path) -> None:
    house.segment(at_s=0)
    house.segment(at_s=4)
    add(house, 2, 6, -3600)
    add(house, 5, 6, 1.5)  # added later: it counts, and is not added to the one before
    house.export(out, 1, 8)
    camera = stated(out)
    rows = [(one["start"], one["end"], one["offset_s"], one["reason"], one["actor"])
            for one in camera["clock_corrections"]]  # fmt: skip
    assert rows == [
        (at(2), at(6), -3600, "camera an hour ahead", "li.wei"),
        (at(5), at(6), 1.5, "camera an hour ahead", "li.wei"),
    ]
    first, second = camera["segments"]
    assert (first["start"], first["end"]) == (at(0), at(4))  # what was recorded does not change
    assert [(p["start"], p["end"], p["corrected_start"], p["corrected_end"])
            for p in first["corrected"] + second["corrected"]] == [
        (at(2), at(4), at(2 - 3600), at(4 - 3600)),
        (at(4), at(5), at(4 - 3600), at(5 - 3600)),
        (at(5), at(6), at(6.5), at(7.5)),
    ]  # fmt: skip
    assert verify(out).findings == []


def test_correction_that_was_taken_back_is_listed_and_changes_no_time(
    house: Any, out: Path
) -> None:
    house.segment()
    add(house, 0, 4, -60)
    add(house, 0, 4, 0)
    house.export(out, 0, 4)
    camera = stated(out)
    assert [one["offset_s"] for one in camera["clock_corrections"]] == [-60, 0]
    assert camera["segments"][0]["corrected"] == []


def test_correction_of_other_footage_is_left_out(house: Any, out: Path) -> None:
    house.segment(at_s=0)
    house.segment(at_s=4)
    add(house, 4, 8, -60)
    house.export(out, 0, 4)
    assert stated(out)["clock_corrections"] == []


def test_correction_in_the_rest_of_an_original_is_stated(house: Any, out: Path) -> None:
    house.segment(at_s=0)
    add(house, 3, 4, -60)
    house.export(out, 0, 1)  # the whole original goes along, and its last second is wrong
    assert len(stated(out)["clock_corrections"]) == 1
    assert len(stated(out)["segments"][0]["corrected"]) == 1


@pytest.mark.parametrize("change", [
    {"corrected_start": at(0)}, {"corrected_end": at(0)}, {"offset_s": 1.0}, {"end": at(3.5)},
])  # fmt: skip
def test_invented_time_is_found(house: Any, out: Path, change: dict[str, object]) -> None:
    house.segment()
    add(house, 1, 3, -60)
    house.export(out, 0, 4)
    path = out / "data/manifest.json"
    manifest = json.loads(path.read_text())
    manifest["cameras"][0]["segments"][0]["corrected"][0].update(change)
    path.write_text(json.dumps(manifest))
    relist(out)
    assert [one.kind for one in verify(out).findings] == ["signature", "clock"]
