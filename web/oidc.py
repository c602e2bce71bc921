"""Logging in at the provider: begun here, sealed into the browser, ended here, once."""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.fernet import InvalidToken

from storage import audit, login_limits
from storage.clock import US
from storage.directory import DataDirectory
from storage.errors import HindsightError
from storage.i18n import N_, current_language
from storage.login_sessions import Vouched, close_session, open_session
from storage.oidc import linked_user, note_use, use_state
from storage.oidc_people import Said, admit
from storage.people import has_factor
from storage.settings_web import OidcSettings
from storage.vocabulary import Actor, User
from web.sessions import Login, WrongPassword

if TYPE_CHECKING:
    from web.oidc_provider import Provider  # Authlib: not before there is a provider

COOKIE = "hindsight_oidc_"  # and the beginning of the state: two windows may log in at once
PURPOSE = "login at a provider"  # nothing else that is sealed with the key passes for this
NOBODY = "login provider"  # in the audit, whoever is nobody here; no person has a space
LASTS_S = 600
LONGEST_NAME = 200  # of a claim that is shown; people's names are shorter
LEEWAY_S = 60  # by which the provider's clock may differ
LONGEST_PARAMETER = 4096
LONGEST_SESSION = 100  # characters of a session's token; ours has 43
LONGEST_COOKIE = 3500  # with its name and attributes; browsers drop what has more than 4096


