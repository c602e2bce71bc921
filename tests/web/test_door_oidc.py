"""Logging in at a provider, over real HTTP to it: the ways in, and what the settings decide."""

from __future__ import annotations

import base64
import hashlib
import json
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from flask import jsonify
from joserfc import jwt
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry

from storage.access import access_of
from storage.api_tokens import add_token
from storage.clock import US
from storage.departments import add_department, department_of
from storage.oidc import link, links
from storage.people import add_user, find_user, set_user
from storage.rights import Verb
from storage.vocabulary import Role
from tests.servers.oidc_provider import CLIENT, SECRET, OidcProvider, Person
from tests.web.desk import NOW_US, PASSWORD, Desk
from tests.web.provider_desk import (
    HOME,
    SUBJECT,
    at_provider,
    came_in,
    is_in,
    linked,
    sent_back,
    sent_to,
    stranger,
    told,
)
from tests.web.test_door_factor import demand, enrol, next_code
from web import sessions
from web.oidc import BadToken
from web.oidc_provider import Provider


def test_nothing_of_it_is_there_by_default(desk: Desk) -> None:
    browser = stranger(desk)
    assert browser.get("/login/oidc").status_code == 404
    assert browser.get("/login/oidc/return?code=a&state=b").status_code == 404
    assert "/login/oidc" not in browser.get("/login").text
    assert desk.audited("login_failed") == []


def test_who_is_linked_comes_in_and_their_session_is_like_every_other(
    desk: Desk, provider: OidcProvider
) -> None:
    at_provider(desk, provider)
    linked(desk)
    browser = stranger(desk)
    assert "Log in at City login" in browser.get("/login?next=/search?q=van").text
    browser.client.set_cookie(sessions.COOKIE, "planted")
    there = sent_to(browser, "/login/oidc?next=/search?q%3Dvan")
    query = {name: values[0] for name, values in parse_qs(urlsplit(there).query).items()}
    assert query["code_challenge_method"] == "S256"
    assert query["response_type"] == "code"
    assert query["redirect_uri"] == f"{HOME}/login/oidc/return"
    assert len(query["state"]) >= 43
    assert len(query["nonce"]) >= 43
    assert "verifier" not in there
    arrived = browser.get(sent_back(there))
    assert arrived.status_code == 200  # not 302: cookies of ours would not be sent along
    assert 'content="0;url=/search?q=van"' in arrived.text
    cookies = arrived.headers.getlist("Set-Cookie")
    (cookie,) = [one for one in cookies if one.startswith(sessions.COOKIE)]
    assert {"HttpOnly", "SameSite=Strict"} <= {part.strip() for part in cookie.split(";")}
    assert "planted" not in cookie
    assert browser.get("/search").status_code == 200
    assert stranger(desk).log_in("ines", PASSWORD).status_code == 401  # it was to begin with
    assert told(desk, "login") == {
        "peer": "127.0.0.1", "how": "oidc", "issuer": provider.url, "subject": SUBJECT
    }  # fmt: skip
    desk.clock.forward(61 * 60 * US)
    assert not is_in(browser)  # idle too long


def test_no_password_and_no_code_lies_in_the_ledger(desk: Desk, provider: OidcProvider) -> None:
    at_provider(desk, provider)
    linked(desk)
    given: list[str] = []
    provider.spoil = lambda claims, _: given.append(provider.sign(claims)) or given[0]
    came_in(stranger(desk))
    raw = b"".join(
        path.read_bytes()
        for path in desk.directory.root.rglob("*")
        if path.is_file() and path.parent.name != "keys" and path.name != "ballast"
    )
    assert SECRET.encode() not in raw
    for part in given[0].split("."):
        assert part.encode() not in raw


def test_logging_out_ends_both_sessions(desk: Desk, provider: OidcProvider) -> None:
    at_provider(desk, provider)
    linked(desk)
    browser = stranger(desk)
    came_in(browser)
    kept = browser.client.get_cookie(sessions.COOKIE)
    assert kept is not None
    page = browser.post("/logout")
    assert page.status_code == 200
    target = page.text.split('content="0;url=')[1].split('"')[0].replace("&amp;", "&")
    assert target.startswith(f"{provider.url}/logout?")
    back = requests.get(target, allow_redirects=False, timeout=10)
    assert back.headers["Location"] == f"{HOME}/login"
    (left,) = provider.left
    assert left["client_id"] == CLIENT
    assert left["id_token_hint"].count(".") == 2
    thief = stranger(desk)
    thief.client.set_cookie(sessions.COOKIE, kept.value)
    assert not is_in(thief)
    # A provider that offers none: ours ends, and that is all.
    provider.document = {"end_session_endpoint": None}
    desk.app.extensions.pop("hindsight.oidc")
    came_in(browser)
    assert browser.post("/logout").location == "/login"


