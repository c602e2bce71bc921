"""Recording live 1080p streams of 4 Mbit/s: CPU and memory against `ffmpeg -c copy -f segment`.

Both record from the same RTSP server (GStreamer's), one after the other in the same run, eight
and forty streams. What it costs to begin is left out of both. Then how many streams this machine
records without losing a picture, beside a server that costs little (benchmarks/camera_fleet.py).
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from benchmarks.house import House, house
from benchmarks.processes import cpu_s, memory_mb, tree
from benchmarks.report import report
from tests.servers.clips import make_packets
from tests.servers.fixtures import Mount, RtspServer, why_no_gstreamer

FPS, CLIP_S = 25, 10
WARM_S = 15  # until all have connected and written their first fragments
WINDOW_S = int(os.environ.get("HINDSIGHT_BENCH_WINDOW_S", "30"))
FLEETS = [int(n) for n in os.environ.get("HINDSIGHT_BENCH_FLEETS", "100,150,180,210").split(",")]
FLEET_S = 70
SETTINGS = "[recorder]\nsegment_s = 20\n[retention]\nfree_floor_bytes = 0\n"


def main() -> None:
    """Measure what can be measured here; say what cannot."""
    with house(SETTINGS) as made:
        clip = made.root / "clip.mp4"
        _write(clip)
        if why := why_no_gstreamer() or (None if shutil.which("ffmpeg") else "ffmpeg is absent"):
            sys.stdout.write(f"recording_cost: not measured against ffmpeg: {why}\n")
        else:
            make_packets(clip, made.root / "packets")
            server = RtspServer({"/a": Mount(made.root / "packets")})
            try:
                for streams in (8, 40):
                    _compare(made, server.url("/a"), streams)
            finally:
                server.kill()
        _most(made, clip)


def _compare(made: House, url: str, streams: int) -> None:
    ours_cpu, ours_mb = _ours(made, [url] * streams)
    peer_cpu, peer_mb = _ffmpeg(made, url, streams)
    report(f"recording_cpu_x{streams}", ours_cpu, "CPU-s per stream-hour",
           "ffmpeg -c copy -f segment, same server, same run", peer_cpu)  # fmt: skip
    report(f"recording_memory_x{streams}", ours_mb, "MB (PSS) per stream",
           "ffmpeg -c copy -f segment, same server, same run", peer_mb)  # fmt: skip


def _ours(made: House, urls: list[str]) -> tuple[float, float]:
    """(CPU-s per stream-hour, MB per stream) of `hindsight record`, everything included."""
    with _recording(made, urls) as process:
        time.sleep(WARM_S)
        return _window(process.pid, len(urls))


def _window(pid: int, streams: int) -> tuple[float, float]:
    pids = tree(pid)
    before, began = cpu_s(pids), time.monotonic()
    time.sleep(WINDOW_S)
    used, seconds = cpu_s(pids) - before, time.monotonic() - began
    return used * 3600 / (streams * seconds), memory_mb(pids) / streams


def _ffmpeg(made: House, url: str, streams: int) -> tuple[float, float]:
    folder = made.root / "ffmpeg"
    folder.mkdir(exist_ok=True)
    words = ["ffmpeg", "-nostdin", "-loglevel", "error", "-rtsp_transport", "tcp", "-i", url,
             "-c", "copy", "-f", "segment", "-segment_time", "20",
             "-segment_format_options", "movflags=frag_keyframe+empty_moov"]  # fmt: skip
    started = []
    try:
        for number in range(streams):
            started.append(subprocess.Popen([*words, str(folder / f"{number}-%d.mp4")]))
            time.sleep(0.1)  # all at once, they starve one another while they probe
        time.sleep(WARM_S)
        pids = [process.pid for process in started]
        before, began = cpu_s(pids), time.monotonic()
        time.sleep(WINDOW_S)
        used, seconds = cpu_s(pids) - before, time.monotonic() - began
        if ended := [process.pid for process in started if process.poll() is not None]:
            raise RuntimeError(f"{len(ended)} of {streams} ffmpeg ended before their time")
        return used * 3600 / (streams * seconds), memory_mb(pids) / streams
    finally:
        for process in started:
            process.kill()
            process.wait()
        shutil.rmtree(folder)


@contextmanager
def _recording(made: House, urls: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """`hindsight record` of these cameras, on an archive made for it."""
    root = made.root / "recording"
    (made.root / "hindsight.toml").write_text(SETTINGS)
    one = [sys.executable, "-m", "hindsight", "--data", str(root)]
    subprocess.run([*one, "init"], check=True, stdout=subprocess.DEVNULL)
    table = made.root / "cameras.csv"
    rows = [f"camera-{n:03d},{url}" for n, url in enumerate(urls)]
    table.write_text("\n".join(["name,url", *rows]) + "\n")
    subprocess.run([*one, "camera", "import", str(table)], check=True, stdout=subprocess.DEVNULL)
    process = subprocess.Popen([*one, "record"], stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(root)


def _most(made: House, clip: Path) -> None:
    """The largest fleet of which every picture was kept."""
    most, limit = 0, "nothing was lost up to the largest tried"
    for streams in FLEETS:
        lost, used = _fleet(made, clip, streams)
        sys.stdout.write(f"  {streams} streams: {used}; {lost or 'complete'}\n")
        if lost:
            limit = f"{streams} streams: {lost}"
            break
        most = streams
    sys.stdout.write(f"  limit: {limit}\n")
    report("recording_most_streams", most, "streams of 1080p, 4 Mbit/s, complete",
           f"target on 2 cores; this machine has {os.cpu_count()}", 150)  # fmt: skip


def _fleet(made: House, clip: Path, streams: int) -> tuple[str, str]:
    """(what was lost, '' when nothing; what it used) of so many streams."""
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.camera_fleet", str(clip)], stdout=subprocess.PIPE
    )
    assert server.stdout is not None
    port = int(server.stdout.readline())
    try:
        with _recording(made, [f"rtsp://127.0.0.1:{port}/fleet"] * streams) as process:
            time.sleep(WARM_S + streams * 0.1)
            pids = tree(process.pid)
            before = cpu_s(pids), cpu_s([server.pid]), time.monotonic()
            time.sleep(FLEET_S)
            seconds = time.monotonic() - before[2]
            used = (
                f"recorder {(cpu_s(pids) - before[0]) / seconds:.2f} cores,"
                f" server {(cpu_s([server.pid]) - before[1]) / seconds:.2f}"
            )
            process.terminate()
            process.wait(120)
            return _lost(made, streams), used
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def _lost(made: House, streams: int) -> str:
    """In words what is missing between the first picture of each camera and the stop."""
    one = [sys.executable, "-m", "hindsight", "--data", str(made.root / "recording")]

    def ask(*words: str) -> list[dict[str, str]]:
        done = subprocess.run([*one, *words, "--json"], check=True, capture_output=True)
        found: list[dict[str, str]] = json.loads(done.stdout)
        return found

    gaps = [gap for gap in ask("gaps") if gap["cause"] != "shutdown"]
    if gaps:
        return f"{len(gaps)} gaps, the first {gaps[0]['cause']} of {gaps[0]['camera']}"
    segments: dict[str, list[dict[str, str]]] = {}
    for segment in ask("segments"):
        segments.setdefault(segment["camera"], []).append(segment)
    if len(segments) < streams:
        return f"{streams - len(segments)} cameras were never recorded"
    for camera, rows in segments.items():
        rows.sort(key=lambda row: row["start"])
        for a, b in itertools.pairwise(rows):
            if a["end"] != b["start"]:
                return f"{camera} is not whole at {a['end']}"
        seconds = sum(float(row["duration_s"]) for row in rows)
        pictures = sum(_pictures(made, row) for row in rows)
        if abs(pictures - seconds * FPS) > 2:
            return f"{camera} has {pictures} pictures in {seconds:.1f} s"
    return ""


def _pictures(made: House, row: dict[str, str]) -> int:
    """Of a segment, as its fragments count them."""
    from storage.fragments import scan

    path = made.root / "recording" / "volumes" / "main" / row["path"]
    return sum(fragment.samples for fragment in scan(path).fragments)


def _write(path: Path) -> None:
    """A moving texture, which takes the whole bit rate."""
    tile = np.random.default_rng(1).integers(0, 256, (135, 240, 3), np.uint8)
    wide = np.kron(tile, np.ones((8, 8, 1), np.uint8))
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        stream.bit_rate, stream.gop_size = 4_000_000, 2 * FPS
        stream.time_base = Fraction(1, FPS)
        for number in range(CLIP_S * FPS):
            picture = np.roll(wide, (3 * number, 7 * number), axis=(0, 1))
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
