"""The second factor at the door: enrolled on the account page, asked at each login, demanded."""

from __future__ import annotations

import re

import pyotp
import pytest

from storage.clock import US
from storage.settings_web import WebSettings
from storage.vocabulary import Role
from tests.web.desk import PASSWORD, Desk, Person
from web.headers import CONTENT_SECURITY
from web.sessions import COOKIE


def enrol(desk: Desk, person: Person) -> tuple[pyotp.TOTP, list[str]]:
    """Through the pages: (the app, the recovery codes)."""
    at = "/account/factor"
    assert person.post(f"{at}/begin", {"current": PASSWORD}, at=at).location == at
    page = person.get(at).text
    found = re.search(r"<code>([A-Z2-7 ]{32,})</code>", page)
    assert found, page
    app = pyotp.TOTP(found[1].replace(" ", ""))
    done = person.post(f"{at}/confirm", {"code": code_of(desk, app)}, at=at)
    assert done.status_code == 200, done.text
    codes = re.findall(r"<li><code>([a-z0-9-]{19})</code></li>", done.text)
    assert len(codes) == 10
    return app, codes


def code_of(desk: Desk, app: pyotp.TOTP) -> str:
    return app.at(desk.clock.now_us() // US)


def next_code(desk: Desk, app: pyotp.TOTP) -> str:
    desk.clock.forward(30 * US)
    return code_of(desk, app)


def cookie(person: Person) -> str:
    found = person.client.get_cookie(COOKIE)
    assert found is not None
    return found.value


def demand(desk: Desk, *roles: Role) -> None:
    settings = desk.directory.settings
    web = WebSettings.model_validate(settings.web.model_dump() | {"second_factor": [*roles]})
    desk.directory.settings = settings.model_copy(update={"web": web})


def test_a_password_alone_opens_nothing_where_a_factor_guards(desk: Desk) -> None:
    app, _ = enrol(desk, desk.person())
    thief = Person(desk.app.test_client())
    half = thief.log_in("ines", PASSWORD, next="/search?q=van")
    assert half.location == "/login/code?next=/search?q%3Dvan"
    for address in ("/search", "/account", "/account/factor", "/account/tokens"):
        assert thief.get(address).location.startswith("/login"), address
    assert thief.get("/api/v1/cameras").status_code == 401
    pending = cookie(thief)
    fields = {"code": next_code(desk, app), "next": "/search?q=van"}
    assert thief.post("/login/code", fields, at="/login/code").location == "/search?q=van"
    assert thief.get("/search").status_code == 200
    assert cookie(thief) != pending  # a fresh token: one planted before is worth nothing
    stale = desk.app.test_client()
    stale.set_cookie(COOKIE, pending)
    assert stale.get("/login/code").status_code == 302
    assert len(desk.audited("login")) == 1
    assert '"second_factor":"code"' in desk.audited("login")[-1].detail


def test_wrong_codes_are_audited_and_lock_the_account(desk: Desk) -> None:
    app, codes = enrol(desk, desk.person())
    thief = Person(desk.app.test_client())
    thief.log_in("ines", PASSWORD)
    for _ in range(5):
        answer = thief.post("/login/code", {"code": "000000"}, at="/login/code")
        assert answer.status_code == 401
        assert "this code is wrong" in answer.text
    locked = thief.post("/login/code", {"code": code_of(desk, app)}, at="/login/code")
    assert locked.status_code == 403
    assert "try again in" in locked.text
    assert len(desk.audited("login_failed")) == 5
    desk.clock.forward(30 * US)
    opened = thief.post("/login/code", {"code": codes[0]}, at="/login/code")
    assert opened.location == "/"
    assert thief.post("/logout").location == "/login"
    thief.log_in("ines", PASSWORD)
    assert thief.post("/login/code", {"code": codes[0]}, at="/login/code").status_code == 401


def test_the_code_has_to_come_soon(desk: Desk) -> None:
    app, _ = enrol(desk, desk.person())
    slow = Person(desk.app.test_client())
    slow.log_in("ines", PASSWORD)
    form = slow.token("/login/code")
    desk.clock.forward(601 * US)
    fields = {"csrf_token": form, "code": code_of(desk, app)}
    assert slow.client.post("/login/code", data=fields).location.startswith("/login")
    assert slow.get("/search").status_code == 302


def test_a_role_that_needs_a_factor_enrols_before_anything_else(archive: Desk) -> None:
    archive.person("free", Role.INVESTIGATOR)
    demand(archive, Role.ADMINISTRATOR)
    admin = archive.person("root", Role.ADMINISTRATOR)
    for address in ("/search", "/account", "/account/tokens", "/cameras"):
        assert admin.get(address).location == "/account/factor", address
    refused = admin.get("/api/v1/cameras")
    assert refused.status_code == 403
    assert "second factor" in refused.json["detail"]
    assert 'href="/search"' not in admin.get("/account/factor").text
    before = cookie(admin)
    enrol(archive, admin)
    assert cookie(admin) != before
    assert admin.get("/search").status_code == 200
    free = Person(archive.app.test_client())
    free.log_in("free", PASSWORD)
    assert free.get("/search").status_code == 200


def test_enrolling_takes_the_password_and_ends_other_sessions(desk: Desk) -> None:
    ines = desk.person()
    elsewhere = Person(desk.app.test_client())
    elsewhere.log_in("ines", PASSWORD)
    at = "/account/factor"
    ines.post(f"{at}/begin", {"current": "wrong wrong wrong"}, at=at)
    page = ines.get(at).text
    assert "current password is wrong" in page
    assert 'class="qr"' not in page
    enrol(desk, ines)
    assert elsewhere.get("/search").status_code == 302
    assert [row.action for row in desk.audited()][-1] == "second_factor.add"


def test_taking_it_off_needs_password_and_code(desk: Desk) -> None:
    ines = desk.person()
    app, _ = enrol(desk, ines)
    at = "/account/factor"
    ines.post(f"{at}/remove", {"current": PASSWORD, "code": "000000"}, at=at)
    ines.post(f"{at}/remove", {"current": "no", "code": next_code(desk, app)}, at=at)
    assert Person(desk.app.test_client()).log_in("ines", PASSWORD).location == "/login/code"
    before = cookie(ines)
    ines.post(f"{at}/remove", {"current": PASSWORD, "code": next_code(desk, app)}, at=at)
    assert cookie(ines) != before
    assert Person(desk.app.test_client()).log_in("ines", PASSWORD).location == "/"
    assert [row.action for row in desk.audited("second_factor.remove")] == ["second_factor.remove"]


def test_what_a_session_guesses_is_audited(desk: Desk) -> None:
    ines = desk.person()
    enrol(desk, ines)
    for address, given in (
        ("/account/factor/remove", {"current": PASSWORD, "code": "000000"}),
        ("/account/factor/remove", {"current": "wrong wrong wrong", "code": "000000"}),
        ("/account", {"current": "wrong wrong wrong", "new": "x" * 12, "again": "x" * 12}),
    ):
        ines.post(address, given)
    ines.post("/account/tokens", {"current": "wrong wrong wrong", "name": "x", "verb": "see"})
    rows = desk.audited("login_failed")
    assert [(row.actor, row.subject) for row in rows] == [("ines", "ines")] * 4
    assert all('"within":"a session"' in row.detail for row in rows)


def test_a_secret_that_waits_is_shown_to_the_session_that_began_it_alone(desk: Desk) -> None:
    """A stolen session has no password: it must not read what makes every later code."""
    ines, thief = desk.person(), Person(desk.app.test_client())
    thief.log_in("ines", PASSWORD)
    at = "/account/factor"
    ines.post(f"{at}/begin", {"current": PASSWORD}, at=at)
    found = re.search(r"<code>([A-Z2-7 ]{32,})</code>", ines.get(at).text)
    assert found
    page = thief.get(at).text
    assert found[1] not in page
    assert 'class="qr"' not in page
    app = pyotp.TOTP(found[1].replace(" ", ""))
    thief.post(f"{at}/confirm", {"code": code_of(desk, app)}, at=at)
    assert desk.audited("second_factor.add") == []
    assert ines.post(f"{at}/confirm", {"code": code_of(desk, app)}, at=at).status_code == 200


def test_the_qr_code_is_drawn_without_what_the_page_forbids(desk: Desk) -> None:
    ines = desk.person()
    at = "/account/factor"
    ines.post(f"{at}/begin", {"current": PASSWORD}, at=at)
    answer = ines.get(at)
    drawn = answer.text[answer.text.index('<div class="qr">') + 16 :]
    drawn = drawn[: drawn.index("</div>")]
    assert drawn.startswith("<svg")
    assert "style=" not in drawn
    assert "href" not in drawn
    assert answer.headers["Content-Security-Policy"] == CONTENT_SECURITY
    assert answer.headers["Cache-Control"] == "no-store"


def test_programs_send_the_code_with_the_password(desk: Desk) -> None:
    app, _ = enrol(desk, desk.person())
    client = desk.app.test_client()
    login = {"user": "ines", "password": PASSWORD}
    without = client.post("/api/v1/session", json=login)
    assert without.status_code == 401
    assert "send its code" in without.json["detail"]
    assert client.get_cookie(COOKIE) is None
    code = next_code(desk, app)
    assert client.post("/api/v1/session", json=login | {"code": code}).status_code == 200
    assert client.get("/api/v1/session").json["user"] == "ines"
    again = desk.app.test_client().post("/api/v1/session", json=login | {"code": code})
    assert again.status_code == 401


def test_sessions_are_listed_and_ended(desk: Desk) -> None:
    ines = desk.person()
    others = [Person(desk.app.test_client()) for _ in range(3)]
    for other in others:
        other.log_in("ines", PASSWORD)
    keys = re.findall(r'name="session" value="([0-9a-f]{64})"', ines.get("/account").text)
    assert len(keys) == 3
    omar = desk.person("omar")
    assert omar.post("/account/sessions/end", {"session": keys[0]}).location == "/account"
    assert sum(other.get("/search").status_code == 200 for other in others) == 3
    ines.post("/account/sessions/end", {"session": keys[0]})
    assert sum(other.get("/search").status_code == 200 for other in others) == 2
    ines.post("/account/sessions/end-others")
    assert sum(other.get("/search").status_code == 200 for other in others) == 0
    assert ines.get("/search").status_code == 200
    assert omar.get("/search").status_code == 200
    assert len(desk.audited("session.end")) == 2


def test_an_idle_login_ends_and_one_in_use_lasts_until_its_hours_are_over(desk: Desk) -> None:
    ines, idle = desk.person(), Person(desk.app.test_client())
    idle.log_in("ines", PASSWORD)
    for _ in range(14):
        assert ines.get("/search").status_code == 200
        desk.clock.forward(50 * 60 * US)
    assert idle.get("/search").status_code == 302
    assert ines.get("/search").status_code == 200  # 11 h 40 min
    desk.clock.forward(21 * 60 * US)
    assert ines.get("/search").status_code == 302


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_pages_speak_both_languages(desk: Desk, lang: str) -> None:
    ines = desk.person(lang=lang)
    for address in ("/account", "/account/factor", "/account/tokens"):
        assert ("第二因素" in ines.get(address).text or "令牌" in ines.get(address).text) == (
            lang == "zh"
        )
