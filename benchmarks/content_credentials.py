"""What content credentials cost by the number of a copy's fragments: why long copies have none."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np

from benchmarks.report import report
from evidence.content_credentials import Credentials, credentials, put_in
from evidence.signing import signer
from storage.directory import init_directory
from storage.vocabulary import Actor

FRAGMENTS = (900, 3_600)  # half an hour and two hours of two seconds each
ACTOR = Actor("benchmark")


def main() -> None:
    """Seconds of each; linear would be a ratio of four."""
    with TemporaryDirectory() as name:
        directory, _ = init_directory(Path(name) / "data")
        by = credentials(directory, signer(directory, ACTOR), ACTOR)
        few, many = (_took_s(Path(name) / f"{count}.mp4", count, by) for count in FRAGMENTS)
        directory.close()
    report(
        f"content_credentials_{FRAGMENTS[1]}_fragments", many, "s",
        f"{FRAGMENTS[0]} fragments", few,
    )  # fmt: skip


def _took_s(path: Path, fragments: int, by: Credentials) -> float:
    options = {"movflags": "frag_keyframe+delay_moov+default_base_moof"}
    with av.open(str(path), "w", format="mp4", options=options) as target:
        video = target.add_stream("libx264", rate=1)
        video.width, video.height, video.pix_fmt, video.gop_size = 64, 48, "yuv420p", 1
        video.options = {"preset": "ultrafast"}
        for number in range(fragments):
            picture = np.full((48, 64, 3), number % 255, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1)
            target.mux(video.encode(frame))
        target.mux(video.encode(None))
    start = time.perf_counter()
    put_in(path, by, title=path.name, made=datetime.now(UTC), recipe={}, version="benchmark")
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
