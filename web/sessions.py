"""Logging in and out: sessions, second factor, API tokens, the cookie, and the audit rows."""

from __future__ import annotations

from contextlib import suppress
from typing import ClassVar, NamedTuple

from cryptography.fernet import InvalidToken
from flask import Request
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from storage import audit, login_limits, second_factor
from storage.api_tokens import USED_EVERY_S, ApiToken, touch_token, user_of_token
from storage.clock import US
from storage.directory import DataDirectory
from storage.errors import Conflict, Denied, ResourceExhausted, Unavailable
from storage.i18n import N_
from storage.login_sessions import (
    PENDING_S,
    SEEN_EVERY_S,
    Vouched,
    close_session,
    end_sessions,
    find_session,
    open_session,
    still_open,
    touch_session,
)
from storage.oidc_people import comes_by_provider_only
from storage.people import (
    check_password,
    count_login,
    find_user,
    has_factor,
    set_user,
    verified,
)
from storage.vocabulary import Actor, User

COOKIE = "hindsight_session"
OF_TOKENS = ("/api/v1/", "/media/")  # API tokens work here and nowhere else
PROVEN_S = 300  # so long is a login at the provider as good as the password
BEARER = "bearer "  # in any case, RFC 9110


class NotLoggedIn(Denied):
    """Nobody is logged in, or the session has ended."""

    http_status: ClassVar[int] = 401
    kind: ClassVar[str] = "not-logged-in"

    @classmethod
    def again(cls) -> NotLoggedIn:
        """The one sentence for it."""
        return cls(N_("you are not logged in, or your session has ended; log in again"))


class WrongPassword(Denied):
    """Name and password do not fit, or the account is closed: which of them is not told."""

    http_status: ClassVar[int] = 401
    kind: ClassVar[str] = "not-logged-in"


class Login(NamedTuple):
    """A login that got so far. `pending`: the token is good for giving the code only."""

    user: User
    token: str
    pending: bool = False


class Came(NamedTuple):
    """Who asks: by the cookie of a login, or by an API token."""

    user: User | None
    session_token: str
    api_token: ApiToken | None = None
    vouched: Vouched | None = None  # by a login provider


def log_in(directory: DataDirectory, name: str, password: str, peer: str) -> Login:
    """A fresh session, pending where a second factor guards the account.

    Denied when name and password do not fit or a wait lasts. A failure is counted and audited,
    and both are committed before the answer leaves.
    """
    ledger = directory.ledger
    against = verified(ledger, name, password, directory.clock.now_us(), peer)
    now_us = directory.clock.now_us()
    token, pending = "", False
    with ledger.write() as tx:
        found = count_login(tx, name, against, now_us, peer)
        detail = {"peer": peer, "how": "password"}
        oidc = directory.settings.oidc
        # In the same words: a password that opens nothing is worth nothing, right or wrong.
        if found is not None and found.role not in oidc.password_roles:
            found, detail["why"] = None, "this role logs in at the provider"
        elif found is not None and comes_by_provider_only(tx, oidc, found):
            found, detail["why"] = None, "linked: the provider says the role"
        if found is None:
            audit.record(
                tx, Actor(name[:100]), "login_failed", name[:100], at_us=now_us, detail=detail
            )
        else:
            pending = has_factor(tx, found.id)
            token = open_session(
                tx, found, peer, now_us, directory.settings.web.session_hours, pending=pending
            )
            if not pending:
                audit.record(
                    tx, Actor(found.name), "login", found.name, at_us=now_us, detail=detail
                )
    if found is None:
        raise WrongPassword(N_("name or password is wrong; check both and try again"))
    return Login(found, token, pending)


def log_in_at_once(
    directory: DataDirectory, name: str, password: str, code: str | None, peer: str
) -> Login:
    """As `log_in`, for programs: password and code together."""
    login = log_in(directory, name, password, peer)
    if not login.pending:
        return login
    if code is None:
        with directory.ledger.write() as tx:
            close_session(tx, login.token)
        raise WrongPassword(N_("a second factor guards this account; send its code as `code`"))
    return give_code(directory, login.token, code, peer)


