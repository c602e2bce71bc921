"""The archive desk: promises people change, holds they make and release, what was deleted and why;
of the cameras one may see, and no others."""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from storage import holding
from storage.cases import open_case
from storage.clock import US, local_text, rfc3339
from storage.grants import Place, add_grant
from storage.login_sessions import open_session
from storage.making_room import make_room
from storage.outlook import forget
from storage.people import find_user
from storage.promises import DAY_US
from storage.register import add_camera, set_camera
from storage.retention import retain
from storage.rights import Verb
from storage.violations import record_violation
from storage.vocabulary import Actor, Role
from tests.storage.media import House, new_house
from tests.web.desk import NOW_US, Desk, Person, before_next_write
from tests.web.footage import START_US
from web import sessions

HELD = {"from": rfc3339(START_US), "to": rfc3339(START_US + 2 * US), "reason": "a theft"}
SITE = "North/Gate"
TESTER = Actor("a test")


def seat(desk: Desk, name: str) -> Person:
    """Somebody at a browser of their own; anew, too, when the clock has moved on."""
    with desk.directory.ledger.write() as tx:
        token = open_session(tx, find_user(tx, name), "192.0.2.7", desk.clock.now, 12)
    client = desk.app.test_client()
    client.set_cookie(sessions.COOKIE, token)
    return Person(client)


def rows_of(answer: TestResponse) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text.lstrip("\ufeff"))))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Desk, House]]:
    """Two cameras with a segment each; maria everywhere, nora of one site, others by their role."""
    made = new_house(tmp_path_factory.mktemp("archive") / "data", NOW_US)
    desk = Desk(made.directory, made.clock)
    for name in ("gate", "yard"):
        desk.cameras[name] = made.camera(name, site=SITE, tz="Asia/Shanghai")
        desk.segments.append(made.segment(name, START_US))
    for name, role, lang in (("maria", Role.MANAGER, "en"), ("wei", Role.MANAGER, "zh"),
                             ("ines", Role.INVESTIGATOR, "en"), ("omar", Role.OPERATOR, "en"),
                             ("aude", Role.AUDITOR, "en")):  # fmt: skip
        desk.person(name, role, lang)
    desk.person("nora", Role.MANAGER, granted=False)
    with made.ledger.write() as tx:
        add_grant(
            tx, user=find_user(tx, "nora"), verbs=[Verb.SEE, Verb.HOLD, Verb.MANAGE],
            place=Place(site=SITE), from_us=0, until_us=NOW_US + 366 * DAY_US, purpose="a test",
            made_by="a test", at_us=NOW_US,
        )  # fmt: skip
    yield desk, made
    desk.close()


@pytest.fixture(scope="module")
def snapshot(built: tuple[Desk, House]) -> Iterator[sqlite3.Connection]:
    """The ledger as it was built."""
    with closing(sqlite3.connect(":memory:")) as kept:
        with closing(sqlite3.connect(built[1].root / "ledger.db")) as ledger:
            ledger.backup(kept)
        yield kept


@pytest.fixture(scope="module")
def media(built: tuple[Desk, House]) -> dict[Path, bytes]:
    """The footage as it was built."""
    desk, made = built
    return {made.file(one): made.file(one).read_bytes() for one in desk.segments}


@pytest.fixture
def house(
    built: tuple[Desk, House], snapshot: sqlite3.Connection, media: dict[Path, bytes]
) -> Iterator[Desk]:
    """The same archive and application for every test, put back as they were."""
    desk, made = built
    settings, cameras = desk.directory.settings, dict(desk.cameras)
    yield desk
    desk.directory.settings, desk.cameras, desk.clock.now = settings, cameras, NOW_US
    with closing(sqlite3.connect(made.root / "ledger.db")) as ledger:
        snapshot.backup(ledger)
    for path, data in media.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    forget(desk.directory)


