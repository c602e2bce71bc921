"""CPU-seconds of recording one 1080p stream of 4 Mbit/s for an hour, against only reading it."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from benchmarks.house import house
from benchmarks.report import report

STREAMS = 4  # one capture process
LONG_S, SHORT_S = 65, 5  # the difference leaves start and stop out
FPS, CLIP_S = 25, 10
READ = """
import sys, threading, time, av
def read(path, until):
    while True:
        begin = time.monotonic()
        with av.open(path) as source:
            for packet in source.demux(video=0):
                if packet.dts is not None:
                    time.sleep(max(0, begin + float(packet.dts * packet.time_base) - time.monotonic()))
                if time.monotonic() > until:
                    return
until, used = time.monotonic() + float(sys.argv[2]), time.process_time()
threads = [threading.Thread(target=read, args=(sys.argv[1], until)) for _ in range(int(sys.argv[3]))]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(time.process_time() - used)
"""  # noqa: E501


def main() -> None:
    """Record the same looped clip as several cameras, for a long and a short time."""
    with house() as made:
        clip = made.root / "clip.mp4"
        _write(clip)
        for number in range(STREAMS):
            made.run("camera", "add", f"camera {number}", f"{clip.as_uri()}?loop=1")
        seconds = LONG_S - SHORT_S
        long, short = (made.run("record", "--for", str(s)).cpu_s for s in (LONG_S, SHORT_S))
        words = [sys.executable, "-c", READ, str(clip), str(seconds), str(STREAMS)]
        read = float(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    hourly = 3600 / (STREAMS * seconds)
    report("recording_cost", (long - short) * hourly, "CPU-s per stream-hour",
           "reading the packets at their pace, keeping none", read * hourly)  # fmt: skip


def _write(path: Path) -> None:
    """A moving texture, which takes the whole bit rate."""
    tile = np.random.default_rng(1).integers(0, 256, (135, 240, 3), np.uint8)
    wide = np.kron(tile, np.ones((8, 8, 1), np.uint8))
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=FPS, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        stream.bit_rate, stream.gop_size = 4_000_000, 2 * FPS
        stream.time_base = Fraction(1, FPS)
        for number in range(CLIP_S * FPS):
            picture = np.roll(wide, (3 * number, 7 * number), axis=(0, 1))
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
