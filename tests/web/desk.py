"""The web application under test, and the people who sit at it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Connection
from werkzeug.test import TestResponse

from storage import audit
from storage.clock import US
from storage.directory import DataDirectory
from storage.grants import GRANTABLE, Grant, Place, add_grant
from storage.people import add_user
from storage.reading import Footage, footage
from storage.rights import Verb
from storage.vocabulary import Actor, Camera, Role, Segment, User
from tests.storage.media import HandClock
from tests.web.footage import START_US
from web.app import create_app

NOW_US = START_US + 120 * US
PASSWORD = "correct horse battery"


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
                tx, name, PASSWORD, role, created_us=NOW_US, lang=lang, must_change=False
            )  # fmt: skip
            if granted:
                grant_everything(tx, user)
        someone = Person(self.app.test_client())
        answer = someone.log_in(name, PASSWORD)
        assert answer.status_code == 302, answer.text
        return someone

    def audited(self, action: str | None = None) -> list[audit.AuditRow]:
        """Rows of the audit chain."""
        with self.directory.ledger.read() as tx:
            return audit.rows(tx, action=action)


def opened(directory: DataDirectory, row: Segment) -> Footage:
    """A segment as a program of this data directory reads it."""
    return footage(directory, row.id, Actor("the test"), Verb.PLAY)


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