def test_a_hold_made_at_the_desk_survives_retention_and_its_release_says_what_goes(
    house: Desk,
) -> None:
    maria = seat(house, "maria")
    made = maria.post("/archive/holds", {"camera": "gate", **HELD}, at="/archive/holds")
    assert made.status_code == 303
    house.clock.now = NOW_US + 40 * DAY_US
    maria = seat(house, "maria")
    assert retain(house.directory, TESTER).expired == 1  # the yard's
    page = maria.get("/archive/holds/1").text
    assert "footage-hours may expire again" in page
    assert "the next retention run deletes them at once" in page
    refused = maria.post("/archive/holds/1/release", {"reason": " "}, at="/archive/holds/1")
    assert refused.status_code == 303
    assert "it still holds" in maria.get("/archive/holds/1").text
    maria.post("/archive/holds/1/release", {"reason": "case closed"}, at="/archive/holds/1")
    assert [row.reason for row in house.audited("hold.release")] == ["case closed"]
    assert retain(house.directory, TESTER).expired == 1
    rows = rows_of(maria.get("/archive/export?what=deletions"))
    assert {row["camera"] for row in rows} == {"gate", "yard"}
    assert {row["SHA-256"] for row in rows} == {one.sha256 for one in house.segments}


def test_programs_get_json_from_the_address_the_form_uses(house: Desk) -> None:
    ines = seat(house, "ines")
    token = ines.token()
    answer = ines.client.post(
        "/archive/holds",
        data={"camera": ["gate", "yard"], **HELD, "csrf_token": token},
        headers={"Accept": "application/json"},
    )
    assert answer.status_code == 201, answer.text
    made = json.loads(answer.text)["holds"]
    assert [(one["camera"], one["segments"]) for one in made] == [("gate", 1), ("yard", 1)]
    none = ines.client.post(
        "/archive/holds", data={"camera": ["gate", "nowhere"], **HELD, "csrf_token": token},
        headers={"Accept": "application/json"},
    )  # fmt: skip
    assert none.status_code == 404
    assert len(json.loads(ines.get("/api/v1/holds").text)) == 2


def test_a_longer_promise_holds_at_once_and_keeps_what_was_due(house: Desk) -> None:
    maria = seat(house, "maria")
    house.clock.now = NOW_US + 31 * DAY_US
    maria = seat(house, "maria")
    maria.post("/archive/promises", {"class": "3", "days": "60", "reason": "the city's order"},
               at="/archive")  # fmt: skip
    assert retain(house.directory, TESTER).expired == 0
    (row,) = house.audited("promise.set")
    assert (row.actor, row.reason, row.subject) == ("maria", "the city's order", "class_3_days")
    house.clock.now = NOW_US + 61 * DAY_US
    done = retain(house.directory, TESTER)
    assert done.expired == 2
    assert {rule for _, rule in done.sample} == {"class_3_days = 60, decision 1"}


def test_a_shorter_promise_waits_a_day_says_what_it_deletes_and_can_be_taken_back(
    house: Desk,
) -> None:
    maria = seat(house, "maria")
    house.clock.now = NOW_US + 10 * DAY_US
    maria = seat(house, "maria")
    page = maria.get("/archive/promise?class=3&days=5").text
    assert "2 segments" in page
    assert "it can be taken back" in page
    fields = {"class": "3", "days": "5", "reason": "a mistake"}
    maria.post("/archive/promises", fields, at="/archive")
    assert retain(house.directory, TESTER).expired == 0
    assert "Take it back" in maria.get("/archive").text
    maria.post("/archive/promises/1/withdraw", {"reason": "mistyped"}, at="/archive")
    house.clock.now += 2 * DAY_US
    maria = seat(house, "maria")
    assert retain(house.directory, TESTER).expired == 0
    maria.post("/archive/promises", {**fields, "reason": "meant"}, at="/archive")
    house.clock.now += DAY_US - US
    assert retain(house.directory, TESTER).expired == 0
    house.clock.now += US
    assert retain(house.directory, TESTER).expired == 2
    assert [row.action for row in house.audited() if row.action.startswith("promise.")] == [
        "promise.set", "promise.withdraw", "promise.set",
    ]  # fmt: skip


