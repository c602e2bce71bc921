"""The lake is truth, shards are cache: lost, damaged or foreign ones never change an answer."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from search.engine import Engine
from search.partitions import Partition, Partitions
from storage.errors import DataLoss
from storage.index_files import remove_shard
from storage.lake import read_part
from storage.segments import segments
from storage.vocabulary import Segment
from tests.search.archive import START_US, Archive, Words

WORDS = [f"scene{i}" for i in range(40)]


@pytest.fixture
def sharded(archive: Archive) -> Archive:
    """Three segments in a shard; another one is built from ten rows on."""
    archive.stale_rows = 10
    for i in range(3):
        archive.footage(f"camera{i}", START_US + i * 60_000_000, WORDS)
    archive.build()
    return archive


def answer(archive: Archive, text: str = "scene7") -> list[dict[str, Any]]:
    return [moment.document() for moment in archive.ask(text=text, top=50).moments]


def only_shard(archive: Archive) -> Path:
    (header,) = archive.shards()
    return header


def test_a_shard_answers_as_the_lake_does(sharded: Archive) -> None:
    from_shard = answer(sharded)
    remove_shard(only_shard(sharded))
    assert answer(sharded) == from_shard


def test_a_deleted_shard_comes_back_identical(sharded: Archive) -> None:
    first = answer(sharded)
    header = only_shard(sharded)
    before = {s: header.with_suffix(s).read_bytes() for s in (".arrow", ".pairs")}
    remove_shard(header)
    assert answer(sharded) == first
    sharded.build()
    again = only_shard(sharded)
    assert {s: again.with_suffix(s).read_bytes() for s in before} == before
    assert answer(sharded) == first


@pytest.mark.parametrize("suffix", [".arrow", ".pairs", ".json"])
def test_a_flipped_byte_in_a_shard_is_a_rebuild_and_the_right_answer(
    sharded: Archive, suffix: str
) -> None:
    first = answer(sharded)
    path = only_shard(sharded).with_suffix(suffix)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert answer(sharded) == first
    sharded.build()
    assert only_shard(sharded).with_suffix(suffix).read_bytes() != bytes(data)
    assert answer(sharded) == first


def test_a_shard_cut_short_is_a_rebuild(sharded: Archive) -> None:
    first = answer(sharded)
    path = only_shard(sharded).with_suffix(".arrow")
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
    facts.pop("sha256")
    foreign = {**facts, key: value}
    canonical = json.dumps(foreign, sort_keys=True, separators=(",", ":")).encode()
    digest = hashlib.sha256(canonical).hexdigest()
    header.write_text(json.dumps({**foreign, "sha256": digest}))
    assert answer(sharded) == first
    sharded.build()
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
    sharded.build()
    assert json.loads(only_shard(sharded).read_text())["count"] == before - len(WORDS)


def test_a_day_without_footage_keeps_no_shard(sharded: Archive) -> None:
    answer(sharded)
    for segment in segments_of(sharded):
        sharded.expire(segment)
    assert answer(sharded) == []
    sharded.build()
    assert not [path for path in sharded.directory.index.rglob("shard-*") if path.is_file()]


def test_a_shard_is_built_a_few_times_not_for_every_row(sharded: Archive) -> None:
    first = only_shard(sharded)
    sharded.footage("camera0", START_US + 900_000_000, ["giraffe"])
    assert sharded.build().shards == 0
    assert only_shard(sharded) == first
    sharded.footage("camera0", START_US + 1_800_000_000, WORDS)
    assert sharded.build().shards == 1
    assert only_shard(sharded) != first


def test_asking_builds_nothing(archive: Archive) -> None:
    archive.stale_rows = 1
    archive.footage("gate", START_US, WORDS)
    answer(archive)
    assert not archive.shards()


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


def segments_of(archive: Archive) -> list[Segment]:
    with archive.directory.ledger.read() as tx:
        return segments(tx)