def give_code(directory: DataDirectory, token: str, code: str, peer: str) -> Login:
    """The second half of a login: a whole session, under a fresh token, for a pending one.

    NotLoggedIn when there is none, Denied while a wait lasts, WrongPassword when the code is wrong.
    """
    now_us, vault = directory.clock.now_us(), directory.vault()
    with directory.ledger.write() as tx:
        login_limits.refuse_peer(tx, peer, now_us)
        half = find_session(tx, token, now_us, PENDING_S, pending=True)
        if half is None:
            raise NotLoggedIn.again()
        user = half[0]
        taken = second_factor.check(tx, vault, user, code, now_us)
        vouched = half[1].vouched
        detail = {"peer": peer, "how": "password" if vouched is None else "oidc",
                  "second_factor": taken or "wrong"}  # fmt: skip
        if taken is None:
            login_limits.count_peer(tx, peer, now_us)
            audit.record(
                tx, Actor(user.name), "login_failed", user.name, at_us=now_us, detail=detail
            )
            fresh = ""
        else:
            close_session(tx, token)
            fresh = open_session(
                tx, user, peer, now_us, directory.settings.web.session_hours, vouched=vouched
            )
            audit.record(tx, Actor(user.name), "login", user.name, at_us=now_us, detail=detail)
    if taken is None:
        raise WrongPassword(
            N_("this code is wrong, too old, or was used before; wait for the next one")
        )
    return Login(user, fresh)


def pending_user(directory: DataDirectory, token: str) -> User | None:
    """Whose code is due."""
    with directory.ledger.read() as tx:
        half = find_session(tx, token, directory.clock.now_us(), PENDING_S, pending=True)
    return None if half is None else half[0]


