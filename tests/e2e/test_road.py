"""The whole road by the command line alone: real clips in, a question, the moment, the bundle."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

START = "2026-01-01T00:00:00Z"


class Commands:
    """`hindsight` as processes, in one data directory."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(self, *words: str | Path) -> str:
        """Its stdout; fails the test when it fails."""
        argv = [sys.executable, "-m", "hindsight", "--data", str(self.root), *map(str, words)]
        done = subprocess.run(argv, capture_output=True, text=True)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    def json(self, *words: str | Path) -> Any:
        """What it printed with --json."""
        return json.loads(self.run(*words, "--json"))


def clips(footage: Path, pattern: str) -> list[Path]:
    return sorted(footage.glob(pattern))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Commands:
    footage = Path(__file__).parents[2].parent / "shared" / "footage"
    if not footage.is_dir():
        pytest.skip(f"real footage is absent ({footage}); this test did not run")
    made = Commands(tmp_path_factory.mktemp("road") / "data")
    made.run("init")
    for camera, pattern in {
        "bottles": "intel_bottle*", "car-park": "intel_car*", "table": "intel_one*",
        "previews": "intel_preview*", "junctions": "smartcity*", "roads": "bgslib*",
        "jamcam-625": "tfl_*",
    }.items():  # fmt: skip
        made.run("import", *clips(footage, pattern), "--camera", camera, "--start", START)
    made.run("index")
    return made


def test_every_shared_clip_is_kept_bit_exact(house: Commands, footage: Path) -> None:
    import hashlib

    ours = {hashlib.sha256(p.read_bytes()).hexdigest() for p in footage.iterdir()
            if p.suffix in (".mp4", ".avi")}  # fmt: skip
    kept = house.json("segments")
    assert {segment["sha256"] for segment in kept} == ours
    assert len(kept) == len(ours) == 51
    assert house.json("check", "--level", "hash") == {"ok": True, "findings": []}


def test_an_answer_states_its_coverage(house: Commands) -> None:
    answer = house.json("search", "a white van on a wet road")
    coverage = answer["coverage"]
    assert coverage["cameras"] == 7
    assert coverage["recorded_s"] == pytest.approx(coverage["expected_s"], abs=0.01)
    assert coverage["indexed_s"] == pytest.approx(coverage["recorded_s"], abs=0.01)
    assert coverage["gaps"] == []
    assert coverage["model"]
    for moment in answer["moments"]:
        assert 0 <= moment["score"] <= 1
        assert moment["start"] <= moment["best"]["time"] <= moment["end"]


@pytest.mark.parametrize(
    ("clip", "camera"),
    [
        ("bgslib_video.avi", "roads"),
        ("intel_bottle-detection.mp4", "bottles"),
        ("smartcity_video8_640x320.mp4", "junctions"),
    ],
)
def test_a_picture_finds_the_clip_it_is_from(
    house: Commands, footage: Path, tmp_path: Path, clip: str, camera: str
) -> None:
    with av.open(str(footage / clip)) as container:
        frame = next(iter(container.decode(video=0)))
    picture = tmp_path / "asked.png"
    Image.fromarray(frame.to_ndarray(format="rgb24")).save(picture)
    best = house.json("search", "--image", picture)["moments"][0]
    assert best["camera"] == camera
    segment = next(
        s for s in house.json("segments", "--camera", camera) if s["id"] == best["best"]["segment"]
    )
    assert segment["start"] <= best["best"]["time"] < segment["end"]


def test_filters_hold_exactly(house: Commands) -> None:
    end = "2026-01-01T00:00:20Z"
    answer = house.json("search", "car", "--camera", "roads", "--from", START, "--to", end)
    assert {moment["camera"] for moment in answer["moments"]} == {"roads"}
    assert all(moment["best"]["time"] < "2026-01-01T00:00:20" for moment in answer["moments"])
    assert house.json("search", "car", "--between", "12:00-13:00")["moments"] == []


def test_an_export_verifies_with_the_bundles_own_program(house: Commands, tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    house.run("export", "--camera", "junctions", "--from", START,
              "--to", "2026-01-01T00:00:10Z", "--out", out)  # fmt: skip
    house.run("verify", out)
    alone = subprocess.run(
        [sys.executable, "-I", out / "verify.py"], capture_output=True, text=True
    )
    assert alone.returncode == 0, alone.stdout + alone.stderr
    assert house.run("audit", "verify")
