"""Several worker processes: killed, worn out, orphaned; the work is done once all the same."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from storage.directory import DataDirectory
from tests.indexer.clips import START_US, Archive, Clip, steady, write_clip
from tests.indexer.conftest import CommandLine
from tests.indexer.test_index_command import (
    DEADLINE_S,
    frames_that_count,
    start,
    states,
    wait_for,
)

MINUTE_US = 60_000_000


def workers_of(parent: subprocess.Popen[str]) -> list[int]:
    """Process ids of the workers that live."""
    found = []
    for task in Path(f"/proc/{parent.pid}/task").glob("*/children"):
        try:
            children = [int(word) for word in task.read_text().split()]
        except OSError:  # the thread ended
            continue
        found += [pid for pid in children if "indexer.worker" in command_of(pid)]
    return sorted(found)


def command_of(pid: int) -> str:
    """Empty for one that ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def is_at(directory: DataDirectory, done: int) -> bool:
    """So many segments are done, and more are being indexed."""
    now = states(directory)
    return now["done"] >= done and (now["claimed"] > 0 or now["done"] == 24)


def wait_until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while any(command_of(pid) for pid in pids):
        assert time.monotonic() < deadline, "workers outlive their parent"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def busy_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds, of which 0.2 s apart 40 pictures are embedded."""
    return write_clip(tmp_path_factory.mktemp("clips") / "busy.mp4", Clip(steady(25, 8), gop=25))


def test_workers_killed_at_any_point_leave_nothing_half_done(
    make_archive: Callable[..., Archive], busy_clip: Path
) -> None:
    archive = make_archive("interval_s = 0.2\nbatch = 8")
    directory = archive.directory
    for i in range(16):
        archive.put(busy_clip, START_US + i * MINUTE_US)
    dice = random.Random(1)
    crew = start(directory, "--workers", "2", "--json")
    killed = 0
    for at in (2, 6, 10):  # segments done, and then anywhere in the work
        wait_for(partial(is_at, directory, at), crew)
        time.sleep(dice.uniform(0, 0.3))
        if victims := workers_of(crew):
            os.kill(dice.choice(victims), signal.SIGKILL)
            killed += 1
    out, err = crew.communicate(timeout=2 * DEADLINE_S)
    assert crew.returncode == 0, err
    assert killed > 1
    assert json.loads(out)["workers"] == 2
    assert states(directory) == Counter(done=16)
    met = frames_that_count(directory)
    assert len(met) == 16 * 40
    assert max(met.values()) == 1


def test_workers_end_with_their_parent(archive: Archive, short_clip: Path) -> None:
    archive.put(short_clip)
    crew = start(archive.directory, "--follow", "--workers", "2")
    wait_for(lambda: states(archive.directory)["done"] == 1 and len(workers_of(crew)) == 2, crew)
    workers = workers_of(crew)
    crew.kill()
    crew.communicate()
    wait_until_gone(workers)


def test_a_worn_worker_and_a_killed_one_are_replaced_and_all_is_counted(
    make_archive: Callable[..., Archive], busy_clip: Path
) -> None:
    archive = make_archive("interval_s = 0.1\nrecycle_pictures = 150")
    directory = archive.directory
    archive.put(busy_clip)
    crew = start(directory, "--follow", "--json")
    wait_for(lambda: states(directory)["done"] == 1, crew)
    [first] = workers_of(crew)  # not worn yet
    archive.put(busy_clip, START_US + MINUTE_US)
    wait_for(lambda: states(directory)["done"] == 2 and workers_of(crew) not in ([], [first]), crew)
    [second] = workers_of(crew)
    os.kill(second, signal.SIGKILL)
    archive.put(busy_clip, START_US + 2 * MINUTE_US)
    wait_for(lambda: states(directory)["done"] == 3, crew)
    assert workers_of(crew) not in ([first], [second])
    crew.send_signal(signal.SIGTERM)
    out, err = crew.communicate(timeout=DEADLINE_S)
    assert crew.returncode == 0, err
    found = json.loads(out)
    assert (found["segments"], found["pictures"]) == (3, len(frames_that_count(directory)))
    assert "index worker 1 ended (exit code -9); it is replaced" in err


def test_a_crew_stopped_by_a_signal_leaves_no_claim_and_no_worker(
    make_archive: Callable[..., Archive], busy_clip: Path
) -> None:
    archive = make_archive("interval_s = 0.1\nbatch = 2")
    for i in range(60):
        archive.put(busy_clip, START_US + i * MINUTE_US)
    crew = start(archive.directory, "--workers", "2")
    wait_for(lambda: states(archive.directory)["claimed"] > 1, crew)
    workers = workers_of(crew)
    crew.send_signal(signal.SIGINT)
    crew.communicate(timeout=DEADLINE_S)
    assert crew.returncode == 130  # not all was done
    assert not any(command_of(pid) for pid in workers)
    assert set(states(archive.directory)) <= {"done"}


def test_what_no_worker_could_do_is_said_once_and_by_its_exit_code(
    archive: Archive, hindsight: CommandLine
) -> None:
    said = hindsight("index", "--workers", "2", "--model", "nanoo", "--lang", "zh")
    assert (said.code, said.err.count("hindsight: ")) == (3, 1)
    assert "未建立任何索引" in said.err
    assert "nano" in said.err


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_gpu_that_is_asked_for_and_not_there_is_said(
    make_archive: Callable[..., Archive], capsys: pytest.CaptureFixture[str], workers: str
) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    archive = make_archive('device = "cuda"')
    said = CommandLine(archive.directory.root, capsys)("index", "--workers", workers)
    assert (said.code, said.out) == (7, "")
    assert "PyTorch finds no GPU" in said.err
