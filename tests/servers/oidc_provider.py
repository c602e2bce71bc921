"""A login provider on loopback: Authlib's server side, real HTTP, keys and codes of its own.

It does what a provider does; `spoil` and the other switches make it lie, as an attacker's would.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core.grants import OpenIDCode
from flask import Flask, Response, redirect, request
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from werkzeug.serving import WSGIRequestHandler, make_server

CLIENT, SECRET = "hindsight", "a secret of the client & its % signs"
Claims = dict[str, Any]


@dataclass
class Person:
    """Somebody whom the provider knows; `more` are claims."""

    subject: str
    more: Claims = field(default_factory=dict)


@dataclass
class Code:
    """What was asked for when a code was given."""

    code: str
    redirect_uri: str
    scope: str
    nonce: str
    person: Person
    code_challenge: str
    code_challenge_method: str
    auth_time: int

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str:
        return self.nonce

    def get_auth_time(self) -> int:
        return self.auth_time

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


class Client:
    """Hindsight, as the provider has it registered."""

    client_id = CLIENT

    def __init__(self, provider: OidcProvider) -> None:
        self.provider = provider

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str:
        return self.provider.redirect_uri

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == self.provider.redirect_uri

    def check_client_secret(self, given: str) -> bool:
        return given == SECRET

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        return method == self.provider.auth_method

    def check_response_type(self, kind: str) -> bool:
        return kind == "code"

    def check_grant_type(self, kind: str) -> bool:
        return kind == "authorization_code"


@dataclass
class OidcProvider:
    """What it is told to be, and what it was asked."""

    now_s: Callable[[], int]
    url: str = ""
    redirect_uri: str = ""
    auth_method: str = "client_secret_basic"
    person: Person | None = None  # who sits at its login page; None: they refuse
    asks: bool = False  # shows a page with a button, as for a browser
    spoil: Callable[[Claims, dict[str, Any]], str | None] | None = None  # of claims and header
    document: Claims = field(default_factory=dict)  # laid over the discovery document
    answers: dict[str, Callable[[], Response]] = field(default_factory=dict)  # instead, by path
    alter: dict[str, Callable[[Response], Response]] = field(default_factory=dict)  # what is right
    codes: dict[str, Code] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)  # paths
    left: list[dict[str, str]] = field(default_factory=list)  # those who were logged out
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one"}))

    def sign(self, claims: Claims, header: dict[str, Any] | None = None) -> str:
        """An ID token by the provider's key."""
        return jwt.encode({"alg": "RS256", "kid": self.key.kid, **(header or {})}, claims, self.key)


def unsigned(claims: Claims, **header: str) -> str:
    """A token of the algorithm "none"."""
    parts = ({"alg": "none", "typ": "JWT"} | header, claims)
    return ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts
    ) + "."  # fmt: skip


def stranger_key() -> ECKey:
    """A key that the provider does not have."""
    return ECKey.generate_key("P-256", {"kid": "one"})


def _application(provider: OidcProvider) -> Flask:
    class Granting(grants.AuthorizationCodeGrant):  # type: ignore[misc]
        TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post", "none")

        def save_authorization_code(self, code: str, asked: Any) -> Code:
            made = Code(
                code, asked.payload.redirect_uri, asked.payload.scope, asked.payload.data["nonce"],
                asked.user, asked.payload.data["code_challenge"],
                asked.payload.data["code_challenge_method"], provider.now_s(),
            )  # fmt: skip
            provider.codes[code] = made
            return made

        def query_authorization_code(self, code: str, _client: Client) -> Code | None:
            return provider.codes.get(code)

        def delete_authorization_code(self, code: Code) -> None:
            provider.codes.pop(code.code, None)

        def authenticate_user(self, code: Code) -> Person:
            return code.person

    class Naming(OpenIDCode):  # type: ignore[misc]
        def exists_nonce(self, _nonce: str, _asked: Any) -> bool:
            return False

        def resolve_client_private_key(self, _client: Client) -> RSAKey:
            return provider.key

        def get_client_claims(self, _client: Client) -> Claims:
            now_s = provider.now_s()
            return {"iss": provider.url, "iat": now_s, "exp": now_s + 300}

        def get_encode_header(self, _client: Client) -> dict[str, Any]:
            return {"alg": "RS256", "kid": provider.key.kid}

        def generate_user_info(self, person: Person, _scope: str) -> Claims:
            return {"sub": person.subject, **person.more}

        def encode_id_token(self, token: Claims, asked: Any) -> str:
            right: str = super().encode_id_token(token, asked)
            if provider.spoil is None:
                return right
            claims = jwt.decode(right, provider.key).claims
            header: dict[str, Any] = {}
            return provider.spoil(claims, header) or provider.sign(claims, header)

    app = Flask("tests.servers.oidc_provider")
    client = Client(provider)
    server = AuthorizationServer(
        app, query_client=lambda name: client if name == CLIENT else None,
        save_token=lambda _token, _request: None,
    )  # fmt: skip
    server.register_grant(Granting, [Naming(require_nonce=True), CodeChallenge(required=True)])

    @app.before_request
    def _note() -> Response | None:
        provider.asked.append(request.path)
        instead = provider.answers.get(request.path)
        return None if instead is None else instead()

    @app.after_request
    def _altered(right: Response) -> Response:
        change = provider.alter.get(request.path)
        return right if change is None or "elsewhere" in request.args else change(right)

    @app.get("/.well-known/openid-configuration")
    def _document() -> Claims:
        return {
            "issuer": provider.url,
            "authorization_endpoint": f"{provider.url}/authorize",
            "token_endpoint": f"{provider.url}/token",
            "jwks_uri": f"{provider.url}/keys",
            "end_session_endpoint": f"{provider.url}/logout",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": [provider.auth_method],
        } | provider.document

    @app.get("/keys")
    def _keys() -> Claims:
        return {"keys": [{**provider.key.as_dict(private=False), "use": "sig", "alg": "RS256"}]}

    @app.route("/authorize", methods=["GET", "POST"])
    def _authorize() -> Any:
        if provider.asks and request.method == "GET":
            return (
                f"<link rel=icon href=data:,><form method=post><h1>Who are you?</h1><button>"
                f"{provider.person.subject if provider.person else 'nobody'}</button></form>"
            )
        grant = server.get_consent_grant(end_user=provider.person)
        return server.create_authorization_response(grant=grant, grant_user=provider.person)

    @app.post("/token")
    def _token() -> Any:
        return server.create_token_response()

    @app.get("/logout")
    def _logout() -> Any:
        provider.left.append(request.args.to_dict())
        return redirect(request.args["post_logout_redirect_uri"])

    return app


class _Quiet(WSGIRequestHandler):
    def log(self, *_args: Any) -> None:
        """Nothing: a test speaks by failing."""


@contextmanager
def provided(now_s: Callable[[], int], host: str = "127.0.0.1") -> Iterator[OidcProvider]:
    """Run one in a thread."""
    provider = OidcProvider(now_s)
    server = make_server("127.0.0.1", 0, _application(provider), threaded=True,
                         request_handler=_Quiet)  # fmt: skip
    provider.url = f"http://{host}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
