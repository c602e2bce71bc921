"""The live test picture: what an operator needs to know of a source, and nothing for anybody who
would have this server ask where it must not."""

from __future__ import annotations

import base64
import http.server
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from recorder import guarded, trial
from tests.servers.clips import make_clip, make_packets
from tests.servers.fixtures import Mount, RtspServer, rtsp_server  # noqa: F401  (a fixture)
from tests.storage.media import new_house
from tests.web.desk import NOW_US, Desk, Person
from tests.web.register_house import House
from web import live_test


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = new_house(tmp_path_factory.mktemp("tries") / "data", NOW_US)
    desk = Desk(made.directory, made.clock)
    yield House(desk)
    desk.close()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", seconds=2)


@pytest.fixture(autouse=True)
def _often(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_test, "MOST", 1000)


def attempt(person: Person, url: str, **fields: str) -> TestResponse:
    data = {"url": url, "name": "x", "site": "city/north", "tz": "UTC", "site_class": "3"} | fields
    return person.post("/cameras/try", data, headers={"Accept": "application/json"})


@contextmanager
def web_server(answer: Callable[[http.server.BaseHTTPRequestHandler], None]) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_camera_shows_what_it_sees_and_how_it_streams(
    house: House,
    clip: Path,
    tmp_path: Path,
    rtsp_server: Callable[..., RtspServer],  # noqa: F811  (pytest's way)
) -> None:
    make_packets(clip, tmp_path / "units")
    server = rtsp_server({"/gate": Mount(tmp_path / "units")}, auth="digest")
    told = attempt(house.root, server.url("/gate")).json
    assert told["connected"], told
    facts = dict(told["facts"])
    assert (facts["Codec"], facts["Size"]) == ("H.264", "160 × 120")
    assert facts["Pictures"].startswith(("10", "9.9"))
    assert facts["Keyframe"] == "a keyframe every 1.0 s"
    assert "Camera's clock" in facts
    assert base64.b64decode(told["picture"]).startswith(b"\xff\xd8")
    row = house.desk.audited("camera.try")[-1]
    assert "viewer" not in str(row.detail)
    wrong = attempt(house.root, server.url("/gate", password="wrong")).json
    assert not wrong["connected"]
    assert "refuses user or password" in wrong["said"]


