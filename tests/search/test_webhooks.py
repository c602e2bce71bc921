"""Webhooks: signed as the standard says, bounded in time, never redirected, secrets never shown."""

from __future__ import annotations

import base64
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from search import webhooks
from search.webhooks import Target, send, signature, target
from storage.directory import DataDirectory
from storage.errors import Invalid, NotFound, Unavailable
from storage.settings import load_settings, webhook_key
from tests.search.receiver import SECRET, Receiver, receiving, status, with_webhooks

BODY = '{"test": "图"}'.encode()


def to(url: str) -> Target:
    return Target("duty", url, webhook_key(SECRET))


def test_a_signature_is_that_of_the_standards_own_example() -> None:
    key = webhook_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_what_is_sent_can_be_verified_by_who_has_the_secret(receiver: Receiver) -> None:
    outcome = send(to(receiver.url), "id-1", 1_700_000_000, BODY)
    (request,) = receiver.taken
    assert outcome.delivered
    assert (request.method, request.path, request.body) == (
        "POST", "/hook/geheim?token=hunter2", BODY,
    )  # fmt: skip
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == "id-1"
    assert request.headers["webhook-timestamp"] == "1700000000"
    version, _, given = request.headers["webhook-signature"].partition(",")
    assert version == "v1"
    check = HMAC(base64.b64decode(SECRET.removeprefix("whsec_")), hashes.SHA256())
    check.update(b"id-1.1700000000." + request.body)
    check.verify(base64.b64decode(given))  # raises when it is another


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    with receiving() as inner:
        for code in (301, 302, 303, 307, 308):
            receiver.answers.append(status(code, Location=inner.url))
            outcome = send(to(receiver.url), "id", 1, BODY)
            assert not outcome.delivered
            assert outcome.status == code
            assert inner.url not in outcome.said
        assert inner.taken == []
    assert len(receiver.taken) == 5


def test_an_error_is_told_in_one_short_line_without_the_address(receiver: Receiver) -> None:
    body = f"no such hook: {receiver.url} \n\x1b[31m/hook/geheim token=hunter2 ".encode()
    receiver.answers.append(status(500, body + b"x" * 100_000))
    outcome = send(to(receiver.url), "id", 1, BODY)
    assert (outcome.delivered, outcome.status) == (False, 500)
    assert len(outcome.said) <= len("HTTP 500: ") + webhooks.ANSWER_CHARACTERS
    assert outcome.said.isprintable()
    for secret in ("hunter2", "geheim", "127.0.0.1"):
        assert secret not in outcome.said


def test_nobody_there_is_an_outcome() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/x"
    outcome = send(to(url), "id", 1, BODY)
    assert outcome.status is None
    assert outcome.said.startswith("no answer")
    assert send(to("https://no-such-host.invalid/x"), "id", 1, BODY).status is None


@pytest.mark.parametrize("how", ["silent", "trickles a status", "trickles a body"])
def test_who_does_not_come_to_an_end_is_cut_off(receiver: Receiver, how: str) -> None:
    ended = threading.Event()

    def trickle(handler: BaseHTTPRequestHandler) -> None:
        begun = {"silent": b"", "trickles a status": b"HTTP/1.1 "}.get(how, b"HTTP/1.1 200 OK\r\n")
        begun += b"Content-Length: 100000\r\n\r\n" if how == "trickles a body" else b""
        try:
            handler.wfile.write(begun)
            while not ended.wait(0.05):
                handler.wfile.write(b"" if how == "silent" else b"a")
        except OSError:
            return  # cut off

    receiver.answers.append(trickle)
    begun_s = time.monotonic()
    outcome = send(to(receiver.url), "id", 1, BODY, connect_s=0.5, total_s=0.5)
    took_s = time.monotonic() - begun_s
    ended.set()
    assert 0.4 < took_s < 5
    if how == "trickles a body":
        assert outcome.delivered  # it said 200: that is an answer
    else:
        assert (outcome.status, outcome.said) == (None, "no answer in time")


def test_a_server_that_does_not_speak_tls_or_http_is_an_outcome(receiver: Receiver) -> None:
    port = receiver.url.split(":")[2].split("/")[0]
    assert send(to(f"https://127.0.0.1:{port}/x"), "id", 1, BODY, total_s=2).status is None

    def gibberish(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"SSH-2.0-dropbear\r\n")

    receiver.answers.append(gibberish)
    outcome = send(to(receiver.url), "id", 1, BODY)
    assert outcome.status is None


