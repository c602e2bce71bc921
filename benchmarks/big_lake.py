"""An archive of very many vectors, made for measurements: real lake parts and a real ledger whose
footage was never taken. 200 cameras, segments of an hour, parts as compaction leaves them.

`HINDSIGHT_BENCH_VECTORS` says how many, `HINDSIGHT_BENCH_CACHE` where it is kept: 10 million take
10 GB and a quarter of an hour on one core. The same number gives the same rows.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks.grown_vectors import (
    DIMENSION,
    FRAME_SHARE,
    Cells,
    Floats,
    Grown,
    sample_like,
    structure,
)
from benchmarks.real_vectors import Real, available, real
from storage import generations, lake, schema, timeline
from storage.clock import US, parse_time
from storage.directory import DataDirectory, init_directory, open_directory
from storage.durable import write_file
from storage.lake_merging import MOST_ROWS
from storage.register import add_camera
from storage.vocabulary import Generation
from storage.volumes import segment_path

CAMERAS, DAYS = 200, 30
START_US = parse_time("2026-10-01T00:00:00Z")
TZ = "Asia/Shanghai"
HOUR_US = 3_600 * US
SEED = 6
MODEL = "grown"
DONE = "made.json"  # written last
# How much happens in each hour of the cameras' own clock; the others lie between.
BUSY = np.interp(np.arange(24), [0, 4, 8, 13, 18, 23], [0.3, 0.15, 1.5, 1.2, 1.6, 0.5])
UNEVEN = 0.6  # of a logarithm: some cameras see five times as much as others
Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class BigLake:
    """An opened archive, and vectors to ask with."""

    directory: DataDirectory
    generation: Generation
    vectors: int
    days: int
    pictures: Floats  # (n, DIMENSION) of questions by picture: real rows that were held out
    texts: Floats  # of questions by words

    @property
    def end_us(self) -> int:
        """Where its footage ends."""
        return START_US + self.days * 24 * HOUR_US

    @property
    def parts(self) -> list[str]:
        """Of the lake, by name."""
        with self.directory.ledger.read() as tx:
            return sorted(generations.live_parts(tx, self.generation.id))


class Given:
    """An embedder that knows its answers, so that no model runs while search is timed: the text
    'n', and a picture whose first pixel says n, have vector n of `asked`. Whatever else is said
    (the everyday sentences that answers are held against) gets one of `sentences`.
    """

    dimension = DIMENSION

    def __init__(self, asked: Floats, sentences: Floats) -> None:
        self.asked = asked
        self.sentences = sentences

    def unknown_words(self, _text: str) -> list[str]:
        return []

    def embed_texts(self, texts: list[str]) -> Floats:
        return np.stack(
            [
                self.asked[int(one)] if one.isdigit() else self.sentences[i % len(self.sentences)]
                for i, one in enumerate(texts)
            ]
        )

    def embed_images(self, pictures: list[npt.NDArray[np.uint8]]) -> Floats:
        return self.asked[[number_of(one) for one in pictures]]


def picture_of(number: int) -> npt.NDArray[np.uint8]:
    """What is shown to ask for vector `number`."""
    picture = np.zeros((8, 8, 3), dtype=np.uint8)
    picture[0, 0] = (number >> 16, number >> 8 & 255, number & 255)
    return picture


def number_of(picture: npt.NDArray[np.uint8]) -> int:
    """The other way round."""
    red, green, blue = (int(value) for value in picture[0, 0])
    return red << 16 | green << 8 | blue


def wanted() -> int:
    """How many vectors the environment asks for."""
    return int(os.environ.get("HINDSIGHT_BENCH_VECTORS", "1_000_000"))


def cache() -> Path:
    """Where archives are kept between runs."""
    return Path(os.environ.get("HINDSIGHT_BENCH_CACHE", "/var/tmp/hindsight-bench"))


def big_lake(vectors: int, days: int = DAYS, folder: Path | None = None) -> BigLake:
    """Open it; it is made first where it is not there or was left unfinished."""
    folder = folder or cache()
    root = folder / f"lake-{vectors}-{days}"
    grown_from = real(folder)
    grown = Grown(grown_from, CAMERAS, DAYS, SEED)
    if not (root / DONE).is_file():
        shutil.rmtree(root, ignore_errors=True)
        _make(root, grown, grown_from, vectors, days)
    directory = open_directory(root)
    with directory.ledger.read() as tx:
        generation = generations.active_generation(tx)
    assert generation is not None
    return BigLake(directory, generation, vectors, days, grown.asked, grown.texts)


def _make(root: Path, grown: Grown, boxes_of: Real, vectors: int, days: int) -> None:
    directory, _ = init_directory(root)
    try:
        with directory.ledger.write() as tx:
            generation = generations.add_generation(
                tx, model=MODEL, checkpoint=None, weights_hash="w" * 64, preprocess_hash="p" * 64,
                dimension=DIMENSION, meaningful=True, state="active", at_us=START_US,
            )  # fmt: skip
            keys = [
                add_camera(tx, name=f"camera {n:03d}", url=None, created_us=START_US, tz=TZ).id
                for n in range(CAMERAS)
            ]
            for key in keys:
                timeline.expect(tx, key, START_US, START_US + days * 24 * HOUR_US)
        per_day = np.diff(np.arange(days + 1) * vectors // days)
        for day in range(days):
            _make_day(directory, generation, keys, day, _counts(int(per_day[day]), day), grown,
                      boxes_of)  # fmt: skip
        write_file(root / DONE, json.dumps({"vectors": vectors, "days": days}).encode())
    finally:
        directory.close()


def _counts(rows: int, day: int) -> Int64s:
    """(CAMERAS, 24) rows of every camera and UTC hour."""
    rng = np.random.default_rng([SEED, 2])
    share = np.exp(UNEVEN * rng.standard_normal(CAMERAS))[:, None] * np.roll(BUSY, -8)
    flat = np.random.default_rng([SEED, 3, day]).multinomial(rows, (share / share.sum()).ravel())
    return flat.reshape(CAMERAS, 24)


def _make_day(
    directory: DataDirectory, generation: Generation, keys: list[int], day: int, counts: Int64s,
    grown: Grown, boxes_of: Real,
) -> None:  # fmt: skip
    when = date(1970, 1, 1) + timedelta(days=START_US // (24 * HOUR_US) + day)
    works = []
    for number, (first, last) in enumerate(_lots(counts.sum(axis=1))):
        rng = np.random.default_rng([SEED, 4, day, number])
        some = counts[first:last]
        camera = np.repeat(np.arange(first, last), some.sum(axis=1))
        hour = np.concatenate([np.repeat(np.arange(24), row) for row in some])
        frame = rng.random(camera.size) < FRAME_SHARE
        vectors = grown.rows(Cells(camera, hour, frame), day, number)
        facts = _facts(keys, day, camera, hour, frame, boxes_of, rng)
        part = lake.merge_parts(directory.lake, generation, [(facts, vectors)], when)
        works += [
            (camera, hour, int(some[camera - first, hour]), part)
            for camera in range(first, last)
            for hour in range(24)
        ]
    _enter(directory, generation, keys, day, works)


def _lots(rows: Int64s) -> Iterator[tuple[int, int]]:
    """Runs of cameras [first, last) whose rows make up one part of about MOST_ROWS."""
    parts = max(1, round(int(rows.sum()) / MOST_ROWS))
    edges = np.searchsorted(np.cumsum(rows), np.arange(1, parts) * rows.sum() / parts)
    ends = sorted({0, *(int(edge) + 1 for edge in edges), len(rows)})
    yield from pairwise(ends)


def _facts(
    keys: list[int], day: int, camera: Int64s, hour: Int64s, frame: npt.NDArray[np.bool_],
    boxes_of: Real, rng: np.random.Generator,
) -> pa.Table:  # fmt: skip
    """Columns of a part, less its vectors; in order of camera and time."""
    n = camera.size
    pts = rng.integers(0, HOUR_US, n)
    order = np.lexsort((pts, hour, camera))
    pts = pts[order]  # camera and hour are in order already
    ts_us = START_US + (day * 24 + hour) * HOUR_US + pts
    segment = [_segment_id(c, day, h) for c, h in zip(camera.tolist(), hour.tolist(), strict=True)]
    box = boxes_of.box[rng.choice(np.flatnonzero(~boxes_of.frame), n)]
    kind = np.where(frame, "frame", "region").tolist()
    boxes = [None if whole else tuple(one) for whole, one in zip(frame, box.tolist(), strict=True)]
    key = [lake.frame_id(*one) for one in zip(segment, pts.tolist(), kind, boxes, strict=True)]
    columns = {
        "frame_id": key, "camera_id": np.array(keys)[camera], "segment_id": segment,
        "ts_us": ts_us, "pts": pts, "kind": kind,
        **{name: pa.array(box[:, i], mask=frame) for i, name in enumerate("xywh")},
        "novelty": rng.random(n, dtype=np.float32), "quality": np.zeros(n, dtype=np.int32),
        "deep": np.zeros(n, dtype=bool),
    }  # fmt: skip
    described = lake.schema(DIMENSION)
    return pa.table(columns, schema=described.remove(described.get_field_index("vector")))


def _segment_id(camera: int, day: int, hour: int) -> str:
    return f"{(day * 24 + hour) * CAMERAS + camera:026d}"


def _enter(
    directory: DataDirectory, generation: Generation, keys: list[int], day: int,
    works: list[tuple[int, int, int, str]],
) -> None:  # fmt: skip
    """The day's segments, and that they are indexed."""
    rows, done = [], []
    for camera, hour, frames, part in works:
        start_us = START_US + (day * 24 + hour) * HOUR_US
        name = _segment_id(camera, day, hour)
        rows.append({
            "id": name, "camera_id": keys[camera], "start_us": start_us,
            "end_us": start_us + HOUR_US, "duration_us": HOUR_US, "size_bytes": 1_800_000_000,
            "sha256": "0" * 64, "prev_sha256": None, "container": "mp4", "codec": "h264",
            "width": 1920, "height": 1080, "fps": 25.0, "volume": "main",
            "path": segment_path(f"camera-{camera:03d}", start_us, name, "mp4"),
            "state": "closed", "clock_source": "rtcp", "clock_error_us": 40_000,
            "recovered": False, "origin": "live", "first_pts": 0, "time_base": "1/1000000",
            "created_us": start_us + HOUR_US,
        })  # fmt: skip
        done.append({
            "segment_id": name, "generation_id": generation.id, "state": "done",
            "worker": "grown", "attempts": 1, "frames": frames, "part": part if frames else None,
            "done_us": start_us + HOUR_US,
        })  # fmt: skip
    with directory.ledger.write() as tx:
        tx.execute(schema.segment.insert(), rows)
        tx.execute(schema.index_work.insert(), done)


def facts_and_vectors(made: BigLake) -> Iterator[tuple[pa.Table, npt.NDArray[np.float16]]]:
    """Part by part, in the order of `parts`: what peers are filled with, and truth is made of."""
    for part in made.parts:
        yield lake.read_part(made.directory.lake, part, made.generation)


def main() -> None:
    """Make the one that the environment asks for, and say how alike its rows and real ones are."""
    if not available():
        print("real clips are absent: nothing to grow an archive from")  # noqa: T201
        return
    grown_from = real(cache())
    sampled = np.concatenate(sample_like(grown_from, Grown(grown_from, CAMERAS, DAYS), CAMERAS))
    for name, found in (("real", structure(grown_from.vectors)), ("grown", structure(sampled))):
        print(  # noqa: T201
            f"{name}: nearest {found.nearest:.2f}, tenth {found.tenth:.2f}, typical"
            f" {found.typical:.2f}, nearest to typical {found.ratio:.2f}, local dimension"
            f" {found.dimension:.1f}, spread over {found.spread:.1f} directions"
        )
    made = big_lake(wanted())
    print(f"{made.directory.root}: {made.vectors} vectors in {len(made.parts)} parts")  # noqa: T201
    made.directory.close()


if __name__ == "__main__":
    main()