def test_a_promise_that_is_none_changes_nothing(house: Desk) -> None:
    maria = seat(house, "maria")
    fields = {"class": "3", "days": "60", "reason": "r", "csrf_token": maria.token()}
    wrong = [{"days": days} for days in ("0", "-1", "nan", "inf", "abc", "30", "99999999")]
    for more in [*wrong, {"class": "4"}, {"reason": " "}, {"reason": "x" * 1001}]:
        answer = maria.client.post("/archive/promises", data={**fields, **more})
        assert answer.status_code in (409, 422), more
    assert house.audited("promise.set") == []


def test_who_manages_one_site_changes_no_promise_of_another_and_sees_nothing_of_it(
    house: Desk, built: tuple[Desk, House]
) -> None:
    with house.directory.ledger.write() as tx:
        other = house.cameras["outpost"] = add_camera(
            tx, name="outpost", url=None, created_us=0, site="South/Depot"
        )
        record_violation(
            tx, at_us=NOW_US - US, camera_id=other.id, volume="main", start_us=0, end_us=US,
            segments=7, size_bytes=70, promised_until_us=NOW_US, promise="class_3_days = 30",
            reason="volume main is at its floor",
        )  # fmt: skip
    built[1].cameras["outpost"] = other
    built[1].segment("outpost", START_US)
    maria = seat(house, "maria")
    maria.post("/archive/holds", {"camera": "outpost", **HELD}, at="/archive/holds")
    nora = seat(house, "nora")
    refused = nora.post("/archive/promises", {"class": "3", "days": "90", "reason": "r"},
                        at="/archive")  # fmt: skip
    assert refused.status_code == 403
    assert nora.get("/archive/holds/1").status_code == 404
    for address in ("/archive", "/archive/holds", "/archive/violations", "/archive/deletions",
                    "/api/v1/holds", "/api/v1/violations", "/api/v1/forecast",
                    "/archive/export?what=holds", "/archive/export?what=violations"):  # fmt: skip
        answer = nora.get(address)
        assert answer.status_code == 200, address
        assert "outpost" not in answer.text, address
    assert "In the last 30 days nothing was deleted" in nora.get("/archive").text
    assert "7 segments" in maria.get("/archive").text
    assert "volume main is at its floor" in maria.get("/archive/violations").text


def test_who_only_reads_is_offered_no_change_of_a_promise(house: Desk) -> None:
    for name in ("omar", "aude", "ines"):
        someone = seat(house, name)
        assert "What would it do?" not in someone.get("/archive").text
        fields = {"class": "3", "days": "90", "reason": "r"}
        assert someone.post("/archive/promises", fields).status_code == 403, name
    assert house.audited("promise.set") == []


def test_files_are_for_spreadsheets_in_chinese_and_run_nothing(house: Desk) -> None:
    maria = seat(house, "wei")
    evil = {**HELD, "reason": '=HYPERLINK("http://evil.example")'}
    maria.post("/archive/holds", {"camera": "gate", **evil}, at="/archive/holds")
    answer = maria.get("/archive/export?what=holds")
    assert answer.data.startswith(b"\xef\xbb\xbf")
    assert "摄像机" in answer.text.splitlines()[0]
    assert "\"'=HYPERLINK" in answer.text
    for what in ("promises", "decisions", "volumes", "deletions", "deleted_days", "violations"):
        assert maria.get(f"/archive/export?what={what}").data.startswith(b"\xef\xbb\xbf"), what
    assert maria.get("/archive/export?what=people").status_code == 422


