"""API tokens at the door: on /api/v1 only, within their verbs, told apart in the audit chain."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from werkzeug.test import TestResponse

from storage.clock import US, rfc3339
from storage.people import find_user, set_user
from storage.vocabulary import Role
from tests.web.desk import PASSWORD, Desk, Person
from web.sessions import COOKIE


def make(person: Person, *verbs: str, days: str = "30", current: str = PASSWORD) -> str:
    """Through the page; '' when it was refused."""
    fields = {"name": "report", "verb": [*verbs], "days": days, "current": current}
    page = person.post("/account/tokens", fields, at="/account/tokens").text
    found = re.search(r'<code id="token">(hst_[\w-]+)</code>', page)
    return found[1] if found else ""


def ask(desk: Desk, token: str, address: str = "/api/v1/cameras", **kwargs: Any) -> TestResponse:
    return desk.app.test_client().get(
        address, headers={"Authorization": f"Bearer {token}"}, **kwargs
    )


def test_a_token_opens_the_api_and_media_and_nothing_else(archive: Desk) -> None:
    token = make(archive.person(), "see", "search", "play", "export")
    assert ask(archive, token).json[0]["name"] == "gate"
    headers = {"Authorization": f"bearer {token}"}
    known = archive.app.test_client().get("/api/v1/session", headers=headers)
    assert known.json["user"] == "ines"
    for address in ("/search", "/account", "/export", "/player?camera=gate", "/people", "/audit"):
        answer = ask(archive, token, address)
        assert answer.status_code in (302, 401), address
    for address in ("/API/v1/cameras", "/api/v1//cameras"):
        assert ask(archive, token, address).status_code != 200


def test_a_token_plays_by_addresses_that_are_its_own(archive: Desk) -> None:
    """The look is a row that names the token; the addresses work for it, and for nobody else."""
    ines = archive.person()
    token, other, see = make(ines, "play"), make(ines, "play"), make(ines, "see")
    start = archive.segments[0].start_us
    opening = f"/media/gate/opening.json?at={start}"
    assert ask(archive, see, opening).status_code == 403
    assert archive.audited("play") == []
    found = ask(archive, token, opening)
    assert found.status_code == 200, found.text
    assert "Authorization" in found.vary
    (row,) = archive.audited("play")
    assert (row.actor, json.loads(row.detail)["api_token"]) == ("ines", "1 report")
    playlist = ask(archive, token, found.json["playlist"])
    assert playlist.status_code == 200
    assert len(archive.audited("play")) == 1  # the opening was the look
    media = next(line for line in playlist.text.splitlines() if line.startswith("/media/segment/"))
    still = f"{found.json['segments'][0]['still']}&at={start}"
    for address in (media, still):
        assert ask(archive, token, address).status_code == 200, address
        assert ask(archive, other, address).status_code == 403, address
        assert ines.get(address).status_code == 403, address
        assert archive.app.test_client().get(address).status_code == 401, address
    part = archive.app.test_client().get(
        media, headers={"Authorization": f"Bearer {token}", "Range": "bytes=0-99"}
    )
    assert (part.status_code, len(part.data)) == (206, 100)
    ines.post("/account/tokens/revoke", {"token": "1"})
    assert ask(archive, token, media).status_code == 401


@pytest.mark.parametrize("token", ["", "hst_", "hst_" + "x" * 43, "\u00ff", "x" * 5000, "a b"])
def test_a_wrong_token_is_nobody_even_beside_a_good_cookie(archive: Desk, token: str) -> None:
    ines = archive.person()
    answer = ines.get("/api/v1/cameras", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401


def test_a_token_keeps_to_its_verbs(archive: Desk) -> None:
    token = make(archive.person(), "see")
    assert ask(archive, token).status_code == 200
    client = archive.app.test_client()
    headers = {"Authorization": f"Bearer {token}"}
    for address, body in (
        ("/api/v1/search", {"text": "a van"}),
        ("/api/v1/export", {"camera": ["gate"], "from": "2026-11-18T00:00:00Z",
                            "to": "2026-11-18T00:01:00Z"}),
    ):  # fmt: skip
        assert client.post(address, json=body, headers=headers).status_code == 403, address
    assert ask(archive, token, "/api/v1/searches").status_code == 403
    assert client.delete("/api/v1/session", headers=headers).status_code == 403


def test_a_token_cannot_read_what_audits_when_its_owner_may(archive: Desk) -> None:
    """Kept searches are open to who audits: with this token, the administrator does not."""
    archive.person("root", Role.ADMINISTRATOR)
    root = Person(archive.app.test_client())
    root.log_in("root", PASSWORD)
    narrow, wide = make(root, "see"), make(root, "audit")
    assert ask(archive, narrow, "/api/v1/searches").status_code == 403
    assert ask(archive, wide, "/api/v1/searches").status_code == 200


def test_without_a_cookie_no_form_token_with_one_it_is_asked(archive: Desk) -> None:
    ines = archive.person()
    token = make(ines, "search")
    headers = {"Authorization": f"Bearer {token}"}
    body = {"text": "a van"}
    bare = archive.app.test_client().post("/api/v1/searches", json=body, headers=headers)
    assert bare.status_code in (200, 201, 202), bare.text
    both = ines.client.post("/api/v1/searches", json=body, headers=headers)
    assert both.status_code == 400
    given = ines.client.post(
        "/api/v1/searches", json=body, headers=headers | {"X-CSRF-Token": ines.token()}
    )
    assert given.status_code == bare.status_code


def test_what_a_token_did_names_it_in_the_audit_chain(archive: Desk) -> None:
    token = make(archive.person(), "export")
    span = {
        "from": rfc3339(archive.segments[0].start_us),
        "to": rfc3339(archive.segments[1].end_us),
    }
    bundle = archive.app.test_client().post(
        "/api/v1/export", json={"camera": ["gate"], **span},
        headers={"Authorization": f"Bearer {token}"},
    )  # fmt: skip
    assert bundle.status_code == 200, bundle.text
    made = archive.audited("token.add")
    assert [json.loads(row.detail)["token"] for row in made] == ["1 report"]
    looks = [row for row in archive.audited() if "api_token" in json.loads(row.detail)]
    assert looks
    assert {(row.actor, json.loads(row.detail)["api_token"]) for row in looks} == {
        ("ines", "1 report")
    }
    assert token not in "".join(row.detail for row in archive.audited())


def test_a_token_ends_by_revocation_by_date_and_with_its_owner(archive: Desk) -> None:
    ines = archive.person()
    one, two, short = make(ines, "see"), make(ines, "see"), make(ines, "see", days="1")
    omar = archive.person("omar")
    omar.post("/account/tokens/revoke", {"token": "1"})
    assert ask(archive, one).status_code == 200  # not his
    ines.post("/account/tokens/revoke", {"token": "1"})
    assert ask(archive, one).status_code == 401
    assert len(archive.audited("token.revoke")) == 1
    assert ask(archive, short).status_code == 200
    archive.clock.forward(86_400 * US)
    assert ask(archive, short).status_code == 401
    assert ask(archive, two).status_code == 200
    with archive.directory.ledger.write() as tx:
        set_user(tx, find_user(tx, "ines"), enabled=False)
    assert ask(archive, two).status_code == 401


def test_a_token_is_made_with_the_password_and_shown_once(desk: Desk) -> None:
    ines = desk.person()
    assert make(ines, "see", current="wrong wrong wrong") == ""
    assert make(ines, days="30") == ""  # no verb
    assert make(ines, "audit") == ""  # beyond the role
    assert make(ines, "see", days="366") == ""
    token = make(ines, "see")
    assert token
    assert token not in ines.get("/account/tokens").text
    assert desk.app.test_client().get_cookie(COOKIE) is None
