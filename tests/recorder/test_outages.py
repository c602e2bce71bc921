"""Cameras that die, freeze and come back: what is missing has a cause, the others go on."""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from storage import register
from storage.vocabulary import Camera, Gap, GapCause
from tests.servers.clips import make_packets
from tests.servers.fixtures import Mount, RtspServer
from tests.servers.recording import Recording, until

Records = Callable[..., Recording]
Clips = Callable[..., Path]
Servers = Callable[..., RtspServer]


@pytest.fixture
def units(tmp_path: Path, clips: Clips) -> Path:
    """Packets for a server."""
    make_packets(clips("plain.mp4"), tmp_path / "plain.units")
    return tmp_path / "plain.units"


def outages(made: Recording, camera: Camera) -> list[Gap]:
    """Gaps after the first footage; a busy machine may have one before it, until it connects."""
    began_us = made.segments(camera)[0].start_us
    return [gap for gap in made.gaps(camera) if gap.start_us > began_us]


def test_killed_and_frozen_servers_are_gaps_and_recording_goes_on(
    recording: Records, rtsp_server: Servers, clips: Clips, units: Path
) -> None:
    dying, freezing = (rtsp_server({"/one": Mount(units)}) for _ in range(2))
    made = recording()
    killed = made.add("killed", dying.url("/one"))
    frozen = made.add("frozen", freezing.url("/one"))
    calm = made.add("calm", f"{clips('plain.mp4').as_uri()}?loop=1")
    never = made.add("never", "rtsp://127.0.0.1:1/one")
    made.start()
    until(lambda: made.segments(killed) and made.segments(frozen), 30, "both record")
    dying.kill()
    freezing.freeze()
    for camera in (killed, frozen):
        until(lambda c=camera: outages(made, c), 15, f"the outage of {camera.slug} is noted")
    before = {c.id: len(made.segments(c)) for c in (killed, frozen)}
    dying.start()
    freezing.thaw()
    for camera in (killed, frozen):
        until(lambda c=camera: len(made.segments(c)) > before[c.id], 25, f"{camera.slug} goes on")
    assert made.stop() == 0
    for camera in (killed, frozen):
        rows, first = made.verify(camera), outages(made, camera)[0]
        assert first.cause in {GapCause.STALLED, GapCause.CONNECT_FAILED}
        assert first.end_us is not None
        assert first.detail
        assert any(row.end_us == first.start_us for row in rows)  # the gap meets the footage
        assert any(row.start_us == first.end_us for row in rows)
    rows = made.verify(calm)
    assert made.contiguous(rows)
    assert made.causes(calm) == {"shutdown"}
    assert made.causes(never) == {"connect_failed"}
    assert made.unexplained(never) == []


def test_stopping_does_not_wait_for_a_frozen_source(
    recording: Records, rtsp_server: Servers, units: Path
) -> None:
    server = rtsp_server({"/one": Mount(units)})
    made = recording()
    camera = made.add("gate", server.url("/one"))
    made.start()
    until(lambda: made.open_file(camera), 20, "it records")
    server.freeze()
    began = time.monotonic()
    assert made.stop(signal.SIGTERM) == 0
    assert time.monotonic() - began < 10
    server.thaw()
    [row] = made.verify(camera)
    assert not row.recovered  # closed, not left behind
    assert made.open_file(camera) is None


def test_register_is_followed_without_stopping_others(recording: Records, clips: Clips) -> None:
    made = recording()
    url = f"{clips('plain.mp4').as_uri()}?loop=1"
    stays, leaves, moves = (made.add(name, url) for name in ("stays", "leaves", "moves"))
    made.start()
    until(lambda: all(made.open_file(c) for c in (stays, leaves, moves)), 20, "all record")
    process = made.capture_of(stays)
    other = f"{clips('other.mp4', seed=1).as_uri()}?loop=1"
    with made.directory.ledger.write() as tx:
        register.set_camera(tx, leaves, enabled=False)
        register.set_camera(tx, stays, address="gate 3")  # no reason to interrupt anything
        register.set_camera(tx, moves, url=other)
    comes = made.add("comes", url)
    until(lambda: made.open_file(comes), 15, "the new camera records")
    until(lambda: not made.is_expected(leaves), 15, "the disabled camera stops")
    until(lambda: len(made.gaps(moves)) == 1 and made.open_file(moves), 15, "the moved one is back")
    until(lambda: len(made.segments(stays)) >= 2, 15)
    assert made.capture_of(stays) == process
    assert made.stop() == 0
    for camera in (stays, leaves, moves, comes):
        made.verify(camera)
    assert made.contiguous(made.segments(stays))
    assert made.gaps(leaves) == []
    assert made.open_file(leaves) is None


def test_bounded_run_ends_what_is_expected(recording: Records, clips: Clips) -> None:
    made = recording()
    camera = made.add("gate", f"{clips('plain.mp4').as_uri()}?loop=1")
    silent = made.add("silent", "tcp://127.0.0.1:1?listen=1")
    for _ in range(2):
        made.start("--for", "3")
        assert made.wait() == 0
    rows = made.verify(camera)
    assert len(rows) >= 2
    assert made.gaps(camera) == []
    assert not made.is_expected(camera)
    gaps = made.gaps(silent)
    assert gaps
    assert {gap.cause for gap in gaps} == {"connect_failed"}
    assert all(gap.end_us is not None for gap in gaps)
    assert all(a.end_us <= b.start_us for a, b in itertools.pairwise(rows))
