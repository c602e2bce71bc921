"""The people and grants desks and their API: what an administrator does, and what it takes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyotp
import pytest

from storage import second_factor
from storage.access import access_of
from storage.camera_states import set_state
from storage.clock import US, rfc3339
from storage.departments import add_department
from storage.errors import Conflict, Denied
from storage.grant_changes import Wanted, give
from storage.login_sessions import open_session
from storage.people import add_user, find_user, has_factor
from storage.people_changes import Change, add_person, change_person
from storage.register import find_camera
from storage.vocabulary import Actor, CameraState, Role
from tests.storage.media import new_house
from tests.web.desk import NOW_US, PASSWORD, Desk, Person
from web.sessions import COOKIE

LATER = rfc3339(NOW_US + 86_400 * US)


@dataclass
class Office:
    """One application for the module, its administrator logged in, and names for new people."""

    desk: Desk
    boss: Person
    token: str
    count: int = 0

    def somebody(self, role: Role = Role.INVESTIGATOR) -> str:
        """A new person, without a password: nothing slow."""
        self.count += 1
        name = f"person-{self.count}"
        with self.desk.directory.ledger.write() as tx:
            add_user(tx, name, None, role, created_us=NOW_US, must_change=False)
        return name

    def logged_in(self, name: str) -> Person:
        with self.desk.directory.ledger.write() as tx:
            token = open_session(tx, find_user(tx, name), "192.0.2.7", NOW_US, 12)
        client = self.desk.app.test_client()
        client.set_cookie(COOKIE, token)
        return Person(client)

    def api(self, method: str, address: str, **body: Any) -> Any:
        return self.boss.client.open(
            f"/api/v1{address}", method=method, json=body or None,
            headers={"X-CSRF-Token": self.token},
        )  # fmt: skip

    def newest(self, action: str) -> tuple[str, str, str | None, Any]:
        row = self.desk.audited(action)[-1]
        return row.actor, row.subject, row.reason, json.loads(row.detail)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    house = new_house(tmp_path_factory.mktemp("office") / "data", NOW_US)
    house.camera("gate", department="north", site="city/north")
    house.camera("yard", department="south", site="city/south")
    with house.ledger.write() as tx:
        for name in ("north", "south"):
            add_department(tx, name, NOW_US)
    desk = Desk(house.directory, house.clock)
    boss = desk.person("boss", Role.ADMINISTRATOR, granted=False)
    yield Office(desk, boss, boss.token())
    desk.close()


def test_a_person_is_added_with_a_password_that_is_shown_once(office: Office) -> None:
    form = {"name": "li.wei", "role": "investigator", "department": "north", "language": "zh",
            "current": PASSWORD}  # fmt: skip
    page = office.boss.post("/people", form, at="/people").text
    password = re.search(r'<code id="password">([^<]+)</code>', page)
    assert password
    assert "They see no camera yet" in page
    assert office.newest("user.add") == (
        "boss", "li.wei", None, {"role": "investigator", "department": "north"}
    )  # fmt: skip
    everything = "".join(row.detail for row in office.desk.audited())
    assert password[1] not in everything
    assert password[1] not in office.boss.get("/people").text
    first = Person(office.desk.app.test_client()).log_in("li.wei", password[1])
    assert first.status_code == 302
    listed = office.api("GET", "/users/li.wei").json
    assert (listed["must_change_password"], listed["language"]) == (True, "zh")
    assert listed["last_login"] == rfc3339(NOW_US)


def test_nobody_is_given_power_without_the_password(office: Office) -> None:
    """A stolen session makes nobody an administrator."""
    name = office.somebody()
    stolen = office.logged_in(office.somebody(Role.ADMINISTRATOR))
    at = {"X-CSRF-Token": stolen.token()}
    before = [row for row in office.desk.audited() if row.action != "login_failed"]
    mole = {"name": "mole", "role": "administrator"}
    grant = {"user": name, "verbs": ["see"], "site": "/", "purpose": "x", "until": LATER}
    for call in (
        lambda: stolen.post("/people", mole | {"current": "wrong"}, at="/people"),
        lambda: stolen.client.post("/api/v1/users", json=mole, headers=at),
        lambda: stolen.client.post("/api/v1/grants", json=grant, headers=at),
        lambda: stolen.client.patch(
            f"/api/v1/users/{name}", json={"role": "administrator"}, headers=at
        ),
    ):
        assert call().status_code == 401
    other = office.logged_in(office.somebody(Role.ADMINISTRATOR))
    for change in (
        {"role": "administrator"}, {"department": "south"}, {"enabled": "1"},
        {"reset_password": "1"}, {"reset_second_factor": "1"},
    ):  # fmt: skip
        page = other.post("/people/person", {"name": name, **change}, at="/people")
        assert page.status_code == 302, "the password was shown"
    assert [row for row in office.desk.audited() if row.action != "login_failed"] == before


def test_what_takes_power_away_is_done_at_once(office: Office) -> None:
    name = office.somebody()
    theirs = office.logged_in(name)
    office.boss.post("/people/person", {"name": name, "end_sessions": "1", "reason": "lost phone"},
                     at="/people")  # fmt: skip
    assert office.newest("user.set") == ("boss", name, "lost phone", {"sessions_ended": True})
    assert theirs.get("/account").status_code == 302
    theirs = office.logged_in(name)
    answer = office.api("PATCH", f"/users/{name}", enabled=False, reason="left")
    assert (answer.status_code, answer.json["enabled"]) == (200, False)
    assert office.newest("user.set") == ("boss", name, "left", {"enabled": False})
    assert theirs.get("/account").status_code == 302
    assert f"Enable {name}" in office.boss.get(f"/people/person?name={name}").text


def test_role_department_password_and_factor_are_changed(office: Office) -> None:
    name = office.somebody()
    directory = office.desk.directory
    with directory.ledger.write() as tx:
        user = find_user(tx, name)
        begun = second_factor.begin(tx, directory.vault(), user, NOW_US)
        code = pyotp.TOTP(begun.secret).at(NOW_US // US)
        second_factor.confirm(tx, directory.vault(), user, code, NOW_US)
    assert office.api("GET", f"/users/{name}").json["second_factor"] is True
    fields = {"name": name, "current": PASSWORD}
    office.boss.post("/people/person", fields | {"reset_second_factor": "1"}, at="/people")
    with directory.ledger.read() as tx:
        assert not has_factor(tx, user.id)
    office.boss.post("/people/person", fields | {"role": "auditor"}, at="/people")
    assert office.newest("user.set") == ("boss", name, None, {"role": "auditor"})
    office.boss.post("/people/person", fields | {"department": "south"}, at="/people")
    assert office.newest("user.set")[3] == {"department": "south", "department_before": None}
    answer = office.api("PATCH", f"/users/{name}", no_department=True)
    assert answer.json["department"] is None
    shown = office.api("PATCH", f"/users/{name}", reset_password=True, password=PASSWORD).json
    assert re.fullmatch(r"(\w{4}-){3}\w{4}", shown["one_time_password"])
    assert shown["must_change_password"]


def test_the_last_administrator_stays_and_nobody_resets_what_is_theirs(office: Office) -> None:
    for one in office.api("GET", "/users").json:
        if one["role"] == "administrator" and one["name"] != "boss" and one["enabled"]:
            answer = office.api("PATCH", f"/users/{one['name']}", enabled=False)
            assert answer.status_code == 200, answer.text
    for change in ({"enabled": False}, {"role": "auditor", "password": PASSWORD}):
        answer = office.api("PATCH", "/users/boss", **change)
        assert answer.status_code == 409, answer.text
        assert "last administrator" in answer.text
    for own in ("reset_password", "reset_second_factor"):
        answer = office.api("PATCH", "/users/boss", **{own: True, "password": PASSWORD})
        assert answer.status_code == 403
        assert "your account page" in answer.text
    assert office.boss.get("/people").status_code == 200


def test_right_is_asked_where_it_is_written_not_only_at_the_door(office: Office) -> None:
    directory = office.desk.directory
    for role in set(Role) - {Role.ADMINISTRATOR}:
        mole = Actor(office.somebody(role))
        with pytest.raises(Denied):
            add_person(directory, mole, "second-mole", Role.ADMINISTRATOR, lang="en")
        with pytest.raises(Denied):
            change_person(directory, mole, mole.name, Change(role=Role.ADMINISTRATOR))
    gone = office.somebody(Role.ADMINISTRATOR)
    change_person(directory, Actor("boss"), gone, Change(enabled=False))
    with pytest.raises(Denied):
        change_person(directory, Actor(gone), gone, Change(enabled=True))
    with pytest.raises(Conflict):
        change_person(directory, Actor("boss"), "boss", Change(enabled=False))


def test_a_grant_is_made_listed_by_all_that_it_is_about_and_revoked(office: Office) -> None:
    name = office.somebody()
    form = {"to": "user", "grantee": name, "verb": ["search", "play"], "place": "camera",
            "where": "gate", "until": LATER, "purpose": "thefts", "current": PASSWORD}  # fmt: skip
    for missing in ("where", "grantee", "purpose", "verb"):  # an empty place is not everywhere
        refused = office.boss.post("/grants", form | {"place": "site", missing: ""}, at="/grants")
        assert refused.status_code == 422, missing
    answer = office.boss.post("/grants", form, at="/grants")
    assert answer.status_code == 302, answer.text
    (made,) = office.api("GET", f"/grants?user={name}").json
    assert (made["verbs"], made["camera"], made["made_by"]) == (
        ["see", "search", "play"], "gate", "boss"
    )  # fmt: skip
    actor, subject, reason, detail = office.newest("grant.add")
    assert (actor, subject, reason, detail["id"]) == ("boss", name, "thefts", made["id"])
    for query, there in (
        ("camera=gate", True), ("camera=yard", False), ("site=city", True),
        ("site=city/south", False), ("site=/", True), ("department=north", False),
    ):  # fmt: skip
        found = [one["id"] for one in office.api("GET", f"/grants?{query}").json]
        assert (made["id"] in found) is there, query
    page = office.boss.get(f"/people/person?name={name}").text
    assert "search footage" in page
    assert "thefts" in page
    office.boss.post(f"/grants/{made['id']}/revoke", {"reason": "found"}, at="/grants")
    assert office.newest("grant.revoke") == ("boss", name, "found", {"grant": made["id"]})
    assert office.api("GET", f"/grants?user={name}").json == []
    (ended,) = office.api("GET", f"/grants?user={name}&ended=true").json
    assert (ended["state"], ended["revoke_reason"]) == ("revoked", "found")
    with office.desk.directory.ledger.read() as tx:
        assert access_of(tx, name, NOW_US).grants == ()


def test_what_a_department_was_granted_is_listed_with_who_belongs_to_it(office: Office) -> None:
    name = office.somebody(Role.OPERATOR)
    office.api("PATCH", f"/users/{name}", department="south", password=PASSWORD)
    body = {"department": "south", "verbs": ["see", "search"], "cameras_of": "south",
            "purpose": "their own", "password": PASSWORD}  # fmt: skip
    made = office.api("POST", "/grants", **body)
    assert made.status_code == 201, made.text
    assert made.json["id"] in [one["id"] for one in office.api("GET", f"/grants?user={name}").json]
    page = office.boss.get(f"/people/person?name={name}").text
    assert "through south" in page
    assert re.search(r"<s [^>]*>search footage</s>", page)  # an operator's role does not allow it


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"user": "nobody", "site": "/"}, 404), ({"user": "boss"}, 422),
        ({"user": "boss", "site": "/", "camera": "gate"}, 422), ({"site": "/"}, 422),
        ({"user": "boss", "site": "/", "verbs": ["administer"]}, 422),
        ({"user": "boss", "site": "/", "verbs": ["fly"]}, 422),
        ({"user": "boss", "site": "/", "until": "2020-01-01T00:00:00Z"}, 422),
        ({"user": "boss", "site": "/", "case": "none"}, 404),
        ({"user": "boss", "camera": "nowhere"}, 404), ({"user": "boss", "site": "/"}, 422),
    ],
)  # fmt: skip
def test_a_grant_that_makes_no_sense_is_refused(
    office: Office, body: dict[str, Any], status: int
) -> None:
    before = len(office.desk.audited("grant.add"))
    asked = {"verbs": ["see"], "purpose": "x", "password": PASSWORD} | body
    assert office.api("POST", "/grants", **asked).status_code == status
    assert len(office.desk.audited("grant.add")) == before


def test_numbers_and_names_that_lead_nowhere_are_not_found(office: Office) -> None:
    for grant in ("0", "999", str(2**63), "9" * 40):
        assert office.api("POST", f"/grants/{grant}/revoke", reason="x").status_code == 404
    for name in ("nobody", "a/b", "%2e%2e", "%00"):
        assert office.api("GET", f"/users/{name}").status_code == 404
    assert office.boss.get("/people/person?name=nobody").status_code == 404


def test_departments_are_registered_and_counted(office: Office) -> None:
    assert office.api("POST", "/departments", name="harbour  office").json == {
        "name": "harbour office", "people": 0, "cameras": 0
    }  # fmt: skip
    assert office.api("POST", "/departments", name="harbour office").status_code == 409
    office.boss.post("/people/departments", {"department": "river office"}, at="/people")
    names = [one["name"] for one in office.api("GET", "/departments").json]
    assert {"harbour office", "river office", "north", "south"} <= set(names)
    assert office.newest("department.add")[:2] == ("boss", "river office")


def test_folders_of_the_archive_are_told_to_who_looks_after_it(office: Office) -> None:
    directory = office.desk.directory
    identity = directory.archive.volumes["main"].root / ".volume.json"
    identity.rename(identity.with_suffix(".lost"))
    try:
        for role in Role:
            told = office.logged_in(office.somebody(role)).get("/api/v1/status")
            knows = role in (Role.ADMINISTRATOR, Role.OPERATOR, Role.MANAGER)
            assert (str(directory.root) in told.text) is knows, (role, told.text)
            (one,) = told.json["volumes"]
            assert (one["root"] is None) is not knows
            assert "main" in one["error"]  # that it is amiss is told to everybody
            assert told.json["warnings"]
    finally:
        identity.with_suffix(".lost").rename(identity)


def test_what_a_recorder_says_of_a_disk_is_shown_without_its_folder(office: Office) -> None:
    directory = office.desk.directory
    root = directory.archive.volumes["main"].root
    with directory.ledger.write() as tx:
        said = f"{root}/gate cannot be written"
        set_state(tx, CameraState(find_camera(tx, "gate").id, "stalled", NOW_US, NOW_US, None,
                                  None, None, None, 0, said))  # fmt: skip
    for role, knows in ((Role.AUDITOR, False), (Role.MANAGER, True)):
        name = office.somebody(role)
        give(directory, Actor("boss"), Wanted(("see",), "a test", user=name, camera="gate",
                                              until_us=NOW_US + 86_400 * US))  # fmt: skip
        person = office.logged_in(name)
        for address in ("/cameras", "/cameras/gate", "/api/v1/status"):
            shown = person.get(address).text
            assert "/gate cannot be written" in shown, address
            assert (str(root) in shown) is knows, address
