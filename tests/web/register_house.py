"""An application with people who register cameras, for the tests of the register desk."""

from __future__ import annotations

from storage.audit import AuditRow
from storage.grants import GRANTABLE, Place, add_grant
from storage.login_sessions import open_session
from storage.people import add_user, find_user
from storage.register import credentials_of, find_camera
from storage.vocabulary import Camera, Role
from tests.web.desk import NOW_US, PASSWORD, Desk, Person
from web import sessions

GOOD = {
    "name": "North gate 3", "url": "rtsp://192.0.2.9:554/main", "user": "viewer",
    "password": "geheim:wort@9", "site": "city/north/gate-3", "site_class": "1",
    "gb_code": "31011500001320000001", "department": "north", "address": "1 Gate Road",
    "lat": "31.24", "lon": "121.46", "view_deg": "90", "vendor": "Acme", "tz": "Asia/Shanghai",
    "retention_class": "", "sensitive": "yes",
}  # fmt: skip


class House:
    """One application with three people, for all the tests of this file; each has its camera."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.number = 0
        with desk.directory.ledger.write() as tx:
            for name, role in (("root", Role.ADMINISTRATOR), ("eve", Role.ADMINISTRATOR),
                               ("maria", Role.MANAGER)):  # fmt: skip
                add_user(tx, name, PASSWORD, role, created_us=NOW_US, must_change=False)
            add_grant(
                tx, user=find_user(tx, "maria"), verbs=GRANTABLE, place=Place(site="city/north"),
                from_us=0, until_us=NOW_US * 2, purpose="north", made_by="root", at_us=NOW_US,
            )  # fmt: skip
        self.root, self.eve, self.maria = (self.seat(name) for name in ("root", "eve", "maria"))

    def seat(self, name: str) -> Person:
        with self.desk.directory.ledger.write() as tx:
            token = open_session(tx, find_user(tx, name), "192.0.2.7", NOW_US, 12)
        client = self.desk.app.test_client()
        client.set_cookie(sessions.COOKIE, token)
        return Person(client)

    def good(self) -> dict[str, str]:
        """A form that will do, of a camera that is not there yet."""
        self.number += 1
        number = self.number
        return GOOD | {"name": f"Gate {number}", "gb_code": f"310115000013200000{number:02d}"}

    def made(self) -> tuple[dict[str, str], str]:
        """One that is registered, and the address of its form."""
        good = self.good()
        assert self.root.post("/cameras/new", good).status_code == 303
        return good, f"/cameras/gate-{self.number}/edit"

    def found(self) -> Camera:
        """The latest."""
        with self.desk.directory.ledger.read() as tx:
            return find_camera(tx, f"gate-{self.number}")

    def password(self) -> tuple[str, str] | None:
        with self.desk.directory.ledger.read() as tx:
            return credentials_of(tx, self.found().id, self.desk.directory.vault)

    def audited(self, action: str) -> list[AuditRow]:
        """Of the latest camera."""
        return [row for row in self.desk.audited(action) if row.subject == f"gate-{self.number}"]
