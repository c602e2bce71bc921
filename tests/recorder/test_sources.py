"""Every kind of source from a real server, all of them in one `hindsight record`."""

from __future__ import annotations

import functools
import http.server
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from storage import camera_states
from storage.vocabulary import Camera
from tests.servers.clips import make_packets, picture_hashes
from tests.servers.fixtures import PASSWORD, Mount, RtspServer
from tests.servers.recording import Recording, until

RTSP = ("tcp", "udp", "basic", "aac", "alaw", "hevc")
OTHERS = (
    "rtmp",
    "http-ts",
    "https-ts",
    "hls",
    "tcp-listen",
    "udp-ts",
    "looped",
    "finite",
    "b-frames",
)
# Plays a file at its own pace into an address, again and again until killed.
PUSHER = """
import sys, time, av
source, target, form = sys.argv[1:]
while True:
    try:
        with av.open(source) as a, av.open(target, "w", format=form) as b:
            streams = {s.index: b.add_stream_from_template(s) for s in a.streams}
            start, turn, end = time.monotonic(), 0.0, 0.0
            while True:
                for packet in a.demux():
                    if not packet.size:
                        continue
                    at = turn + float(packet.dts * packet.time_base)
                    end = at + float((packet.duration or 0) * packet.time_base)
                    time.sleep(max(0, start + at - time.monotonic()))
                    shift = round(turn / packet.time_base)
                    packet.pts += shift
                    packet.dts += shift
                    packet.stream = streams[packet.stream_index]
                    b.mux(packet)
                turn = end
                a.seek(0)
    except Exception:
        time.sleep(0.2)
"""


@dataclass
class Road:
    """What was recorded, to look at."""

    recording: Recording
    cameras: dict[str, Camera]
    sent: dict[str, list[str]]  # by codec: hashes of the access units of the RTSP mounts
    looped: Path


@pytest.fixture(scope="module")
def road(
    tmp_path_factory: pytest.TempPathFactory,
    clips: Callable[..., Path],
    rtsp_server: Callable[..., RtspServer],
) -> Iterator[Road]:
    folder = tmp_path_factory.mktemp("road")
    plain, hevc = clips("plain.mp4"), clips("hevc.mp4", codec="libx265")
    sent = {
        "h264": make_packets(plain, folder / "plain.units"),
        "hevc": make_packets(hevc, folder / "hevc.units"),
    }
    units = folder / "plain.units"
    digest = rtsp_server({"/one": Mount(units), "/hevc": Mount(folder / "hevc.units", "h265"),
                          "/aac": Mount(units, audio="aac"),
                          "/alaw": Mount(units, audio="alaw")}, auth="digest")  # fmt: skip
    basic = rtsp_server({"/one": Mount(units)}, auth="basic")
    _make_playlist(plain, folder / "list.m3u8")
    stream_file = clips("stream.ts", audio="aac", seconds=6)
    (folder / "stream.ts").write_bytes(stream_file.read_bytes())
    web, sealed = _serve(folder), _serve(folder, _certificate(tmp_path_factory.mktemp("tls")))
    ports = {name: _free_port() for name in ("rtmp", "tcp-listen", "udp-ts")}
    looped = clips("loop.avi", codec="mpeg4", seconds=3)
    made = Recording(folder / "data")
    urls = {
        "tcp": digest.url("/one"),
        "udp": digest.url("/one") + "?transport=udp",
        "basic": basic.url("/one"),
        "wrong": digest.url("/one", password="not-the-Word"),
        "aac": digest.url("/aac"),
        "alaw": digest.url("/alaw"),
        "hevc": digest.url("/hevc"),
        "rtmp": f"rtmp://127.0.0.1:{ports['rtmp']}/live/gate?listen=1",
        "http-ts": f"http://127.0.0.1:{web.server_address[1]}/stream.ts",
        "https-ts": f"https://127.0.0.1:{sealed.server_address[1]}/stream.ts",
        "hls": f"http://127.0.0.1:{web.server_address[1]}/list.m3u8",
        "tcp-listen": f"tcp://127.0.0.1:{ports['tcp-listen']}?listen=1",
        "udp-ts": f"udp://@:{ports['udp-ts']}",
        "looped": f"{looped.as_uri()}?loop=1",
        "finite": clips("short 短.mp4", seconds=3).as_uri(),
        "b-frames": f"{clips('b.mp4', b_frames=2).as_uri()}?loop=1",
    }
    cameras = {name: made.add(name, url) for name, url in urls.items()}
    pushers = [
        subprocess.Popen([sys.executable, "-c", PUSHER, str(clip), target, form])
        for clip, target, form in (
            (clips("sound.mp4", audio="aac"), f"rtmp://127.0.0.1:{ports['rtmp']}/live/gate", "flv"),
            (plain, f"tcp://127.0.0.1:{ports['tcp-listen']}", "mpegts"),
            (plain, f"udp://127.0.0.1:{ports['udp-ts']}?pkt_size=1316", "mpegts"),
        )
    ]
    made.start()
    try:
        until(
            lambda: all(len(made.segments(cameras[n])) >= (1 if n == "finite" else 2)
                        for n in RTSP + OTHERS)
            and "connect_failed" in made.causes(cameras["wrong"]),
            60, "every camera has two segments",
        )  # fmt: skip
        assert made.stop() == 0
        yield Road(made, cameras, sent, looped)
    finally:
        made.close()
        for pusher in pushers:
            pusher.kill()
            pusher.wait()
        for server in (web, sealed):
            server.shutdown()
            server.server_close()