def test_who_is_not_linked_stays_out_and_is_told_what_to_ask_for(
    desk: Desk, provider: OidcProvider
) -> None:
    at_provider(desk, provider)
    desk.person("ines")
    provider.person = Person(
        "other", {"preferred_username": "ines", "email": "ines@example.org", "name": "ines"}
    )
    browser = stranger(desk)
    answer = came_in(browser)
    assert answer.status_code == 403
    assert "knows you as other" in answer.text
    assert not is_in(browser)
    assert told(desk, "login_failed")["why"] == "not linked"
    assert told(desk, "login_failed")["subject"] == "other"


def test_who_is_disabled_stays_out(desk: Desk, provider: OidcProvider) -> None:
    at_provider(desk, provider)
    linked(desk)
    with desk.directory.ledger.write() as tx:
        set_user(tx, find_user(tx, "ines"), enabled=False, at_us=NOW_US)
    browser = stranger(desk)
    assert came_in(browser).status_code == 403
    assert not is_in(browser)
    assert desk.audited("login_failed")[-1].subject == "ines"
    assert told(desk, "login_failed")["why"] == "disabled"


# What the settings decide


def test_role_and_department_are_the_providers_at_each_login(
    desk: Desk, provider: OidcProvider
) -> None:
    at_provider(
        desk, provider, role_claim="realm_access.roles", department_claim="dept",
        roles={"video-audit": "auditor", "video": "investigator"}, departments={"D1": "traffic"},
    )  # fmt: skip
    linked(desk)
    with desk.directory.ledger.write() as tx:
        add_department(tx, "traffic", NOW_US)
    provider.person = Person(
        SUBJECT, {"realm_access": {"roles": ["video", "video-audit"]}, "dept": "D1"}
    )
    elsewhere = stranger(desk)
    browser = stranger(desk)
    came_in(elsewhere)
    assert state(desk) == (Role.AUDITOR, "traffic")
    row = desk.audited("user.set")[-1]
    assert row.actor == f"login provider {provider.url}"
    assert json.loads(row.detail) == {
        "role": "auditor", "role_before": "investigator", "department": "traffic",
        "department_before": None, "one_time_password": "withdrawn",
    }  # fmt: skip
    provider.person = Person(SUBJECT, {"realm_access": {"roles": ["video"]}})
    came_in(browser)
    assert state(desk) == (Role.INVESTIGATOR, None)
    assert is_in(browser)
    assert not is_in(elsewhere)  # what came in as an auditor has ended


def test_who_lost_their_role_there_is_out_with_all_they_had(
    desk: Desk, provider: OidcProvider
) -> None:
    at_provider(desk, provider, role_claim="groups", roles={"video": "investigator"})
    linked(desk)
    provider.person = Person(SUBJECT, {"groups": ["video"]})
    before = stranger(desk)
    came_in(before)
    with desk.directory.ledger.write() as tx:
        user = find_user(tx, "ines")
        _, token = add_token(
            tx, user, "nightly", [Verb.SEE], days=9, created_by="ines", now_us=NOW_US
        )
    program = desk.app.test_client()
    bearer = {"Authorization": f"Bearer {token}"}
    assert program.get("/api/v1/cameras", headers=bearer).status_code == 200
    provider.person = Person(SUBJECT, {"groups": ["gardening", "VIDEO", 7, None]})
    again = stranger(desk)
    assert came_in(again).status_code == 403
    assert told(desk, "login_failed")["why"] == "no role"
    assert not is_in(again)
    assert not is_in(before)
    assert program.get("/api/v1/cameras", headers=bearer).status_code == 401


def test_the_last_administrator_is_not_made_less_by_the_provider(
    desk: Desk, provider: OidcProvider
) -> None:
    at_provider(desk, provider, role_claim="groups", roles={"video": "investigator"})
    with desk.directory.ledger.write() as tx:
        link(tx, find_user(tx, "admin"), provider.url, SUBJECT, by="the test", now_us=NOW_US)
    provider.person = Person(SUBJECT, {"groups": "video"})
    refused = came_in(stranger(desk))
    assert refused.status_code == 403
    assert "last administrator" in refused.text


