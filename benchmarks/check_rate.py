"""Bytes per second of `check --level hash` against SHA-256 of the same files, and rows per second
of the cheaper levels and of verifying seals."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
from sqlalchemy import insert
from ulid import ULID

from benchmarks.report import report
from storage import schema
from storage.check import check
from storage.check_seals import check_seals
from storage.clock import US
from storage.directory import DataDirectory, init_directory
from storage.durable import HashingFile
from storage.findings import Level
from storage.fragments import Facts, facts_tags, scan
from storage.live_rows import live_row
from storage.register import add_camera
from storage.sealing import seal_day
from storage.settings import FILE_NAME
from storage.vocabulary import Actor, Camera, ClockSource, Segment
from storage.volumes import segment_path

FILES, FILE_S, BIT_RATE = 200, 20, 4_000_000  # 2 GB in files of a third of the usual length
ROWS = 50_000  # for the levels that read no bytes: as many links to one small file
RUNS = 3  # the best of each
FRAGMENTED = "frag_keyframe+empty_moov+default_base_moof+use_metadata_tags"
START_US = 1_795_000_000 * US


def main() -> None:
    """Make an archive of real segment files, read it once, then measure both in the same run."""
    with archive() as (directory, camera):
        record(directory, camera)
        files = sorted((directory.root / "volumes").rglob("*.mp4"))
        size_bytes = sum(path.stat().st_size for path in files)
        plain, ours = best(
            lambda: [_sha256(path) for path in files], lambda: must_hold(directory, Level.HASH)
        )
    report("check_hash", size_bytes / ours / 1e6, "MB/s", "hashlib SHA-256 of the same files",
           size_bytes / plain / 1e6)  # fmt: skip
    with archive() as (directory, camera):
        _fill(directory, camera)
        files = sorted((directory.root / "volumes").rglob("*.mp4"))
        seen, presence, size = best(
            lambda: [path.stat() for path in files],
            lambda: must_hold(directory, Level.PRESENCE),
            lambda: must_hold(directory, Level.SIZE),
        )
        report("check_presence", ROWS / presence, "rows/s", "stat of the same files", ROWS / seen)
        report("check_size", ROWS / size, "rows/s", "stat of the same files", ROWS / seen)
        begin = time.monotonic()
        seal_day(directory, Actor("benchmark"))
        sealing = time.monotonic() - begin
        volumes = directory.archive.volumes
        (verifying,) = best(lambda: list(check_seals(directory, Level.SIZE, volumes)))
        report("seal_verify", ROWS / verifying, "rows/s", "sealing them", ROWS / sealing)


@contextmanager
def archive(*, encrypt: bool = False) -> Iterator[tuple[DataDirectory, Camera]]:
    """An empty archive with a camera, its volume encrypted or not."""
    with TemporaryDirectory(prefix="hindsight-bench-") as folder:
        root = Path(folder) / "data"
        root.mkdir()
        text = f'[volumes.main]\npath = "volumes/main"\nencrypt = {str(encrypt).lower()}\n'
        (root / FILE_NAME).write_text(text)
        directory, _ = init_directory(root)
        with directory.ledger.write() as tx:
            camera = add_camera(tx, name="gate", url=None, created_us=START_US)
        yield directory, camera
        directory.close()


def must_hold(directory: DataDirectory, level: Level) -> None:
    """Check, and find nothing."""
    findings = list(check(directory, level))
    if findings:
        raise RuntimeError(findings[0].what())


def best(*works: Callable[[], object], clock: Callable[[], float] = time.monotonic) -> list[float]:
    """Shortest of RUNS of each, seconds; by turns, so that a busy moment hits all alike."""
    took: list[list[float]] = [[] for _ in works]
    for _ in range(RUNS):
        for work, times in zip(works, took, strict=True):
            begin = clock()
            work()
            times.append(clock() - begin)
    return [min(times) for times in took]


def _sha256(path: Path) -> str:
    with path.open("rb", buffering=0) as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def record(directory: DataDirectory, camera: Camera, files: int = FILES) -> None:
    """`files` segments that follow one another, entered as a recorder enters them."""
    clip = _clip()
    prev = None
    for number in range(files):
        row = _publish(directory, camera, clip, START_US + number * FILE_S * US, prev)
        prev = row.sha256
        _enter(directory, [row])


def _fill(directory: DataDirectory, camera: Camera) -> None:
    """ROWS rows whose files are links to one."""
    first = _publish(directory, camera, _clip(seconds=1, bit_rate=100_000), START_US, None)
    file = directory.archive.segment_file(first)
    rows, prev = [], None
    for number in range(ROWS):
        start_us = START_US + number * US
        segment_id = str(ULID.from_timestamp(start_us / US))
        path = segment_path(camera.slug, start_us, segment_id, "mp4")
        target = directory.archive.volume("main").root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.hardlink_to(file)
        sha256 = hashlib.sha256(segment_id.encode()).hexdigest()  # its rows differ, as rows do
        rows.append(
            {"id": segment_id, "start_us": start_us, "end_us": start_us + US, "path": path,
             "created_us": start_us, "sha256": sha256, "prev_sha256": prev}
        )  # fmt: skip
        prev = sha256
    file.unlink()
    values = asdict(first)
    values.pop("camera")
    with directory.ledger.write() as tx:
        tx.execute(insert(schema.segment), [values | row for row in rows])


def _publish(
    directory: DataDirectory, camera: Camera, clip: bytes, start_us: int, prev: str | None
) -> Segment:
    facts = Facts(
        segment=str(ULID()), camera=camera.slug, start_us=start_us, prev_sha256=prev,
        clock_source=ClockSource.RTCP, clock_error_us=40_000, first_pts=0, time_base="1/90000",
        created_us=start_us,
    )  # fmt: skip
    path = segment_path(camera.slug, start_us, facts.segment, "mp4")
    volume = directory.archive.volume("main")
    with HashingFile(volume.file(path), sealer=volume.sealer()) as target:
        target.write(_tagged(clip, facts))
        size_bytes, sha256 = target.publish()
    return live_row(
        facts, scan(volume.media(path)), camera_id=camera.id, volume="main", path=path,
        size_bytes=size_bytes, sha256=sha256, recovered=False,
    )  # fmt: skip


def _enter(directory: DataDirectory, rows: list[Segment]) -> None:
    values = [asdict(row) for row in rows]
    for value in values:
        value.pop("camera")
    with directory.ledger.write() as tx:
        tx.execute(insert(schema.segment), values)


def _clip(seconds: int = FILE_S, bit_rate: int = BIT_RATE) -> bytes:
    """Noise that takes the whole bit rate, a keyframe every two seconds, in H.264."""
    random = np.random.default_rng(1)
    made = io.BytesIO()
    with av.open(made, "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        stream.bit_rate, stream.gop_size, stream.max_b_frames = bit_rate, 50, 0
        stream.time_base = Fraction(1, 25)
        for _ in range(seconds * 25):
            picture = random.integers(0, 256, (360, 640, 3), np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode())
    return made.getvalue()


def _tagged(clip: bytes, facts: Facts) -> bytes:
    """The clip as a recorder writes it, with its facts inside."""
    made = io.BytesIO()
    options = {"movflags": FRAGMENTED}
    with (
        av.open(io.BytesIO(clip), "r") as source,
        av.open(made, "w", format="mp4", options=options) as target,
    ):
        target.metadata.update(facts_tags(facts))
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    return made.getvalue()