def test_footage_that_went_early_for_want_of_room_stands_at_the_desk_with_its_reason(
    house: Desk,
) -> None:
    size = sum(one.size_bytes for one in house.segments)
    main = house.directory.settings.volumes["main"]
    house.directory.settings = house.directory.settings.model_copy(
        update={"volumes": {"main": main.model_copy(update={"quota_bytes": size,
                                                            "free_floor_bytes": 0})}}
    )  # fmt: skip
    assert make_room(house.directory, TESTER, "main", 1).result.early == 1
    maria = seat(house, "maria")
    assert "Footage deleted before its promise in the last 30 days: 1 segment, " in (
        maria.get("/archive").text
    )
    (row,) = rows_of(maria.get("/archive/export?what=violations"))
    assert row["camera"] == "gate"
    assert row["promise"] == "class_3_days = 30"
    assert "quota" in row["reason"]
    assert row["reason"] in maria.get("/archive/violations").text
    (gone,) = rows_of(maria.get("/archive/export?what=deletions"))
    assert gone["SHA-256"] == house.segments[0].sha256


def test_a_hold_with_an_end_says_it_keeps_until_then_and_then_holds_no_more(house: Desk) -> None:
    maria = seat(house, "maria")
    until = rfc3339(NOW_US + 40 * DAY_US)
    maria.post("/archive/holds", {"camera": "gate", **HELD, "until": until}, at="/archive/holds")
    early = {"camera": "gate", **HELD, "until": rfc3339(NOW_US - US)}
    assert maria.post("/archive/holds", early, at="/archive/holds").status_code == 422
    assert f'datetime="{until}"' in maria.get("/archive/holds").text
    house.clock.now = NOW_US + 40 * DAY_US - US
    assert retain(house.directory, TESTER).expired == 1  # the yard's
    house.clock.now += US
    maria = seat(house, "maria")
    assert "No hold is in force" in maria.get("/archive/holds").text
    assert "ended by itself" in maria.get("/archive/holds?all=yes").text
    assert "It holds no more." in maria.get("/archive/holds/1").text
    assert retain(house.directory, TESTER).expired == 1


def test_case_and_reason_of_a_hold_are_hidden_from_who_may_not_know_of_the_case(
    house: Desk,
) -> None:
    with house.directory.ledger.write() as tx:
        open_case(tx, "C-9", "a mole", "root", NOW_US, "fraud")
        holding.add(
            tx, Actor("root", case_id="C-9", reason="watch the mole"), house.cameras["gate"],
            START_US, START_US + 2 * US, at_us=NOW_US,
        )  # fmt: skip
    nora, aude = seat(house, "nora"), seat(house, "aude")
    for address in ("/archive/holds", "/archive/holds/1", "/archive/export?what=holds",
                    "/api/v1/holds"):  # fmt: skip
        told, known = nora.get(address).text, aude.get(address).text
        assert "mole" not in told, address
        assert "C-9" not in told, address
        assert "watch the mole" in known, address
        assert "C-9" in known, address
    assert "for a case of another department" in nora.get("/archive/holds/1").text
    done = nora.client.post(
        "/archive/holds/1/release", headers={"Accept": "application/json"},
        data={"reason": "mine to let go", "csrf_token": nora.token()},
    )  # fmt: skip
    assert done.status_code == 200
    assert "mine to let go" not in nora.get("/archive/export?what=holds&all=yes").text


def test_a_retention_pass_stops_when_somebody_promises_more_before_it_deletes(house: Desk) -> None:
    house.clock.now = NOW_US + 31 * DAY_US
    maria = seat(house, "maria")
    fields = {"class": "3", "days": "60", "reason": "keep it", "csrf_token": maria.token()}
    before_next_write(
        house.directory, lambda: maria.client.post("/archive/promises", data=fields)
    )  # fmt: skip
    assert retain(house.directory, TESTER).expired == 0
    assert [row.subject for row in house.audited("promise.set")] == ["class_3_days"]
    assert house.audited("retain") == []
    assert rows_of(maria.get("/archive/export?what=deletions")) == []


