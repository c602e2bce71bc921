"""Lake parts: what is written is read back; a damaged or foreign part is named, never used."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from storage.errors import DataLoss
from storage.lake import Frame, day_of, frame_id, read_part, write_parts
from storage.vocabulary import Generation
from tests.storage.media import DAY_US, START_US

GENERATION = Generation(1, "nano/test", 1, "w" * 64, "p" * 64, 8, "active", True, 0)


def frames(count: int, start_us: int = START_US) -> list[Frame]:
    return [
        Frame(
            frame_id=frame_id("s1", i, "region" if i % 3 else "frame", (1, 2, 3, i)), camera_id=7,
            segment_id="s1", ts_us=start_us + i, pts=i, kind="region" if i % 3 else "frame",
            box=(1, 2, 3, i) if i % 3 else None, novelty=0.5, quality=2,
        )
        for i in range(count)
    ]  # fmt: skip


def vectors(count: int) -> np.ndarray:
    made = np.random.default_rng(1).normal(size=(count, 8))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float16)


def written(lake: Path, count: int = 10) -> str:
    (part,) = write_parts(lake, GENERATION, frames(count), vectors(count))
    return part


@pytest.mark.parametrize("count", [1, 10, 9000])
def test_rows_and_vectors_come_back_as_they_went_in(tmp_path: Path, count: int) -> None:
    table, back = read_part(tmp_path, written(tmp_path, count), GENERATION)
    assert np.array_equal(back, vectors(count))
    assert table.column("frame_id").to_pylist() == [f.frame_id for f in frames(count)]
    assert table.column("h").to_pylist() == [f.box[3] if f.box else None for f in frames(count)]
    assert "vector" not in table.column_names
    assert set(table.column_names) == {
        "frame_id", "camera_id", "segment_id", "ts_us", "pts", "kind", "x", "y", "w", "h",
        "novelty", "quality", "deep",
    }  # fmt: skip


def test_a_segment_over_midnight_lies_whole_in_its_first_day(tmp_path: Path) -> None:
    midnight = START_US + DAY_US - START_US % DAY_US
    parts = write_parts(tmp_path, GENERATION, frames(4, midnight - 2), vectors(4))
    (part,) = parts
    assert day_of(part).isoformat() == "2026-11-18"
    assert parts[part] == ["s1"]


@pytest.mark.parametrize("share", [0.02, 0.2, 0.5, 0.9, 0.999])
def test_a_flipped_byte_in_a_part_is_found(tmp_path: Path, share: float) -> None:
    part = written(tmp_path)
    raw = bytearray((tmp_path / part).read_bytes())
    at = int(len(raw) * share)
    raw[at] ^= 0xFF
    (tmp_path / part).write_bytes(raw)
    with contextlib.suppress(DataLoss):
        table, back = read_part(tmp_path, part, GENERATION)
        # A byte of padding or of a page's statistics: nothing that is read may differ.
        assert np.array_equal(back, vectors(10))
        assert table.column("frame_id").to_pylist() == [f.frame_id for f in frames(10)]


@pytest.mark.parametrize("keep", [0, 3, 200, -1])
def test_a_part_cut_short_is_found(tmp_path: Path, keep: int) -> None:
    part = written(tmp_path)
    raw = (tmp_path / part).read_bytes()
    (tmp_path / part).write_bytes(raw[:keep])
    with pytest.raises(DataLoss, match="hindsight index"):
        read_part(tmp_path, part, GENERATION)


def test_a_missing_part_is_found(tmp_path: Path) -> None:
    part = written(tmp_path)
    (tmp_path / part).unlink()
    with pytest.raises(DataLoss, match="missing"):
        read_part(tmp_path, part, GENERATION)


@pytest.mark.parametrize(
    "change", [{"weights_hash": "x"}, {"preprocess_hash": "x"}, {"dimension": 4}]
)
def test_a_part_of_another_model_is_never_read(tmp_path: Path, change: dict[str, object]) -> None:
    part = written(tmp_path)
    with pytest.raises(DataLoss, match="does not belong"):
        read_part(tmp_path, part, replace(GENERATION, **change))  # type: ignore[arg-type]


def test_vectors_that_do_not_fit_are_a_defect(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        write_parts(tmp_path, GENERATION, frames(3), vectors(2))
    assert not list(tmp_path.rglob("*.parquet"))
