"""Attacks on the login at a provider: each is refused, audited, and leaves nobody logged in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from typing import Any

from joserfc import jwt
from joserfc.jwk import OctKey

from storage.clock import US
from tests.servers.oidc_provider import (
    CLIENT,
    SECRET,
    Claims,
    OidcProvider,
    Person,
    provided,
    stranger_key,
    unsigned,
)
from tests.web.desk import NOW_US, Desk
from tests.web.desk import Person as Browser
from tests.web.provider_desk import (
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
from web import oidc, sessions

NOW_S = NOW_US // US
Spoil = Callable[[Claims, dict[str, Any]], str | None]


def says(**claims: object) -> Spoil:
    """The provider signs other claims; None: one is left out."""

    def spoil(right: Claims, _header: dict[str, Any]) -> None:
        right.update(claims)
        for name in [name for name, value in claims.items() if value is None]:
            del right[name]

    return spoil


def by_secret(right: Claims, _header: dict[str, Any]) -> str:
    return jwt.encode({"alg": "HS256"}, right, OctKey.import_key(SECRET))


def by_public_key(provider: OidcProvider) -> Spoil:
    """The classic: the public key taken for a shared secret."""
    public = provider.key.as_pem(private=False)

    def spoil(right: Claims, _header: dict[str, Any]) -> str:
        body = unsigned(right, alg="HS256", kid="one").rstrip(".")
        mac = hmac.new(public, body.encode(), hashlib.sha256).digest()
        return f"{body}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"

    return spoil


def by_stranger(right: Claims, _header: dict[str, Any]) -> str:
    return jwt.encode({"alg": "ES256", "kid": "one"}, right, stranger_key())


def by_own_key_inside(right: Claims, _header: dict[str, Any]) -> str:
    """The token brings the key that it was signed with."""
    key = stranger_key()
    header = {"alg": "ES256", "jwk": key.as_dict(private=False), "kid": "one"}
    return jwt.encode(header, right, key)


TOKENS: dict[str, Spoil] = {
    "wrong nonce": says(nonce="another"), "no nonce": says(nonce=None),
    "other audience": says(aud="another"), "not among the audiences": says(aud=["a", "b"]),
    "several, and not for us": says(aud=[CLIENT, "another"]),
    "for another": says(aud=[CLIENT, "another"], azp="another"),
    "for another, asked for by us": says(aud="another", azp=CLIENT), "no audience": says(aud=None),
    "expired": says(exp=NOW_S - 61, iat=NOW_S - 400), "never expires": says(exp=None),
    "expiry is no number": says(exp="tomorrow"), "from the future": says(iat=NOW_S + 3600),
    "not yet": says(nbf=NOW_S + 3600), "other issuer": says(iss="https://evil.example"),
    "no issuer": says(iss=None), "issuer with a slash": says(iss="http://127.0.0.1/"),
    "nobody": says(sub=None), "subject is a number": says(sub=1), "empty subject": says(sub=""),
    "endless subject": says(sub="1" * 256), "other access token": says(at_hash="AAAAAAAAAAAA"),
    "none": lambda right, _: unsigned(right), "client secret": by_secret,
    "strangers key": by_stranger, "key inside": by_own_key_inside,
    "no token": lambda _right, _: "..", "endless token": lambda _right, _: "a" * 20_000,
}  # fmt: skip


def test_a_token_that_is_not_the_one_we_wait_for_lets_nobody_in(
    desk: Desk, provider: OidcProvider
) -> None:
    at_provider(desk, provider)
    linked(desk)
    for number, (name, spoil) in enumerate(TOKENS.items(), 1):
        provider.spoil = spoil
        browser = elsewhere(desk, number)
        answer = came_in(browser)
        assert answer.status_code == 401, (name, answer.text)
        assert "does not hold" in answer.text, name
        assert sessions.COOKIE not in str(answer.headers.getlist("Set-Cookie")), name
        assert not is_in(browser), name
        assert told(desk, "login_failed")["how"] == "oidc"
        assert len(desk.audited("login_failed")) == number, name
    assert desk.audited("login") == []
    provider.spoil = None
    assert came_in(stranger(desk)).status_code == 200  # or all of the above would show nothing


def test_the_public_key_is_no_shared_secret(desk: Desk, provider: OidcProvider) -> None:
    at_provider(desk, provider)
    linked(desk)
    provider.document = {"id_token_signing_alg_values_supported": ["RS256", "HS256", "none"]}
    for spoil in (by_public_key(provider), by_secret, lambda right, _: unsigned(right)):
        provider.spoil = spoil
        assert came_in(stranger(desk)).status_code == 401


# The way there and back


def test_a_login_ends_only_in_the_browser_that_began_it(desk: Desk, provider: OidcProvider) -> None:
    """Login CSRF: whoever is sent an attacker's way back does not become the attacker."""
    at_provider(desk, provider)
    linked(desk, "mallory")
    attacker, victim = stranger(desk), stranger(desk)
    way_back = sent_back(sent_to(attacker))
    answer = victim.get(way_back)
    assert answer.status_code == 401
    assert "not begun in this browser" in answer.text
    assert not is_in(victim)
    assert told(desk, "login_failed")["why"] == "state not of this browser"
    # Nor when the victim has begun one too, nor with a state or a code of the victim's.
    own = sent_back(sent_to(victim))
    assert victim.get(way_back).status_code == 401
    (state,) = re.findall(r"state=([^&]+)", own)
    mixed = re.sub(r"state=[^&]+", f"state={state}", way_back)
    assert victim.get(mixed).status_code == 401  # the code belongs to another verifier: PKCE
    assert not is_in(victim)
    assert [row.action for row in desk.audited()].count("login") == 0


