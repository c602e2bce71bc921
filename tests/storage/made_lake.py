"""A lake of made vectors under the real ledger of a house; what lies in it, byte by byte."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from storage import deep_scans, generations, segments
from storage.clock import US
from storage.directory import DataDirectory
from storage.lake import Frame, frame_id, read_part, write_parts
from storage.lake_work import all_names
from storage.looks import Decision, Look, Reason, read_looks, write_looks
from storage.vocabulary import Camera, ClockSource, Generation, Segment, SegmentState
from tests.storage.media import START_US, House

DIMENSION = 16
ROWS = 5


@dataclass
class MadeLake:
    """Indexed segments; their media are not needed."""

    house: House
    vectors: dict[str, list[bytes]] = field(default_factory=dict)  # by segment

    @property
    def directory(self) -> DataDirectory:
        return self.house.directory

    @property
    def lake(self) -> Path:
        return self.directory.lake

    @cached_property
    def generation(self) -> Generation:
        with self.directory.ledger.write() as tx:
            return generations.add_generation(
                tx, model="made", checkpoint=None, weights_hash="w" * 64,
                preprocess_hash="p" * 64, dimension=DIMENSION, meaningful=True, state="active",
                at_us=START_US,
            )  # fmt: skip

    def put(self, minute: int, name: str = "gate", *, deep: bool = False) -> str:
        """A minute with rows of its own parts; returns the segment."""
        segment = minute_of(self.house.camera(name), minute)
        self.add(segment)
        self.index(segment)
        if deep:
            frames, vectors, _ = self.observed(segment, deep=True)
            (part,) = write_parts(self.lake, self.generation, frames, vectors)
            with self.directory.ledger.write() as tx:
                done = generations.Outcome(segment.id, ROWS, part, 0, None, 0, None)
                deep_scans.finish_deep(tx, [done], self.generation.id)
        return segment.id

    def add(self, *rows: Segment) -> None:
        with self.directory.ledger.write() as tx:
            for row in rows:
                segments.insert_segment(tx, row)

    def index(self, *rows: Segment, late: tuple[Segment, ...] = ()) -> str:
        """Index segments into one part; the rows of those that are late do not count."""
        lots = [self.observed(segment) for segment in rows + late]
        frames = [frame for lot in lots for frame in lot[0]]
        vectors = np.concatenate([lot[1] for lot in lots])
        looks = [look for lot in lots for look in lot[2]]
        (part,) = write_parts(self.lake, self.generation, frames, vectors)
        (looked,) = write_looks(self.lake, self.generation, looks)
        with self.directory.ledger.write() as tx:
            ids = [row.id for row in rows]
            generations.claim(tx, self.generation.id, "me", among=ids, now_us=1, lease_us=10)
            done = [generations.Outcome(key, ROWS, part, ROWS, looked, 0, None) for key in ids]
            generations.finish(tx, done, self.generation.id, "me", at_us=2)
        return part

    def write(self, segment: Segment) -> tuple[str, str]:
        """(part, looks) that nothing names yet."""
        frames, vectors, looks = self.observed(segment)
        (part,) = write_parts(self.lake, self.generation, frames, vectors)
        (looked,) = write_looks(self.lake, self.generation, looks)
        return part, looked

    def observed(
        self, segment: Segment, *, deep: bool = False
    ) -> tuple[list[Frame], np.ndarray, list[Look]]:
        lot = np.random.default_rng([segment.start_us, segment.camera_id, deep])
        vectors = lot.normal(size=(ROWS, DIMENSION))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        halves = vectors.astype(np.float16)
        self.vectors.setdefault(segment.id, []).extend(row.tobytes() for row in halves)
        frames, looks = [], []
        for i in range(ROWS):
            at_us, pts = segment.start_us + i * US, 100 * i + deep
            key = frame_id(segment.id, pts, "frame", None)
            frames.append(
                Frame(key, segment.camera_id, segment.id, at_us, pts, "frame", None, 0.1, 0, deep)
            )
            looks.append(
                Look(segment.camera_id, segment.id, at_us, pts, Decision.EMBEDDED, Reason.NEW,
                     0.1, 0.2, 0, 0)
            )  # fmt: skip
        return frames, halves, looks

    def rows(self) -> dict[int, tuple[str, bytes]]:
        """frame id → (segment, vector) of all that counts."""
        found = {}
        with self.directory.ledger.read() as tx:
            live = generations.live_parts(tx, self.generation.id)
        for part, wanted in live.items():
            table, vectors = read_part(self.lake, part, self.generation)
            for key, segment, vector in zip(
                table.column("frame_id").to_pylist(), table.column("segment_id").to_pylist(),
                vectors, strict=True,
            ):  # fmt: skip
                if segment in wanted:
                    assert key not in found
                    found[key] = (segment, vector.tobytes())
        return found

    def looks(self) -> list[str]:
        """Segments of all decisions that are named."""
        with self.directory.ledger.read() as tx:
            names = [name for name in all_names(tx) if name.startswith("looks/")]
        return sorted(read_looks(self.lake, names).column("segment_id").to_pylist())

    def named(self) -> set[str]:
        with self.directory.ledger.read() as tx:
            return all_names(tx)

    def files(self) -> set[str]:
        return {
            str(path.relative_to(self.lake))
            for path in self.lake.rglob("*") if path.is_file()
        }  # fmt: skip

    def flip(self, part: str) -> None:
        """Change the last byte of the first page that says which segment a row is of."""
        path = self.lake / part
        with pq.ParquetFile(path) as opened:
            group = opened.metadata.row_group(0)
            names = [group.column(i).path_in_schema for i in range(group.num_columns)]
            column = group.column(names.index("segment_id"))
        data = bytearray(path.read_bytes())
        data[column.dictionary_page_offset + column.total_compressed_size - 1] ^= 0xFF
        path.write_bytes(data)

    def expire(self, *keys: str) -> None:
        with self.directory.ledger.write() as tx:
            segments.expire(tx, list(keys), "class 3: 30 days", self.directory.clock.now_us())

    def age(self) -> None:
        """All files were written, and all parts replaced, an hour ago."""
        for folder in (self.lake, self.directory.index):
            for path in folder.rglob("*"):
                if path.is_file():
                    os.utime(path, (time.time() - 3600,) * 2)

    def traces(self, *keys: str) -> list[str]:
        """Where on the disk, outside the ledger, anything of these segments lies."""
        found = []
        for folder in (self.lake, self.directory.index, self.directory.cache):
            for path in folder.rglob("*"):
                if path.is_file() and self._holds(path, keys):
                    found.append(path.name)
        return found

    def _holds(self, path: Path, keys: tuple[str, ...]) -> bool:
        data = path.read_bytes()
        if path.suffix == ".parquet":  # compressed, so bytes of the file show nothing
            for column in pq.read_table(path, partitioning=None).columns:
                for value in column.to_pylist():
                    data += value if isinstance(value, bytes) else str(value).encode()
        return any(
            wanted in data
            for key in keys for wanted in (key.encode(), *self.vectors[key])
        )  # fmt: skip


def minute_of(camera: Camera, minute: int) -> Segment:
    """A closed segment of a minute, with nothing on the disk."""
    start_us = START_US + minute * 60 * US
    key = f"{camera.id:06d}{minute:020d}"
    return Segment(
        id=key, camera_id=camera.id, camera=camera.slug, start_us=start_us,
        end_us=start_us + 60 * US, duration_us=60 * US, size_bytes=1, sha256="0" * 64,
        prev_sha256=None, container="mp4", codec="h264", width=64, height=48, fps=10.0,
        audio_codec=None, volume="main", path=f"{camera.slug}/{minute}.mp4",
        state=SegmentState.CLOSED, clock_source=ClockSource.RTCP, clock_error_us=1,
        recovered=False, origin="live", original_name=None, note=None, first_pts=0,
        time_base="1/90000", created_us=start_us, expired_us=None, expired_rule=None,
    )  # fmt: skip