@dataclass(frozen=True, slots=True)
class Begun:
    """A login that waits for the browser to come back."""

    url: str  # the provider's
    cookie: str
    sealed: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What the browser kept of a login that was begun."""

    state: str
    nonce: str
    verifier: str
    back: str
    lang: str
    again: bool
    begun_us: int
    before: str  # the session this browser had: it is not sent along when coming from another site


class BadToken(Exception):
    """An ID token that is not the one we are waiting for; says why, for the audit."""


class _Refusal(Exception):
    """Why a login is refused: in words for the person, in few for the audit."""

    def __init__(self, error: HindsightError, why: str, subject: str = "") -> None:
        super().__init__(why)
        self.error, self.why, self.subject = error, why, subject


def begin(
    directory: DataDirectory, provider: Provider, back: str, *, again: bool, before: str
) -> Begun:
    """Where to send the browser, and what it keeps meanwhile. Nothing is written down here."""
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    url = provider.authorization_url(state=state, nonce=nonce, verifier=verifier, again=again)
    kept = {
        "for": PURPOSE, "state": state, "nonce": nonce, "verifier": verifier, "back": back,
        "lang": current_language(), "again": again, "begun_us": directory.clock.now_us(),
        "before": before[:LONGEST_SESSION],
    }  # fmt: skip
    sealed = _sealed(directory, kept)
    if len(sealed) > LONGEST_COOKIE:
        sealed = _sealed(directory, kept | {"back": ""})  # better the first desk than no login
    return Begun(url, cookie_name(state), sealed)


def _sealed(directory: DataDirectory, kept: dict[str, object]) -> str:
    text = json.dumps(kept, ensure_ascii=False)
    return directory.vault().encrypt(text.encode()).decode()


def cookie_name(state: str) -> str:
    """Of the cookie in which the browser keeps it."""
    return COOKIE + "".join(ch for ch in state[:12] if ch.isascii() and ch.isalnum())


def kept_of(directory: DataDirectory, state: str, sealed: str) -> Kept | None:
    """What this browser began under this state, if it did, and not too long ago."""
    try:
        told = json.loads(directory.vault().decrypt(sealed.encode()))
        if told.pop("for") != PURPOSE:
            return None
        kept = Kept(**told)
    except (InvalidToken, ValueError, TypeError, KeyError, AttributeError):
        return None
    age_us = directory.clock.now_us() - kept.begun_us
    mine = hmac.compare_digest(kept.state.encode(), state.encode())
    return kept if mine and 0 <= age_us < LASTS_S * US else None


def finish(
    directory: DataDirectory,
    provider: Provider,
    kept: Kept | None,
    given: Mapping[str, str],
    peer: str,
) -> Login:
    """A fresh session for who comes back from the provider, pending where our factor is due.

    Denied: counted for the address and audited before the answer leaves. Unavailable: the provider
    cannot be asked.
    """
    with directory.ledger.read() as tx:
        login_limits.refuse_peer(tx, peer, directory.clock.now_us())
    try:
        told, claims = _proven(directory, provider, kept, given)
        assert kept is not None
        return _let_in(directory, provider.settings, told, claims, kept, peer)
    except _Refusal as refusal:
        _note(directory, provider.settings, refusal, peer)
        raise refusal.error from None


def _proven(
    directory: DataDirectory, provider: Provider, kept: Kept | None, given: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(what the provider gave, the checked claims of its ID token)."""
    if kept is None:
        raise _Refusal(
            WrongPassword(
                N_("this login was not begun in this browser, or too long ago; begin it again")
            ), "state not of this browser",
        )  # fmt: skip
    now_us = directory.clock.now_us()
    with directory.ledger.write() as tx:
        fresh = use_state(tx, kept.state, now_us, LASTS_S)
    if not fresh:
        raise _Refusal(
            WrongPassword(N_("this login was ended before; begin it again")), "state used before"
        )
    issuer = given.get("iss")
    due = issuer is not None or provider.names_itself()
    if due and issuer != provider.settings.issuer:
        raise _Refusal(_not_proven(), "answer of another issuer")
    if error := given.get("error"):
        raise _Refusal(
            WrongPassword(
                N_("{provider} did not let you in ({error}); begin again, or ask there"),
                provider=provider.settings.shown_label,
                error="".join(ch for ch in error[:60] if ch.isascii() and ch.isprintable()),
            ), f"the provider says {error[:60]}",
        )  # fmt: skip
    try:
        told = provider.exchange(given.get("code", ""), kept.verifier)
        claims = provider.checked(told, kept.nonce, now_us // US)
        _said(provider.settings, claims)
        if kept.again and (_auth_s(claims) or 0) < kept.begun_us // US - LEEWAY_S:
            raise BadToken("asked to prove anew, the provider did not ask them")
    except BadToken as error:
        raise _Refusal(_not_proven(), str(error)) from None
    return told, claims


def _let_in(
    directory: DataDirectory, settings: OidcSettings, told: dict[str, Any],
    claims: dict[str, Any], kept: Kept, peer: str,
) -> Login:  # fmt: skip
    said, now_us = _said(settings, claims), directory.clock.now_us()
    counted = _counted_factor(settings, claims)
    auth_s = _auth_s(claims)
    vouched = Vouched(
        id_token=directory.vault().encrypt(told["id_token"].encode()),
        factor=counted is not None,
        proven_us=None if auth_s is None else min(auth_s * US, now_us),
    )
    with directory.ledger.write() as tx:
        found = admit(tx, settings, said, now_us)
        user, token, pending = found.user, "", False
        if user is not None:
            pending = counted is None and has_factor(tx, user.id)
            if kept.before:
                close_session(tx, kept.before)
            token = open_session(
                tx, user, peer, now_us, directory.settings.web.session_hours, pending=pending,
                vouched=vouched,
            )  # fmt: skip
            note_use(tx, said.issuer, said.subject, now_us)
            if not pending:
                detail = {"peer": peer, "how": "oidc", "issuer": said.issuer,
                          "subject": said.subject}  # fmt: skip
                if counted is not None:
                    detail["second_factor"] = f"of the provider: {counted}"
                audit.record(tx, Actor(user.name), "login", user.name, at_us=now_us, detail=detail)
    if user is None:
        assert found.refusal is not None
        raise _Refusal(found.refusal, found.why, said.subject)
    return Login(user, token, pending)


def _note(
    directory: DataDirectory, settings: OidcSettings, refusal: _Refusal, peer: str
) -> None:  # fmt: skip
    now_us = directory.clock.now_us()
    with directory.ledger.write() as tx:
        login_limits.count_peer(tx, peer, now_us)
        known: User | None = None
        detail = {"peer": peer, "how": "oidc", "issuer": settings.issuer, "why": refusal.why}
        if refusal.subject:
            known = linked_user(tx, settings.issuer or "", refusal.subject)
            detail["subject"] = refusal.subject
        name = NOBODY if known is None else known.name
        audit.record(tx, Actor(name), "login_failed", name, at_us=now_us, detail=detail)


def _not_proven() -> WrongPassword:
    return WrongPassword(
        N_("the answer of the login provider does not hold; begin the login again")
    )


def _said(settings: OidcSettings, claims: dict[str, Any]) -> Said:
    subject = claims["sub"]
    if not isinstance(subject, str) or not 1 <= len(subject) <= 255 or not subject.isprintable():
        raise BadToken("the subject is none")
    return Said(
        issuer=settings.issuer or "", subject=subject,
        name=next(iter(values_of(claims, settings.name_claim)), "")[:LONGEST_NAME],
        roles=values_of(claims, settings.role_claim),
        departments=values_of(claims, settings.department_claim),
    )  # fmt: skip


def values_of(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """The texts of a claim; `realm_access.roles` looks into an object, where no claim is so named.

    Empty when there is none, or it is something else.
    """
    found: Any = claims.get(name) if name else None
    if found is None and name:
        found = claims
        for part in name.split("."):
            found = found.get(part) if isinstance(found, dict) else None
    listed = found if isinstance(found, list) else [found]
    return tuple(one for one in listed if isinstance(one, str) and one)


def _counted_factor(settings: OidcSettings, claims: Mapping[str, Any]) -> str | None:
    """What of amr and acr the settings take for a second factor."""
    for name, counts in (("amr", settings.second_factor_amr), ("acr", settings.second_factor_acr)):
        for value in values_of(claims, name):
            if value in counts:
                return f"{name}={value}"
    return None


def _auth_s(claims: Mapping[str, Any]) -> int | None:
    value = claims.get("auth_time")
    return int(value) if isinstance(value, int | float) and 0 < value < 1 << 40 else None
