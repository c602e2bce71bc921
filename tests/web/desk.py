"""The web application under test, and the people who sit at it."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, ClassVar

from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from jinja2.bccache import Bucket, BytecodeCache
from sqlalchemy import Connection, event, update
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from storage import audit, schema
from storage.clock import US
from storage.directory import DataDirectory
from storage.grants import GRANTABLE, Grant, Place, add_grant
from storage.login_sessions import open_session
from storage.people import add_user
from storage.reading import Footage, footage
from storage.rights import Verb
from storage.vocabulary import Actor, Camera, Role, Segment, User
from tests.storage.media import HandClock, keep_verdicts
from tests.web.footage import START_US
from web import sessions
from web.app import close_app, create_app

NOW_US = START_US + 120 * US
PASSWORD = "correct horse battery"


class CompiledOnce(BytecodeCache):
    """Templates as the first application of this process compiled them: a third of a second a
    page, and every test makes an application."""

    compiled: ClassVar[dict[str, bytes]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if (found := self.compiled.get(bucket.key + bucket.checksum)) is not None:
            bucket.bytecode_from_string(found)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self.compiled[bucket.key + bucket.checksum] = bucket.bytecode_to_string()


# werkzeug writes, compiles and runs a function for each of 400 addresses of every application, a
# sixth of a second; it is the same function for the same address.
_builders: dict[tuple[object, ...], Any] = {}
_compiled = Rule._compile_builder


def _compiled_once(rule: Rule, append_unknown: bool = True) -> Any:
    key = (rule.rule, rule.subdomain, str(rule.defaults), append_unknown)
    if key not in _builders:
        _builders[key] = _compiled(rule, append_unknown)
    return _builders[key]


Rule._compile_builder = _compiled_once  # type: ignore[method-assign]


class ReadingClient(FlaskClient):
    """Reads every answer to its end, so that files are closed."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        return super().open(*args, **{"buffered": True} | kwargs)


@dataclass
class Desk:
    """An application over a data directory, and what was put into it."""

    directory: DataDirectory
    clock: HandClock
    cameras: dict[str, Camera] = field(default_factory=dict)
    segments: list[Segment] = field(default_factory=list)

    @cached_property
    def app(self) -> Flask:
        """Made on first use, as `serve` makes it."""
        made = create_app(self.directory)
        made.test_client_class = ReadingClient
        made.jinja_env.bytecode_cache = CompiledOnce()
        made.config["SEARCH_WAIT_S"] = 30  # no scripts here that would go on waiting
        return made

    def person(
        self,
        name: str = "ines",
        role: Role = Role.INVESTIGATOR,
        lang: str = "en",
        *,
        granted: bool = True,
    ) -> Person:
        """Somebody of that role, logged in; `granted`: whatever the role allows, everywhere."""
        with self.directory.ledger.write() as tx:
            user = add_user(
                tx, name, None, role, created_us=NOW_US, lang=lang, must_change=False
            )  # fmt: skip
            tx.execute(
                update(schema.user).where(schema.user.c.name == name)
                .values(password_hash=digest())
            )  # fmt: skip
            if granted:
                grant_everything(tx, user)
            token = open_session(tx, user, "127.0.0.1", self.clock.now_us(), 12)
        someone = Person(self.app.test_client())
        someone.client.set_cookie(sessions.COOKIE, token)
        return someone

    def close(self) -> None:
        """As `serve` ends it: no thread of it goes on."""
        if "app" in self.__dict__:
            close_app(self.app)
        keep_verdicts(self.directory)
        self.directory.close()

    def audited(self, action: str | None = None) -> list[audit.AuditRow]:
        """Rows of the audit chain."""
        with self.directory.ledger.read() as tx:
            return audit.rows(tx, action=action)


def before_next_write(
    directory: DataDirectory, do: Callable[[], object], *, after: int = 0
) -> None:  # fmt: skip
    """Let `do` write in another thread when the next writer, or the one `after` so many, asks for
    the ledger, before it has it: the bad order of two, made certain."""
    waiting = [do, *[lambda: None] * after]

    def first(_: Connection, options: dict[str, Any]) -> None:
        if options.get("hindsight_write") and waiting:
            with ThreadPoolExecutor(1) as pool:
                pool.submit(waiting.pop()).result(30)

    event.listen(directory.ledger.engine, "set_connection_execution_options", first)


def opened(directory: DataDirectory, row: Segment) -> Footage:
    """A segment as a program of this data directory reads it."""
    return footage(directory, row.id, Actor("the test"), Verb.PLAY)


@cache
def digest() -> str:
    """Of PASSWORD. To reckon it costs a quarter of a second, to check it as much; so people are
    seated with it, and the tests of the door type it."""
    return PasswordHasher().hash(PASSWORD)


def grant_everything(tx: Connection, user: User) -> Grant:
    """Somebody may do whatever the role allows, everywhere, for a year."""
    return add_grant(
        tx, user=user, verbs=GRANTABLE, place=Place(site=""), from_us=0,
        until_us=NOW_US + 366 * 86_400 * US, purpose="a test", made_by="the test", at_us=NOW_US,
    )  # fmt: skip


class Person:
    """A browser without scripts: keeps cookies, knows the form token of the last page."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def log_in(self, name: str, password: str, **fields: str) -> TestResponse:
        """Through the form."""
        return self.post("/login", {"name": name, "password": password, **fields}, at="/login")

    def get(self, address: str, **kwargs: Any) -> TestResponse:
        return self.client.get(address, **kwargs)

    def post(
        self, address: str, data: dict[str, Any] | None = None, at: str = "/account", **kwargs: Any
    ) -> TestResponse:
        """Send a form with the token of the page `at`."""
        fields = {"csrf_token": self.token(at), **(data or {})}
        return self.client.post(address, data=fields, **kwargs)

    def token(self, at: str = "/account") -> str:
        """The form token of a page."""
        page = self.client.get(at, follow_redirects=True).text
        found = re.search(r'name="csrf-token" content="([^"]+)"', page)
        assert found, page
        return found[1]

    def opening(self, camera: str = "gate", at: int = START_US, **more: str) -> dict[str, Any]:
        """What a player gets."""
        answer = self.client.get(
            f"/media/{camera}/opening.json", query_string={"at": at, **more}
        )  # fmt: skip
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json
        return document