def log_out(directory: DataDirectory, user: User, token: str) -> str | None:
    """End one session. Returns the ID token of who came by a login provider."""
    now_us = directory.clock.now_us()
    with directory.ledger.write() as tx:
        found = find_session(tx, token, now_us, now_us // US)  # idleness was asked before
        vouched = None if found is None else found[1].vouched
        close_session(tx, token)
        audit.record(tx, Actor(user.name), "logout", user.name, at_us=now_us)
    try:
        return None if vouched is None else directory.vault().decrypt(vouched.id_token).decode()
    except InvalidToken:  # the key was replaced meanwhile: the provider is not told
        return None


def proven_lately(vouched: Vouched | None, now_us: int) -> bool:
    """Whether a login provider asked who they are so short a time ago that it is a password's."""
    return (
        vouched is not None
        and vouched.proven_us is not None
        and 0 <= now_us - vouched.proven_us < PROVEN_S * US
    )


def prove(directory: DataDirectory, user: User, password: str, peer: str, token: str) -> None:
    """WrongPassword unless it is theirs: before what a stolen session must not do.

    `token`: of their session. Who just came from a login provider needs no password.
    """
    now_us = directory.clock.now_us()
    with directory.ledger.read() as tx:
        found = find_session(tx, token, now_us, now_us // US)  # idleness was asked before
    if found is not None and proven_lately(found[1].vouched, now_us):
        return
    if check_password(directory.ledger, user.name, password, now_us, peer) is None:
        with directory.ledger.write() as tx:
            _note_failure(tx, user, now_us, {"peer": peer, "how": "password"})
        raise WrongPassword(N_("the current password is wrong; nothing was changed"))


def still(tx: Connection, user: User, token: str, now_us: int) -> tuple[User, Vouched | None]:
    """Who it is now, and what a login provider vouched for. NotLoggedIn when the session has ended
    since the request came: somebody else changed what they come in by."""
    found = still_open(tx, user, token, now_us)
    if found is None:
        raise NotLoggedIn.again()
    return found[0], found[1].vouched


def change_password(
    directory: DataDirectory, user: User, current: str | None, new: str, peer: str, token: str
) -> str:
    """Set an own password; every session of the user ends. Returns the token of a fresh one.

    `current` is None only where the login itself has just proven it (first login): Conflict when
    it was replaced meanwhile. NotLoggedIn when another change ended the session.
    """
    if current is not None:
        prove(directory, user, current, peer, token)
    now_us = directory.clock.now_us()
    with directory.ledger.write() as tx:
        found, vouched = still(tx, user, token, now_us)
        if current is None and not found.must_change:
            raise Conflict("the one-time password was replaced already; nothing was changed")
        changed = set_user(tx, found, password=new, must_change=False)
        audit.record(tx, Actor(user.name), "password_changed", user.name, at_us=now_us)
        return _fresh(directory, tx, changed, peer, now_us, vouched)


def begin_factor(directory: DataDirectory, user: User, current: str, peer: str, token: str) -> None:
    """Make a secret and keep it, after the password; only this session is shown it."""
    prove(directory, user, current, peer, token)
    now_us, vault = directory.clock.now_us(), directory.vault()
    with directory.ledger.write() as tx:
        still(tx, user, token, now_us)
        second_factor.begin(tx, vault, user, now_us, token)


def confirm_factor(
    directory: DataDirectory, user: User, code: str, peer: str, token: str
) -> tuple[list[str], str]:
    """(recovery codes, fresh session token): every other session of the user ends."""
    now_us, vault = directory.clock.now_us(), directory.vault()
    with directory.ledger.write() as tx:
        _, vouched = still(tx, user, token, now_us)
        codes = second_factor.confirm(tx, vault, user, code, now_us, token)
        audit.record(tx, Actor(user.name), "second_factor.add", user.name, at_us=now_us)
        end_sessions(tx, user)
        return codes, _fresh(directory, tx, user, peer, now_us, vouched)


def remove_factor(directory: DataDirectory, user: User, code: str, peer: str, token: str) -> str:
    """Take it off, by a code of it. Every session of the user ends; the token of a fresh one."""
    now_us, vault = directory.clock.now_us(), directory.vault()
    with directory.ledger.write() as tx:
        _, vouched = still(tx, user, token, now_us)
        taken = second_factor.check(tx, vault, user, code, now_us)
        fresh = ""
        if taken is None:
            _note_failure(tx, user, now_us, {"peer": peer, "second_factor": "wrong"})
        else:
            second_factor.remove(tx, user)
            audit.record(tx, Actor(user.name), "second_factor.remove", user.name, at_us=now_us)
            end_sessions(tx, user)
            fresh = _fresh(directory, tx, user, peer, now_us, vouched)
    if not fresh:
        raise WrongPassword(
            N_("this code is wrong, too old, or was used before; wait for the next one")
        )
    return fresh


def factor_is_due(directory: DataDirectory, user: User, vouched: Vouched | None = None) -> bool:
    """Whether the settings want a second factor of this role, and there is none, nor elsewhere."""
    if user.role not in directory.settings.web.second_factor or (vouched and vouched.factor):
        return False
    with directory.ledger.read() as tx:
        return not has_factor(tx, user.id)


def set_language(directory: DataDirectory, user: User, lang: str) -> None:
    """Remember the language a person reads."""
    if user.lang != lang:
        with directory.ledger.write() as tx:
            set_user(tx, find_user(tx, user.name), lang=lang)


def load(directory: DataDirectory, request: Request) -> Came:
    """Who asks. A request that brings an API token, where those work, is judged by it alone."""
    header = request.headers.get("Authorization", "")
    if request.path.startswith(OF_TOKENS) and header.lower().startswith(BEARER):
        return _by_api_token(directory, header[len(BEARER) :].strip())
    token = cookie(request)
    if not token:
        return Came(None, "")
    now_us, idle_s = directory.clock.now_us(), directory.settings.web.idle_minutes * 60
    with directory.ledger.read() as tx:
        found = find_session(tx, token, now_us, idle_s)
    if found is None:
        return Came(None, "")
    user, session = found
    if abs(now_us - session.seen_us) >= SEEN_EVERY_S * US:
        # A full disk must not close the door to whoever comes to make room.
        with suppress(ResourceExhausted, Unavailable), directory.ledger.write() as tx:
            touch_session(tx, session, now_us)
    return Came(user, token, vouched=session.vouched)


def cookie(request: Request) -> str:
    """The token a browser brings."""
    return request.cookies.get(COOKIE, "")


def set_cookie(response: Response, token: str, *, hours: int, secure: bool) -> None:
    """Hand the token to the browser: out of reach of scripts and of other sites."""
    response.set_cookie(
        COOKIE, token, max_age=hours * 3600, path="/", httponly=True, samesite="Strict",
        secure=secure,
    )  # fmt: skip


def forget_cookie(response: Response) -> None:
    """Take it back."""
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="Strict")


def _note_failure(tx: Connection, user: User, now_us: int, detail: dict[str, str]) -> None:
    """Somebody who holds a session guessed: at the door it would be the same row."""
    audit.record(
        tx, Actor(user.name), "login_failed", user.name, at_us=now_us,
        detail={**detail, "within": "a session"},
    )  # fmt: skip


def _fresh(
    directory: DataDirectory, tx: Connection, user: User, peer: str, now_us: int,
    vouched: Vouched | None,
) -> str:  # fmt: skip
    return open_session(
        tx, user, peer, now_us, directory.settings.web.session_hours, vouched=vouched
    )


def _by_api_token(directory: DataDirectory, token: str) -> Came:
    now_us = directory.clock.now_us()
    with directory.ledger.read() as tx:
        found = user_of_token(tx, token, now_us)
    if found is None:
        return Came(None, "")
    user, known = found
    if known.used_us is None or now_us - known.used_us >= USED_EVERY_S * US:
        with suppress(ResourceExhausted, Unavailable), directory.ledger.write() as tx:
            touch_token(tx, known, now_us)
    # Media are signed for a login or for a token, and this stands for it: nobody logs in by it.
    return Came(user, f"api token {known.id}", known)