def test_a_promise_is_refused_when_its_cameras_are_others_than_were_shown(house: Desk) -> None:
    house.clock.now = NOW_US + 10 * DAY_US
    maria = seat(house, "maria")
    fields = {"class": "3", "days": "5", "reason": "less", "csrf_token": maria.token()}

    def move() -> None:
        with house.directory.ledger.write() as tx:
            set_camera(tx, house.cameras["yard"], site_class=1)

    before_next_write(house.directory, move)
    answer = maria.client.post("/archive/promises", data=fields)
    assert answer.status_code == 409
    assert "look again at what it would do" in answer.text
    assert house.audited("promise.set") == []


def test_a_promise_of_a_day_is_of_1_day(house: Desk) -> None:
    maria, wei = seat(house, "maria"), seat(house, "wei")
    fields = {"class": "1", "days": "731.5", "reason": "r"}
    maria.post("/archive/promises", fields, at="/archive")
    maria.post("/archive/promises", {"class": "3", "days": "1", "reason": "r"}, at="/archive")
    page = maria.get("/archive").text
    assert "is kept for 1 day; " in page
    assert "it is 1 day; " in page
    assert "promised 731.5 days" in page
    assert "promised 30 days" in page
    assert "为 1 天；" in wei.get("/archive").text


def test_a_class_without_cameras_is_not_for_who_manages_one_site(house: Desk) -> None:
    with house.directory.ledger.write() as tx:
        add_camera(tx, name="far", url=None, created_us=0, site="South/Depot")
    fields = {"class": "1", "days": "400", "reason": "r"}
    assert seat(house, "nora").post("/archive/promises", fields).status_code == 403
    assert seat(house, "maria").post("/archive/promises", fields).status_code == 303


def test_a_camera_put_into_another_class_is_shown_with_the_footage_that_goes(house: Desk) -> None:
    retention = house.directory.settings.retention
    house.directory.settings = house.directory.settings.model_copy(
        update={"retention": retention.model_copy(update={"named_days": {"short": 5, "long": 90}})}
    )
    house.clock.now = NOW_US + 10 * DAY_US
    maria = seat(house, "maria")
    assert 'href="/cameras/gate/edit"' in maria.get("/archive").text
    assert 'href="/cameras/gate/edit"' not in seat(house, "ines").get("/archive").text
    form = {"name": "gate", "url": "rtsp://10.0.0.1/gate", "site": SITE, "site_class": "3",
            "tz": "Asia/Shanghai", "reason": "a test", "do": "review"}  # fmt: skip
    shown = maria.post("/cameras/gate/edit", form | {"retention_class": "short"})
    assert "kept for 30 days → kept for 5 days" in shown.text
    assert "the next retention run deletes them (1 segment, " in shown.text
    longer = maria.post("/cameras/gate/edit", form | {"retention_class": "long"})
    assert "kept for 30 days → kept for 90 days" in longer.text
    assert "Nothing of what is kept goes because of it." in longer.text
    assert "Its footage" not in maria.post("/cameras/gate/edit", form | {"vendor": "A"}).text


def test_an_old_forecast_is_told_with_its_time_while_a_new_one_is_made(house: Desk) -> None:
    maria = seat(house, "maria")
    assert _foreseen(maria) == local_text(NOW_US, "Asia/Shanghai")
    house.clock.now = NOW_US + 61 * US
    assert _foreseen(maria) == local_text(NOW_US, "Asia/Shanghai")
    for one in threading.enumerate():
        if one.name == "outlook":
            one.join(10)
    assert _foreseen(maria) == local_text(NOW_US + 61 * US, "Asia/Shanghai")
    house.clock.now += 800 * US  # too old to be told
    assert _foreseen(maria) == local_text(NOW_US + 861 * US, "Asia/Shanghai")


def _foreseen(person: Person) -> str:
    found = re.search(r"Forecast of ([^<]+)\.</span>", person.get("/archive").text)
    assert found
    return found[1]
