"""What a request knows: the data directory, who asks, under which case, in which language."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from flask import current_app, g, request
from sqlalchemy import Connection

from storage.access import Access, access_of
from storage.directory import DataDirectory
from storage.login_sessions import Vouched
from storage.rights import Verb, may
from storage.vocabulary import Actor, User
from web.sessions import NotLoggedIn

EXTENSION = "hindsight"


def directory() -> DataDirectory:
    """The data directory this application serves."""
    return cast(DataDirectory, current_app.extensions[EXTENSION])


def user_or_none() -> User | None:
    """Who is logged in, if anybody."""
    return cast("User | None", g.get("user"))


def user() -> User:
    """Who is logged in. NotLoggedIn when nobody is."""
    found = user_or_none()
    if found is None:
        raise NotLoggedIn.again()
    return found


def session_token() -> str:
    """The token of this login; pictures and media are signed for it."""
    return cast(str, g.session_token)


def vouched() -> Vouched | None:
    """What a login provider vouched for when this session was opened."""
    return cast("Vouched | None", g.get("vouched"))


def actor(case_id: str | None = None, reason: str | None = None) -> Actor:
    """Who the audit row of this request names."""
    came_with = g.get("api_token")
    return Actor(
        user().name, case_id or None, reason or None, None if came_with is None else came_with.label
    )


def access(tx: Connection) -> Access:
    """What who asks may do now, with which cameras; an API token narrows it."""
    found, scope = access_of(tx, user().name, now_us()), user().scope
    return found if scope is None else replace(found, verbs=found.verbs & scope)


def knows_folders() -> bool:
    """Whether who asks looks after the archive, and is told where on the disks it lies."""
    return may(user(), Verb.MANAGE) or may(user(), Verb.ADMINISTER)


def now_us() -> int:
    """The wall clock of the data directory, UTC microseconds."""
    return directory().clock.now_us()


def peer() -> str:
    """Where the request came from."""
    return request.remote_addr or "?"
