"""A city under test: departments, cameras, an account of every role, and who was granted what."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from storage.cases import close_case, open_case
from storage.clock import US
from storage.departments import add_department, set_department
from storage.grants import GRANTABLE, Place, add_grant
from storage.people import find_user
from storage.rights import Verb
from storage.vocabulary import Role, Segment
from tests.storage.media import new_house
from tests.web.desk import NOW_US, Desk
from tests.web.footage import START_US, keep, register, write_clip
from web import signing

MINUTE_US = 60 * US
UNTIL_US = NOW_US + 10 * MINUTE_US
OWN, SEEN, OTHER = "own", "seen", "other"  # granted; only to be seen; not granted
NOWHERE, NO_SEGMENT = "nowhere", "01ARZ3NDEKTSV4RRFFQ69G5FAV"
UNKNOWN = re.compile(r"is not registered|is not in the ledger")


@dataclass(frozen=True)
class Asking:
    """One request that is about one camera."""

    client: FlaskClient
    camera: str
    segment: str
    case: str | None
    sign: Callable[..., str]
    number: int

    @property
    def purpose(self) -> dict[str, str]:
        return {} if self.case is None else {"case": self.case, "reason": "thefts"}

    def get(self, address: str, **query: Any) -> TestResponse:
        return self.client.get(address, query_string={**query, **self.purpose})

    def signed(self, address: str, *parts: object, **query: Any) -> TestResponse:
        return self.get(address, sig=self.sign(*parts, self.case or ""), **query)

    def post(self, address: str, **body: Any) -> TestResponse:
        return self.client.post(address, json={**body, **self.purpose})


Call = Callable[[Asking], TestResponse]


@dataclass
class City:
    """One application with everybody in it, for all the tests of this file."""

    desk: Desk
    people: dict[Role, FlaskClient]
    segments: dict[str, Segment]
    number: int = 0

    def send(self, role: Role, call: Call, camera: str, case: str | None) -> TestResponse:
        client = self.people[role]
        cookie = client.get_cookie("hindsight_session")
        assert cookie is not None
        key = self.desk.app.secret_key
        assert isinstance(key, bytes)
        self.number += 1
        known = self.segments.get(camera)
        return call(
            Asking(
                client, camera, NO_SEGMENT if known is None else known.id, case,
                lambda *parts: signing.signature(key, cookie.value, *parts), self.number,
            )
        )  # fmt: skip

    def is_as_unknown(self, role: Role, call: Call, case: str | None, told: TestResponse) -> bool:
        """Whether the answer is that of a camera that is not there, but for its name."""
        number, self.number = self.number, self.number - 1
        unknown = self.send(role, call, NOWHERE, case)
        assert self.number == number
        row = self.segments[OTHER].id
        same = {OTHER: "X", SEEN: "X", NOWHERE: "X", NO_SEGMENT: "S", row: "S",
                self.segments[OWN].id: "S", self.segments[SEEN].id: "S", OWN: "X"}  # fmt: skip
        return told.status_code == unknown.status_code and (
            _without(words(told), same) == _without(words(unknown), same)
        )

    def require_case(self, wanted: bool, *, own: bool = False) -> None:
        search = self.desk.directory.settings.search.model_copy(
            update={"require_case": wanted, "own_cameras_without_case": own}
        )
        changed = self.desk.directory.settings.model_copy(update={"search": search})
        object.__setattr__(self.desk.directory, "settings", changed)


def _without(text: str, names: dict[str, str]) -> str:
    text = re.sub(r'(name="csrf[-_]token" (?:content|value)=)"[^"]*"', r"\1", text)
    for name, neutral in names.items():
        text = re.sub(rf"\b{name}\b", neutral, text)
    return text


def words(answer: TestResponse) -> str:
    return answer.data.decode(errors="replace")


def told(answer: TestResponse) -> str:
    """What an answer comes to: let through, or why not."""
    if answer.status_code in (401, 403):
        return "denied"
    if answer.status_code == 404 and UNKNOWN.search(words(answer)):
        return "hidden"
    if answer.status_code == 409 and "is closed" in words(answer):
        return "closed"
    assert answer.status_code < 500, words(answer)
    return "through"


def built(folder: Path) -> Iterator[City]:
    """The city, with its footage; closed when it is asked on."""
    house = new_house(folder / "data", NOW_US)
    desk = Desk(house.directory, house.clock)
    write_clip(folder / "clip.mp4", count=25)
    with desk.directory.ledger.write() as tx:
        for name in ("north", "south"):
            add_department(tx, name, NOW_US)
        for case in ("open-1", "closed-1"):
            open_case(tx, case, "thefts", "admin", NOW_US)
    departments = {OWN: "north", SEEN: "south", OTHER: "south"}
    rows = {}
    for name, department in departments.items():
        camera = register(desk.directory, name, department=department, site="city/" + department)
        rows[name] = keep(desk.directory, camera, folder / "clip.mp4", START_US)
        desk.cameras[name] = camera
    people = {}
    for role in Role:
        someone = desk.person(f"one-{role.value}", role, granted=False)
        people[role] = someone.client
        people[role].environ_base["HTTP_X_CSRF_TOKEN"] = someone.token()
        with desk.directory.ledger.write() as tx:
            user = find_user(tx, f"one-{role.value}")
            set_department(tx, user.id, "north")
            for place, verbs in (
                (Place(cameras_of="north"), GRANTABLE),
                (Place(camera_id=desk.cameras[SEEN].id), (Verb.SEE,)),
            ):
                add_grant(
                    tx, user=user, verbs=verbs, place=place, from_us=0, until_us=UNTIL_US,
                    purpose="thefts", made_by="admin", at_us=NOW_US,
                )  # fmt: skip
    with desk.directory.ledger.write() as tx:
        close_case(tx, "closed-1", NOW_US)
    yield City(desk, people, rows)
    desk.close()
