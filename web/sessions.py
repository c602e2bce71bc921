"""Logging in and out: the server-side session, its cookie, and the audit rows around it."""

from __future__ import annotations

from typing import ClassVar

from flask import Request
from werkzeug.wrappers import Response

from storage import audit
from storage.directory import DataDirectory
from storage.errors import Denied
from storage.i18n import N_
from storage.people import (
    check_password,
    close_session,
    find_user,
    open_session,
    session_user,
    set_user,
)
from storage.vocabulary import Actor, User

COOKIE = "hindsight_session"


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


def log_in(directory: DataDirectory, name: str, password: str, peer: str) -> tuple[User, str]:
    """(user, fresh session token). Denied when they do not fit or the account is locked.

    A failure is counted and audited, and both are committed before the answer leaves.
    """
    now_us = directory.clock.now_us()
    found = check_password(directory.ledger, name, password, now_us)
    with directory.ledger.write() as tx:
        if found is None:
            audit.record(
                tx, Actor(name[:100]), "login_failed", name[:100],
                at_us=now_us, detail={"peer": peer},
            )  # fmt: skip
            token = ""
        else:
            token = open_session(
                tx, found, peer, now_us, directory.settings.web.session_hours
            )  # fmt: skip
            audit.record(
                tx, Actor(found.name), "login", found.name, at_us=now_us, detail={"peer": peer}
            )
    if found is None:
        raise WrongPassword(N_("name or password is wrong; check both and try again"))
    return found, token


def log_out(directory: DataDirectory, user: User, token: str) -> None:
    """End one session."""
    now_us = directory.clock.now_us()
    with directory.ledger.write() as tx:
        close_session(tx, token)
        audit.record(tx, Actor(user.name), "logout", user.name, at_us=now_us)


def change_password(
    directory: DataDirectory, user: User, current: str | None, new: str, peer: str
) -> str:
    """Set an own password; every session of the user ends. Returns the token of a fresh one.

    `current` is None only where the login itself has just proven it (first login).
    """
    now_us = directory.clock.now_us()
    if current is not None and (
        check_password(directory.ledger, user.name, current, now_us) is None
    ):
        raise WrongPassword(N_("the current password is wrong; nothing was changed"))
    with directory.ledger.write() as tx:
        changed = set_user(tx, user, password=new, must_change=False)
        audit.record(tx, Actor(user.name), "password_changed", user.name, at_us=now_us)
        token = open_session(tx, changed, peer, now_us, directory.settings.web.session_hours)
    return token


def set_language(directory: DataDirectory, user: User, lang: str) -> None:
    """Remember the language a person reads."""
    if user.lang != lang:
        with directory.ledger.write() as tx:
            set_user(tx, find_user(tx, user.name), lang=lang)


def load(directory: DataDirectory, request: Request) -> tuple[User | None, str]:
    """(user, token) of the cookie; (None, '') when there is none or it ended."""
    token = request.cookies.get(COOKIE, "")
    if not token:
        return None, ""
    with directory.ledger.read() as tx:
        found = session_user(tx, token, directory.clock.now_us())
    return (found, token) if found else (None, "")


def set_cookie(response: Response, token: str, *, hours: int, secure: bool) -> None:
    """Hand the token to the browser: out of reach of scripts and of other sites."""
    response.set_cookie(
        COOKIE, token, max_age=hours * 3600, path="/", httponly=True, samesite="Strict",
        secure=secure,
    )  # fmt: skip


def forget_cookie(response: Response) -> None:
    """Take it back."""
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
