"""What a session, a login, an upload and a download give to whoever attacks them: nothing."""

from __future__ import annotations

import gzip
import io
import re
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from storage.people import find_user, set_user
from tests.web.desk import PASSWORD, Desk, Person, before_next_write
from tests.web.footage import START_US, keep, register
from web import sessions


def test_a_session_somebody_planted_is_not_the_one_that_is_logged_in(desk: Desk) -> None:
    desk.person("ines")
    victim, thief = Person(desk.app.test_client()), Person(desk.app.test_client())
    thief.get("/login")
    for name in (sessions.COOKIE, "hindsight_form"):
        planted = thief.client.get_cookie(name)
        victim.client.set_cookie(name, "planted" if planted is None else planted.value)
        thief.client.set_cookie(name, "planted" if planted is None else planted.value)
    form_before = victim.client.get_cookie("hindsight_form")
    answer = victim.log_in("ines", PASSWORD)
    assert answer.status_code == 302
    now = victim.client.get_cookie(sessions.COOKIE)
    form_now = victim.client.get_cookie("hindsight_form")
    assert now is not None
    assert len(now.value) >= 43  # 256 bits
    assert form_now is None or form_now.value != form_before.value  # type: ignore[union-attr]
    assert thief.get("/account").status_code == 302  # to the login
    (cookie,) = [one for one in answer.headers.getlist("Set-Cookie") if sessions.COOKIE in one]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    secure = desk.app.test_client().post(
        "/api/v1/session", json={"user": "ines", "password": PASSWORD}, base_url="https://localhost"
    )
    assert "Secure" in secure.headers["Set-Cookie"]
    victim.post("/logout")
    old = desk.app.test_client()
    old.set_cookie(sessions.COOKIE, now.value)
    assert old.get("/account").status_code == 302


def test_a_changed_password_ends_the_sessions_of_who_knew_the_old_one(desk: Desk) -> None:
    ines = desk.person("ines")
    thief = Person(desk.app.test_client())
    thief.log_in("ines", PASSWORD)
    new = "another horse battery"
    ines.post("/account", {"current": PASSWORD, "new": new, "again": new})
    assert ines.get("/account").status_code == 200
    assert thief.get("/account").status_code == 302


def test_a_login_under_way_does_not_outlive_a_changed_password(desk: Desk) -> None:
    desk.person("ines")
    thief = Person(desk.app.test_client())
    before_next_write(desk.directory, lambda: change(desk, password="another horse battery"))
    assert thief.log_in("ines", PASSWORD).status_code == 401
    assert thief.get("/account").status_code == 302
    assert [row.action for row in desk.audited()][-1] == "login_failed"


def test_a_login_under_way_does_not_wait_for_the_account_to_be_opened_again(desk: Desk) -> None:
    desk.person("ines")
    thief = Person(desk.app.test_client())
    before_next_write(desk.directory, lambda: change(desk, enabled=False))
    assert thief.log_in("ines", PASSWORD).status_code == 401
    change(desk, enabled=True)
    assert thief.get("/account").status_code == 302


@pytest.mark.parametrize("at", ["/account", "/account/first"])
def test_of_two_who_know_the_password_the_first_to_change_it_keeps_it(desk: Desk, at: str) -> None:
    desk.person("ines")
    change(desk, must_change=at.endswith("first"))
    owner, thief = (Person(desk.app.test_client()) for _ in range(2))
    for one in (owner, thief):
        one.log_in("ines", PASSWORD)
    token = thief.token(at)
    mine, theirs = (
        {"current": PASSWORD, "new": new, "again": new} for new in ("a " * 10, "b " * 10)
    )
    # With `current`, the first write counts the password given, and the second sets the new one.
    before_next_write(
        desk.directory, lambda: owner.post(at, mine, at=at), after=int(at == "/account")
    )
    thief.client.post(at, data={"csrf_token": token, **theirs})
    assert thief.get("/account").location.startswith("/login")
    assert owner.get("/account").status_code == 200
    for password, answer in ((mine["new"], 302), (theirs["new"], 401)):
        assert Person(desk.app.test_client()).log_in("ines", password).status_code == answer
    assert len(desk.audited("password_changed")) == 1


