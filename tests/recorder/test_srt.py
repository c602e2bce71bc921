"""SRT through the system's libsrt: calling a sender, being called, and a wrong passphrase."""

from __future__ import annotations

import ctypes.util
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from recorder.srt import NAMES
from tests.servers.recording import Recording, until

SECRET = "correct-horse-battery"


@pytest.fixture
def sender(clips: Callable[..., Path]) -> Iterator[Callable[[str], None]]:
    """Starts programs that send a clip for ever."""
    if not any(ctypes.util.find_library(name) for name in NAMES):
        pytest.skip("libsrt is absent (apt install libsrt1.5-gnutls); this test did not run")
    program = shutil.which("ffmpeg")
    if program is None:
        pytest.skip("no program that sends SRT (apt install ffmpeg); this test did not run")
    started: list[subprocess.Popen[bytes]] = []
    clip = clips("stream.ts", audio="aac", seconds=6)

    def start(url: str) -> None:
        # Again and again: it ends whenever the other side hangs up.
        words = [program, "-v", "quiet", "-re", "-stream_loop", "-1", "-i", str(clip),
                 "-c", "copy", "-f", "mpegts", url]  # fmt: skip
        started.append(
            subprocess.Popen(
                ["sh", "-c", 'while :; do "$@"; sleep 0.2; done', "sh", *words],
                process_group=0, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
        )  # fmt: skip

    yield start
    for one in started:
        os.killpg(one.pid, signal.SIGKILL)
        one.wait()


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_srt_is_recorded_from_both_sides(
    recording: Callable[..., Recording], sender: Callable[[str], None]
) -> None:
    calls, listens, wrong = free_port(), free_port(), free_port()
    made = recording()
    caller = made.add("caller", f"srt://127.0.0.1:{calls}?passphrase={SECRET}&latency=200")
    listener = made.add("listener", f"srt://127.0.0.1:{listens}?mode=listener")
    stranger = made.add("stranger", f"srt://127.0.0.1:{wrong}?passphrase=not-the-{SECRET}")
    sender(f"srt://127.0.0.1:{calls}?mode=listener&passphrase={SECRET}")
    sender(f"srt://127.0.0.1:{wrong}?mode=listener&passphrase={SECRET}")
    made.start()
    until(lambda: made.is_expected(stranger) or made.open_file(caller), 20)
    sender(f"srt://127.0.0.1:{listens}")
    until(lambda: all(len(made.segments(c)) >= 2 for c in (caller, listener)), 40, "both record")
    until(lambda: "connect_failed" in made.causes(stranger), 20, "the wrong word is noted")
    assert made.stop() == 0
    for camera in (caller, listener):
        rows = made.verify(camera)
        assert {(row.codec, row.audio_codec) for row in rows} == {("h264", "aac")}
    assert made.segments(stranger) == []
    assert "SRT" in (made.gaps(stranger)[0].detail or "")
    assert SECRET not in made.log.read_text()
