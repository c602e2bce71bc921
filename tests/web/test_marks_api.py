"""Marks over HTTP: said, shown, taken back and refined with, by those who may."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from search.engine import Engine
from storage import cases
from storage.api_tokens import add_token
from storage.people import find_user
from storage.register import find_camera, set_camera
from storage.rights import Verb
from storage.vocabulary import Role
from tests.search.archive import START_US, Words, new_archive
from tests.web.desk import Desk, Person
from tests.web.test_api import send
from web import shapes, shapes_marks

STREET = ["street"] * 30
CASE = "2026-311"


@pytest.fixture
def trucks(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Two kinds of trucks at four cameras, and a model that knows the words."""
    archive = new_archive(desk.directory)
    for number, kind in enumerate(("milk", "fire", "milk", "fire")):
        archive.footage(f"gate-{number}", START_US, [*STREET, f"truck {kind}", *STREET])
    engine = Engine(desk.directory, Words())
    for module in ("web.blueprints.marks", "web.blueprints.searches"):
        monkeypatch.setattr(f"{module}.engine_of", lambda directory: engine)
    with desk.directory.ledger.write() as tx:
        cases.open_case(tx, CASE, "theft of a milk truck", "ines", desk.clock.now)
    return desk


def found(person: Person, **more: str) -> tuple[str, list[dict[str, Any]]]:
    """Token and moments of a search for trucks."""
    begun = send(person, "/api/v1/searches", {"text": "truck", **more})
    assert begun.status_code == 202, begun.text
    token = begun.json["token"]
    page = person.get(f"/api/v1/searches/{token}/moments", query_string={"wait_s": 30}).json
    return token, page["moments"]


def put(person: Person, token: str, frame: str, body: object) -> Any:
    headers = {"X-CSRF-Token": person.token()}
    return person.client.put(
        f"/api/v1/searches/{token}/marks/{frame}", json=body, headers=headers
    )  # fmt: skip


def take_back(person: Person, token: str, frame: str) -> Any:
    headers = {"X-CSRF-Token": person.token()}
    return person.client.delete(f"/api/v1/searches/{token}/marks/{frame}", headers=headers)


def frame_of(moments: list[dict[str, Any]], camera: str) -> str:
    return next(str(one["best"]["frame"]) for one in moments if one["camera"] == camera)


def test_marked_and_refined_the_like_of_it_comes_first(trucks: Desk) -> None:
    ines = trucks.person()
    token, moments = found(ines)
    said = put(ines, token, frame_of(moments, "gate-1"), {"right": True})
    assert said.status_code == 200, said.text
    shapes_marks.Mark.model_validate(said.json)
    assert (said.json["camera"], said.json["by"], said.json["kept"]) == ("gate-1", "ines", True)
    answer = send(ines, f"/api/v1/searches/{token}/refine", {})
    assert answer.status_code == 200, answer.text
    shapes.Answer.model_validate(answer.json)
    assert [one["camera"] for one in answer.json["moments"][:2]] == ["gate-1", "gate-3"]
    again = ines.get(f"/api/v1/searches/{answer.json['token']}/marks")
    assert [one["camera"] for one in again.json] == ["gate-1"]  # taken along
    TypeAdapter(list[shapes_marks.Mark]).validate_json(again.data)


