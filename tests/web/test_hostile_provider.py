"""A provider of logins that is gone, dawdles, lies or leads elsewhere: passwords remain."""

from __future__ import annotations

import gzip
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Response, redirect
from joserfc import jwt
from joserfc.jwk import RSAKey

from storage.vocabulary import Role
from tests.servers.oidc_provider import (
    Claims,
    OidcProvider,
)
from tests.web.desk import PASSWORD, Desk
from tests.web.provider_desk import (
    at_provider,
    came_in,
    is_in,
    linked,
    sent_back,
    sent_to,
    stranger,
)
from web import oidc_transport


def _saying(body: str, status: int = 200) -> Callable[[Response], Response]:
    return lambda _right: Response(body, status=status, content_type="application/json")


def _packed(right: Response) -> Response:
    right.set_data(gzip.compress(right.get_data()))
    right.headers["Content-Encoding"] = "gzip"
    return right


def _endless(right: Response) -> Response:
    right.set_data(right.get_data() + b" " * oidc_transport.MOST_BYTES)  # it is JSON all the same
    return right


# The last three would be taken, were they looked at: what is right is in them.
LIES: dict[str, Callable[[Response], Response]] = {
    "no JSON": _saying("<html>"), "a list": _saying("[]"), "nothing in it": _saying("{}"),
    "deep": _saying("[" * 100_000), "broken": _saying("no", 500), "endless": _endless,
    "packed": _packed, "sent elsewhere": lambda _right: redirect("?elsewhere=1", 307),
}  # fmt: skip


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token", "/keys"])
def test_a_provider_that_answers_otherwise_is_one_sentence_and_passwords_remain(
    desk: Desk, provider: OidcProvider, path: str
) -> None:
    at_provider(desk, provider)
    linked(desk)
    for name, change in LIES.items():
        desk.app.extensions.pop("hindsight.oidc", None)  # as after a start
        browser = stranger(desk)
        provider.alter.clear()
        address = "/login/oidc" if path.startswith("/.") else sent_back(sent_to(browser))
        provider.alter[path] = change
        provider.asked.clear()
        refused = browser.get(address)
        assert refused.status_code in (401, 503), (name, refused.text)
        assert 'name="password"' in refused.text
        assert not is_in(browser), name
        assert provider.asked.count(path) == 1, name
    assert desk.audited("login") == []


def test_a_discovery_document_that_is_not_its_own_is_refused(
    desk: Desk, provider: OidcProvider
) -> None:
    at_provider(desk, provider)
    documents: list[Claims] = [
        {"issuer": "https://evil.example"}, {"issuer": None}, {"token_endpoint": None},
        {"token_endpoint": "http://192.0.2.1/token"}, {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "http://169.254.169.254/latest"}, {"authorization_endpoint": "javascript:x"},
        {"end_session_endpoint": "//evil.example"},
        {"token_endpoint": "https://a:b@evil.example/"},
        {"code_challenge_methods_supported": ["plain"]},
    ]  # fmt: skip
    for document in documents:
        desk.app.extensions.pop("hindsight.oidc", None)  # as after a start
        provider.document = document
        assert stranger(desk).get("/login/oidc").status_code == 503, document
    assert set(provider.asked) == {"/.well-known/openid-configuration"}


def test_no_other_address_is_asked_than_those_of_the_provider(
    desk: Desk, provider: OidcProvider
) -> None:
    at_provider(desk, provider)
    linked(desk)
    for _ in range(3):
        assert came_in(stranger(desk)).status_code == 200
    asked = [path for path in provider.asked if path not in ("/authorize", "/token")]
    assert asked == ["/.well-known/openid-configuration", "/keys"]  # once, then remembered


def test_a_provider_that_is_not_there_keeps_no_administrator_out(
    desk: Desk, provider: OidcProvider
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}"
        at_provider(desk, provider, password_roles=["administrator"], issuer=nobody)
    desk.person("root", Role.ADMINISTRATOR)
    browser = stranger(desk)
    answer = browser.get("/login/oidc?next=/cameras")
    assert answer.status_code == 503
    assert "cannot be asked now" in answer.text
    assert browser.log_in("root", PASSWORD, next="/cameras").location == "/cameras"


def test_a_provider_that_dawdles_is_left(desk: Desk, provider: OidcProvider) -> None:
    at_provider(desk, provider, timeout_s=0.2)

    def drip() -> Iterator[bytes]:
        for _ in range(100):
            time.sleep(0.05)  # the provider's slowness, not ours
            yield b" "

    provider.answers["/.well-known/openid-configuration"] = lambda: Response(drip())
    began = time.monotonic()
    app = desk.app  # made once, before the threads
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: app.test_client().get("/login/oidc"), range(12)))
    assert {answer.status_code for answer in answers} == {503}
    assert time.monotonic() - began < 5  # the drip lasts as long, and one after the other 60
    assert provider.asked == ["/.well-known/openid-configuration"]  # once for all of them
    provider.answers.clear()
    assert stranger(desk).get("/login/oidc").status_code == 503  # left in peace for a while
    desk.app.extensions["hindsight.oidc"].again_s = 0.0
    assert stranger(desk).get("/login/oidc").status_code == 302


def test_new_keys_of_the_provider_are_taken_and_old_ones_dropped(
    desk: Desk, provider: OidcProvider
) -> None:
    at_provider(desk, provider)
    linked(desk)
    assert came_in(stranger(desk)).status_code == 200
    old, provider.key = provider.key, RSAKey.generate_key(2048, {"kid": "two"})
    try:
        # Not asked for again so soon: a flood of made-up keys must not become one at the provider.
        assert came_in(stranger(desk)).status_code == 401
        assert provider.asked.count("/keys") == 1
        desk.app.extensions["hindsight.oidc"].anew_s = 0.0
        assert came_in(stranger(desk)).status_code == 200
        provider.spoil = lambda right, _: jwt.encode({"alg": "RS256", "kid": "one"}, right, old)
        assert came_in(stranger(desk)).status_code == 401
    finally:
        provider.key = old
