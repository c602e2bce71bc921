"""Reconciling: every kind of hole is found, told and mended, and nothing sound is forgotten."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import update

from indexer import reconcile as reconciling
from indexer.indexing import run
from indexer.reconcile import Hole, HoleKind, is_due, reconcile, reconcile_if_due
from indexer.succession import ensure_generation
from storage import events, generations, lake, looks, schema, standings
from storage.clock import US
from storage.directory import DataDirectory
from storage.errors import Unavailable
from storage.events import EventKind
from storage.index_rows import days_of_rows
from storage.lake_upkeep import keep_up
from storage.looks import Decision, Look, Reason
from storage.vocabulary import Generation, Segment
from tests.indexer.clips import START_US
from tests.indexer.clips import Archive as Filmed
from tests.search.archive import DIMENSION, Archive, new_archive

ROWS, LOOKED, DEEP = 3, 5, 2
_w = schema.index_work.c


@pytest.fixture
def shelf(directory: DataDirectory) -> Archive:
    """Rows and real parts; only the pictures were never taken."""
    return new_archive(directory)


def indexed(shelf: Archive, count: int = 1, *, deep: bool = False, day: int = 0) -> list[Segment]:
    """Segments that share a part of vectors, one of looks and, if `deep`, one of deep rows."""
    base_us = shelf_start(day)
    made = [shelf.segment("gate", base_us + i * 60 * US, 60) for i in range(count)]
    part = write_vectors(shelf, made, ROWS)
    look = write_looks(shelf, made, LOOKED)
    beside = write_vectors(shelf, made, DEEP) if deep else None
    with shelf.directory.ledger.write() as tx:
        for one in made:
            tx.execute(
                schema.index_work.insert().values(
                    segment_id=one.id, generation_id=shelf.generation.id, state="done",
                    worker="w", frames=ROWS, part=part, looked=LOOKED, looks=look,
                    deep_part=beside, deep_frames=DEEP if deep else None,
                )
            )  # fmt: skip
    return made


def shelf_start(day: int) -> int:
    return START_US - START_US % (86_400 * US) + day * 86_400 * US


def write_vectors(shelf: Archive, made: list[Segment], rows: int) -> str:
    frames = [
        lake.Frame(
            lake.frame_id(one.id, i, "frame", None), one.camera_id, one.id,
            one.start_us + i * US, i, "frame", None, 0.0, 0,
        )
        for one in made
        for i in range(rows)
    ]  # fmt: skip
    vectors = np.full((len(frames), DIMENSION), DIMENSION**-0.5, np.float16)
    (part,) = lake.write_parts(shelf.directory.lake, shelf.generation, frames, vectors)
    return part


def write_looks(shelf: Archive, made: list[Segment], rows: int) -> str:
    rows_ = [
        Look(
            one.camera_id, one.id, one.start_us + i * US, i, Decision.SKIPPED, Reason.STILL,
            0.0, 0.0, 0, 0,
        )
        for one in made
        for i in range(rows)
    ]  # fmt: skip
    (part,) = looks.write_looks(shelf.directory.lake, shelf.generation, rows_)
    return part


def names(shelf: Archive, segment: Segment) -> dict[str, str | None]:
    """part, looks and deep_part of a segment; empty when it was forgotten."""
    with shelf.directory.ledger.read() as tx:
        row = tx.execute(
            schema.index_work.select().where(_w.segment_id == segment.id)
        ).mappings().first()  # fmt: skip
    return {} if row is None else {key: row[key] for key in ("part", "looks", "deep_part")}


def change(shelf: Archive, segment: Segment, **values: object) -> None:
    with shelf.directory.ledger.write() as tx:
        tx.execute(
            update(schema.index_work).where(_w.segment_id == segment.id).values(**values)
        )  # fmt: skip


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def rewrite(part: Path, key: bytes, value: bytes) -> None:
    """A whole file that says something else of itself."""
    table = pq.read_table(part, partitioning=None)
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, key: value}), part)


def kinds(holes: list[Hole]) -> set[tuple[str, HoleKind]]:
    return {(hole.segment_id, hole.kind) for hole in holes}


@pytest.mark.parametrize("thorough", [False, True])
def test_a_sound_index_has_no_holes_and_nothing_is_forgotten(
    shelf: Archive, thorough: bool
) -> None:
    made = indexed(shelf, 4, deep=True) + indexed(shelf, 2, day=3)
    empty = shelf.segment("gate", shelf_start(1), 60)  # nothing in it was worth a row
    with shelf.directory.ledger.write() as tx:
        tx.execute(
            schema.index_work.insert().values(
                segment_id=empty.id, generation_id=shelf.generation.id, state="done", worker="w",
                frames=0, looked=0,
            )
        )  # fmt: skip
    before = [names(shelf, one) for one in [*made, empty]]
    assert reconcile(shelf.directory, shelf.generation, thorough=thorough) == []
    assert [names(shelf, one) for one in [*made, empty]] == before
    with shelf.directory.ledger.read() as tx:
        assert events.events(tx) == []


@pytest.mark.parametrize(
    ("column", "damage", "kind"),
    [
        ("part", Path.unlink, HoleKind.PART_LOST),
        ("part", cut, HoleKind.PART_LOST),
        ("looks", Path.unlink, HoleKind.LOOKS_LOST),
        ("looks", cut, HoleKind.LOOKS_LOST),
    ],
)
def test_what_lost_its_part_is_forgotten_and_nothing_else(
    shelf: Archive, column: str, damage: Callable[[Path], None], kind: HoleKind
) -> None:
    hit, other = indexed(shelf, 2), indexed(shelf, 1, day=1)
    damage(shelf.directory.lake / str(names(shelf, hit[0])[column]))
    holes = reconcile(shelf.directory, shelf.generation, thorough=False)
    assert kinds(holes) == {(one.id, kind) for one in hit}
    assert [names(shelf, one) for one in hit] == [{}, {}]
    assert names(shelf, other[0])["part"]
    with shelf.directory.ledger.read() as tx:
        assert standings.is_pending(tx, shelf.generation.id)
        (event,) = events.events(tx)
    assert event.kind == EventKind.INDEX_MENDED
    assert f"2 segments; {kind.value} " in (event.detail or "")
    assert reconcile(shelf.directory, shelf.generation, thorough=False) == []


@pytest.mark.parametrize(
    ("facts", "kind", "wanted", "found"),
    [
        ({"frames": ROWS + 1}, HoleKind.PART_SHORT, ROWS + 1, ROWS),
        ({"looked": LOOKED + 2}, HoleKind.LOOKS_SHORT, LOOKED + 2, LOOKED),
        ({"part": None}, HoleKind.PART_LOST, ROWS, 0),
        ({"looks": None}, HoleKind.LOOKS_LOST, LOOKED, 0),
    ],
)
def test_a_segment_with_fewer_rows_than_counted_is_forgotten(
    shelf: Archive, facts: dict[str, object], kind: HoleKind, wanted: int, found: int
) -> None:
    hit, sound = indexed(shelf, 2)
    change(shelf, hit, **facts)
    (hole,) = reconcile(shelf.directory, shelf.generation, thorough=False)
    assert (hole.segment_id, hole.kind, hole.wanted, hole.found) == (hit.id, kind, wanted, found)
    assert names(shelf, hit) == {}
    assert names(shelf, sound)["part"]


def test_vectors_that_are_not_those_written_are_found_by_the_thorough_way(shelf: Archive) -> None:
    (hit,) = indexed(shelf, 1)
    part = shelf.directory.lake / str(names(shelf, hit)["part"])
    rewrite(part, b"hindsight.vectors_sha256", b"0" * 64)
    assert reconcile(shelf.directory, shelf.generation, thorough=False) == []
    holes = reconcile(shelf.directory, shelf.generation, thorough=True)
    assert kinds(holes) == {(hit.id, HoleKind.PART_LOST)}


def test_a_part_of_another_model_is_a_hole(shelf: Archive) -> None:
    (hit,) = indexed(shelf, 1)
    part = shelf.directory.lake / str(names(shelf, hit)["part"])
    rewrite(part, b"hindsight.weights", b"v" * 64)
    holes = reconcile(shelf.directory, shelf.generation, thorough=False)
    assert kinds(holes) == {(hit.id, HoleKind.PART_LOST)}


def test_lost_deep_rows_are_cleared_and_the_segment_stays_indexed(shelf: Archive) -> None:
    lost, sound = indexed(shelf, 1, deep=True)[0], indexed(shelf, 1, deep=True, day=1)[0]
    short = indexed(shelf, 1, deep=True, day=2)[0]
    (shelf.directory.lake / str(names(shelf, lost)["deep_part"])).unlink()
    change(shelf, short, deep_frames=DEEP + 1)
    holes = reconcile(shelf.directory, shelf.generation, thorough=False)
    assert kinds(holes) == {(lost.id, HoleKind.DEEP_LOST), (short.id, HoleKind.DEEP_SHORT)}
    for one in (lost, short):
        assert names(shelf, one)["part"]
        assert names(shelf, one)["deep_part"] is None
    assert names(shelf, sound)["deep_part"]


def test_other_generations_and_deleted_footage_are_left_alone(shelf: Archive) -> None:
    (gone,) = indexed(shelf, 1)
    (shelf.directory.lake / str(names(shelf, gone)["part"])).unlink()
    shelf.expire(gone)
    other = Generation(**{**asdict_of(shelf.generation), "id": shelf.generation.id + 1})
    assert reconcile(shelf.directory, shelf.generation, thorough=True) == []
    assert reconcile(shelf.directory, other, thorough=True) == []


def asdict_of(generation: Generation) -> dict[str, object]:
    return {name: getattr(generation, name) for name in Generation.__slots__}


def test_a_part_that_was_compacted_meanwhile_is_no_hole(shelf: Archive) -> None:
    """Between the look at the ledger and that at the file, the rows moved to another part."""
    made = indexed(shelf, 2, deep=True)
    page = next(days_of_rows(shelf.directory.ledger, shelf.generation.id))
    for column, write, rows in (
        ("part", write_vectors, ROWS), ("looks", write_looks, LOOKED),
        ("deep_part", write_vectors, DEEP),
    ):  # fmt: skip
        old = str(names(shelf, made[0])[column])
        new = write(shelf, made, rows)
        for one in made:
            change(shelf, one, **{column: new})
        (shelf.directory.lake / old).unlink()
    before = [names(shelf, one) for one in made]
    holes = reconciling._holes(shelf.directory, shelf.generation, page, True)
    assert holes
    assert reconciling._mend(shelf.directory, shelf.generation, page, holes) == []
    assert [names(shelf, one) for one in made] == before


def test_what_compaction_leaves_is_sound(shelf: Archive) -> None:
    made = [one for _ in range(40) for one in indexed(shelf, 1, deep=True)]
    assert keep_up(shelf.directory).merged
    assert len({names(shelf, one)["part"] for one in made}) == 1
    assert reconcile(shelf.directory, shelf.generation, thorough=True) == []


def test_a_lake_that_is_not_there_is_no_hole(shelf: Archive) -> None:
    (made,) = indexed(shelf, 1)
    shelf.directory.lake.rename(shelf.directory.root / "elsewhere")
    with pytest.raises(Unavailable, match="is not there"):
        reconcile(shelf.directory, shelf.generation, thorough=False)
    assert names(shelf, made)["part"]


@pytest.mark.parametrize("thorough", [False, True])
@pytest.mark.parametrize(
    "error",
    [
        pa.ArrowMemoryError("malloc of size 9 failed"),
        MemoryError("Unable to allocate 9 GiB"),
        PermissionError(errno.EACCES, "Permission denied"),
        OSError(errno.EMFILE, "Too many open files"),
        OSError(errno.ESTALE, "Stale file handle"),
        OSError(errno.ENOTCONN, "Transport endpoint is not connected"),
    ],
)
def test_a_part_that_cannot_be_read_just_now_is_no_hole(
    shelf: Archive, monkeypatch: pytest.MonkeyPatch, error: Exception, thorough: bool
) -> None:
    made = indexed(shelf, 2, deep=True)
    before = [names(shelf, one) for one in made]
    fail_to_read(monkeypatch, error)
    with pytest.raises(Unavailable, match=r"cannot be read now|may not be read"):
        reconcile(shelf.directory, shelf.generation, thorough=thorough)
    assert [names(shelf, one) for one in made] == before


def test_what_was_mended_before_the_lake_went_is_told(
    shelf: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = indexed(shelf, 1)[0], indexed(shelf, 1, day=1)[0]
    (shelf.directory.lake / str(names(shelf, first)["part"])).unlink()
    away = str(names(shelf, second)["part"])
    opened = pq.ParquetFile

    def fail(path: Path, **more: Any) -> Any:
        if str(path).endswith(away):
            raise OSError(errno.ESTALE, "Stale file handle")
        return opened(path, **more)

    monkeypatch.setattr(pq, "ParquetFile", fail)
    with pytest.raises(Unavailable, match="cannot be read now"):
        reconcile(shelf.directory, shelf.generation, thorough=False)
    assert names(shelf, first) == {}
    assert names(shelf, second)["part"] == away
    with shelf.directory.ledger.read() as tx:
        (event,) = events.events(tx)
    assert event.kind == EventKind.INDEX_MENDED


@pytest.mark.parametrize("thorough", [False, True])
def test_what_the_disk_cannot_read_is_damaged(
    shelf: Archive, monkeypatch: pytest.MonkeyPatch, thorough: bool
) -> None:
    (hit,) = indexed(shelf, 1)
    fail_to_read(monkeypatch, OSError(errno.EIO, "Input/output error"))
    holes = reconcile(shelf.directory, shelf.generation, thorough=thorough)
    assert kinds(holes) == {(hit.id, HoleKind.PART_LOST), (hit.id, HoleKind.LOOKS_LOST)}


def fail_to_read(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_args: object, **_more: object) -> None:
        raise error

    monkeypatch.setattr(pq, "ParquetFile", fail)


def test_it_is_due_once_a_day_and_one_process_does_it(shelf: Archive) -> None:
    (made,) = indexed(shelf, 1)
    (shelf.directory.lake / str(names(shelf, made)["part"])).unlink()
    assert is_due(shelf.directory)
    with shelf.directory.exclusive("reconcile"):
        assert reconcile_if_due(shelf.directory) == []  # another does it
    assert reconcile_if_due(shelf.directory, stop=lambda: True) == []  # and was stopped
    assert is_due(shelf.directory)
    assert kinds(reconcile_if_due(shelf.directory)) == {(made.id, HoleKind.PART_LOST)}
    assert not is_due(shelf.directory)
    memory = shelf.directory.cache / "reconciled.json"
    for text in ('{"ended_us": 1}', "not JSON", f'{{"ended_us": {2**60}}}'):
        memory.write_text(text)
        assert is_due(shelf.directory)


def test_holes_are_filled_by_the_next_run(archive: Filmed, short_clip: Path) -> None:
    directory = archive.directory
    first, second = archive.put(short_clip), archive.put(short_clip, START_US + 86_400 * US)
    lane = ensure_generation(directory)
    run(directory, lane)
    assert reconcile(directory, lane.generation, thorough=True) == []
    with directory.ledger.read() as tx:
        parts = {
            segment: part
            for part, segments in generations.live_parts(tx, lane.generation.id).items()
            for segment in segments
        }
    (directory.lake / parts[first.id]).unlink()
    holes = reconcile(directory, lane.generation, thorough=False)
    assert kinds(holes) == {(first.id, HoleKind.PART_LOST)}
    assert run(directory, lane).segments == 1
    assert reconcile(directory, lane.generation, thorough=True) == []
    with directory.ledger.read() as tx:
        assert not standings.is_pending(tx, lane.generation.id)
        assert parts[second.id] in generations.live_parts(tx, lane.generation.id)
