"""An archive with vectors whose meaning is known, and an embedder that speaks the same language.

Rows lie in real Parquet parts under a real ledger; only the pictures were never taken.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import update

from search.building import STALE_ROWS, Built, build_due
from search.engine import Answer, Engine
from search.query import DEFAULT_WITHIN_S, Part, Query, Then
from storage import generations, lake, schema, timeline
from storage.clock import US, parse_time
from storage.directory import DataDirectory
from storage.register import add_camera
from storage.segments import insert_segment
from storage.vocabulary import Actor, Camera, ClockSource, Generation, Segment, SegmentState
from storage.volumes import segment_path

DIMENSION = 32
START_US = parse_time("2026-11-18T00:00:00Z")
ASKER = Actor("tester")
Floats = npt.NDArray[np.float32]


def meaning(word: str) -> Floats:
    """The direction a word stands for: the same in every run."""
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
    vector = np.random.default_rng(seed).standard_normal(DIMENSION).astype(np.float32)
    return vector / np.linalg.norm(vector)


class Words:
    """Embeds a text as the mean of its words' directions, a picture as that of its first pixel.

    `strange`: words it says it was never taught.
    """

    dimension = DIMENSION

    def __init__(self, strange: Sequence[str] = ()) -> None:
        self.strange = strange

    def unknown_words(self, text: str) -> list[str]:
        return [word for word in text.split() if word in self.strange]

    def embed_texts(self, texts: Sequence[str]) -> Floats:
        rows = [np.sum([meaning(word) for word in text.split()], axis=0) for text in texts]
        return np.stack([row / np.linalg.norm(row) for row in rows]).astype(np.float32)

    def embed_images(self, pictures: Sequence[npt.NDArray[np.uint8]]) -> Floats:
        return np.stack(
            [
                meaning("pixel" + ",".join(str(value) for value in picture[0, 0]))
                for picture in pictures
            ]
        )


def asked(
    text: str | None = None,
    *,
    image: npt.NDArray[np.uint8] | None = None,
    not_texts: Sequence[str] = (),
    then_text: str | None = None,
    within_s: float = DEFAULT_WITHIN_S,
    near_m: float | None = None,
    **fields: Any,
) -> Query:
    """A query of few parts in few words."""
    parts = [] if text is None else [Part(text=text)]
    parts += [] if image is None else [Part(image=image)]
    then = None
    if then_text is not None:
        then = Then(parts=(Part(text=then_text),), within_s=within_s, near_m=near_m)
    exclusions = tuple(Part(text=each) for each in not_texts)
    return Query(**{"parts": tuple(parts), "exclusions": exclusions, "then": then, **fields})


@dataclass
class Archive:
    """A data directory, one generation, and what was put into them."""

    directory: DataDirectory
    generation: Generation
    cameras: dict[str, Camera] = field(default_factory=dict)
    count: int = 0
    stale_rows: int = STALE_ROWS
    entered: int = 0  # segments: each indexing is an instant of its own

    def engine(self, strange: Sequence[str] = ()) -> Engine:
        """A new one: what the last one kept in memory is gone."""
        return Engine(self.directory, Words(strange))

    def build(self, **how: Any) -> Built:
        """Write the shards that are due."""
        return build_due(self.directory, stale_rows=self.stale_rows, **how)

    def ask(self, engine: Engine | None = None, **fields: Any) -> Answer:
        return (engine or self.engine()).search(asked(**fields), ASKER)

    def camera(self, name: str, **facts: Any) -> Camera:
        if name not in self.cameras:
            with self.directory.ledger.write() as tx:
                self.cameras[name] = add_camera(tx, name=name, url=None, created_us=1, **facts)
        return self.cameras[name]

    def segment(self, name: str, start_us: int, seconds: float) -> Segment:
        self.count += 1
        camera, number = self.camera(name), f"{self.count:026d}"
        end_us = start_us + round(seconds * US)
        row = Segment(
            id=number, camera_id=camera.id, camera=camera.slug, start_us=start_us, end_us=end_us,
            duration_us=end_us - start_us, size_bytes=1, sha256="0" * 64, prev_sha256=None,
            container="mp4", codec="h264", width=640, height=360, fps=25.0, audio_codec=None,
            volume="main", path=segment_path(camera.slug, start_us, number, "mp4"),
            state=SegmentState.CLOSED, clock_source=ClockSource.ARRIVAL, clock_error_us=1,
            recovered=False, origin="live", original_name=None, note=None, first_pts=0,
            time_base="1/90000", created_us=start_us, expired_us=None, expired_rule=None,
        )  # fmt: skip
        with self.directory.ledger.write() as tx:
            insert_segment(tx, row)
            timeline.expect(tx, camera.id, start_us, end_us)
        return row

    def index(self, segment: Segment, vectors: Floats, every_s: float = 1.0, **facts: Any) -> str:
        """Enter one row per vector, `every_s` apart from the segment's start; returns the part."""
        kind, box = facts.get("kind", "frame"), facts.get("box")
        frames = []
        for i in range(len(vectors)):
            ts_us = segment.start_us + round(i * every_s * US)
            frames.append(
                lake.Frame(
                    lake.frame_id(segment.id, i, kind, box), segment.camera_id, segment.id, ts_us,
                    i, kind, box, 0.0, facts.get("quality", 0),
                )
            )  # fmt: skip
        parts = lake.write_parts(
            self.directory.lake, self.generation, frames, vectors.astype(np.float16)
        )
        (part,) = parts
        self.entered += 1
        worker = "tester"
        with self.directory.ledger.write() as tx:
            tx.execute(
                schema.index_work.delete().where(schema.index_work.c.segment_id == segment.id)
            )
            tx.execute(
                schema.index_work.insert().values(
                    segment_id=segment.id, generation_id=self.generation.id, state="done",
                    worker=worker, attempts=1, frames=len(frames), part=part, done_us=self.entered,
                )
            )  # fmt: skip
        return part

    def footage(
        self, name: str, start_us: int, words: Sequence[str], every_s: float = 1.0
    ) -> Segment:
        """A segment whose pictures mean `words`, one after the other, a little noisy."""
        noise = np.random.default_rng(self.count)
        rows = Words().embed_texts(words)
        rows = rows + 0.05 * noise.standard_normal(rows.shape).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        segment = self.segment(name, start_us, max(1.0, len(words) * every_s))
        self.index(segment, rows, every_s)
        return segment

    def expire(self, segment: Segment) -> None:
        with self.directory.ledger.write() as tx:
            s = schema.segment.c
            tx.execute(
                update(schema.segment).where(s.id == segment.id)
                .values(state="expired", expired_us=1, expired_rule="test")
            )  # fmt: skip

    def shards(self) -> list[Path]:
        return sorted(self.directory.index.rglob("shard-*.json"))


def new_archive(
    directory: DataDirectory, *, model: str = "words", meaningful: bool = True
) -> Archive:
    with directory.ledger.write() as tx:
        made = generations.add_generation(
            tx, model=model, checkpoint=None, weights_hash="w" * 64, preprocess_hash="p" * 64,
            dimension=DIMENSION, meaningful=meaningful, state="active", at_us=1,
        )  # fmt: skip
    return Archive(directory, made)