def test_a_way_back_is_gone_once(desk: Desk, provider: OidcProvider) -> None:
    at_provider(desk, provider)
    linked(desk)
    browser = stranger(desk)
    way_back = sent_back(sent_to(browser))
    (name,) = [one for one in _cookies(browser) if one.startswith(oidc.COOKIE)]
    sealed = browser.client.get_cookie(name, path="/login/oidc")
    assert sealed is not None
    assert browser.get(way_back).status_code == 200
    assert browser.client.get_cookie(name, path="/login/oidc") is None
    assert browser.get(way_back).status_code == 401  # the browser has forgotten it
    thief = stranger(desk)
    thief.client.set_cookie(name, sealed.value, path="/login/oidc")
    assert thief.get(way_back).status_code == 401  # we have not
    assert told(desk, "login_failed")["why"] == "state used before"
    assert not is_in(thief)


def test_a_code_is_taken_once(desk: Desk, provider: OidcProvider) -> None:
    at_provider(desk, provider)
    linked(desk)
    browser = stranger(desk)
    first = sent_back(sent_to(browser))
    assert browser.get(first).status_code == 200
    (code,) = re.findall(r"code=([^&]+)", first)
    thief = stranger(desk)
    second = re.sub(r"code=[^&]+", f"code={code}", sent_back(sent_to(thief)))
    assert thief.get(second).status_code == 401
    assert "invalid_grant" in str(told(desk, "login_failed")["why"])
    assert not is_in(thief)


def test_a_way_back_that_was_changed_leads_nowhere(desk: Desk, provider: OidcProvider) -> None:
    at_provider(desk, provider)
    linked(desk)
    changes = [
        ("state=[^&]+", "state="), (r"\?.*", ""), ("state=([^&]+)", r"state=\1&state=\1"),
        ("code=([^&]+)", r"code=\1&code=x"), ("code=[^&]+", "code="),
        ("$", "&iss=https://evil.example"), ("code=[^&]+", "code=" + "a" * 5000),
        ("state=[^&]+", "state=%00%ff%0d%0aSet-Cookie:a=b"),
        ("code=[^&]+", "error=access_denied"),
        ("code=[^&]+", "error=<script>alert(1)</script>%0d%0aX:y"),
    ]  # fmt: skip
    for number, (pattern, instead) in enumerate(changes, 1):
        browser = stranger(desk)
        answer = browser.get(re.sub(pattern, instead, sent_back(sent_to(browser)), count=1))
        assert answer.status_code == 401, instead
        assert "<script>alert" not in answer.text
        assert not is_in(browser), instead
        assert len(desk.audited("login_failed")) == number, instead


def test_a_provider_that_always_names_itself_is_held_to_it(
    desk: Desk, provider: OidcProvider
) -> None:
    at_provider(desk, provider)
    linked(desk)
    provider.document = {"authorization_response_iss_parameter_supported": True}
    browser = stranger(desk)
    assert browser.get(sent_back(sent_to(browser))).status_code == 401
    assert told(desk, "login_failed")["why"] == "answer of another issuer"
    assert browser.get(f"{sent_back(sent_to(browser))}&iss={provider.url}").status_code == 200


def test_a_login_that_takes_too_long_is_begun_again(desk: Desk, provider: OidcProvider) -> None:
    at_provider(desk, provider)
    linked(desk)
    browser = stranger(desk)
    way_back = sent_back(sent_to(browser))
    desk.clock.forward(oidc.LASTS_S * US)
    assert browser.get(way_back).status_code == 401
    assert not is_in(browser)


