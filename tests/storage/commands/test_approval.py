"""`approval`, and cameras marked sensitive, at the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import insert

from storage import audit, schema
from storage.access import access_of
from storage.approvals import request_approval
from storage.cases import open_case
from storage.clock import SystemClock
from storage.grants import Place, add_grant
from storage.people import find_user
from storage.register import find_camera
from storage.rights import Verb
from storage.settings import AccessSettings
from storage.vocabulary import Actor
from tests.storage.media import CommandLine, House

REQUEST = ("approval", "request", "--for", "ines", "--camera", "clinic", "--case", "A-1",
           "--reason", "the suspect went in", "--may")  # fmt: skip


@pytest.fixture
def people(hindsight: CommandLine, house: House) -> CommandLine:
    """Ines, who may look, a case, and a sensitive camera."""
    hindsight.json("camera", "add", "clinic", "rtsp://10.0.0.1/x", "--sensitive")
    now_us = SystemClock().now_us()
    with house.ledger.write() as tx:
        values = {"name": "ines", "password_hash": "none", "role": "investigator"}
        tx.execute(insert(schema.user).values(**values, created_us=1))
        add_grant(
            tx, user=find_user(tx, "ines"), verbs={Verb.SEARCH, Verb.PLAY, Verb.EXPORT},
            place=Place(site=""), from_us=0, until_us=None, purpose="thefts", made_by="admin",
            at_us=now_us,
        )  # fmt: skip
        open_case(tx, "A-1", "thefts", "ines", now_us)
    return hindsight


def asked_by_ines(house: House) -> int:
    """A request as it comes from the web."""
    with house.ledger.write() as tx:
        access = access_of(tx, "ines", SystemClock().now_us())
        return request_approval(
            tx, AccessSettings(), access, Actor("ines", "A-1", "needed"), verbs={Verb.PLAY},
            cameras=[find_camera(tx, "clinic")], span=None,
        ).id  # fmt: skip


def test_a_camera_is_marked_and_unmarked_with_a_row_that_says_so(
    people: CommandLine, house: House, tmp_path: Path
) -> None:
    assert people.json("camera", "show", "clinic")["sensitive"] is True
    assert people.json("camera", "set", "clinic", "--not-sensitive")["sensitive"] is False
    assert people.json("camera", "set", "clinic", "--sensitive")["sensitive"] is True
    with house.ledger.read() as tx:
        rows = audit.rows(tx, action="camera.set")
    assert ['"sensitive":[true,false]' in row.detail for row in rows] == [True, False]
    table = tmp_path / "cameras.csv"
    table.write_text("name,敏感\nschool,是\nyard,\n", encoding="utf-8")
    people.json("camera", "import", table)
    marked = {one["slug"]: one["sensitive"] for one in people.json("camera", "list")}
    assert marked == {"clinic": True, "school": True, "yard": False}


def test_who_enters_a_request_at_the_command_line_cannot_approve_it_there(
    people: CommandLine,
) -> None:
    made = people.json(*REQUEST, "play,search")
    assert (made["state"], made["user"], made["verbs"]) == ("waiting", "ines", ["search", "play"])
    said = people("approval", "give", str(made["id"]), "--reason", "yes")
    assert (said.code, "your own" in said.err) == (6, True)
    again = people(*REQUEST, "search,play")
    assert again.code == 5
    assert "waits for its answer" in again.err


def test_requests_are_given_refused_and_revoked(people: CommandLine, house: House) -> None:
    first = asked_by_ines(house)
    assert "waits for an answer" in people("approval", "list").out
    given = people.json("approval", "give", str(first), "--reason", "agreed")
    assert (given["state"], given["answered_by"][:12]) == ("in force", "command line")
    assert people("approval", "refuse", str(first), "--reason", "no").code == 5
    assert "is revoked" in people("approval", "revoke", str(first), "--reason", "enough").out
    second = asked_by_ines(house)
    assert people.json("approval", "refuse", str(second), "--reason", "no")["answer"] == "refused"
    assert people.json("approval", "list") == []
    known = people.json("approval", "list", "--all", "--for", "ines")
    assert [one["state"] for one in known] == ["revoked", "refused"]
    with house.ledger.read() as tx:
        rows = [row for row in audit.iterate(tx) if row.action.startswith("approval.")]
    assert [(row.action, row.case_id, row.reason) for row in rows[1:3]] == [
        ("approval.give", "A-1", "agreed"), ("approval.revoke", "A-1", "enough"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "code", "match"),
    [
        ((*REQUEST, "export"), 4, "span"),
        ((*REQUEST, "hold"), 4, "some of"),
        ((*REQUEST, "play", "--from", "2026-11-18T00:00:00Z"), 4, "both ends"),
        (("approval", "give", "7", "--reason", "yes"), 3, "not known"),
        (("approval", "revoke", "99999999999999999", "--reason", "yes"), 3, "not known"),
    ],
)
def test_what_cannot_be_requested_or_answered_says_why(
    people: CommandLine, words: tuple[str, ...], code: int, match: str
) -> None:
    said = people(*words)
    assert (said.code, match in said.err) == (code, True), said.err
