"""Exports end to end against the machine's SHA-256, and what a week's export needs of memory.

Both rates are of the same run and the same bytes, one after the other: `hindsight export` as
people type it, start of the interpreter, proof and fsync included; and one thread of hashlib over
the files that the bundle then holds, from the page cache, where an export reads them too.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.report import report
from storage.clock import parse_time, rfc3339
from storage.directory import init_directory
from tests.evidence.weeks import minute, record_minutes

START_US = parse_time("2026-11-18T00:00:00Z")
MINUTES, BITS_PER_S = 40, 4_000_000  # 1.2 GB of 25 pictures a second
WEEK_MINUTES = 7 * 24 * 60
MOST_MB = 200
# In a small process between: to the kernel a new process has had what its parent had.
MEASURE = """
import resource, subprocess, sys, time
begun_s = time.monotonic()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(time.monotonic() - begun_s, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def main(minutes: int = MINUTES, week_minutes: int = WEEK_MINUTES) -> None:
    """Rate first: the week leaves ten thousand files in the page cache."""
    with TemporaryDirectory() as name:
        _rate(Path(name), minutes)
    with TemporaryDirectory() as name:
        _memory(Path(name), week_minutes)


def _rate(folder: Path, minutes: int) -> None:
    until = _recorded(folder, minutes, minute(25, (640, 360), BITS_PER_S))
    out = folder / "bundle"
    _hash_rate(folder / "data" / "volumes")  # so that what is measured finds all in memory
    took_s, _ = _run(*_export(folder, until, out))
    media = list(out.rglob("*.mp4"))
    originals = sum(path.stat().st_size for path in media if "originals" in path.parts)
    every = sum(path.stat().st_size for path in media)
    per_s = _hash_rate(out / "data")
    report("export_rate", every / took_s / 1e6, "MB/s", "SHA-256, one thread", per_s / 1e6)
    report(
        "export_rate_of_originals", originals / took_s / 1e6, "MB/s", "SHA-256, one thread",
        per_s / 1e6,
    )  # fmt: skip


def _memory(folder: Path, minutes: int) -> None:
    until = _recorded(folder, minutes, minute())
    out = folder / "bundle"
    took_s, export_mb = _run(*_export(folder, until, out))
    verify_s, verify_mb = _run(sys.executable, str(out / "verify.py"))
    report("export_week_memory", export_mb, "MB", "limit", MOST_MB)
    report("export_week_time", took_s, "s", "segments", minutes)
    report("verify_week_memory", verify_mb, "MB", "limit", MOST_MB)
    report("verify_week_time", verify_s, "s", "segments", minutes)


def _recorded(folder: Path, minutes: int, media: bytes) -> int:
    """Fill an archive; until when it reaches."""
    directory, _ = init_directory(folder / "data")
    made = record_minutes(directory, "gate", START_US, minutes, media)
    directory.close()
    return made.end_us


def _export(folder: Path, until_us: int, out: Path) -> tuple[str, ...]:
    return (
        sys.executable, "-m", "hindsight", "--data", str(folder / "data"), "export", "--camera",
        "gate", "--from", rfc3339(START_US), "--to", rfc3339(until_us), "--out", str(out),
    )  # fmt: skip


def _run(*words: str) -> tuple[float, float]:
    """Seconds a command takes, and the most memory that it or a child of it ever had, MB."""
    told = subprocess.run(
        [sys.executable, "-S", "-c", MEASURE, *words], capture_output=True, text=True, check=True
    ).stdout  # fmt: skip
    took_s, kib = map(float, told.split())
    return took_s, kib * 1024 / 1e6


def _hash_rate(folder: Path) -> float:
    """Bytes a second that one thread hashes of the media below a folder."""
    begun_s, size_bytes = time.monotonic(), 0
    for path in folder.rglob("*.mp4"):
        with path.open("rb") as source:
            hashlib.file_digest(source, "sha256")
            size_bytes += source.tell()
    return size_bytes / (time.monotonic() - begun_s)


if __name__ == "__main__":
    main()