def test_what_else_is_sealed_is_no_login_that_was_begun(desk: Desk, provider: OidcProvider) -> None:
    at_provider(desk, provider)
    state = "a" * 43
    kept = {"for": "something else", "state": state, "nonce": "n", "verifier": "v", "back": "/",
            "lang": "en", "again": False, "begun_us": NOW_US, "before": ""}  # fmt: skip
    vault = desk.directory.vault()
    for told_ in (kept, kept | {"for": oidc.PURPOSE, "more": 1}, [], "x"):
        sealed = vault.encrypt(json.dumps(told_).encode()).decode()
        assert oidc.kept_of(desk.directory, state, sealed) is None
    right = vault.encrypt(json.dumps(kept | {"for": oidc.PURPOSE}).encode()).decode()
    assert oidc.kept_of(desk.directory, state, right) is not None
    assert oidc.kept_of(desk.directory, "b" * 43, right) is None


def test_the_login_leads_to_no_other_site(desk: Desk, provider: OidcProvider) -> None:
    at_provider(desk, provider)
    linked(desk)
    for target in ("https://evil.example/", "//evil.example", "/\\evil.example",
                   "javascript:alert(1)", "/login\r\nX: y"):  # fmt: skip
        browser = stranger(desk)
        answer = browser.get("/login/oidc", query_string={"next": target})
        arrived = browser.get(sent_back(str(answer.location)))
        assert 'content="0;url=/"' in arrived.text
        assert "evil" not in arrived.text
        assert "alert" not in arrived.text


def test_a_page_whose_address_is_long_keeps_nobody_out(desk: Desk, provider: OidcProvider) -> None:
    at_provider(desk, provider)
    linked(desk)
    for length, target in ((1500, "/search?q="), (3900, "/")):
        browser = stranger(desk)
        begun = browser.get("/login/oidc", query_string={"next": "/search?q=" + "a" * length})
        assert max(len(one) for one in begun.headers.getlist("Set-Cookie")) < 4096
        arrived = browser.get(sent_back(str(begun.location)))
        assert f'content="0;url={target}' in arrived.text


def test_the_host_a_request_names_is_not_where_the_provider_sends_people(
    desk: Desk, provider: OidcProvider
) -> None:
    at_provider(desk, provider)
    answer = desk.app.test_client().get("/login/oidc", headers={"Host": "evil.example"})
    assert "evil" not in str(answer.headers)


def test_pictures_and_frames_of_other_sites_begin_and_end_no_login(
    desk: Desk, provider: OidcProvider
) -> None:
    at_provider(desk, provider)
    browser = stranger(desk)
    for place in ("image", "iframe", "script"):
        for address in ("/login/oidc", "/login/oidc/return?code=a&state=b"):
            answer = browser.get(address, headers={"Sec-Fetch-Dest": place})
            assert answer.status_code == 403
            assert oidc.COOKIE not in str(answer.headers.getlist("Set-Cookie"))
    assert desk.audited("login_failed") == []


def test_failures_make_an_address_wait(desk: Desk, provider: OidcProvider) -> None:
    at_provider(desk, provider)
    linked(desk)
    browser = stranger(desk)
    for _ in range(30):
        assert browser.get("/login/oidc/return?code=a&state=b").status_code == 401
    refused = browser.get("/login/oidc/return?code=a&state=b")
    assert refused.status_code == 403
    assert "try again in" in refused.text
    assert len(desk.audited("login_failed")) == 30
    assert came_in(browser).status_code == 403
    desk.clock.forward(2 * US)
    assert came_in(browser).status_code == 200


# A provider that lies, or is not there


def test_nobody_is_found_by_a_name_or_an_address_they_chose(
    desk: Desk, provider: OidcProvider
) -> None:
    at_provider(desk, provider, create_people=True, role_claim="groups",
               roles={"police": "investigator"})  # fmt: skip
    desk.person("ines")
    provider.person = Person(
        "mallory", {"preferred_username": "ines", "email": "ines@example.org",
                    "email_verified": True, "groups": ["police"]},
    )  # fmt: skip
    browser = stranger(desk)
    answer = came_in(browser)
    assert answer.status_code == 403
    assert "is here already" in answer.text
    assert not is_in(browser)


def test_one_subject_of_two_providers_is_two_people(desk: Desk, provider: OidcProvider) -> None:
    at_provider(desk, provider)
    linked(desk)
    with provided(lambda: NOW_S) as other:
        other.redirect_uri, other.person = provider.redirect_uri, Person(SUBJECT)
        desk.app.extensions.pop("hindsight.oidc", None)
        at_provider(desk, other)
        browser = stranger(desk)
        assert came_in(browser).status_code == 403
        assert not is_in(browser)


def elsewhere(desk: Desk, number: int) -> Browser:
    """A browser of another address: failures of one make it wait."""
    browser = stranger(desk)
    browser.client.environ_base["REMOTE_ADDR"] = f"192.0.2.{number}"
    return browser


def _cookies(browser: Browser) -> list[str]:
    return [cookie.key for cookie in browser.client._cookies.values()]  # type: ignore[union-attr]