def test_the_row_is_there_before_anything_is_asked(house: House) -> None:
    rows: list[int] = []

    def answer(asked: http.server.BaseHTTPRequestHandler) -> None:
        rows.append(len(house.desk.audited("camera.try")))
        asked.send_error(404)

    before = len(house.desk.audited("camera.try"))
    with web_server(answer) as url:
        attempt(house.root, f"{url}/x")
    assert rows
    assert rows[0] == before + 1


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "169.254.0.1", "fe80::1%2", "fe80::1", "::ffff:169.254.169.254",
     "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "100.100.100.200", "192.0.0.192", "168.63.129.16",
     "fd00:ec2::254", "0.0.0.0", "0.1.2.3", "::", "224.0.0.1", "ff02::1", "255.255.255.255",
     "::169.254.169.254"],
)  # fmt: skip
def test_addresses_of_no_camera_are_refused_however_they_are_written(address: str) -> None:
    with pytest.raises(guarded.Forbidden):
        guarded.check(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.7", "192.168.1.9", "::1", "fd12::7"])
def test_cameras_may_be_there(address: str) -> None:
    guarded.check(address)


@pytest.mark.parametrize("host", ["2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "0"])
def test_names_that_mean_a_forbidden_address_are_refused_as_resolved(host: str) -> None:
    with pytest.raises(guarded.Forbidden):
        guarded.resolved(host, 80)


def test_a_web_source_that_sends_on_to_a_forbidden_address_is_not_followed(house: House) -> None:
    def answer(asked: http.server.BaseHTTPRequestHandler) -> None:
        asked.send_response(302)
        asked.send_header("Location", "http://169.254.169.254/latest/meta-data/")
        asked.end_headers()

    with web_server(answer) as url:
        told = attempt(house.root, f"{url}/live").json
    assert not told["connected"]
    assert "sends on" in told["said"]
    assert "169.254" not in json.dumps(told)


def test_a_playlist_leads_to_no_forbidden_address_and_no_file(house: House) -> None:
    def answer(asked: http.server.BaseHTTPRequestHandler) -> None:
        head = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n"
        body = (head + "file:///etc/hostname\n").encode()
        asked.send_response(200)
        asked.send_header("Content-Type", "application/vnd.apple.mpegurl")
        asked.send_header("Content-Length", str(len(body)))
        asked.end_headers()
        asked.wfile.write(body)

    with web_server(answer) as url:
        told = attempt(house.root, f"{url}/live.m3u8").json
    assert not told["connected"]


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port where each caller is served, one after the other."""
    server = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            with client:
                serve(client)

    threading.Thread(target=accept, daemon=True).start()
    yield server.getsockname()[1]
    server.close()


def test_a_camera_that_sends_on_to_another_is_not_followed(house: House) -> None:
    asked: list[bytes] = []
    with listening(lambda client: asked.append(client.recv(100))) as inside:

        def send_on(client: socket.socket) -> None:
            while request := client.recv(4000):
                number = request.partition(b"CSeq: ")[2].split(b"\r\n")[0]
                moved = b"302 Moved\r\nLocation: rtsp://127.0.0.1:%d/secret" % inside
                status = b"200 OK" if request.startswith(b"OPTIONS") else moved
                client.sendall(b"RTSP/1.0 " + status + b"\r\nCSeq: " + number + b"\r\n\r\n")

        with listening(send_on) as port:
            told = attempt(house.root, f"rtsp://127.0.0.1:{port}/live").json
    assert not told["connected"]
    assert "sends on" in told["said"]
    assert asked == []


def test_an_answer_that_sends_on_is_seen_in_pieces(house: House) -> None:
    far = socket.create_server(("127.0.0.1", 0))
    gate = guarded.Gate()
    with socket.create_connection(("127.0.0.1", gate.to("127.0.0.1", far.getsockname()[1]))) as one:
        sender, _ = far.accept()
        sender.sendall(b"RTSP/1.0 2")
        assert one.recv(100) == b"RTSP/1.0 2"
        sender.sendall(b"00 OK\r\nCSeq: 1\r\n\r\n$\0\0\1xRTSP/1.")
        assert one.recv(100).endswith(b"RTSP/1.")
        sender.sendall(b"0   0302 Moved\r\nLocation: rtsp://169.254.169.254/\r\n\r\n")
        assert one.recv(100) == b""
        sender.close()
    far.close()
    assert isinstance(gate.refused, guarded.Forbidden)


@pytest.mark.parametrize(
    "url",
    ["file:/etc/passwd", "tcp://192.0.2.1:22", "udp://@:5000", "srt://0.0.0.0:9?mode=listener",
     "rtmp://127.0.0.1:1935/a?listen=1", "http://127.0.0.1/x?listen=1", "concat:/etc/passwd",
     "ftp://192.0.2.1/", "", "rtsp://"],
)  # fmt: skip
def test_only_sources_that_are_called_are_tested(house: House, url: str) -> None:
    before = len(house.desk.audited("camera.try"))
    assert attempt(house.root, url).status_code == 422
    assert len(house.desk.audited("camera.try")) == before


def test_who_may_not_register_there_has_nothing_asked(house: House) -> None:
    before = len(house.desk.audited("camera.try"))
    assert attempt(house.maria, "rtsp://192.0.2.1/", site="city/south").status_code == 403
    assert len(house.desk.audited("camera.try")) == before


def test_a_kept_password_is_tried_at_its_own_host_only(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders: list[dict[str, object]] = []
    good, _ = house.made()
    slug = house.found().slug

    def note(order: dict[str, object]) -> dict[str, object]:
        orders.append(order)
        return {"failed": "silent"}

    monkeypatch.setattr(live_test, "_asked", note)
    attempt(house.root, good["url"], camera=slug)
    attempt(house.root, "rtsp://198.51.100.66/main", camera=slug)
    assert [order["password"] for order in orders] == [good["password"], ""]


def test_the_picture_of_a_registered_camera_is_for_who_may_watch_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = {"codec": "h264", "width": 1, "height": 1, "fps": 9.0, "gop_s": 1.0, "looked_s": 1.0,
              "clock_offset_s": None, "sound": False, "picture": "AAAA"}  # fmt: skip
    monkeypatch.setattr(live_test, "_asked", lambda order: answer)
    sensitive, _ = house.made()
    assert attempt(house.root, sensitive["url"], camera=house.found().slug).json["picture"] is None
    good = house.good() | {"sensitive": ""}
    house.root.post("/cameras/new", good)
    slug = house.found().slug
    kept = attempt(house.maria, good["url"], camera=slug).json
    assert kept["connected"]
    assert kept["picture"] is None
    assert "may watch this camera" in kept["said"]
    typed = attempt(house.maria, good["url"], camera=slug, user="u", password="known").json
    assert typed["picture"] == "AAAA"
    assert not house.desk.audited("view")
    assert attempt(house.root, good["url"], camera=slug).json["picture"] == "AAAA"
    assert house.desk.audited("view")


def test_nobody_tests_two_sources_at_once_or_very_many(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    admission = live_test.Admission()
    with admission.of("ines"):
        with pytest.raises(live_test.ResourceExhausted), admission.of("ines"):
            pass
        omar, maria = admission.of("omar"), admission.of("maria")
        with omar, pytest.raises(live_test.ResourceExhausted), maria:
            pass
    monkeypatch.setattr(live_test, "MOST", 1)
    with pytest.raises(live_test.ResourceExhausted), admission.of("ines"):
        pass


def test_a_source_that_never_ends_is_cut_off(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_test, "LIMIT_S", 0.05)
    assert attempt(house.root, "rtsp://127.0.0.1:9/x").json["said"].startswith("It does not answer")


def test_every_step_that_can_fail_has_its_sentence() -> None:
    text = Path(trial.__file__).read_text(encoding="utf-8")
    assert all(f'"{step}"' in text for step in live_test.FAILURES)
