"""The cases desk and its API: what is hidden is as unknown, in every list, page and purpose; what
is collected, handed over and closed in the browser."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from werkzeug.test import TestResponse

from storage.access_tables import access_grant
from storage.clock import US, rfc3339
from storage.departments import add_department, set_department
from storage.grants import GRANTABLE, Place, add_grant
from storage.people import find_user
from storage.vocabulary import Role
from tests.storage.media import new_house
from tests.web.desk import NOW_US, Desk, Person
from tests.web.footage import START_US, keep, register, write_clip

HOUR_US = 3600 * US
PEOPLE = {
    "nora": (Role.INVESTIGATOR, "north"), "sara": (Role.INVESTIGATOR, "south"),
    "audra": (Role.AUDITOR, "south"), "maja": (Role.MANAGER, "south"),
}  # fmt: skip
XSS = "<script>alert(1)</script>"


@dataclass
class Town:
    """Everybody logged in; cameras of the north, of which the south was granted none."""

    desk: Desk
    people: dict[str, Person]
    cases: int = 0

    def post(self, who: str, address: str, status: int, **body: object) -> Any:
        answer = self.people[who].client.post(f"/api/v1{address}", json=body)
        assert answer.status_code == status, answer.text
        return answer.json

    def told(self, who: str, address: str) -> Any:
        answer = self.people[who].client.get(f"/api/v1{address}")
        assert answer.status_code == 200, answer.text
        return answer.json

    def case(self) -> str:
        """A case of the north with an exhibit of each camera."""
        self.cases += 1
        number = f"N-{self.cases}"
        self.post("nora", "/cases", 201, id=number, reason=f"theft {XSS}")
        for camera in ("gate", "yard"):
            self.post(
                "nora", "/exhibits", 201, case=number, camera=camera, at=rfc3339(START_US + US),
                note=f"note of {camera} {XSS}",
            )  # fmt: skip
        return number

    def give(self, case: str, status: int = 201) -> Any:
        return self.post(
            "nora", f"/cases/{case}/hand-overs", status, department="south", reason="they know",
            verbs=["search", "play"], until=rfc3339(self.desk.clock.now + HOUR_US),
        )  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("cases")
    house = new_house(folder / "data", NOW_US)
    desk = Desk(house.directory, house.clock)
    write_clip(folder / "clip.mp4", count=50)
    for name in ("gate", "yard"):
        camera = desk.cameras[name] = register(desk.directory, name, department="north")
        keep(desk.directory, camera, folder / "clip.mp4", START_US)
    with desk.directory.ledger.write() as tx:
        for name in ("north", "south"):
            add_department(tx, name, NOW_US)
    people = {}
    for name, (role, department) in PEOPLE.items():
        people[name] = desk.person(name, role, granted=False)
        people[name].client.environ_base["HTTP_X_CSRF_TOKEN"] = people[name].token()
        with desk.directory.ledger.write() as tx:
            set_department(tx, find_user(tx, name).id, department)
    with desk.directory.ledger.write() as tx:
        add_grant(
            tx, department="north", verbs=GRANTABLE, place=Place(cameras_of="north"), from_us=0,
            until_us=None, purpose="their own", made_by="admin", at_us=NOW_US,
        )  # fmt: skip
    yield Town(desk, people)
    desk.close()


@pytest.fixture
def town(built: Town) -> Iterator[Town]:
    yield built
    built.desk.clock.now = NOW_US


def test_a_hidden_case_is_told_as_an_unknown_one_everywhere(town: Town) -> None:
    case = town.case()
    sara, exhibit = town.people["sara"].client, 1
    body = {"department": "north", "until": rfc3339(NOW_US + HOUR_US), "verbs": ["play"],
            "reason": "x"}  # fmt: skip
    calls: list[Callable[[str], TestResponse]] = [
        lambda c: sara.get(f"/cases/{c}"), lambda c: sara.get(f"/api/v1/cases/{c}"),
        lambda c: sara.get(f"/api/v1/cases/{c}/exhibits"),
        lambda c: sara.get(f"/api/v1/cases/{c}/marks"),
        lambda c: sara.post(f"/api/v1/cases/{c}/close"),
        lambda c: sara.post(f"/api/v1/cases/{c}/hand-overs", json=body),
        lambda c: sara.post(f"/api/v1/cases/{c}/hand-overs/{exhibit}/end", json={"reason": "x"}),
        lambda c: sara.post("/api/v1/search", json={"text": "a van", "case": c, "reason": "x"}),
        lambda c: sara.post("/api/v1/standing", json={
            "name": "smoke", "text": "smoke", "expires": rfc3339(NOW_US + HOUR_US), "case": c,
            "reason": "x"}),
    ]  # fmt: skip
    for number, call in enumerate(calls):
        hidden, unknown = call(case), call("N-999")
        assert hidden.status_code == unknown.status_code == 404, (number, hidden.text[:300])
        assert _plain(hidden.text, case) == _plain(unknown.text, "N-999"), number
    for page in ("/search", "/export", "/cases", "/redact", "/player"):
        assert case not in sara.get(page).text, page
        assert case in town.people["nora"].client.get(page).text, page


def _plain(text: str, case: str) -> str:
    return re.sub(r'(content|value)="[\w.-]{40,}"', "", text.replace(case, "X"))


def test_who_lists_which_cases(town: Town) -> None:
    case = town.case()
    for who, knows in (("nora", True), ("sara", False), ("audra", True), ("maja", False)):
        listed = town.told(who, "/cases")
        assert (case in {one["id"] for one in listed}) is knows, who


def test_an_exhibit_of_a_camera_one_may_not_see_shows_no_picture_and_no_name(town: Town) -> None:
    case = town.case()
    town.give(case)
    (grant, _) = town.told("nora", f"/cases/{case}")["handovers"][0]["grants"]
    with town.desk.directory.ledger.write() as tx:  # an administrator narrows it
        tx.execute(access_grant.update().where(access_grant.c.id == grant).values(
            revoked_us=NOW_US, revoked_by="admin", revoke_reason="too much"))  # fmt: skip
    told = town.told("sara", f"/cases/{case}")
    hidden, seen = told["exhibits"]
    assert (hidden["camera"], hidden["still"], hidden["notes"]) == (None, None, [])
    assert seen["camera"] == "yard"
    assert seen["still"]
    assert "gate" not in str(told)
    page = town.people["sara"].client.get(f"/cases/{case}").text
    assert "gate" not in page
    assert page.count("/media/picture/") == 1
    picture = re.search(r'src="(/media/picture/[^"]+)"', page)
    assert picture
    assert town.people["sara"].client.get(html.unescape(picture[1])).status_code == 200
    number = told["handovers"][0]["id"]
    town.post("nora", f"/cases/{case}/hand-overs/{number}/end", 200, reason="done")
    assert town.people["sara"].client.get(html.unescape(picture[1])).status_code == 404


def test_looking_at_a_case_is_audited_before_it_is_shown(town: Town) -> None:
    case = town.case()
    page = town.people["nora"].client.get(f"/cases/{case}").text
    (row,) = [one for one in town.desk.audited("case.view") if one.case_id == case]
    assert row.actor == "nora"
    assert '"cameras":["gate","yard"]' in row.detail
    assert XSS not in page
    assert html.escape(XSS) in page
    auditor = town.people["audra"].client.get(f"/cases/{case}").text
    assert "/media/picture/" not in auditor  # who audits looks at no footage


def test_a_case_in_the_browser_from_opening_to_closing(town: Town) -> None:
    nora = town.people["nora"]
    town.cases += 1
    number = f"N-{town.cases}"
    opened = nora.post("/cases", {"id": number, "reason": "thefts"})
    assert opened.location == f"/cases/{number}"
    assert nora.post("/cases", {"id": number, "reason": "again"}).status_code == 409
    made = town.post("nora", "/exhibits", 201, case=number, camera="gate", at=rfc3339(START_US))
    assert any("held" in text for text in made["said"])
    town.post("nora", "/exhibits", 409, case=number, camera="gate", at=rfc3339(START_US))
    here = f"/cases/{number}"
    nora.post(f"{here}/exhibits/{made['id']}/note", {"text": "a bicycle"})
    nora.post(f"{here}/hand-overs", {
        "department": "south", "until": "2099-01-01 00:00:00", "tz": "UTC", "verb": "play",
        "reason": "they know"})  # fmt: skip
    page = nora.get(here).text
    assert "a bicycle" in page
    assert "south" in page
    assert f"case={number}" in page
    assert town.people["sara"].client.get(here).status_code == 200
    assert "Ended with it: 1 hand-overs, 1 grants" in nora.post(
        f"{here}/close", follow_redirects=True
    ).text  # fmt: skip
    assert town.people["sara"].client.get(here).status_code == 404
    assert "/media/picture/" not in nora.get(here).text
    town.post("nora", "/exhibits", 409, case=number, camera="yard", at=rfc3339(START_US))


def test_marks_and_standing_queries_follow_their_case(town: Town) -> None:
    case = town.case()
    town.post(
        "nora", "/standing", 201, name=f"smoke {case}", text="smoke", case=case, reason="fires",
        expires=rfc3339(NOW_US + HOUR_US),
    )  # fmt: skip
    sara = town.people["sara"].client
    assert town.told("sara", "/standing")["standing"] == []
    body = {"reason": "x"}
    calls: list[Callable[[str], TestResponse]] = [
        lambda name: sara.get(f"/api/v1/standing/{name}"),
        lambda name: sara.post(f"/api/v1/standing/{name}/end", json=body),
        lambda name: sara.post(
            f"/api/v1/standing/{name}/extend",
            json={**body, "expires": rfc3339(NOW_US + 2 * HOUR_US)},
        ),
    ]
    for call in calls:
        hidden, unknown = call(f"smoke {case}"), call("smoke N-999")
        assert hidden.status_code == 404
        assert _plain(hidden.text, case) == _plain(unknown.text, "N-999")
    assert len(town.told("nora", "/standing")["standing"]) == 1
