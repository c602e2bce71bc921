"""Real footage through a real RTSP server: recorded, indexed, and found with a picture of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from tests.servers.clips import make_packets
from tests.servers.fixtures import Mount, RtspServer, rtsp_server  # noqa: F401  (a fixture)
from tests.servers.recording import Recording, until

# Closed GOPs of under two seconds, so that segments of five can be cut.
CLIPS = ("smartcity_video5_640x320.mp4", "intel_one-by-one-person-detection.mp4")


def answered(data: Path, *words: str | Path) -> Any:
    """What a command prints with --json."""
    argv = [sys.executable, "-m", "hindsight", "--data", str(data), *map(str, words), "--json"]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.timeout(180)
def test_what_a_camera_streams_is_found_by_its_picture(
    footage: Path,
    tmp_path: Path,
    rtsp_server: Callable[..., RtspServer],  # noqa: F811  (pytest's way)
) -> None:
    mounts = {}
    for number, clip in enumerate(CLIPS):
        units = tmp_path / f"{number}.units"
        make_packets(footage / clip, units)
        mounts[f"/{number}"] = Mount(units)
    server = rtsp_server(mounts, auth="digest")
    made = Recording(tmp_path / "data")
    try:
        cameras = [made.add(f"camera-{n}", server.url(f"/{n}")) for n in range(len(CLIPS))]
        made.start()
        until(
            lambda: all(len(made.segments(camera)) >= 2 for camera in cameras), 90,
            "two segments of each camera",
        )  # fmt: skip
        assert made.stop() == 0
        for camera in cameras:
            made.verify(camera)
        assert answered(made.root, "index")["failed"] == []
        wanted = made.segments(cameras[1])[1]
        with av.open(str(made.file(wanted))) as container:
            picture = next(iter(container.decode(video=0))).to_ndarray(format="rgb24")
        Image.fromarray(picture).save(tmp_path / "asked.png")
        answer = answered(made.root, "search", "--image", tmp_path / "asked.png")
        assert answer["confident"]
        assert answer["moments"][0]["camera"] == "camera-1"
        assert answer["coverage"]["cameras"] == 2
        assert answer["coverage"]["indexed_s"] == pytest.approx(answer["coverage"]["recorded_s"])
    finally:
        made.close()
