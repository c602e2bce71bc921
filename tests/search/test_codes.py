"""Large shards: codes choose, vectors decide; a filter never starves the search."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from search import scan, selecting
from search.codes import CODED_ROWS
from search.filters import Filters
from search.partitions import Block, Partition
from search.rows import Rows, arranged
from search.shards import Header, ShardDamaged, build, headers, open_shard
from storage.clock import US, utc_day
from storage.vocabulary import Camera, Generation, Span
from tests.search.archive import START_US

DIMENSION = 64
COUNT = 3 * CODED_ROWS
CAMERAS = 20
Floats = npt.NDArray[np.float32]
GENERATION = Generation(
    id=1, model="words", number=1, weights_hash="w" * 64, preprocess_hash="p" * 64,
    dimension=DIMENSION, state="active", meaningful=True, created_us=1,
)  # fmt: skip


def unit(rows: npt.NDArray[np.floating]) -> Floats:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def made_rows() -> Rows:
    """Each camera shows a few scenes of its own, a picture every two seconds or so."""
    rng = np.random.default_rng(7)
    scenes = rng.standard_normal((CAMERAS, 6, DIMENSION))
    camera = rng.integers(0, CAMERAS, COUNT)
    near = scenes[camera, rng.integers(0, 6, COUNT)]
    vectors = unit(near + 0.6 * rng.standard_normal((COUNT, DIMENSION))).astype(np.float16)
    return arranged(
        camera=camera + 1, ts_us=START_US + rng.integers(0, 86_400, COUNT) * US,
        frame_id=rng.permutation(COUNT).astype(np.int64), kind=np.zeros(COUNT, dtype=np.uint8),
        quality=np.zeros(COUNT, dtype=np.int32), box=np.full((COUNT, 4), -1, dtype=np.int32),
        pair=np.zeros(COUNT, dtype=np.int32),
        vectors=vectors,
        pairs=(("0" * 26, "1"),),
    )  # fmt: skip


def write(folder: Path, rows: Rows) -> Header:
    build(folder, GENERATION, rows, version=1, live=len(rows))
    good, bad = headers(folder, GENERATION)
    assert not bad
    return good[-1]


@pytest.fixture(scope="module")
def header(tmp_path_factory: pytest.TempPathFactory) -> Header:
    return write(tmp_path_factory.mktemp("day"), made_rows())


@pytest.fixture
def partition(header: Header) -> Partition:
    block = Block(open_shard(header, GENERATION), None, None, header.path, header)
    return Partition(utc_day(START_US), 1, (block,))


def camera(key: int) -> Camera:
    return Camera(
        id=key, slug=f"c{key}", name=f"c{key}", url=None, site="", site_class=3, gb_code=None,
        department=None, address=None, lon=None, lat=None, view_deg=None, vendor=None,
        tz="Asia/Shanghai", retention_class=None, enabled=True, created_us=1,
    )  # fmt: skip


def filters(cameras: Iterable[int] = range(1, CAMERAS + 1), **fields: object) -> Filters:
    return dataclasses.replace(Filters(tuple(camera(key) for key in cameras)), **fields)  # type: ignore[arg-type]


def questions() -> Floats:
    """Some near a camera's scenes, some near nothing at all, as words are."""
    rows, rng = made_rows(), np.random.default_rng(8)
    near = rows.vectors[rng.integers(0, COUNT, 30)].astype(np.float32)
    far = rng.standard_normal((30, DIMENSION))
    return unit(np.concatenate([near + 0.1 * rng.standard_normal(near.shape), far]))


def found_by_codes(selections: list[selecting.Selection], direction: Floats) -> set[int]:
    """Places of the ten nearest, chosen by codes and compared by their vectors."""
    chosen, _ = scan.candidates(selections, direction[None], scan.Workers(), lambda: False)
    (one,) = chosen
    cosines = one.selection.rows.vectors[one.places].astype(np.float32) @ direction
    return set(one.places[np.argsort(-cosines)[:10]].tolist())


def nearest(selection: selecting.Selection, direction: Floats) -> set[int]:
    places = selection.places()
    cosines = selection.rows.vectors[places].astype(np.float32) @ direction
    return set(places[np.argsort(-cosines)[:10]].tolist())


@pytest.mark.parametrize(
    "filtered",
    [
        filters(),
        filters(range(3, 10)),
        filters(from_us=START_US + 3600 * US, to_us=START_US + 30_000 * US),
        filters(between=(18 * 60, 6 * 60)),
        filters(range(2, 9), between=(8 * 60, 20 * 60)),
    ],
    ids=["all", "cameras", "span", "night", "cameras-by-day"],
)
def test_codes_find_what_a_look_at_every_row_finds(partition: Partition, filtered: Filters) -> None:
    selections = selecting.qualifying([partition], filtered)
    hits = [
        len(found_by_codes(selections, one) & nearest(selections[0], one)) for one in questions()
    ]
    assert np.mean(hits) >= 9.8
    assert min(hits) >= 7


