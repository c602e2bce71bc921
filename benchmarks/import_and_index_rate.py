"""Video-hours per CPU-hour of import and of index, against copy+hash and against full decode."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import av

from benchmarks.house import clips, house
from benchmarks.report import report


def main() -> None:
    """Import every clip and index it; peers work on the same files in the same run."""
    with house() as made:
        folder = made.root / "scenes"
        folder.mkdir()
        files = clips(folder)
        video_s = sum(_duration_s(path) for path in files)
        copying = _cpu_s(lambda: [_copy_and_hash(path, made.root / "copy") for path in files])
        decoding = _cpu_s(lambda: [_decode_all(path) for path in files])
        start = ("--camera", "all", "--start", "2026-01-01T00:00:00Z")
        importing = made.run("import", *map(str, files), *start).cpu_s
        indexing = made.run("index").cpu_s
        repeat = made.run("index").cpu_s  # start-up cost alone: nothing is left to index
    report(
        "import_rate", video_s / importing, "video-h per CPU-h", "copy + SHA-256", video_s / copying
    )
    report("index_rate", video_s / indexing, "video-h per CPU-h", "decode every frame, embed none",
           video_s / decoding)  # fmt: skip
    warm = max(indexing - repeat, 0.01)
    report("index_rate_without_startup", video_s / warm, "video-h per CPU-h",
           "decode every frame, embed none", video_s / decoding)  # fmt: skip


def _duration_s(path: Path) -> float:
    with av.open(str(path)) as container:
        return float((container.duration or 0) / av.time_base)


def _cpu_s(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _copy_and_hash(path: Path, target: Path) -> str:
    data = path.read_bytes()
    target.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def _decode_all(path: Path) -> int:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        return sum(1 for _ in container.decode(stream))
