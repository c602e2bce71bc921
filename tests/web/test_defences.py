"""What a hostile page, form or name cannot do."""

from __future__ import annotations

import re

import pytest
from flask import request

from storage.cases import open_case
from storage.clock import US
from storage.vocabulary import Role
from tests.web.desk import NOW_US, Desk
from tests.web.footage import START_US, keep, lose, register
from web.problems import PROBLEM_TYPE

EVIL = "\"><script>alert('x')</script>{{7*7}}<img src=x onerror=alert(1)>"


def test_every_answer_carries_the_headers(archive: Desk) -> None:
    ines = archive.person()
    for address in ("/search", "/cameras", "/no/such/page", "/api/v1/cameras", "/healthz",
                    "/static/css/tokens.css", "/media/gate/opening.json?at=0"):  # fmt: skip
        headers = ines.get(address).headers
        policy = headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert "default-src 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
    assert ines.get("/search").headers["Cache-Control"] == "no-store"


def test_pages_hold_no_inline_script_style_or_foreign_address(archive: Desk) -> None:
    ines = archive.person(role=Role.ADMINISTRATOR)
    for address in ("/search?q=van", "/cameras", "/cameras/gate", "/player?camera=gate", "/export",
                    "/account"):  # fmt: skip
        page = ines.get(address).text
        scripts = re.findall(r"<script(?![^>]*(?:src=|application/json))[^>]*>", page)
        assert not scripts, address
        assert not re.search(r"\sstyle=|<style|\son\w+=|javascript:", page), address
        foreign = re.findall(r'(?:src|href|action)="(?:https?:)?//[^"]*', page)
        assert not foreign, address


def test_post_without_the_form_token_is_refused(archive: Desk) -> None:
    ines = archive.person("ines", Role.ADMINISTRATOR)  # whom no right keeps from it
    posts = {
        rule.rule for rule in archive.app.url_map.iter_rules() if "POST" in (rule.methods or set())
    }
    for rule in sorted(posts - {"/api/v1/session"}):
        address = re.sub(r"<int:\w+>", "1", rule)
        refused = ines.client.post(address, data={"name": "ines"})
        assert refused.status_code == 400, address
        assert ines.client.post(address, data={"csrf_token": "forged"}).status_code == 400, address
        assert (refused.content_type == PROBLEM_TYPE) == address.startswith("/api/")
    assert ines.get("/account").status_code == 200  # /logout did nothing


def test_api_takes_the_token_as_a_header_and_login_as_json_only(archive: Desk) -> None:
    archive.person("ines")
    client = archive.app.test_client()
    body = {"user": "ines", "password": "correct horse battery"}
    assert client.post("/api/v1/session", data=body).status_code == 422  # no cross-site form
    opened = client.post("/api/v1/session", json=body)
    assert opened.status_code == 200
    assert opened.json["role"] == "investigator"
    token = client.get("/api/v1/session").json["csrf_token"]
    assert client.delete("/api/v1/session").status_code == 400
    left = client.delete("/api/v1/session", headers={"X-CSRF-Token": token})
    assert left.status_code == 204
    assert client.get("/api/v1/session").status_code == 401


def test_hostile_names_stay_text(desk: Desk, clips: object) -> None:
    ines = desk.person(role=Role.ADMINISTRATOR)
    evil = register(
        desk.directory, "evil " + EVIL, site=EVIL, department=EVIL, address=EVIL, vendor=EVIL
    )
    row = keep(desk.directory, evil, clips / "one.mp4", START_US)  # type: ignore[operator]
    lose(desk.directory, evil, row.end_us, row.end_us + 5 * US)
    with desk.directory.ledger.write() as tx:
        open_case(tx, EVIL[:60], EVIL, EVIL, NOW_US)
    slug = evil.slug
    addresses = [
        "/cameras", f"/cameras/{slug}", f"/player?camera={slug}",
        f"/player/{slug}/strip?at={START_US}", "/export",
        f"/export?camera={slug}&from=2026-11-16&to=2026-11-17&tz=UTC&reason={EVIL}",
    ]  # fmt: skip
    pages = [ines.get(address) for address in addresses]
    fields = ("q", "not", "then", "camera", "site", "from", "to", "tz", "after", "top", "case",
              "reason", "image")  # fmt: skip
    pages += [
        ines.get("/search", query_string={"q": "van", field: EVIL}) for field in fields
    ]  # fmt: skip
    pages += [ines.get("/login"), ines.client.get("/" + EVIL), ines.get(f"/cameras/{EVIL}")]
    for page in pages:
        assert page.status_code < 500, page.text
        assert "<script>alert" not in page.text
        assert "<img src=x" not in page.text
        assert "49" not in re.findall(r"\{\{7\*7\}\}|>49<", page.text)
    document = ines.get(f"/media/{slug}/opening.json?at={START_US}")
    assert document.json["camera"]["name"].startswith("evil")
    assert "<script>" not in ines.get("/account").text.split("</head>")[0].split("words")[0]


def test_signed_address_serves_only_the_session_it_was_shown_to(archive: Desk) -> None:
    ines, omar = archive.person("ines"), archive.person("omar")
    segment = ines.opening()["segments"][0]
    assert ines.get(segment["still"] + f"&at={START_US}").status_code == 200
    stolen = omar.get(segment["still"] + f"&at={START_US}")
    assert stolen.status_code == 403
    assert ines.get(f"/media/segment/{segment['id']}.mp4").status_code == 403
    assert ines.get(f"/media/picture/{segment['id']}/{START_US}.jpg?sig=x").status_code == 403


def test_paths_do_not_lead_out(desk: Desk) -> None:
    ines = desk.person()
    for address in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py",
                    "/media/segment/..%2f..%2fledger.db.mp4",
                    "/search/picture/..%2fx.jpg"):  # fmt: skip
        assert ines.get(address).status_code in (403, 404, 400), address


def test_unexpected_error_says_nothing_of_the_inside(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    def trip() -> None:
        if "trip" in request.args:
            raise RuntimeError("secret detail")

    desk.app.before_request(trip)
    ines = desk.person()
    page = ines.get("/search?trip=1")
    assert page.status_code == 500
    assert "unexpected error" in page.text
    assert "secret" not in page.text
    assert "Traceback" not in page.text
    assert ines.get("/api/v1/cameras?trip=1").json["type"] == "urn:hindsight:problem:error"
    assert "secret detail" in caplog.text


def test_oversized_upload_is_refused_before_it_is_read(desk: Desk) -> None:
    ines = desk.person()
    body = b"--x\r\n" + b"\0" * (desk.directory.settings.web.upload_bytes + 200_000)
    answer = ines.client.post(
        "/search/picture", data=body, content_type="multipart/form-data; boundary=x",
        headers={"X-CSRF-Token": ines.token()},
    )  # fmt: skip
    assert answer.status_code == 413
    assert "too large" in answer.text
