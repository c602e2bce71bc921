"""Behind proxies: the address and scheme of who asks, and nobody believed who is not named."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from storage import audit, login_limits
from storage.directory import init_directory, open_directory
from storage.errors import Invalid
from storage.settings import FILE_NAME, load_settings
from storage.settings_web import WebSettings
from tests.e2e.browser import Server, serving
from tests.web.desk import PASSWORD, Desk, Person
from web.proxies import BehindProxies

PROXIES = ["127.0.0.1", "10.1.0.0/24", "2001:db8::/64"]
HOUSE = "203.0.113.9"


def behind(desk: Desk, *proxies: str) -> None:
    """Before the application is made."""
    web = desk.directory.settings.web.model_copy(update={"proxies": [*proxies]})
    desk.directory.settings = desk.directory.settings.model_copy(update={"web": web})


def seen(connected: str, said: str) -> str:
    """Whose address the application is told, and that nothing else is left of what was said."""
    told: dict[str, str] = {}
    app = BehindProxies(lambda environ, _start: told.update(environ) or [], PROXIES)  # type: ignore[func-returns-value]
    app({"REMOTE_ADDR": connected, "HTTP_X_FORWARDED_FOR": said}, None)  # type: ignore[arg-type]
    return told.pop("REMOTE_ADDR") if len(told) == 1 else str(told)


def test_who_stands_in_front_is_believed_by_name_only() -> None:
    chains = [
        # connected from, X-Forwarded-For, believed
        ("127.0.0.1", HOUSE, HOUSE),
        ("192.0.2.1", HOUSE, "192.0.2.1"),  # no proxy of ours
        ("127.0.0.1", f"1.1.1.1, {HOUSE}", HOUSE),  # the first was made up by who asked
        ("127.0.0.1", f"1.1.1.1, {HOUSE}, 10.1.0.7", HOUSE),  # two proxies of ours
        ("127.0.0.1", f"{HOUSE}, 10.2.0.7, 10.1.0.7", "10.2.0.7"),  # one that is not ours between
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "10.1.0.7", "10.1.0.7"),  # the proxy asks for itself
        ("127.0.0.1", f"{HOUSE}, unknown", "127.0.0.1"),  # what follows is not known any further
        ("127.0.0.1", f"{HOUSE}, unknown, 10.1.0.7", "10.1.0.7"),
        ("127.0.0.1", f'1.1.1.1, "x, {HOUSE}', HOUSE),  # a quote does not swallow a comma
        ("127.0.0.1", f"'; DROP TABLE x, {HOUSE}", HOUSE),
        ("127.0.0.1", "1.2.3.4:5678", "127.0.0.1"),
        ("2001:db8::1", "2001:db8:1::7", "2001:db8:1::7"),
        ("::ffff:127.0.0.1", f"::ffff:{HOUSE}", HOUSE),
        ("127.0.0.1", ",".join(["10.1.0.7"] * 500), "10.1.0.7"),
        ("127.0.0.1", "," * 500, "127.0.0.1"),
    ]
    for connected, said, believed in chains:
        assert seen(connected, said) == believed, said


def test_without_the_setting_nothing_that_is_said_counts(desk: Desk) -> None:
    answer = desk.app.test_client().post(
        "/api/v1/session", json={"user": "nobody", "password": "x"},
        headers={"X-Forwarded-For": HOUSE, "X-Real-IP": HOUSE, "Forwarded": f"for={HOUSE}",
                 "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"},
    )  # fmt: skip
    assert answer.status_code == 401
    assert json.loads(desk.audited("login_failed")[-1].detail)["peer"] == "127.0.0.1"
    assert "Secure" not in str(answer.headers.getlist("Set-Cookie"))


def test_each_house_behind_a_proxy_waits_for_itself(desk: Desk) -> None:
    behind(desk, "127.0.0.1")
    desk.person("ines")
    with desk.directory.ledger.write() as tx:
        for _ in range(31):
            login_limits.count_peer(tx, HOUSE, desk.clock.now_us())
    right = {"user": "ines", "password": PASSWORD}
    client = desk.app.test_client()
    made_up = f"203.0.113.10, {HOUSE}"
    for said, status in ((HOUSE, 403), (made_up, 403), ("203.0.113.10", 200)):
        answer = client.post("/api/v1/session", json=right, headers={"X-Forwarded-For": said})
        assert answer.status_code == status, said


def test_a_login_over_the_proxys_tls_is_over_tls(desk: Desk) -> None:
    behind(desk, "127.0.0.1")
    desk.person("ines")
    right = {"user": "ines", "password": PASSWORD}
    client = desk.app.test_client()
    for connected, said, secure in (
        ("127.0.0.1", "http, https", True), ("127.0.0.1", "https, http", False),
        ("192.0.2.1", "https", False),
    ):  # fmt: skip
        answer = client.post(
            "/api/v1/session", json=right, environ_base={"REMOTE_ADDR": connected},
            headers={"X-Forwarded-Proto": said},
        )  # fmt: skip
        assert answer.status_code == 200
        assert ("Secure" in answer.headers["Set-Cookie"]) is secure, (connected, said)


@pytest.mark.parametrize("wrong", ["everybody", "10.1.0.7/24", "0.0.0.0/0", "::/0", "10.1.0.300"])
def test_a_proxy_that_is_no_address_is_refused(tmp_path: Path, wrong: str) -> None:
    path = tmp_path / FILE_NAME
    path.write_text(f'[web]\nproxies = ["{wrong}"]\n', encoding="utf-8")
    with pytest.raises(Invalid, match=r"web\.proxies"):
        load_settings(path)
    assert WebSettings().proxies == []


def _asked(server: Server, *lines: str) -> None:
    """A login that fails, as raw bytes: no client tidies the headers."""
    parts = urlsplit(server.url)
    body = b'{"user": "nobody", "password": "x"}'
    head = ["POST /api/v1/session HTTP/1.1", "Host: localhost", "Connection: close",
            "Content-Type: application/json", f"Content-Length: {len(body)}", *lines]  # fmt: skip
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20) as line:
        line.sendall("\r\n".join([*head, "", ""]).encode() + body)
        assert b" 401 " in line.recv(64)


def test_the_server_as_a_process_hears_what_the_proxy_says(tmp_path: Path) -> None:
    directory, _ = init_directory(tmp_path / "data")
    directory.close()
    path = directory.root / FILE_NAME
    path.write_text('[web]\nproxies = ["127.0.0.1"]\n', encoding="utf-8")
    with serving(directory.root) as server:
        _asked(server, f"X-Forwarded-For: 1.1.1.1, {HOUSE}")
        _asked(server, "X-Forwarded-For: 1.1.1.1", f"X-Forwarded-For: {HOUSE}")  # two lines: one
        _asked(server, f"X_Forwarded_For: {HOUSE}")  # not the header, though WSGI names it alike
    again = open_directory(directory.root)
    with again.ledger.read() as tx:
        peers = [json.loads(row.detail)["peer"] for row in audit.rows(tx, action="login_failed")]
    again.close()
    assert peers == [HOUSE, HOUSE, "127.0.0.1"]


def test_a_person_sees_where_they_are_logged_in_from(desk: Desk) -> None:
    behind(desk, "127.0.0.1")
    ines = desk.person("ines")
    there = Person(desk.app.test_client())
    there.client.environ_base["HTTP_X_FORWARDED_FOR"] = HOUSE
    there.log_in("ines", PASSWORD)
    assert f"<b>{HOUSE}</b>" in ines.get("/account").text