def test_who_is_new_is_made_where_the_settings_say_so(desk: Desk, provider: OidcProvider) -> None:
    at_provider(
        desk, provider, create_people=True, role_claim="groups", roles={"video": "operator"}
    )
    provider.person = Person("new", {"preferred_username": "li.wei", "groups": ["video"]})
    browser = stranger(desk)
    assert came_in(browser).status_code == 200
    assert is_in(browser)
    assert desk.audited("user.add")[-1].subject == "li.wei"
    with desk.directory.ledger.read() as tx:
        (one,) = links(tx)
        assert (one.user, one.subject, one.used_us) == ("li.wei", "new", NOW_US)
        assert access_of(tx, "li.wei", NOW_US).grants == ()  # as everybody: nothing is granted
    # They have no password, and nothing is one.
    for password in ("", "-", "None", PASSWORD):
        assert stranger(desk).log_in("li.wei", password).status_code == 401
    # The name belongs to who has it; who comes next is not them.
    provider.person = Person("newer", {"preferred_username": "li.wei", "groups": ["video"]})
    assert came_in(stranger(desk)).status_code == 403
    for name in ("", "li wei", "аdmin"):  # the last begins with a Cyrillic letter
        provider.person = Person("x", {"preferred_username": name, "groups": ["video"]})
        assert came_in(stranger(desk)).status_code == 403
    provider.person = Person("y", {"preferred_username": "y", "groups": []})
    assert came_in(stranger(desk)).status_code == 403


def test_our_factor_is_asked_unless_theirs_counts(desk: Desk, provider: OidcProvider) -> None:
    at_provider(desk, provider, second_factor_amr=["mfa"], second_factor_acr=["gold"])
    linked(desk)
    demand(desk, Role.INVESTIGATOR)
    provider.person = Person(SUBJECT, {"amr": ["pwd", "mfa"]})
    browser = stranger(desk)
    came_in(browser)
    assert browser.get("/search").status_code == 200  # demanded of the role, and given there
    assert told(desk, "login")["second_factor"] == "of the provider: amr=mfa"
    provider.person = Person(SUBJECT, {"acr": "gold", "amr": []})
    came_in(stranger(desk))
    assert told(desk, "login")["second_factor"] == "of the provider: acr=gold"
    for weak in ({"amr": ["pwd"]}, {"acr": "silver"}, {}, {"amr": ["MFA"]}):
        provider.person = Person(SUBJECT, weak)
        lacking = stranger(desk)
        came_in(lacking)
        assert lacking.get("/search").location == "/account/factor"


def test_who_has_our_factor_gives_its_code_after_the_provider(
    desk: Desk, provider: OidcProvider
) -> None:
    at_provider(desk, provider)
    linked(desk)
    first = stranger(desk)
    came_in(first)
    # The provider has just asked who they are: that is as good as the password.
    app, _ = enrol(desk, first)
    assert is_in(first)
    browser = stranger(desk)
    arrived = came_in(browser, "/login/oidc?next=/search")
    assert 'content="0;url=/login/code?next=/search"' in arrived.text
    assert not is_in(browser)
    wrong = browser.post("/login/code", {"code": "000000"}, at="/login/code")
    assert wrong.status_code == 401
    fields = {"code": next_code(desk, app), "next": "/search"}
    assert browser.post("/login/code", fields, at="/login/code").location == "/search"
    assert told(desk, "login") == {"peer": "127.0.0.1", "how": "oidc", "second_factor": "code"}
    assert browser.post("/logout").status_code == 200  # the provider is told of this one too


def test_a_login_at_the_provider_is_as_good_as_the_password_for_minutes_only(
    desk: Desk, provider: OidcProvider
) -> None:
    at_provider(desk, provider)
    linked(desk)
    browser = stranger(desk)
    came_in(browser)
    desk.clock.forward(5 * 60 * US)
    token = {"name": "nightly", "verb": "see", "days": "9"}
    at = "/account/tokens"
    assert browser.post(at, token, at=at).status_code == 302  # refused
    assert "current password is wrong" in browser.get(at).text
    page = browser.get(at).text
    assert "/login/oidc?again=1&amp;next=/account/tokens" in page
    # A provider that lets them through unasked has shown nothing.
    early_s = NOW_US // US

    def unasked(claims: dict[str, object], _: object) -> None:
        claims["auth_time"] = early_s

    provider.spoil = unasked
    there = sent_to(browser, "/login/oidc?again=1&next=/account/tokens")
    assert "prompt=login" in there
    assert "max_age=0" in there
    assert browser.get(sent_back(there)).status_code == 401
    provider.spoil = None
    way_back = sent_back(sent_to(browser, "/login/oidc?again=1&next=/account/tokens"))
    old = browser.client.get_cookie(sessions.COOKIE)
    assert old is not None
    browser.client.delete_cookie(sessions.COOKIE)  # Strict: not sent when coming from elsewhere
    browser.get(way_back)
    thief = stranger(desk)
    thief.client.set_cookie(sessions.COOKIE, old.value)
    assert not is_in(thief)
    assert "hst_" in browser.post(at, token, at=at).text