def test_a_mark_is_changed_and_taken_back(trucks: Desk) -> None:
    ines = trucks.person()
    token, moments = found(ines)
    frame = frame_of(moments, "gate-1")
    for right in (True, False):
        assert put(ines, token, frame, {"right": right}).json["right"] is right
    assert len(ines.get(f"/api/v1/searches/{token}/marks").json) == 1
    assert take_back(ines, token, frame).status_code == 204
    assert ines.get(f"/api/v1/searches/{token}/marks").json == []
    assert take_back(ines, token, frame).status_code == 404
    words = [json.loads(row.detail)["marks"][0] for row in trucks.audited("mark")]
    assert sorted((str(one["right"]), str(one["was"])) for one in words) == [
        ("False", "True"), ("None", "False"), ("True", "None"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("frame", "body", "status"),
    [
        ("1", {"right": True}, 404), ("x" * 300, {"right": True}, 404),
        ("%2e%2e", {"right": True}, 404), (None, {"right": "perhaps"}, 422), (None, {}, 422),
        (None, {"right": True, "left": True}, 422), (None, [True], 422),
    ],
)  # fmt: skip
def test_what_cannot_be_marked_is_refused(
    trucks: Desk, frame: str | None, body: object, status: int
) -> None:
    ines = trucks.person()
    token, moments = found(ines)
    answer = put(ines, token, frame or frame_of(moments, "gate-1"), body)
    assert answer.status_code == status, answer.text
    assert shapes.Problem.model_validate(answer.json).detail
    assert not trucks.audited("mark")


def test_nothing_marked_cannot_be_refined(trucks: Desk) -> None:
    ines = trucks.person()
    token, _ = found(ines)
    answer = send(ines, f"/api/v1/searches/{token}/refine", {})
    assert answer.status_code == 422
    assert "nothing is marked" in answer.json["detail"]


def test_a_number_too_large_for_the_ledger_is_just_not_marked(trucks: Desk) -> None:
    ines = trucks.person()
    token, _ = found(ines)
    for frame in ("9" * 19, "9" * 40, "-1", "1.5"):
        assert take_back(ines, token, frame).status_code == 404


def test_a_case_is_marked_together_and_seen_by_who_may_search(trucks: Desk) -> None:
    ines, paul = trucks.person(), trucks.person("paul")
    token, moments = found(ines, case=CASE, reason="milk")
    assert put(paul, token, frame_of(moments, "gate-0"), {"right": True}).status_code == 200
    marks = ines.get(f"/api/v1/cases/{CASE}/marks").json
    assert [(one["camera"], one["by"], one["case"]) for one in marks] == [
        ("gate-0", "paul", CASE)
    ]  # fmt: skip
    answer = send(paul, f"/api/v1/searches/{token}/refine", {})
    assert [one["camera"] for one in answer.json["moments"][:2]] == ["gate-0", "gate-2"]
    assert {row.case_id for row in trucks.audited("mark") + trucks.audited("marks_shown")} == {
        CASE
    }  # fmt: skip
    assert ines.get("/api/v1/cases/none/marks").status_code == 404


def test_a_closed_case_is_not_marked_and_seen_by_auditors_alone(trucks: Desk) -> None:
    ines, aud = trucks.person(), trucks.person("aud", Role.AUDITOR)
    token, moments = found(ines, case=CASE)
    frame = frame_of(moments, "gate-0")
    put(ines, token, frame, {"right": True})
    with trucks.directory.ledger.write() as tx:
        cases.close_case(tx, CASE, trucks.clock.now)
    assert put(ines, token, frame, {"right": False}).status_code == 409
    assert take_back(ines, token, frame).status_code == 409
    assert send(ines, f"/api/v1/searches/{token}/refine", {}).status_code == 409
    assert ines.get(f"/api/v1/cases/{CASE}/marks").json == []
    assert len(aud.get(f"/api/v1/cases/{CASE}/marks").json) == 1


def test_a_search_of_somebody_else_outside_a_case_is_not_there(trucks: Desk) -> None:
    ines, paul = trucks.person(), trucks.person("paul")
    token, moments = found(ines)
    frame = frame_of(moments, "gate-0")
    assert put(paul, token, frame, {"right": True}).status_code == 404
    assert paul.get(f"/api/v1/searches/{token}/marks").status_code == 404
    assert take_back(paul, token, frame).status_code == 404
    assert send(paul, f"/api/v1/searches/{token}/refine", {}).status_code == 404


def test_who_audits_reads_marks_and_makes_none(trucks: Desk) -> None:
    ines, aud = trucks.person(), trucks.person("aud", Role.AUDITOR)
    token, moments = found(ines)
    frame = frame_of(moments, "gate-0")
    put(ines, token, frame, {"right": True})
    assert len(aud.get(f"/api/v1/searches/{token}/marks").json) == 1
    assert put(aud, token, frame, {"right": False}).status_code == 403
    assert take_back(aud, token, frame).status_code == 403
    assert send(aud, f"/api/v1/searches/{token}/refine", {}).status_code == 403
    oper = trucks.person("oper", Role.OPERATOR)
    assert oper.get(f"/api/v1/searches/{token}/marks").status_code == 403


def test_marking_wants_the_form_token(trucks: Desk) -> None:
    ines = trucks.person()
    token, moments = found(ines)
    address = f"/api/v1/searches/{token}/marks/{frame_of(moments, 'gate-0')}"
    assert ines.client.put(address, json={"right": True}).status_code in (400, 403)
    assert not trucks.audited("mark")


def test_a_frame_is_told_as_a_string(trucks: Desk) -> None:
    """63 bits do not fit JavaScript's numbers."""
    _, moments = found(trucks.person())
    assert all(isinstance(one["best"]["frame"], str) for one in moments)
    assert np.all([int(one["best"]["frame"]) > 2**32 for one in moments])


def test_what_nobody_approved_is_kept_from_administrators_and_shown_to_auditors(
    trucks: Desk,
) -> None:
    adam, audra = (
        trucks.person("adam", Role.ADMINISTRATOR), trucks.person("audra", Role.AUDITOR)
    )  # fmt: skip
    token, moments = found(adam, case=CASE, reason="theft")
    assert put(adam, token, frame_of(moments, "gate-1"), {"right": True}).status_code == 200
    with trucks.directory.ledger.write() as tx:
        set_camera(tx, find_camera(tx, "gate-1"), sensitive=True)
        _, bearer = add_token(
            tx, find_user(tx, "adam"), "report", [Verb.AUDIT], days=1, created_by="adam",
            now_us=trucks.clock.now,
        )  # fmt: skip
    here, marks = f"/api/v1/searches/{token}", f"/api/v1/cases/{CASE}/marks"
    for one, is_shown in ((adam, False), (audra, True)):
        for address in (f"{here}/moments", f"{here}/marks", marks):
            told = one.get(address)
            assert told.status_code == 200, told.text
            assert ('"gate-1"' in told.text) is is_shown, address
    robot = trucks.app.test_client().get(
        f"{here}/moments", headers={"Authorization": f"Bearer {bearer}"}
    )  # fmt: skip
    assert robot.status_code == 200, robot.text
    assert {one["camera"] for one in robot.json["moments"]} == {"gate-0", "gate-2", "gate-3"}
