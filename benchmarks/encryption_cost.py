"""What encryption at rest costs: writing, hashing and demuxing, against plain files in the same
run, and CPU-seconds for an hour of a stream."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import av

from benchmarks.check_rate import archive, best, must_hold, record
from benchmarks.report import report
from storage.directory import DataDirectory
from storage.durable import AppendFile
from storage.encryption import Sealer
from storage.findings import Level
from storage.media import Media
from storage.segments import segments

BIT_RATE, FRAGMENT_S, HOUR_S = 4_000_000, 2, 3600
FRAGMENT = os.urandom(BIT_RATE // 8 * FRAGMENT_S)
PIECES = [FRAGMENT[at : at + (256 << 10)] for at in range(0, len(FRAGMENT), 256 << 10)]
FRAGMENTS_A_FILE = 150  # five minutes in one file
FILES = 100  # of 10 MB, for hashing
KEY = bytes(32)


def main() -> None:
    """Each pair by turns, the best of three; in CPU-seconds but for writing, so that others on the
    machine do not count."""
    with TemporaryDirectory(prefix="hindsight-bench-") as folder:
        target = Path(folder) / "one.mp4"
        both = [lambda: _write(target, sealed=False), lambda: _write(target, sealed=True)]
        size_bytes = FRAGMENTS_A_FILE * len(FRAGMENT)
        hours = size_bytes * 8 / BIT_RATE / HOUR_S
        plain, sealed = best(*both)
        report("encrypted_write", size_bytes / sealed / 1e6, "MB/s",
               "the same fragments, each synced, plain", size_bytes / plain / 1e6)  # fmt: skip
        plain, sealed = best(*both, clock=time.process_time)
        report("encrypted_write_cpu", sealed / hours, "CPU-s per stream-hour of 4 Mbit/s",
               "plain", plain / hours)  # fmt: skip
    with archive() as (one, gate), archive(encrypt=True) as (other, yard):
        record(one, gate, FILES)
        record(other, yard, FILES)
        plain, sealed = best(
            lambda: must_hold(one, Level.HASH), lambda: must_hold(other, Level.HASH),
            clock=time.process_time,
        )  # fmt: skip
        lying, vault = _media(one), _media(other)
        size_bytes = sum(file.size_bytes() for file in lying)
        report("encrypted_check_hash", size_bytes / sealed / 1e6, "MB per CPU-s",
               "check of the same files, plain", size_bytes / plain / 1e6)  # fmt: skip
        plain, reader, sealed = best(
            lambda: _demux(lying), lambda: _demux(lying, by_path=False), lambda: _demux(vault),
            clock=time.process_time,
        )  # fmt: skip
        report("encrypted_demux", size_bytes / sealed / 1e6, "MB per CPU-s",
               "plain, by its path", size_bytes / plain / 1e6)  # fmt: skip
        report("plain_demux_by_reader", size_bytes / reader / 1e6, "MB per CPU-s",
               "plain, by its path", size_bytes / plain / 1e6)  # fmt: skip


def _media(directory: DataDirectory) -> list[Media]:
    with directory.ledger.read() as tx:
        return [directory.archive.media(row) for row in segments(tx)]


def _write(target: Path, *, sealed: bool) -> None:
    file = AppendFile(target, sealer=Sealer(KEY) if sealed else None)
    for _ in range(FRAGMENTS_A_FILE):
        file.append(PIECES)
        file.sync()
    file.finish()
    target.unlink()


def _demux(files: Sequence[Media], *, by_path: bool = True) -> None:
    for file in files:
        with ExitStack() as stack:
            source = stack.enter_context(file.for_ffmpeg() if by_path else file.open())
            container = stack.enter_context(av.open(source, "r"))
            for _ in container.demux(video=0):
                pass