@pytest.mark.parametrize("name", RTSP + OTHERS)
def test_source_is_recorded_whole(road: Road, name: str) -> None:
    rows = road.recording.verify(road.cameras[name])
    assert not any(row.recovered for row in rows)


@pytest.mark.parametrize(
    ("name", "video", "audio"),
    [("tcp", "h264", None), ("aac", "h264", "aac"), ("alaw", "h264", "pcm_alaw"),
     ("hevc", "hevc", None), ("rtmp", "h264", "aac"), ("http-ts", "h264", "aac"),
     ("looped", "mpeg4", None)],
)  # fmt: skip
def test_codecs_are_kept_as_they_came(road: Road, name: str, video: str, audio: str | None) -> None:
    for row in road.recording.segments(road.cameras[name]):
        assert (row.codec, row.audio_codec, row.width, row.height) == (video, audio, 160, 120)
        if audio is not None:
            with av.open(str(road.recording.file(row))) as container:
                assert any(frame.samples for frame in container.decode(audio=0))


@pytest.mark.parametrize("name", ["tcp", "basic", "aac", "alaw", "udp", "hevc"])
def test_pictures_from_the_network_are_bit_exact(road: Road, name: str) -> None:
    rows = road.recording.segments(road.cameras[name])
    kept = [h for row in rows for h in picture_hashes(road.recording.file(row))]
    sent = road.sent[rows[0].codec]
    start = sent.index(kept[0])
    assert kept == [sent[(start + i) % len(sent)] for i in range(len(kept))]


def test_pictures_from_a_file_are_bit_exact(road: Road, clips: Callable[..., Path]) -> None:
    for name, clip in (("looped", road.looped), ("b-frames", clips("b.mp4"))):
        sent = _packets(clip)
        rows = road.recording.segments(road.cameras[name])
        kept = [data for row in rows for data in _packets(road.recording.file(row))]
        assert kept == [sent[i % len(sent)] for i in range(len(kept))]


def test_segments_meet_near_the_wall_clock(road: Road) -> None:
    for name in ("tcp", "aac", "alaw", "hevc", "rtmp", "looped", "b-frames", "tcp-listen"):
        rows = road.recording.segments(road.cameras[name])
        assert road.recording.contiguous(rows), name
        for row in rows[1:]:
            off_us = (row.start_us + 2_500_000) % 5_000_000 - 2_500_000
            # Keyframes come once a second: the nearest is half a second off. The encoder of the
            # looped clip puts them 0.4 to 1 s apart, so there the next one cannot be foretold
            # and the cut may come a whole interval late.
            most_us = 1_000_000 if name == "looped" else 700_000
            assert abs(off_us) <= most_us, (name, off_us)


def test_wrong_password_is_said_and_never_shown(road: Road) -> None:
    recording, camera = road.recording, road.cameras["wrong"]
    assert recording.segments(camera) == []
    assert recording.unexplained(camera) == []
    [gap] = recording.gaps(camera)
    assert (gap.cause, gap.end_us) == ("connect_failed", None)
    assert "wrong user or password" in (gap.detail or "")
    with recording.directory.ledger.read() as tx:
        states = camera_states.states(tx)
    said = recording.log.read_text() + repr(states) + repr(recording.gaps(camera))
    for secret in ("not-the-Word", PASSWORD, "s3cret", "pa55"):
        assert secret not in said
    assert "wrong user or password" in (states[camera.id].error or "")


def test_finite_file_ends_its_expectation(road: Road) -> None:
    recording, camera = road.recording, road.cameras["finite"]
    rows = recording.segments(camera)
    assert sum(row.duration_us for row in rows) == pytest.approx(3e6, abs=2e5)
    assert recording.gaps(camera) == []
    assert not recording.is_expected(camera)


def test_stopping_is_a_gap_that_lasts(road: Road) -> None:
    gap = road.recording.gaps(road.cameras["looped"])[-1]
    rows = road.recording.segments(road.cameras["looped"])
    assert (gap.cause, gap.end_us, gap.start_us) == ("shutdown", None, rows[-1].end_us)
    with road.recording.directory.ledger.read() as tx:
        states = camera_states.states(tx)
    assert {states[camera.id].state for camera in road.cameras.values()} == {"stopped"}


def _packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def _make_playlist(clip: Path, playlist: Path) -> None:
    options = {"hls_time": "2", "hls_list_size": "0"}
    with (
        av.open(str(clip)) as source,
        av.open(str(playlist), "w", format="hls", options=options) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing."""


def _serve(folder: Path, certificate: Path | None = None) -> http.server.ThreadingHTTPServer:
    handler = functools.partial(_Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def _certificate(folder: Path) -> Path:
    """Signed by itself, as cameras have them, with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "server.pem").write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
    return folder / "server.pem"
