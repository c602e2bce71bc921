"""The login provider of the settings: its discovery document, keys, codes, and ID tokens."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode, urlsplit

from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import get_well_known_url
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import JWKRegistry, KeySet
from joserfc.jws import JWSRegistry

from storage.directory import DataDirectory
from storage.errors import Invalid, Unavailable
from storage.settings_web import OidcSettings, safe_url
from web.oidc import LEEWAY_S, BadToken
from web.oidc_transport import NarrowAdapter, Refused

log = logging.getLogger(__name__)
# Signed with a key that the provider alone holds: neither "none", nor the client secret (HS…).
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
              "EdDSA", "Ed25519")  # fmt: skip
KEPT_S = 600.0  # discovery document and keys are asked for again
ANEW_S = 10.0  # keys that lack one are not asked for more often
AGAIN_S = 5.0  # a provider that could not be asked is left in peace for so long
TURN_S = 1.0  # for so long a request waits until fewer ask the provider
LONGEST_TOKEN = 16_384


class Provider:
    """One provider; shared by all requests."""

    def __init__(self, directory: DataDirectory) -> None:
        self.settings: OidcSettings = directory.settings.oidc
        self._root = directory.root
        self.anew_s, self.again_s = ANEW_S, AGAIN_S
        self._lock = threading.Lock()
        # A provider that hangs must not take all threads of the server with it.
        self._turns = threading.BoundedSemaphore(max(1, directory.settings.web.threads // 2))
        self._failed: tuple[float, Unavailable] | None = None
        self._known: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, KeySet] | None = None

    def authorization_url(self, *, state: str, nonce: str, verifier: str, again: bool) -> str:
        """Where the browser goes to; `again`: they are to prove anew who they are.

        Unavailable when the provider cannot be asked.
        """
        more = {"prompt": "login", "max_age": "0"} if again else {}
        endpoint = self._metadata()["authorization_endpoint"]
        with self._session() as session:
            url, _ = session.create_authorization_url(
                endpoint, state=state, nonce=nonce, code_verifier=verifier, **more
            )
        return str(url)

    def names_itself(self) -> bool:
        """Whether its way back always says whose it is (RFC 9207)."""
        return self._metadata().get("authorization_response_iss_parameter_supported") is True

    def exchange(self, code: str, verifier: str) -> dict[str, Any]:
        """What the provider gives for a code. BadToken when it does not take it."""
        endpoint = self._metadata()["token_endpoint"]
        try:
            with self._turn(), self._session() as session:
                told = session.fetch_token(
                    endpoint, grant_type="authorization_code", code=code, code_verifier=verifier,
                    redirect_uri=session.redirect_uri,
                )  # fmt: skip
        except OAuthError as error:
            raise BadToken(f"the provider refused the code: {str(error.error)[:100]}") from None
        except (OSError, ValueError, RecursionError) as error:  # those of requests are OSErrors
            raise self._unavailable(error) from None
        if not isinstance(told.get("id_token"), str) or len(told["id_token"]) > LONGEST_TOKEN:
            raise BadToken("the provider gave no ID token")
        return dict(told)

    def checked(self, told: dict[str, Any], nonce: str, now_s: int) -> dict[str, Any]:
        """The claims of the ID token. BadToken: signature, issuer, audience, time or nonce."""
        try:
            try:
                token = self._decoded(told["id_token"], self._key_set())
            except InvalidKeyIdError:  # the provider has changed its keys
                token = self._decoded(told["id_token"], self._key_set(anew=True))
            client = self.settings.client_id
            claims = CodeIDToken(
                token.claims, _known_to_authlib(token.header),
                {"iss": {"essential": True, "value": self.settings.issuer},
                 "aud": {"essential": True, "value": client}},
                {"nonce": nonce, "client_id": client, "access_token": told.get("access_token")},
            )  # fmt: skip
            claims.validate(now=now_s, leeway=LEEWAY_S)
        except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise BadToken(f"{type(error).__name__}: {str(error)[:150]}") from None
        return dict(claims)

    def logout_url(self, id_token: str) -> str | None:
        """Where a browser ends its session at the provider; None when that is not offered."""
        try:
            endpoint = self._metadata().get("end_session_endpoint")
        except Unavailable:
            return None  # our own session is ended already
        if endpoint is None:
            return None
        back = f"{(self.settings.public_url or '').rstrip('/')}/login"
        query = urlencode({"id_token_hint": id_token, "client_id": self.settings.client_id,
                           "post_logout_redirect_uri": back})  # fmt: skip
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{query}"

    def _metadata(self) -> dict[str, Any]:
        known = self._known
        if known is None or time.monotonic() - known[0] > KEPT_S:
            with self._one_asks():
                known = self._known
                if known is None or time.monotonic() - known[0] > KEPT_S:
                    known = self._known = (time.monotonic(), self._discovered())
        return known[1]

    def _discovered(self) -> dict[str, Any]:
        issuer = self.settings.issuer or ""
        found = self._fetched(get_well_known_url(issuer, external=True))
        try:
            if found.get("issuer") != issuer:
                raise Refused("its discovery document names another issuer")
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                _endpoint(found.get(name), name)
            if found.get("end_session_endpoint") is not None:
                _endpoint(found["end_session_endpoint"], "end_session_endpoint")
            methods = found.get("code_challenge_methods_supported")
            if methods is not None and "S256" not in methods:
                raise Refused("it does not offer PKCE with S256")
        except (Refused, TypeError) as error:
            raise self._unavailable(error) from None
        return found

    def _key_set(self, *, anew: bool = False) -> KeySet:
        uri, kept_s = self._metadata()["jwks_uri"], self.anew_s if anew else KEPT_S
        keys = self._keys
        if keys is None or time.monotonic() - keys[0] > kept_s:
            with self._one_asks():
                keys = self._keys
                if keys is None or time.monotonic() - keys[0] > kept_s:
                    keys = self._keys = (time.monotonic(), self._imported(self._fetched(uri)))
        return keys[1]

    @contextmanager
    def _one_asks(self) -> Iterator[None]:
        """The others wait for the answer, but not for long, and not for one that just failed."""
        if not self._lock.acquire(timeout=TURN_S):
            raise self._unavailable(Refused("others wait for it already"))
        try:
            if self._failed is not None and time.monotonic() - self._failed[0] < self.again_s:
                raise self._failed[1].with_traceback(None)
            try:
                yield
            except Unavailable as error:
                self._failed = (time.monotonic(), error)
                raise
            self._failed = None
        finally:
            self._lock.release()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._turns.acquire(timeout=TURN_S):
            raise self._unavailable(Refused("others wait for it already"))
        try:
            yield
        finally:
            self._turns.release()

    def _imported(self, document: dict[str, Any]) -> KeySet:
        keys = []
        for one in document.get("keys") or []:
            try:
                if one.get("kty") in ("RSA", "EC", "OKP") and one.get("use", "sig") == "sig":
                    keys.append(JWKRegistry.import_key(one))
            except (JoseError, ValueError, AttributeError) as error:
                log.warning("a key of the login provider cannot be used: %s", error)
        if not keys:
            raise self._unavailable(Refused("it shows no key that signs"))
        return KeySet(keys)

    def _decoded(self, id_token: str, keys: KeySet) -> jwt.Token:
        offered = self._metadata().get("id_token_signing_alg_values_supported") or ALGORITHMS
        allowed = [one for one in ALGORITHMS if one in offered]
        return jwt.decode(
            id_token, key=keys,
            registry=JWSRegistry(algorithms=allowed, strict_check_header=False),
        )  # fmt: skip

    def _fetched(self, url: str) -> dict[str, Any]:
        try:
            with self._turn(), self._session() as session:
                answer = session.request("GET", url, withhold_token=True)
                answer.raise_for_status()
                document = answer.json()
            if not isinstance(document, dict):
                raise Refused("it answered with something else than a JSON object")
        except (OSError, ValueError, RecursionError) as error:
            raise self._unavailable(error) from None
        return document

    def _session(self) -> OAuth2Session:
        settings, secret = self.settings, self._secret()
        offered = (self._known[1] if self._known else {}).get(
            "token_endpoint_auth_methods_supported", ["client_secret_basic"]
        )
        method = "client_secret_basic" if "client_secret_basic" in offered else "client_secret_post"
        session = OAuth2Session(
            settings.client_id, secret, scope=" ".join(settings.scopes),
            token_endpoint_auth_method=method if secret else "none",
            redirect_uri=f"{(settings.public_url or '').rstrip('/')}/login/oidc/return",
            code_challenge_method="S256",
        )  # fmt: skip
        session.trust_env = False  # no proxies and no passwords of the environment
        if settings.ca_file is not None:
            session.verify = str(self._root / settings.ca_file)
        for scheme in ("https://", "http://"):
            session.mount(scheme, NarrowAdapter(settings.timeout_s))
        return session

    def _secret(self) -> str | None:
        if self.settings.client_secret_file is None:
            return None
        path = self._root / self.settings.client_secret_file
        try:
            secret = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise Unavailable(
                "the client secret for {provider} cannot be read from {file}; an administrator puts"
                " it there. Log in with a password meanwhile, if you have one",
                provider=self.settings.shown_label, file=path.name,
            ) from None  # fmt: skip
        if not secret:
            raise Invalid("{file} holds no client secret", file=path.name)
        return secret

    def _unavailable(self, error: Exception) -> Unavailable:
        log.warning("login provider %s: %s", self.settings.issuer, error)
        return Unavailable(
            "{provider} cannot be asked now ({error}). Try again later, or log in with a password"
            " if you have one",
            provider=self.settings.shown_label,
            error=str(error) if isinstance(error, Refused) else type(error).__name__,
        )


def _known_to_authlib(header: dict[str, Any]) -> dict[str, Any]:
    """Authlib knows Ed25519 by its older name only, and would refuse a right at_hash."""
    return header | {"alg": "EdDSA"} if header.get("alg") == "Ed25519" else header


def _endpoint(value: object, name: str) -> None:
    try:
        if not isinstance(value, str):
            raise ValueError("there is none")
        safe_url(value.partition("?")[0])
    except ValueError as error:
        raise Refused(f"{name} of its discovery document: {error}") from None
