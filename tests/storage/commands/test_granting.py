"""`grant`, `department` and the department of a person: what they say, refuse and audit."""

from __future__ import annotations

import pytest

from storage import audit
from storage.departments import set_department
from storage.people import find_user
from tests.storage.media import CommandLine, House


def rows(house: House, action: str) -> list[audit.AuditRow]:
    with house.ledger.read() as tx:
        return audit.rows(tx, action=action)


def test_a_new_investigator_is_told_to_see_nothing_and_what_to_type(
    house: House, hindsight: CommandLine
) -> None:
    house.camera("gate", site="city/north")
    said = hindsight("user", "add", "li.wei", "--role", "investigator").out
    assert "li.wei can see no camera yet" in said
    command = said.partition("hindsight grant add ")[2].split()
    assert command[-1] == "TEXT"
    made = hindsight.json("grant", "add", *command[:-1], "thefts")
    assert made["verbs"] == ["see", "search", "play", "export", "hold"]
    assert (made["site"], made["state"], made["until"]) == ("", "in force", None)
    assert "no camera yet" not in hindsight("user", "add", "ada", "--role", "administrator").out


def test_a_department_that_was_granted_something_gives_it_to_who_joins(
    hindsight: CommandLine,
) -> None:
    hindsight.json("department", "add", "traffic police")
    hindsight.json("grant", "add", "--to-department", "traffic police", "--may", "see",
                   "--cameras-of", "traffic police", "--purpose", "their own")  # fmt: skip
    said = hindsight("user", "add", "li.wei", "--role", "operator", "--department",
                     "traffic police").out  # fmt: skip
    assert "no camera yet" not in said


def test_departments_are_listed_with_people_and_cameras(
    house: House, hindsight: CommandLine
) -> None:
    house.camera("gate", department="traffic police")
    assert "no department" in hindsight("department", "list").out
    made = hindsight.json("department", "add", " traffic   police ")
    assert made == {"name": "traffic police", "people": 0, "cameras": 1}
    assert hindsight("department", "add", "traffic police").code == 5
    assert hindsight("department", "add", "").code == 4
    hindsight.json("user", "add", "li.wei", "--role", "operator", "--department", "traffic police")
    assert hindsight.json("department", "list") == [made | {"people": 1}]
    assert "traffic police" in hindsight("user", "list").out
    assert [row.subject for row in rows(house, "department.add")] == ["traffic police"]


def test_changing_a_department_is_audited_with_the_one_before(
    house: House, hindsight: CommandLine
) -> None:
    for name in ("north", "south"):
        hindsight.json("department", "add", name)
    hindsight.json("user", "add", "li.wei", "--role", "operator", "--department", "north")
    assert hindsight("user", "set", "li.wei", "--department", "west").code == 3
    assert hindsight("user", "set", "li.wei", "--department", "north", "--no-department").code == 4
    changed = hindsight.json("user", "set", "li.wei", "--department", "south")
    assert changed["department"] == "south"
    assert hindsight.json("user", "set", "li.wei", "--no-department")["department"] is None
    assert [row.detail for row in rows(house, "user.set")] == [
        '{"department":"south","department_before":"north"}',
        '{"department":null,"department_before":"south"}',
    ]


