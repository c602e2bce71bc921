"""Redacted copies that are refused or stopped midway: nothing half-made stays, all is audited."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evidence.redaction_recipe import Recipe
from storage import audit
from storage.cases import close_case, open_case
from storage.errors import Conflict, DataLoss, Denied, HindsightError, Invalid, NotFound
from storage.vocabulary import Actor
from tests.evidence.conftest import START_US, House
from tests.evidence.redact_footage import (
    clip,
)
from tests.evidence.redacting import copy, crossing, filmed


def actions(house: House) -> list[str]:
    with house.ledger.read() as tx:
        return [row.action for row in audit.rows(tx) if row.action.startswith("redact")]


def refused(house: House, out: Path, kind: type[HindsightError], **how: Any) -> HindsightError:
    """Nothing is left of it."""
    with pytest.raises(kind) as caught:
        copy(house, out, Recipe(), **how)
    assert list(out.parent.iterdir()) == []
    return caught.value


def test_the_look_is_audited_before_and_the_copy_before_it_has_a_name(
    house: House, out: Path, tmp_path: Path
) -> None:
    filmed(house, tmp_path, crossing)
    told: list[list[str]] = []
    result = copy(house, out, Recipe(), progress=lambda done, total: told.append(actions(house)))
    assert told[0] == ["redact"]
    assert actions(house) == ["redact", "redact.sealed"]
    with house.ledger.read() as tx:
        row = audit.rows(tx, action="redact.sealed")[0]
    assert json.loads(row.detail)["sha256"] == result.sha256


def test_stopped_midway_nothing_is_left(house: House, out: Path, tmp_path: Path) -> None:
    filmed(house, tmp_path, crossing)

    def stop(done: int, total: int) -> None:
        if done > total * 0.6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy(house, out, Recipe(), progress=stop)
    assert list(out.parent.iterdir()) == []
    assert actions(house) == ["redact"]


def test_a_case_closed_midway_stops_it(house: House, out: Path, tmp_path: Path) -> None:
    filmed(house, tmp_path, crossing)
    with house.ledger.write() as tx:
        open_case(tx, "A-117", "theft", "li.wei", 0)

    def close(done: int, total: int) -> None:
        if done == total:
            with house.ledger.write() as tx:
                close_case(tx, "A-117", START_US)

    refused(house, out, Conflict, actor=Actor("li.wei", "A-117", "report 88"), progress=close)
    assert actions(house) == ["redact"]


def test_a_right_revoked_midway_stops_it(house: House, out: Path, tmp_path: Path) -> None:
    filmed(house, tmp_path, crossing)
    asked: list[int] = []

    def allowed(_: Any) -> None:
        asked.append(1)
        if len(asked) == 2:
            raise Denied("no longer")

    refused(house, out, Denied, still_allowed=allowed)


def test_a_flipped_byte_of_an_original_stops_it(house: House, out: Path, tmp_path: Path) -> None:
    segment = house.adopt(clip(tmp_path / "a.mp4", crossing))
    path = house.file(segment)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert segment.id in refused(house, out, DataLoss).text("en")


def test_a_span_without_footage_or_too_long_is_refused(house: House, out: Path) -> None:
    house.camera()
    refused(house, out, NotFound)
    assert "30 minutes" in refused(house, out, Invalid, to_s=1801).text("en")
    refused(house, out, Invalid, from_s=2, to_s=2)


def test_a_taken_name_is_left_alone(house: House, out: Path, tmp_path: Path) -> None:
    filmed(house, tmp_path, crossing)
    out.mkdir()
    with pytest.raises(Conflict):
        copy(house, out, Recipe())
    assert list(out.iterdir()) == []
