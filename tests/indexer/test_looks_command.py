"""`hindsight looks`: what was decided about pictures, read back by people and scripts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from indexer.decisions import decisions
from indexer.indexing import run
from indexer.succession import ensure_generation
from storage import generations, segments
from storage.clock import US
from storage.looks import Reason
from tests.indexer.clips import START_US, Archive
from tests.indexer.conftest import CommandLine
from tests.indexer.street import WALK_S, encode, street


@pytest.fixture
def looked(make_archive: Callable[..., Archive], tmp_path: Path) -> Archive:
    """A quiet street through which somebody walks, indexed as by default."""
    archive = make_archive(gated=True)
    archive.put(encode(tmp_path / "walk.mp4", street(40, walks=True), "crf=28"))
    run(archive.directory, ensure_generation(archive.directory))
    return archive


@pytest.fixture
def hindsight(looked: Archive, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(looked.directory.root, capsys)


def test_every_picture_is_counted_with_its_reason(hindsight: CommandLine) -> None:
    found = hindsight.json("looks")
    assert found["pictures"] == sum(found["reasons"].values()) == 20
    assert found["reasons"]["new"] >= 1
    assert found["reasons"].get("still", 0) + found["reasons"].get("quiet", 0) >= 10
    assert [one["time"] for one in found["looks"]] == sorted(
        (one["time"] for one in found["looks"]), reverse=True
    )
    said = hindsight("looks", "--top", "2")
    assert (said.code, said.err) == (0, "")
    assert "something changed" in said.out


def test_a_span_and_a_reason_narrow_it(hindsight: CommandLine) -> None:
    found = hindsight.json("looks", "--reason", "new")
    assert {one["reason"] for one in found["looks"]} == {"new"}
    assert len(found["looks"]) == found["reasons"]["new"]
    assert any(one["regions"] for one in found["looks"])
    none = hindsight.json("looks", "--from", "2020-01-01T00:00Z", "--to", "2020-01-02T00:00Z")
    assert (none["pictures"], none["looks"]) == (0, [])
    assert hindsight("looks", "--camera", "nobody").code == 3
    assert hindsight("looks", "--reason", "boredom").code == 2


def test_only_what_the_ledger_names_is_told(looked: Archive) -> None:
    directory, key = looked.directory, looked.camera.id
    before = decisions(directory, camera_ids=[key])
    with directory.ledger.write() as tx:
        generation = generations.active_generation(tx)
        assert generation is not None
        (segment,) = segments.segments(tx, camera_ids=[key])
        generations.forget(tx, [segment.id], generation.id)
    assert decisions(directory, camera_ids=[key]).num_rows == 0
    run(directory, ensure_generation(directory))  # anew: the old part is still there
    assert decisions(directory, camera_ids=[key]).num_rows == before.num_rows
    during = decisions(
        directory, camera_ids=[key], from_us=START_US + WALK_S[0] * US,
        to_us=START_US + WALK_S[1] * US,
    )  # fmt: skip
    assert during.num_rows == 4
    assert Reason.NEW in during["reason"].to_pylist()
    with directory.ledger.write() as tx:
        segments.expire(tx, [segment.id], "class 3: 30 days", START_US)
    assert decisions(directory, camera_ids=[key]).num_rows == 0
