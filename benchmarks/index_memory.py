"""Memory of an indexing worker over a simulated day, and what a quiet and a busy day leave.

HINDSIGHT_BENCH_DAY_HOURS of a made quiet camera (24 by default), HINDSIGHT_BENCH_BUSY_HOURS of
real traffic (0.5); vectors and bytes are scaled to a whole day.
"""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from sqlalchemy import func, select

from benchmarks import day_stream
from benchmarks.day_finding import all_reasons, look_files, part_files, rows
from benchmarks.day_schedule import MINUTES_OF_DAY
from benchmarks.house import SHARED_FOOTAGE, House, house
from benchmarks.processes import memory_mb, tree
from benchmarks.report import report
from storage import schema
from storage.clock import US
from storage.directory import DataDirectory, open_directory
from storage.durable import sha256_file

EVERY_S = 0.25
BUSY = ("smartcity_*.mp4", "tfl_*.mp4")
CLIP_S = 60  # so long one clip is repeated before the next comes


@dataclass(frozen=True, slots=True)
class Sample:
    """At one instant: segments done, and memory of all of the worker's processes."""

    done: int
    memory_mb: float


def main() -> None:
    """The quiet day, then the busy one."""
    if not day_stream.available():
        print("real clips and crops are absent: memory is not measured")  # noqa: T201
        return
    made = day_stream.day(day_stream.cache())
    hours = float(os.environ.get("HINDSIGHT_BENCH_DAY_HOURS", "24"))
    minutes = round(hours * 60)
    files = [made.files["yard"][name] for name in made.shown("yard", minutes)]
    _measured("quiet", files)
    busy = float(os.environ.get("HINDSIGHT_BENCH_BUSY_HOURS", "0.5"))
    _measured("busy", _traffic(busy))


def _measured(name: str, files: list[day_stream.File]) -> None:
    with house() as one:
        directory = open_directory(one.root / "data")
        try:
            day_stream.take_in(directory, name, files)
            begun = time.monotonic()
            samples = _watched(one, directory)
            took_s = time.monotonic() - begun
            hours = sum(file.duration_us for file in files) / US / 3600
            print(f"{name}: {hours:.2f} h of camera time indexed in {took_s:.0f} s")  # noqa: T201
            _memory(name, samples, len(files) / hours, hours)
            _left(name, directory, hours * 60 / MINUTES_OF_DAY)
        finally:
            directory.close()


def _watched(one: House, directory: DataDirectory) -> list[Sample]:
    """Index all; memory and progress several times a second."""
    samples = []
    work = schema.index_work.c
    done = select(func.count()).select_from(schema.index_work).where(work.state == "done")
    process = subprocess.Popen(
        one.argv("index"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while process.poll() is None:
        with directory.ledger.read() as tx:
            count = int(tx.execute(done).scalar_one())
        try:
            samples.append(Sample(count, memory_mb(tree(process.pid))))
        except OSError:
            continue  # one of the processes ended meanwhile
        time.sleep(EVERY_S)
    if process.returncode:
        raise SystemExit(f"`hindsight index` failed with {process.returncode}")
    return samples


def _memory(name: str, samples: list[Sample], segments_an_hour: float, hours: float) -> None:
    """The peak of all against that until an hour of camera time was indexed (a quarter of the
    time, where there is less than four hours)."""
    until = segments_an_hour * min(1.0, hours / 4)
    early = [one.memory_mb for one in samples if one.done <= until]
    peak, first = max(one.memory_mb for one in samples), max(early)
    report(f"index_memory_{name}", peak, "MB at most", "until the first hour", first)
    last = samples[-max(4, len(samples) // 10) :]
    report(f"index_memory_{name}_at_the_end", max(one.memory_mb for one in last),
           "MB in the last tenth", "until the first hour", first)  # fmt: skip


def _left(name: str, directory: DataDirectory, days: float) -> None:
    found = rows(directory)
    regions = sum(row.kind == "region" for row in found)
    report(f"vectors_{name}_camera_day", len(found) / days, "a camera-day", "of regions",
           regions / days)  # fmt: skip
    looks = sum(file.stat().st_size for file in look_files(directory))
    every = looks + sum(file.stat().st_size for file in part_files(directory, "frames"))
    report(f"bytes_{name}_camera_day", every / days, "a camera-day", "of looks", looks / days)
    said = ", ".join(f"{key} {count}" for key, count in all_reasons(directory).most_common())
    print(f"  decided: {said or 'nothing was stored'}")  # noqa: T201


def _traffic(hours: float) -> list[day_stream.File]:
    """Real clips, each repeated for a minute, over and over."""
    clips = [_file(path) for pattern in BUSY for path in sorted(SHARED_FOOTAGE.glob(pattern))]
    looped: list[day_stream.File] = []
    total_us = 0
    while True:
        for clip in clips:
            times = max(1, round(CLIP_S * US / clip.duration_us))
            for _ in range(times):
                looped.append(clip)
                total_us += clip.duration_us
                if total_us >= hours * 3600 * US:
                    return looped


def _file(path: Path) -> day_stream.File:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return day_stream.File(
            path, sha256_file(path), path.stat().st_size, int(container.duration or 0),
            (stream.width, stream.height), Fraction(stream.average_rate or 25),
        )  # fmt: skip


if __name__ == "__main__":
    main()