def test_a_grant_is_made_listed_and_revoked_and_each_is_audited(
    house: House, hindsight: CommandLine
) -> None:
    house.camera("gate", department="north")
    for name in ("north", "south"):
        hindsight.json("department", "add", name)
    hindsight.json("user", "add", "li.wei", "--role", "investigator", "--department", "south")
    hindsight("case", "open", "A-1", "--reason", "thefts")
    add = ["grant", "add", "--to", "li.wei", "--may", "play,search", "--camera", "gate",
           "--purpose", "thefts", "--case", "A-1"]  # fmt: skip
    refused = hindsight(*add)
    assert refused.code == 4
    assert "department north" in refused.err
    assert "--until" in refused.err
    assert not rows(house, "grant.add")
    made = hindsight.json(*add, "--until", "2026-12-01T00:00:00Z")
    assert made["verbs"] == ["see", "search", "play"]
    assert made["until"] == "2026-12-01T00:00:00.000000Z"
    (row,) = rows(house, "grant.add")
    assert (row.subject, row.case_id, row.reason) == ("li.wei", "A-1", "thefts")
    assert hindsight.json("grant", "list", "--to", "li.wei") == [made]
    assert "gate" in hindsight("grant", "list").out
    assert hindsight("grant", "revoke", "9", "--reason", "x").code == 3
    assert hindsight("grant", "revoke", "1", "--reason", " ").code == 4
    ended = hindsight.json("grant", "revoke", "1", "--reason", "moved away")
    assert (ended["state"], ended["revoke_reason"]) == ("revoked", "moved away")
    assert hindsight("grant", "revoke", "1", "--reason", "again").code == 5
    (row,) = rows(house, "grant.revoke")
    assert (row.subject, row.case_id, row.reason) == ("li.wei", "A-1", "moved away")
    assert "No grant" in hindsight("grant", "list").out
    assert hindsight.json("grant", "list", "--all") == [ended]
    assert "已撤销" in hindsight("--lang", "zh", "grant", "list", "--all").out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--to", "admin", "--to-department", "north", "--may", "see", "--site", "/"], 4),
        (["--may", "see", "--site", "/"], 4),
        (["--to", "admin", "--may", "see"], 4),
        (["--to", "admin", "--may", "see", "--site", "/", "--camera", "gate"], 4),
        (["--to", "admin", "--may", "fly", "--site", "/"], 4),
        (["--to", "admin", "--may", "audit", "--site", "/"], 4),
        (["--to", "admin", "--may", "", "--site", "/"], 4),
        (["--to", "nobody", "--may", "see", "--site", "/"], 3),
        (["--to", "admin", "--may", "see", "--camera", "nowhere"], 3),
        (["--to-department", "nowhere", "--may", "see", "--site", "/"], 3),
        (["--to", "admin", "--may", "see", "--cameras-of", "nowhere"], 3),
        (["--to", "admin", "--may", "see", "--site", "/", "--case", "A-9"], 3),
        (["--to", "admin", "--may", "see", "--site", "/", "--until", "tomorrow"], 4),
        (["--to", "admin", "--may", "see", "--site", "/", "--until", "2020-01-01T00:00:00Z"], 4),
    ],
)
def test_a_grant_that_cannot_be_understood_grants_nothing(
    house: House, hindsight: CommandLine, words: list[str], code: int
) -> None:
    house.camera("gate")
    refused = hindsight("grant", "add", *words, "--purpose", "thefts")
    assert refused.code == code, refused.err
    assert len(refused.err.splitlines()) == 1
    assert hindsight.json("grant", "list", "--all") == []
    assert not rows(house, "grant.add")


def test_closing_a_case_ends_its_grants(house: House, hindsight: CommandLine) -> None:
    hindsight("case", "open", "A-1", "--reason", "thefts")
    hindsight.json("user", "add", "li.wei", "--role", "investigator")
    hindsight.json("grant", "add", "--to", "li.wei", "--may", "play", "--site", "/",
                   "--purpose", "thefts", "--case", "A-1")  # fmt: skip
    hindsight("case", "close", "A-1")
    assert hindsight.json("grant", "list") == []
    (ended,) = hindsight.json("grant", "list", "--all")
    assert ended["state"] == "case closed"


def test_a_person_without_a_department_belongs_to_none(
    house: House, hindsight: CommandLine
) -> None:
    hindsight.json("user", "add", "li.wei", "--role", "operator")
    with house.ledger.write() as tx:
        set_department(tx, find_user(tx, "li.wei").id, None)
    (admin, li) = hindsight.json("user", "list")
    assert (admin["department"], li["department"]) == (None, None)