def test_a_filter_far_from_the_question_still_gets_its_nearest(partition: Partition) -> None:
    """The nearest lists hold none of the asked camera's rows: others are looked through."""
    rows = made_rows()
    for key in range(1, CAMERAS, 4):
        asked = filters(range(key, key + 3))
        away = rows.vectors[rows.camera(np.arange(COUNT)) == (key + 8) % CAMERAS + 1][0]
        selections = selecting.qualifying([partition], asked)
        direction = unit(away.astype(np.float32))
        hit = found_by_codes(selections, direction) & nearest(selections[0], direction)
        assert len(hit) >= 8


def test_many_rows_go_by_codes_and_few_never_do(partition: Partition) -> None:
    wide = selecting.qualifying([partition] * 8, filters())
    assert len(scan.plan(wide).coded) == 8
    narrow = selecting.qualifying([partition] * 8, filters(range(1, 3)))
    assert scan.plan(narrow).coded == ()
    mixed = selecting.qualifying([partition] * 10, filters(between=(12 * 60, 12 * 60 + 1)))
    assert scan.plan(mixed).coded == ()


def test_few_rows_that_lie_scattered_go_by_codes(partition: Partition) -> None:
    """Thousands of places to begin to read at cost more than the rows that are read there."""
    scattered = selecting.qualifying([partition] * 78, filters(between=(12 * 60, 13 * 60 + 5)))
    together = selecting.qualifying([partition] * 78, filters([7]))
    counts = [sum(one.count for one in some) for some in (scattered, together)]
    assert counts == sorted(counts)
    assert counts[1] <= scan.EXACT_ROWS
    assert len(scan.plan(scattered).coded) == 78
    assert scan.plan(together).coded == ()


def test_filters_are_ranges_of_exactly_the_rows_that_qualify(partition: Partition) -> None:
    rows = partition.blocks[0].rows
    every = np.arange(COUNT)
    asked = filters(range(4, 7), between=(7 * 60 + 30, 9 * 60), weekdays=(3,))
    (one,) = selecting.qualifying([partition], asked)
    plain = asked.times(rows.ts_us(every), "Asia/Shanghai")
    plain &= np.isin(rows.camera(every), [4, 5, 6])
    assert np.array_equal(one.places(), np.flatnonzero(plain))
    assert np.array_equal(one.passing.mask(), plain)
    assert one.count == plain.sum()
    around = selecting.around(one, 5, Span(START_US, START_US + 86_400 * US))
    assert np.array_equal(around, np.flatnonzero(plain & (rows.camera(every) == 5)))


def test_opening_a_large_shard_reads_neither_vectors_nor_codes(header: Header) -> None:
    """Damage inside does not keep it from opening; the row that has it is found out."""
    rows = open_shard(header, GENERATION)
    assert rows.codes is not None
    assert rows.memory_bytes < 4 * len(rows)
    assert rows.checked(np.array([0, len(rows) - 1])) is not None


def test_a_row_whose_bytes_changed_is_not_sound(tmp_path: Path) -> None:
    header = write(tmp_path, made_rows())
    path = header.path.with_suffix(".arrow")
    data = bytearray(path.read_bytes())
    first = made_rows().vectors[0].tobytes()
    data[bytes(data).index(first)] ^= 1
    path.write_bytes(data)
    assert header.size_bytes > 1 << 20
    rows = open_shard(dataclasses.replace(header, files={**header.files}), GENERATION)
    assert rows.checked(np.array([0])) is None
    assert rows.checked(np.array([1])) is not None


def test_codes_of_another_shard_are_not_opened(tmp_path: Path) -> None:
    rows = made_rows()
    header = write(tmp_path, rows)
    smaller = arranged(
        camera=rows.camera(np.arange(CODED_ROWS)), ts_us=rows.ts_us(np.arange(CODED_ROWS)),
        frame_id=rows.frame_id[:CODED_ROWS], kind=rows.kind[:CODED_ROWS],
        quality=rows.quality[:CODED_ROWS], box=rows.box[:CODED_ROWS], pair=rows.pair[:CODED_ROWS],
        vectors=rows.vectors[:CODED_ROWS],
        pairs=rows.pairs(),
    )  # fmt: skip
    other = write(tmp_path / "other", smaller)
    codes = other.path.with_suffix(".faiss").read_bytes()
    whole = header.path.with_suffix(".faiss")
    whole.write_bytes(codes + b"\0" * (whole.stat().st_size - len(codes)))
    with pytest.raises((ShardDamaged, RuntimeError, ValueError)):
        open_shard(header, GENERATION)


def test_the_same_rows_give_the_same_codes(header: Header, tmp_path: Path) -> None:
    again = write(tmp_path, made_rows())
    assert again.files == header.files
