"""`hindsight index` as people run it: killed, stopped, twice at once, following the recorder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from storage import generations, lake
from storage.clock import US
from storage.directory import DataDirectory
from tests.indexer.clips import START_US, Archive, Clip, steady, write_clip
from tests.indexer.conftest import CommandLine

DEADLINE_S = 60


def start(directory: DataDirectory, *words: str) -> subprocess.Popen[str]:
    """`hindsight index` as a process of its own."""
    argv = [sys.executable, "-m", "hindsight", "--data", str(directory.root), "index", *words]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"}
    return subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Until another process has brought it about."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "the other process did not get there"
        time.sleep(0.02)


def states(directory: DataDirectory) -> Counter[str]:
    with directory.ledger.read() as tx:
        generation = generations.active_generation(tx)
        if generation is None:
            return Counter()
        return Counter(generations.indexed_segment_ids(tx, generation.id).values())


def frames_that_count(directory: DataDirectory) -> Counter[int]:
    """Frame id → how often a search would meet it; every live part must be whole."""
    with directory.ledger.read() as tx:
        generation = generations.active_generation(tx)
        assert generation is not None
        parts = generations.live_parts(tx, generation.id)
    met: Counter[int] = Counter()
    for part, live in parts.items():
        table, _ = lake.read_part(directory.lake, part, generation)
        met.update(row["frame_id"] for row in table.to_pylist() if row["segment_id"] in live)
    return met


def test_a_killed_worker_leaves_nothing_half_done(
    make_archive: Callable[..., Archive], tmp_path: Path
) -> None:
    archive = make_archive("interval_s = 0.2\nbatch = 8")
    directory = archive.directory
    clip = write_clip(tmp_path / "clip.mp4", Clip(steady(25, 8), gop=25))
    for i in range(8):
        archive.put(clip, START_US + i * 60 * US)
    worker = start(directory)
    wait_for(lambda: states(directory)["claimed"] > 1, worker)
    worker.kill()
    worker.communicate()
    killed = states(directory)
    assert killed["claimed"] > 0
    assert len(frames_that_count(directory)) == killed["done"] * 40
    # The next run knows that the process is dead and does not wait for its lease.
    both = [start(directory, "--json"), start(directory, "--json")]
    found = [json.loads(process.communicate(timeout=DEADLINE_S)[0]) for process in both]
    assert sum(one["segments"] for one in found) == 8 - killed["done"]
    assert states(directory) == Counter(done=8)
    met = frames_that_count(directory)
    assert len(met) == 8 * 40
    assert max(met.values()) == 1


def test_following_indexes_what_closes_and_ends_at_a_signal(
    archive: Archive, short_clip: Path
) -> None:
    directory = archive.directory
    archive.put(short_clip)
    worker = start(directory, "--follow", "--json")
    try:
        wait_for(lambda: states(directory)["done"] == 1, worker)
        archive.put(short_clip, START_US + 60 * US)
        wait_for(lambda: states(directory)["done"] == 2, worker)  # how soon: benchmarks/index_lag
        worker.send_signal(signal.SIGTERM)
        out, _ = worker.communicate(timeout=DEADLINE_S)
    finally:
        worker.kill()
        worker.communicate()
    assert worker.returncode == 0
    assert json.loads(out)["segments"] == 2


def test_the_summary_is_one_json_document(
    archive: Archive, hindsight: CommandLine, short_clip: Path, tmp_path: Path
) -> None:
    good = archive.put(short_clip)
    (tmp_path / "bad.mp4").write_text("no video")
    bad = archive.put(tmp_path / "bad.mp4", START_US + 60 * US)
    found = hindsight.json("index")
    assert found == {
        "segments": 1, "pictures": 3, "regions": 0, "looked": 3, "skipped": 0, "damaged": 0,
        "video_s": good.duration_us / US, "wall_s": pytest.approx(found["wall_s"]),
        "embed_s": pytest.approx(found["embed_s"]), "workers": 1, "model": "nano",
        "generation": 1, "holes": [],
        "failed": [{"segment": bad.id, "reason": pytest.approx(found["failed"][0]["reason"])}],
    }  # fmt: skip
    assert "cannot be read as video" in found["failed"][0]["reason"]


def test_people_get_one_line_and_the_reasons(
    archive: Archive, hindsight: CommandLine, short_clip: Path, tmp_path: Path
) -> None:
    archive.put(short_clip)
    (tmp_path / "bad.mp4").write_text("no video")
    archive.put(tmp_path / "bad.mp4", START_US + 60 * US)
    said = hindsight("index")
    assert said.code == 0
    summary, reason = said.out.splitlines()
    assert summary.startswith("indexed: 1 segments, 0.00 h of video; of 3 pictures 0 showed ")
    assert "cannot be read as video" in reason
    assert said.err.count("`hindsight model use NAME` switches") == 1
    assert "录像片段 0 个" in hindsight("index", "--lang", "zh").out


def test_failed_segments_are_tried_again_when_asked(
    archive: Archive, hindsight: CommandLine, short_clip: Path
) -> None:
    segment = archive.put(short_clip)
    file = archive.file(segment)
    away = file.rename(file.with_suffix(".away"))
    assert len(hindsight.json("index")["failed"]) == 1
    away.rename(file)
    assert hindsight.json("index")["segments"] == 0
    found = hindsight.json("index", "--retry")
    assert (found["segments"], found["failed"]) == (1, [])


def test_unknown_cameras_and_models_are_refused(archive: Archive, hindsight: CommandLine) -> None:
    said = hindsight("index", "--camera", "nowhere")
    assert (said.code, said.err.count("\n")) == (3, 1)
    assert "camera nowhere is not registered" in said.err
    said = hindsight("index", "--model", "nanoo")
    assert (said.code, said.err.count("\n")) == (3, 1)
    assert "nearest: nano" in said.err
    assert hindsight("index", "--model", "nano").code == 0


def test_a_directory_that_is_none_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = CommandLine(tmp_path / "nowhere", capsys)("index")
    assert (said.code, said.err.count("\n")) == (3, 1)


def test_reconciling_says_what_was_lost_and_it_is_indexed_again(
    archive: Archive, hindsight: CommandLine, short_clip: Path
) -> None:
    segment = archive.put(short_clip)
    hindsight.json("index")
    before = frames_that_count(archive.directory)
    [part] = (archive.directory.lake / "frames").rglob("*.parquet")
    part.unlink()
    said = hindsight("index", "--reconcile")
    assert said.code == 0
    count, hole, summary = said.out.splitlines()
    assert count == "reconciled: 1 holes in the index"
    assert hole.startswith(f"  {segment.id}: part_lost, 0 of 3 rows, frames/")
    assert summary.startswith("indexed: 1 segments")
    assert frames_that_count(archive.directory) == before
    assert hindsight.json("index", "--reconcile")["holes"] == []


def test_what_the_default_gate_skips_is_counted(
    make_archive: Callable[..., Archive], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    archive = make_archive(gated=True)
    archive.put(write_clip(tmp_path / "still.mp4", Clip(steady(5, 40), gop=5)))
    found = CommandLine(archive.directory.root, capsys).json("index")
    assert found["looked"] == 20
    assert 0 < found["pictures"] - found["regions"] <= found["looked"] - found["skipped"] < 20