def test_a_session_that_was_ended_makes_no_token_any_more(desk: Desk) -> None:
    desk.person("ines")
    thief = Person(desk.app.test_client())
    thief.log_in("ines", PASSWORD)
    fields = {
        "csrf_token": thief.token("/account/tokens"), "current": PASSWORD, "name": "mine",
        "verb": "see", "days": "3",
    }  # fmt: skip
    before_next_write(
        desk.directory,
        lambda: change(desk, password="another horse battery"),
        after=1,  # the first counts the password given
    )
    thief.client.post("/account/tokens", data=fields)
    assert desk.audited("token.add") == []


def change(desk: Desk, **changes: Any) -> None:
    with desk.directory.ledger.write() as tx:
        set_user(tx, find_user(tx, "ines"), **changes)


def test_nobody_learns_at_the_door_who_is_known(desk: Desk) -> None:
    desk.person("ines")
    told: dict[str, list[tuple[int, str]]] = {}
    took: dict[str, list[float]] = {}
    for name in ("ines", "nobody"):
        client = Person(desk.app.test_client())
        token = client.token("/login")
        for _ in range(7):  # over the border where waiting begins
            began = time.perf_counter()
            answer = client.client.post(
                "/login", data={"csrf_token": token, "name": name, "password": "wrong horse"}
            )
            took.setdefault(name, []).append(time.perf_counter() - began)
            page = re.sub(r'content="[^"]+"|value="[^"]*"', "", answer.text)
            told.setdefault(name, []).append((answer.status_code, page.replace(name, "?")))
    assert told["ines"] == told["nobody"]
    # The hash is what takes long; whoever skips it for unknown names is ten times as fast.
    assert min(took["nobody"][:4]) > 0.4 * min(took["ines"][:4])


def test_names_of_downloads_are_names(desk: Desk, clips: Path) -> None:
    ines = desk.person()
    camera = register(desk.directory, 'x"; filename="evil.exe‮gpj/..\\a;%0d%0aX-Evil: 1')
    keep(desk.directory, camera, clips / "one.mp4", START_US)
    answers = [ines.get(f"/media/{camera.slug}/snapshot", query_string={"at": START_US})]
    answers.append(ines.client.post(
        "/api/v1/export", headers={"X-CSRF-Token": ines.token()},
        json={"camera": [camera.slug], "from": "2026-11-16T13:00:00Z",
              "to": "2026-11-16T13:00:02Z"},
    ))  # fmt: skip
    for answer in answers:
        assert answer.status_code == 200, answer.text
        named = answer.headers["Content-Disposition"]
        assert re.fullmatch(r"attachment; filename=[\w.-]+", named), named
        assert "X-Evil" not in answer.headers


def test_what_is_sent_back_of_a_picture_is_a_picture_made_anew(desk: Desk) -> None:
    ines = desk.person()
    said = PngImagePlugin.PngInfo()
    said.add_text("Comment", "<script>alert(1)</script>")
    target = io.BytesIO()
    Image.new("RGB", (40, 40), (9, 9, 9)).save(target, "PNG", pnginfo=said)
    polyglot = target.getvalue() + b"<html><script>alert(1)</script>"
    for data in (b"<html><script>alert(1)</script>", b"GIF89a/*<script>*/=1", b"%PDF-1.4", b"\0",
                 b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'):  # fmt: skip
        refused = ines.post("/search/picture", {"picture": (io.BytesIO(data), "x.png")})
        assert refused.status_code == 422
    kept = ines.post("/search/picture", {"picture": (io.BytesIO(polyglot), "../../x.html")})
    shown = ines.get(
        kept.headers["Location"].replace("/search?image=", "/search/picture/") + ".jpg"
    )
    assert shown.content_type == "image/jpeg"
    assert shown.data.startswith(b"\xff\xd8")
    assert b"script" not in shown.data


def test_what_is_packed_small_is_not_unpacked_large(desk: Desk) -> None:
    ines = desk.person()
    headers = {"X-CSRF-Token": ines.token()}
    packed = gzip.compress(b'{"text": "' + b"a" * 50_000_000 + b'"}')
    answer = ines.client.post(
        "/api/v1/search", data=packed, content_type="application/json",
        headers=headers | {"Content-Encoding": "gzip"},
    )  # fmt: skip
    assert answer.status_code == 422
    said = PngImagePlugin.PngInfo()
    said.add_text("Comment", "a" * 80_000_000, zip=True)  # 80 kB of file
    target = io.BytesIO()
    Image.new("RGB", (8, 8)).save(target, "PNG", pnginfo=said)
    refused = ines.post("/search/picture", {"picture": (io.BytesIO(target.getvalue()), "x.png")})
    assert refused.status_code == 422
