"""The recorder as a service: what a service manager hears, and what it may tell us."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.events import EventKind, events
from tests.servers.recording import Recording, kill, until

Records = Callable[..., Recording]
Clips = Callable[..., Path]
UNITS = Path(__file__).parents[2] / "docs" / "deploy"


def test_the_manager_hears_that_we_are_ready_alive_and_stopping(
    recording: Records, clips: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = recording()
    camera = made.add("gate", f"{clips('plain.mp4').as_uri()}?loop=1")
    heard: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        made.start()
        while not any("recording 1 of 1 cameras" in words for words in heard):
            heard.append(manager.recv(4096).decode())
        assert made.stop(signal.SIGTERM) == 0
        while "STOPPING=1" not in heard[-1]:
            heard.append(manager.recv(4096).decode())
    assert heard[0].startswith("READY=1\nWATCHDOG=1\n")
    made.verify(camera)


def test_a_camera_added_goes_to_a_process_that_has_room_and_a_reload_looks_at_once(
    recording: Records, clips: Clips
) -> None:
    made = recording(per_process=2)
    url = f"{clips('plain.mp4').as_uri()}?loop=1"
    first = made.add("first", url)
    made.start()
    until(lambda: made.segments(first), 30, "the first records")
    process = made.capture_of(first)
    second = made.add("second", url)
    assert made.process is not None
    made.process.send_signal(signal.SIGHUP)
    until(lambda: made.open_file(second), 20, "the second records")
    assert made.capture_of(first) == made.capture_of(second) == process
    third = made.add("third", url)
    until(lambda: made.open_file(third), 20, "the third records")
    assert made.capture_of(third) != process
    assert made.stop() == 0
    assert made.contiguous(made.verify(first))
    assert made.causes(first) == {"shutdown"}


def test_a_lost_nursery_is_done_without(recording: Records, clips: Clips) -> None:
    made = recording()
    url = f"{clips('plain.mp4').as_uri()}?loop=1"
    first = made.add("first", url)
    made.start()
    until(lambda: made.open_file(first), 20, "the first records")
    process = made.capture_of(first)
    nursery = made.nursery()
    kill(nursery)
    time_us = time.time_ns() // 1000
    kill(process)
    until(lambda: any(r.start_us > time_us for r in made.segments(first)), 30, "it goes on")
    assert made.stop() == 0
    made.verify(first)


def test_starts_stops_and_losses_stand_in_the_events(recording: Records, clips: Clips) -> None:
    made = recording()
    url = f"{clips('plain.mp4').as_uri()}?loop=1"
    camera = made.add("gate", url)
    made.start()
    until(lambda: _kinds(made) >= {EventKind.RECORDING_BEGAN}, 30, "its beginning is told")
    kill(made.capture_of(camera))
    until(lambda: EventKind.PROCESS_RESTARTED in _kinds(made), 20, "the loss is told")
    assert made.stop() == 0
    assert _kinds(made) >= {EventKind.RECORDER_STARTED, EventKind.RECORDER_STOPPED}


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is absent")
def test_the_units_are_such_as_systemd_understands(tmp_path: Path) -> None:
    for unit in UNITS.glob("*.service"):
        # The program it would start is not installed here.
        text = unit.read_text().replace("/opt/hindsight/bin/hindsight", "/bin/true")
        (tmp_path / unit.name).write_text(text)
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(tmp_path / unit.name)],
            capture_output=True, text=True,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, ""), unit.name


def _kinds(made: Recording) -> set[str]:
    with made.directory.ledger.read() as tx:
        return {event.kind for event in events(tx)}
