"""How a crew of `hindsight index` ends early: killed in the middle of it, stopped before it began,
without a model."""

from __future__ import annotations

import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage import generations
from storage.clock import US
from tests.indexer.clips import START_US, Archive, Clip, steady, write_clip
from tests.indexer.conftest import CommandLine
from tests.indexer.test_index_command import frames_that_count, start, states
from tests.servers.recording import until

DEADLINE_S = 60
Starter = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def begin(archive: Archive) -> Iterator[Starter]:
    """Start `hindsight index` on the archive; what a failed test leaves is taken down."""
    begun: list[subprocess.Popen[str]] = []

    def make(*words: str) -> subprocess.Popen[str]:
        begun.append(start(archive.directory, *words))
        return begun[-1]

    yield make
    for process in begun:
        if process.poll() is None:
            process.kill()
            process.communicate()


def status_of(pid: int) -> list[str]:
    """State, parent … of a process; empty when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return []
    return [] if fields[0] == "Z" else fields


def workers_of(pid: int) -> list[int]:
    """Its children that index."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        child = int(folder.name)
        if status_of(child)[1:2] == [str(pid)]:
            try:
                words = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if b"indexer.worker" in words:
                found.append(child)
    return found


def ended(process: subprocess.Popen[str], code: int) -> None:
    """It ends as it should, without a traceback of any worker."""
    _, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == code, err
    assert "Traceback" not in err, err


def test_a_parent_killed_amid_the_work_takes_its_workers_along_and_nobody_waits_for_leases(
    make_archive: Callable[..., Archive], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = make_archive("interval_s = 0.2\nbatch = 4\nlease_s = 3600")
    directory = archive.directory
    clip = write_clip(tmp_path / "clip.mp4", Clip(steady(25, 8), gop=25))
    for number in range(12):
        archive.put(clip, START_US + number * 60 * US)
    crew = start(directory, "--workers", "2")
    until(lambda: states(directory)["claimed"] > 1, DEADLINE_S)
    workers = workers_of(crew.pid)
    assert workers
    crew.kill()
    crew.wait()
    until(lambda: not any(map(status_of, workers)), 30, "workers end with their parent")
    _, err = crew.communicate()
    assert "Traceback" not in err, err
    before = states(directory)
    assert len(frames_that_count(directory)) == before["done"] * 40
    said = CommandLine(directory.root, capsys).json("index")
    assert said["segments"] == 12 - before["done"]
    assert states(directory) == Counter(done=12)
    met = frames_that_count(directory)
    assert (len(met), max(met.values())) == (12 * 40, 1)


def test_a_signal_before_the_model_is_loaded_is_a_stop_and_no_error(
    archive: Archive, begin: Starter
) -> None:
    crew = begin("--workers", "2")
    until(lambda: workers_of(crew.pid), DEADLINE_S)
    workers = workers_of(crew.pid)
    crew.send_signal(signal.SIGTERM)
    ended(crew, 130)
    assert not any(map(status_of, workers))
    assert states(archive.directory) == Counter()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_weights_that_cannot_be_loaded_are_one_line(
    make_archive: Callable[..., Archive],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    workers: str,
) -> None:
    archive = make_archive(f'checkpoint = "{tmp_path / "broken.safetensors"}"')
    (tmp_path / "broken.safetensors").write_bytes(b"no weights at all")
    said = CommandLine(archive.directory.root, capsys)("index", "--workers", workers)
    assert (said.code, said.out, said.err.count("\n")) == (4, "", 1)
    assert "broken.safetensors" in said.err
    with archive.directory.ledger.read() as tx:
        assert generations.generations(tx) == []
