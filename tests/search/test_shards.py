"""The lake is truth, shards are cache: lost, damaged or foreign ones never change an answer."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from search import scan
from search.engine import Engine
from search.partitions import Partition, Partitions
from storage.errors import DataLoss
from storage.lake import read_part
from storage.segments import segments
from storage.vocabulary import Segment
from tests.search.archive import START_US, Archive, Words

WORDS = [f"scene{i}" for i in range(40)]


@pytest.fixture
def sharded(archive: Archive) -> Archive:
    """Three segments; shards are built from ten rows on."""
    archive.stale_rows = 10
    for i in range(3):
        archive.footage(f"camera{i}", START_US + i * 60_000_000, WORDS)
    return archive


def answer(archive: Archive, text: str = "scene7") -> list[dict[str, Any]]:
    return [moment.document() for moment in archive.ask(text=text, top=50).moments]


def only_shard(archive: Archive) -> Path:
    (header,) = archive.shards()
    return header


def test_a_shard_answers_as_the_lake_does(sharded: Archive) -> None:
    from_lake = answer(sharded)
    assert only_shard(sharded)
    assert answer(sharded) == from_lake


def test_a_deleted_shard_comes_back_identical(sharded: Archive) -> None:
    first = answer(sharded)
    header = only_shard(sharded)
    before = {s: header.with_suffix(s).read_bytes() for s in (".faiss", ".parquet")}
    for suffix in (".json", ".faiss", ".parquet"):
        header.with_suffix(suffix).unlink()
    assert answer(sharded) == first
    again = only_shard(sharded)
    assert {s: again.with_suffix(s).read_bytes() for s in before} == before


@pytest.mark.parametrize("suffix", [".faiss", ".parquet"])
def test_a_flipped_byte_in_a_shard_is_a_rebuild_and_the_right_answer(
    sharded: Archive, suffix: str
) -> None:
    first = answer(sharded)
    path = only_shard(sharded).with_suffix(suffix)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert answer(sharded) == first
    assert only_shard(sharded).with_suffix(suffix).read_bytes() != bytes(data)


def test_a_shard_cut_short_is_a_rebuild(sharded: Archive) -> None:
    first = answer(sharded)
    path = only_shard(sharded).with_suffix(".faiss")
    path.write_bytes(path.read_bytes()[:100])
    assert answer(sharded) == first


@pytest.mark.parametrize(
    ("key", "value"),
    [("weights_sha256", "x" * 64), ("generation", 9), ("dimension", 8), ("preprocess_sha256", "")],
)
def test_a_shard_of_another_generation_is_never_opened(
    sharded: Archive, key: str, value: object
) -> None:
    first = answer(sharded)
    header = only_shard(sharded)
    facts = json.loads(header.read_text())
    header.write_text(json.dumps({**facts, key: value}))
    assert answer(sharded) == first
    assert json.loads(only_shard(sharded).read_text())[key] == facts[key]


def test_new_footage_is_found_beside_an_old_shard(sharded: Archive) -> None:
    answer(sharded)
    sharded.footage("camera9", START_US + 900_000_000, ["giraffe"])
    found = sharded.ask(text="giraffe").moments[0]
    assert found.camera.slug == "camera9"


def test_footage_that_expired_is_gone_from_shard_and_tail(sharded: Archive) -> None:
    segment = sharded.footage("camera9", START_US + 900_000_000, ["giraffe", "giraffe"])
    assert sharded.ask(text="giraffe").moments[0].camera.slug == "camera9"
    sharded.expire(segment)
    assert "camera9" not in {m.camera.slug for m in sharded.ask(text="giraffe", top=50).moments}


def test_a_segment_indexed_twice_counts_once(archive: Archive) -> None:
    segment = archive.footage("gate", START_US, ["car", "tree", "sky"])
    first = archive.ask(text="car").moments
    archive.index(segment, Words().embed_texts(["car", "tree", "sky"]))
    again = archive.ask(text="car").moments
    assert [m.hits for m in again] == [m.hits for m in first]
    assert len(again) == len(first)


def test_a_part_that_vanished_is_said_and_not_counted_as_looked_at(archive: Archive) -> None:
    archive.footage("gate", START_US, ["car"] * 10)
    other = archive.segment("yard", START_US, 10)
    part = archive.index(other, Words().embed_texts(["car"] * 10))
    (archive.directory.lake / part).unlink()
    found = archive.ask(text="car")
    assert {moment.camera.slug for moment in found.moments} == {"gate"}
    assert any(part in warning for warning in found.warnings)
    assert found.coverage.indexed_us == 10_000_000
    assert found.coverage.recorded_us == 20_000_000


def test_a_damaged_part_is_data_loss_not_a_wrong_hit(archive: Archive) -> None:
    segment = archive.segment("gate", START_US, 10)
    part = archive.index(segment, Words().embed_texts(["car"] * 10))
    path = archive.directory.lake / part
    data = bytearray(path.read_bytes())
    data[200] ^= 0xFF  # inside the first column's page
    path.write_bytes(data)
    with pytest.raises(DataLoss):
        read_part(archive.directory.lake, part, archive.generation)
    assert archive.ask(text="car").moments == []


class _Reindexing(Partitions):
    """Partitions that are opened just when somebody indexes a segment anew and tidies up."""

    def __init__(self, archive: Archive, segment: Segment, part: str) -> None:
        super().__init__(archive.directory)
        self._once = [(archive, segment, part)]

    def open(self, *asked: Any) -> Partition:
        for archive, segment, part in self._once:
            archive.index(segment, Words().embed_texts(["car"] * 10))
            (archive.directory.lake / part).unlink()
        self._once = []
        return super().open(*asked)


def test_a_part_that_vanishes_while_it_is_opened_is_found_again(archive: Archive) -> None:
    segment = archive.segment("gate", START_US, 10)
    part = archive.index(segment, Words().embed_texts(["car"] * 10))
    engine = Engine(archive.directory, Words(), _Reindexing(archive, segment, part))
    found = archive.ask(engine, text="car")
    assert found.warnings == []
    assert found.moments[0].hits == 10
    assert found.coverage.indexed_us == 10_000_000


def test_footage_that_expired_leaves_the_shard_too(sharded: Archive) -> None:
    answer(sharded)
    before = json.loads(only_shard(sharded).read_text())["count"]
    (segment, *_) = segments_of(sharded)
    sharded.expire(segment)
    answer(sharded)
    assert json.loads(only_shard(sharded).read_text())["count"] == before - len(WORDS)


def test_a_day_without_footage_keeps_no_shard(sharded: Archive) -> None:
    answer(sharded)
    for segment in segments_of(sharded):
        sharded.expire(segment)
    assert answer(sharded) == []
    assert not [path for path in sharded.directory.index.rglob("shard-*") if path.is_file()]


def test_shards_are_built_a_few_times_not_at_every_question(sharded: Archive) -> None:
    answer(sharded)
    first = only_shard(sharded)
    sharded.footage("camera0", START_US + 900_000_000, ["giraffe"])
    answer(sharded)
    assert only_shard(sharded) == first


def test_a_small_cache_changes_no_answer(sharded: Archive) -> None:
    first = answer(sharded)
    tight = Engine(sharded.directory, Words(), Partitions(sharded.directory, cache_bytes=1))
    for _ in range(2):
        again = sharded.ask(tight, text="scene7", top=50)
        assert [moment.document() for moment in again.moments] == first


def test_many_threads_ask_one_engine(sharded: Archive) -> None:
    first = answer(sharded)
    engine = sharded.engine()

    def ask(_: int) -> list[dict[str, Any]]:
        found = sharded.ask(engine, text="scene7", top=50)
        return [moment.document() for moment in found.moments]

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, range(16))) == [first] * 16


def test_a_wide_selection_is_narrowed_by_faiss_inside_the_filter(
    sharded: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"text": "scene7", "cameras": ("camera0", "camera2")}
    exact = sharded.ask(**asked)
    monkeypatch.setattr(scan, "WIDE_ROWS", 10)
    monkeypatch.setattr(scan, "KEPT_ROWS", 20)
    wide = sharded.ask(**asked)
    assert any("FAISS" in line for line in wide.plan)
    assert wide.moments[0].best.at_us == exact.moments[0].best.at_us
    assert {moment.camera.slug for moment in wide.moments} <= {"camera0", "camera2"}


def segments_of(archive: Archive) -> list[Segment]:
    with archive.directory.ledger.read() as tx:
        return segments(tx)