def made_certificate(folder: Path, *names: x509.GeneralName) -> Path:
    """Self-signed, with its key, in one PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "receiver.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(made.public_bytes(Encoding.PEM) + secret)
    return path


def test_only_a_receiver_with_a_trusted_certificate_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = made_certificate(tmp_path, x509.IPAddress(ip_address("127.0.0.1")))
    with receiving(here) as receiver:
        outcome = send(to(receiver.url), "id", 1, BODY)
        assert outcome.status is None
        assert outcome.said.startswith("its certificate is not trusted")
        assert receiver.taken == []
        monkeypatch.setenv("SSL_CERT_FILE", str(here))
        assert send(to(receiver.url), "id", 1, BODY).delivered
    assert [request.body for request in receiver.taken] == [BODY]
    other = made_certificate(tmp_path, x509.DNSName("elsewhere.example"))
    with receiving(other) as receiver:
        outcome = send(to(receiver.url), "id", 1, BODY)
        assert (outcome.status, receiver.taken) == (None, [])
        assert "not trusted" in outcome.said
        assert "127.0.0.1" not in outcome.said


def test_a_handshake_that_never_ends_is_cut_off() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/x"
        outcome = send(to(url), "id", 1, BODY, connect_s=0.3, total_s=0.3)
    assert (outcome.status, outcome.said) == (None, "no answer in time")


def test_a_target_is_chosen_by_its_name_only(directory: DataDirectory) -> None:
    with_webhooks(directory, duty="https://example.org/x")
    assert target(directory, "duty").url == "https://example.org/x"
    for name in ("other", "https://example.org/x", "http://169.254.169.254/latest"):
        with pytest.raises(NotFound, match="not in the settings"):
            target(directory, name)


def test_neither_address_nor_secret_is_ever_printed(
    directory: DataDirectory, caplog: pytest.LogCaptureFixture
) -> None:
    with_webhooks(directory, duty="https://example.org/hunter2")
    for text in (repr(directory.settings), str(directory.settings), repr(target(directory, "duty")),
                 directory.settings.model_dump_json()):  # fmt: skip
        assert "hunter2" not in text
        assert SECRET not in text
        assert "MfKQ9r8G" not in text


def test_a_secret_may_lie_in_a_file(directory: DataDirectory) -> None:
    settings = directory.root / "hindsight.toml"
    settings.write_text('[webhooks.duty]\nurl = "https://x/"\nsecret_file = "keys/duty"\n')
    directory.settings = load_settings(settings)
    with pytest.raises(Unavailable, match="unsigned"):
        target(directory, "duty")
    (directory.root / "keys" / "duty").write_text(SECRET + "\n")
    assert target(directory, "duty").key == webhook_key(SECRET)
    (directory.root / "keys" / "duty").write_text("short")
    with pytest.raises(Invalid, match="24 to 64 bytes"):
        target(directory, "duty")


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ('url = "http://10.0.0.5/x"\nsecret = "{s}"', "allow_http"),
        ('url = "http://localhost.evil.example/x"\nsecret = "{s}"', "allow_http"),
        ('url = "http://127.0.0.1.evil.example/x"\nsecret = "{s}"', "allow_http"),
        ('url = "ftp://x/"\nsecret = "{s}"', "https"),
        ('url = "file:///etc/passwd"\nsecret = "{s}"', "https"),
        ('url = "https://"\nsecret = "{s}"', "https"),
        ('url = "https://user:hunter2@x/"\nsecret = "{s}"', "no user"),
        ('url = "https://x/a b"\nsecret = "{s}"', "printable"),
        ('url = "https://x:port/"\nsecret = "{s}"', "cannot be read"),
        ('url = "https://x/"', "secret"),
        ('url = "https://x/"\nsecret = "{s}"\nsecret_file = "keys/x"', "either"),
        ('url = "https://x/"\nsecret = "hunter2"', "24 to 64"),
        ('url = "https://x/"\nsecret = "whsec_hunter2!"', "base64"),
    ],
)
def test_a_webhook_that_is_not_safe_is_refused_with_the_settings(
    tmp_path: Path, lines: str, why: str
) -> None:
    path = tmp_path / "hindsight.toml"
    path.write_text("[webhooks.duty]\n" + lines.replace("{s}", SECRET))
    with pytest.raises(Invalid, match=why) as refused:
        load_settings(path)
    assert "webhooks.duty" in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["http://localhost:9/x", "http://127.0.0.1/x", "http://[::1]:9/x", "https://x.example"]
)
def test_this_machine_needs_no_https(tmp_path: Path, url: str) -> None:
    path = tmp_path / "hindsight.toml"
    path.write_text(f'[webhooks.duty]\nurl = "{url}"\nsecret = "{SECRET}"')
    assert load_settings(path).webhooks["duty"].url.get_secret_value() == url


def test_http_to_another_machine_is_allowed_by_name(tmp_path: Path) -> None:
    path = tmp_path / "hindsight.toml"
    path.write_text(
        f'[webhooks.duty]\nurl = "http://10.0.0.5/"\nsecret = "{SECRET}"\nallow_http = true'
    )
    assert load_settings(path).webhooks["duty"].allow_http