def test_passwords_are_for_the_roles_that_may_use_them(desk: Desk, provider: OidcProvider) -> None:
    at_provider(desk, provider, password_roles=["administrator", "auditor"])
    with desk.directory.ledger.write() as tx:
        for name, role in (("ines", Role.INVESTIGATOR), ("aya", Role.AUDITOR)):
            add_user(tx, name, PASSWORD, role, created_us=NOW_US, must_change=False)
    browser = stranger(desk)
    assert "With a password: administrator · auditor only." in browser.get("/login").text
    right = browser.log_in("ines", PASSWORD)
    wrong = browser.log_in("ines", "wrong wrong wrong")
    assert right.status_code == wrong.status_code == 401
    assert "name or password is wrong" in right.text  # which of them is not told
    assert desk.app.test_client().post(
        "/api/v1/session", json={"user": "ines", "password": PASSWORD}
    ).status_code == 401  # fmt: skip
    assert browser.log_in("aya", PASSWORD).status_code == 302


def test_who_lost_the_role_at_the_provider_does_not_keep_it_by_a_password(
    desk: Desk, provider: OidcProvider
) -> None:
    at_provider(desk, provider, role_claim="groups", roles={"VIDEO": "investigator"})
    with desk.directory.ledger.write() as tx:
        for name, role in (("ines", Role.INVESTIGATOR), ("adam", Role.ADMINISTRATOR),
                           ("omar", Role.OPERATOR)):  # fmt: skip
            user = add_user(tx, name, PASSWORD, role, created_us=NOW_US, must_change=False)
            if name != "omar":
                subject = SUBJECT if name == "ines" else name
                link(tx, user, provider.url, subject, by="the test", now_us=NOW_US)
    provider.person = Person(SUBJECT, {"groups": ["VIDEO"]})
    assert came_in(stranger(desk)).status_code == 200
    provider.person = Person(SUBJECT, {"groups": []})
    assert came_in(stranger(desk)).status_code == 403
    refused = stranger(desk).log_in("ines", PASSWORD)
    assert refused.status_code == 401
    assert "name or password is wrong" in refused.text
    assert told(desk, "login_failed")["why"] == "linked: the provider says the role"
    assert desk.app.test_client().post(
        "/api/v1/session", json={"user": "ines", "password": PASSWORD}
    ).status_code == 401  # fmt: skip
    for name in ("adam", "omar"):  # the day the provider is gone; not linked
        assert stranger(desk).log_in(name, PASSWORD).status_code == 302


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # providers use it all the same
@pytest.mark.parametrize("alg", ["EdDSA", "Ed25519"])
def test_a_right_hash_of_the_access_token_is_taken_by_either_name_of_ed25519(
    desk: Desk, provider: OidcProvider, alg: str
) -> None:
    key = OKPKey.generate_key("Ed25519", {"kid": "ed"})
    half = hashlib.sha512(b"access").digest()[:32]
    now_s = NOW_US // US
    claims = {
        "iss": provider.url, "sub": SUBJECT, "aud": CLIENT, "nonce": "n", "iat": now_s,
        "exp": now_s + 60, "at_hash": base64.urlsafe_b64encode(half).rstrip(b"=").decode(),
    }  # fmt: skip
    signed = jwt.encode(
        {"alg": alg, "kid": "ed"}, claims, key, registry=JWSRegistry(algorithms=[alg])
    )
    shown = {"keys": [{**key.as_dict(private=False), "use": "sig"}]}
    provider.document = {"id_token_signing_alg_values_supported": [alg]}
    provider.answers["/keys"] = lambda: jsonify(shown)
    at_provider(desk, provider)
    asked = Provider(desk.directory)
    told = {"id_token": signed, "access_token": "access"}
    assert asked.checked(told, "n", now_s)["sub"] == SUBJECT
    with pytest.raises(BadToken, match="at_hash"):
        asked.checked(told | {"access_token": "another"}, "n", now_s)


@pytest.mark.parametrize("method", ["client_secret_post", "none"])
def test_each_way_of_showing_the_secret_is_taken(
    desk: Desk, provider: OidcProvider, method: str
) -> None:
    provider.auth_method = method
    at_provider(desk, provider, **({"client_secret_file": None} if method == "none" else {}))
    linked(desk)
    assert came_in(stranger(desk)).status_code == 200


def test_a_secret_that_cannot_be_read_is_told(desk: Desk, provider: OidcProvider) -> None:
    at_provider(desk, provider, client_secret_file="keys/not.there")
    answer = stranger(desk).get("/login/oidc")
    assert answer.status_code == 503
    assert "not.there" in answer.text
    assert str(desk.directory.root) not in answer.text


def state(desk: Desk) -> tuple[Role, str | None]:
    """Role and department of the person."""
    with desk.directory.ledger.read() as tx:
        user = find_user(tx, "ines")
        return user.role, department_of(tx, user.id)
