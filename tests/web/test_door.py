"""Logging in, staying in, being kept out."""

from __future__ import annotations

import pytest

from storage.people import find_user, one_time_password, set_user
from storage.vocabulary import Role
from tests.web.desk import PASSWORD, Desk, Person
from web.access import BEFORE_OWN_PASSWORD, KEPT_SEARCHES, OPEN, OWN, VERBS
from web.blueprints.auth import local_path
from web.sessions import COOKIE


def test_nothing_is_reached_without_login(archive: Desk) -> None:
    client = archive.app.test_client()
    for rule in archive.app.url_map.iter_rules():
        if rule.endpoint in OPEN or "GET" not in (rule.methods or set()):
            continue
        address = rule.rule
        for part in ("<path:filename>", "<camera>", "<segment>", "<token>", "<int:at_us>"):
            address = address.replace(part, "1")
        answer = client.get(address)
        if address.startswith(("/media/", "/api/")):
            assert answer.status_code == 401, address
            assert answer.content_type == "application/problem+json"
        else:
            assert answer.status_code == 302, address
            assert answer.location.startswith("/login")


def test_every_address_has_its_right(desk: Desk) -> None:
    endpoints = {rule.endpoint for rule in desk.app.url_map.iter_rules()}
    assert endpoints == OPEN | OWN | KEPT_SEARCHES | set(VERBS)
    assert BEFORE_OWN_PASSWORD <= OWN


def test_one_time_password_opens_one_screen_only(archive: Desk) -> None:
    once = one_time_password()
    with archive.directory.ledger.write() as tx:
        set_user(tx, find_user(tx, "admin"), password=once, must_change=True)
    admin = Person(archive.app.test_client())
    assert admin.log_in("admin", once).location == "/"
    assert admin.get("/search").location == "/account/first"
    assert admin.get("/api/v1/cameras").status_code == 403
    short = admin.post("/account/first", {"new": "short", "again": "short"}, at="/account/first")
    assert short.location == "/account/first"
    differ = admin.post(
        "/account/first", {"new": PASSWORD, "again": PASSWORD + "x"}, at="/account/first"
    )
    assert differ.location == "/account/first"
    done = admin.post("/account/first", {"new": PASSWORD, "again": PASSWORD}, at="/account/first")
    assert done.location == "/"
    assert admin.get("/search").status_code == 200
    assert [row.action for row in archive.audited()][-1] == "password_changed"
    again = Person(archive.app.test_client())
    assert again.log_in("admin", once).status_code == 401


def test_wrong_passwords_are_counted_audited_and_make_wait(desk: Desk) -> None:
    desk.person("ines")
    client = Person(desk.app.test_client())
    for _ in range(5):
        refused = client.log_in("ines", "wrong wrong wrong")
        assert refused.status_code == 401
        assert "name or password is wrong" in refused.text
    locked = client.log_in("ines", PASSWORD)
    assert locked.status_code == 403
    assert "try again in" in locked.text
    assert len(desk.audited("login_failed")) == 5
    desk.clock.forward(3_000_000)
    assert client.log_in("ines", PASSWORD).status_code == 302


def test_unknown_name_reads_like_a_wrong_password(desk: Desk) -> None:
    client = Person(desk.app.test_client())
    desk.person("ines")
    known, unknown = (client.log_in(n, "wrong wrong wrong").text for n in ("ines", "nobody"))
    assert "name or password is wrong" in known
    assert "name or password is wrong" in unknown


def test_session_cookie_is_out_of_reach(desk: Desk) -> None:
    desk.person("ines")
    client = Person(desk.app.test_client())
    answer = client.log_in("ines", PASSWORD)
    cookie = next(c for c in answer.headers.getlist("Set-Cookie") if c.startswith(COOKIE))
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    secure = desk.app.test_client()
    token = Person(secure).token("/login")
    over_tls = secure.post(
        "/login", base_url="https://localhost", headers={"Referer": "https://localhost/login"},
        data={"csrf_token": token, "name": "ines", "password": PASSWORD},
    )  # fmt: skip
    assert over_tls.status_code in (302, 400)  # the form cookie of http is not sent over TLS


def test_login_makes_a_fresh_session(desk: Desk) -> None:
    """No fixation: a token planted before the login is worth nothing after it."""
    desk.person("ines")
    client = desk.app.test_client()
    client.set_cookie(COOKIE, "planted")
    Person(client).log_in("ines", PASSWORD)
    given = client.get_cookie(COOKIE)
    assert given is not None
    assert given.value != "planted"


def test_expired_session_asks_for_login_again(archive: Desk) -> None:
    ines = archive.person()
    sig = ines.opening()["segments"][0]["still"]
    archive.clock.forward(13 * 3600 * 1_000_000)
    assert ines.get("/search?q=van").location == "/login?next=/search?q%3Dvan"
    assert ines.get("/api/v1/status").json["type"] == "urn:hindsight:problem:not-logged-in"
    assert ines.get(sig).status_code == 401


def test_log_out_ends_the_session_on_the_server(desk: Desk) -> None:
    ines = desk.person()
    kept = ines.client.get_cookie(COOKIE)
    assert kept is not None
    assert ines.post("/logout").location == "/login"
    thief = desk.app.test_client()
    thief.set_cookie(COOKIE, kept.value)
    assert thief.get("/search").status_code == 302


def test_disabled_person_is_out_at_once(desk: Desk) -> None:
    ines = desk.person()
    with desk.directory.ledger.write() as tx:
        set_user(tx, find_user(tx, "ines"), enabled=False)
    assert ines.get("/search").status_code == 302


def test_new_password_ends_the_other_sessions(desk: Desk) -> None:
    ines = desk.person()
    elsewhere = Person(desk.app.test_client())
    elsewhere.log_in("ines", PASSWORD)
    wrong = ines.post("/account", {"current": "no", "new": "x" * 12, "again": "x" * 12})
    assert wrong.location == "/account"
    assert "current password is wrong" in ines.get("/account").text
    fields = {"current": PASSWORD, "new": "another horse", "again": "another horse"}
    assert ines.post("/account", fields).location == "/account"
    assert ines.get("/search").status_code == 200
    assert elsewhere.get("/search").status_code == 302


@pytest.mark.parametrize("role", list(Role))
def test_each_role_meets_its_desks_and_no_others(archive: Desk, role: Role) -> None:
    from storage.rights import RIGHTS

    someone = archive.person(f"a-{role.value}", role)
    home = someone.get("/")
    assert someone.get(home.location).status_code == 200
    for address, verb in (
        ("/search", "search"), ("/player", "play"), ("/cameras", "see"), ("/export", "export"),
        (f"/media/gate/opening.json?at={archive.segments[0].start_us}", "play"),
        ("/api/v1/segments", "see"),
    ):  # fmt: skip
        allowed = verb in RIGHTS[role]
        answer = someone.get(address)
        assert answer.status_code == (200 if allowed else 403), (role, address, answer.text)
        assert (f'href="{address}"' in someone.get("/account").text) == (
            allowed and address.count("/") == 1
        )


@pytest.mark.parametrize(
    "target",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "", "x",
     "/ok\r\nSet-Cookie: a=b", "/\t/evil.example", "http:///evil.example"],
)  # fmt: skip
def test_login_leads_nowhere_else(desk: Desk, target: str) -> None:
    desk.person()
    with desk.app.test_request_context():
        assert local_path(target) == "/"
        assert local_path("/search?q=a&from=2026") == "/search?q=a&from=2026"
    client = Person(desk.app.test_client())
    assert client.log_in("ines", PASSWORD, next=target).location == "/"
