"""Approvals: a second person agrees, to this and no more; held against a plain re-statement."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, insert
from sqlalchemy.exc import IntegrityError

from storage import audit, schema
from storage.access import access_of
from storage.approval_tables import approval
from storage.approvals import (
    Approval,
    approvals,
    give_approval,
    refuse_approval,
    request_approval,
    revoke_approval,
    waiting_for,
)
from storage.approvals_needed import ApprovalNeeded, Approvals
from storage.cases import close_case, open_case
from storage.departments import add_department
from storage.errors import Conflict, Denied, HindsightError, Invalid, NotFound
from storage.exhibits import Exhibit, Wanted, add_exhibit
from storage.grants import Place, add_grant, grants, revoke_grant
from storage.people import find_user, set_user
from storage.reading import footage
from storage.register import set_camera
from storage.rights import Verb
from storage.settings import AccessSettings
from storage.vocabulary import Actor, Role, Span, User
from tests.storage.media import START_US, House

NOW_US = START_US + 60_000_000
HOUR_US = 3_600_000_000
SETTINGS = AccessSettings()
SPAN = Span(START_US, START_US + 2_000_000)
PEOPLE = {
    "ines": Role.INVESTIGATOR, "otto": Role.INVESTIGATOR, "maja": Role.MANAGER,
    "mila": Role.MANAGER, "adam": Role.ADMINISTRATOR, "audra": Role.AUDITOR, "olga": Role.OPERATOR,
}  # fmt: skip
VERBS = {Verb.SEE, Verb.SEARCH, Verb.PLAY, Verb.EXPORT, Verb.APPROVE}


def person(tx: Connection, name: str, role: Role) -> User:
    """Without a password: hashing one takes longer than all the rest."""
    values = {"name": name, "password_hash": "none", "role": role.value, "created_us": 1}
    tx.execute(insert(schema.user).values(**values))
    return find_user(tx, name)


@pytest.fixture
def town(house: House) -> House:
    """Sensitive `clinic` and `school`, and `gate`; somebody of each role, granted everything."""
    house.clock.now = NOW_US
    for name in ("clinic", "school", "gate"):
        house.camera(name)
    with house.ledger.write() as tx:
        for name in ("clinic", "school"):
            house.cameras[name] = set_camera(tx, house.cameras[name], sensitive=True)
        for name, role in PEOPLE.items():
            add_grant(
                tx, user=person(tx, name, role), verbs=VERBS, place=Place(site=""),
                from_us=0, until_us=NOW_US + 1000 * HOUR_US, purpose="thefts", made_by="adam",
                at_us=NOW_US,
            )  # fmt: skip
        for case in ("A-1", "A-2"):
            open_case(tx, case, "thefts", "ines", NOW_US)
    return house


def ask(house: House, name: str = "ines", **facts: Any) -> Approval:
    given = {"verbs": {Verb.PLAY}, "cameras": ["clinic"], "span": None, "by": name, "case": "A-1"}
    given |= facts
    with house.ledger.write() as tx:
        return request_approval(
            tx, SETTINGS, access_of(tx, name, house.clock.now),
            Actor(given["by"], given["case"], "the suspect went in"), verbs=given["verbs"],
            cameras=[house.cameras[one] for one in given["cameras"]], span=given["span"],
        )  # fmt: skip


def give(house: House, number: int, by: str = "maja", **more: Any) -> Approval:
    with house.ledger.write() as tx:
        access = access_of(tx, by, house.clock.now)
        who = more.pop("actor", Actor(by))
        return give_approval(tx, SETTINGS, access, who, number, reason="agreed", **more)


def revoke(house: House, number: int, by: str = "maja") -> Approval:
    with house.ledger.write() as tx:
        access = access_of(tx, by, house.clock.now)
        return revoke_approval(tx, access, Actor(by), number, reason="not needed any more")


def number_of(
    house: House, name: str = "ines", case: str | None = "A-1", *, verb: Verb = Verb.PLAY,
    camera: str = "clinic", span: Span | None = SPAN,
) -> list[int]:  # fmt: skip
    """What the look rests on; ApprovalNeeded."""
    with house.ledger.read() as tx:
        access = access_of(tx, name, house.clock.now)
        held = Approvals(tx, SETTINGS, access, case)
        return held.require(verb, [house.cameras[camera]], span)


def refused(house: House, *args: Any, **kwargs: Any) -> ApprovalNeeded:
    with pytest.raises(ApprovalNeeded) as error:
        number_of(house, *args, **kwargs)
    return error.value


def states(house: House) -> list[str]:
    with house.ledger.read() as tx:
        found = approvals(tx, access_of(tx, "maja", house.clock.now), ended=True)
    return [one.state(house.clock.now) for one in found]


def test_what_is_not_approved_is_refused_with_what_to_request(town: House) -> None:
    error = refused(town)
    assert (error.kind, error.exit_code, error.http_status) == ("denied", 6, 403)
    assert "hindsight approval request" in str(error)
    assert (error.verb, error.cameras, error.case_id) == (Verb.PLAY, ["clinic"], "A-1")
    assert number_of(town, camera="gate") == []
    one = ask(town)
    assert f"request {one.id}" in str(refused(town))
    assert refused(town).waits == one.id
    assert refused(town, verb=Verb.SEARCH).waits is None
    export = ask(town, verbs={Verb.EXPORT}, span=SPAN)
    assert refused(town, verb=Verb.EXPORT).waits == export.id
    longer = Span(SPAN.start_us, SPAN.end_us + 1)
    assert refused(town, verb=Verb.EXPORT, span=longer).waits is None


def test_what_is_approved_is_for_one_person_case_verb_and_camera(town: House) -> None:
    one = give(town, ask(town).id)
    assert number_of(town) == [one.id]
    assert number_of(town, span=None) == [one.id]
    refused(town, "otto")
    refused(town, "adam")  # administrators too
    refused(town, case="A-2")
    refused(town, case=None)
    refused(town, verb=Verb.SEARCH)
    refused(town, verb=Verb.EXPORT)
    refused(town, camera="school")
    assert number_of(town, "command line (uid 0)", None) == []  # whoever owns the disk


def test_an_approved_span_is_a_bound(town: House) -> None:
    one = give(town, ask(town, verbs={Verb.EXPORT, Verb.PLAY}, span=SPAN).id)
    assert number_of(town, verb=Verb.EXPORT) == [one.id]
    inside = Span(SPAN.start_us + 1, SPAN.end_us - 1)
    assert number_of(town, verb=Verb.EXPORT, span=inside) == [one.id]
    for beyond in (
        Span(SPAN.start_us - 1, SPAN.end_us), Span(SPAN.start_us, SPAN.end_us + 1), None
    ):  # fmt: skip
        refused(town, verb=Verb.EXPORT, span=beyond)
        refused(town, verb=Verb.PLAY, span=beyond)


@pytest.mark.parametrize("by", ["otto", "audra", "olga"])
def test_who_has_no_right_to_approve_does_not_even_see_the_request(town: House, by: str) -> None:
    one = ask(town)
    with pytest.raises(NotFound) as hidden:
        give(town, one.id, by)
    with pytest.raises(NotFound) as unknown:
        give(town, one.id + 1, by)
    assert str(hidden.value).replace(str(one.id), "N") == str(unknown.value).replace(
        str(one.id + 1), "N"
    )
    with town.ledger.read() as tx:
        access = access_of(tx, by, town.clock.now)
        assert approvals(tx, access, ended=True) == waiting_for(tx, access) == []


def test_nobody_approves_what_they_asked_for_themselves(town: House) -> None:
    mine = ask(town, "adam")
    with pytest.raises(Denied, match="your own"):
        give(town, mine.id, "adam")
    entered = ask(town, "ines", by="adam")  # entered by one who may approve, for somebody else
    with pytest.raises(Denied, match="your own"):
        give(town, entered.id, "adam")
    for one in (mine, entered):
        with town.ledger.write() as tx, pytest.raises(Denied, match="your own"):
            refuse_approval(
                tx, access_of(tx, "adam", NOW_US), Actor("adam"), one.id, reason="no"
            )  # fmt: skip
        assert give(town, one.id).answered_by == "maja"
    with town.ledger.read() as tx:
        assert waiting_for(tx, access_of(tx, "adam", NOW_US)) == []


def test_not_even_the_ledger_takes_an_answer_of_who_asked(town: House) -> None:
    one = ask(town)
    with pytest.raises(IntegrityError, match="second_person"), town.ledger.write() as tx:
        tx.execute(approval.update().values(answer="given", answered_by=one.asked_by))


def test_an_api_token_approves_nothing(town: House) -> None:
    one = ask(town)
    with pytest.raises(Denied, match="API token"):
        give(town, one.id, actor=Actor("maja", token="1 nightly"))


def test_an_approver_needs_a_grant_on_every_camera(town: House) -> None:
    one = ask(town, cameras=["clinic", "school"])
    with town.ledger.write() as tx:
        (mine,) = (each for each in grants(tx) if each.user == "maja")
        revoke_grant(tx, mine.id, "moved", "adam", NOW_US)
        add_grant(
            tx, user=find_user(tx, "maja"), verbs={Verb.APPROVE},
            place=Place(camera_id=town.cameras["clinic"].id), from_us=0, until_us=None,
            purpose="approves", made_by="adam", at_us=NOW_US,
        )  # fmt: skip
    with pytest.raises(NotFound):
        give(town, one.id)
    give(town, ask(town).id)


def test_an_approval_ends_by_its_time_by_revocation_and_with_its_case(town: House) -> None:
    first = give(town, ask(town).id, until_us=NOW_US + HOUR_US)
    town.clock.now = NOW_US + HOUR_US - 1
    assert number_of(town) == [first.id]
    town.clock.now += 1
    refused(town)
    second = give(town, ask(town).id)
    revoke(town, second.id, "mila")  # by another who may approve
    refused(town)
    third = give(town, ask(town).id)
    revoke(town, third.id, "ines")  # given back
    refused(town)
    give(town, ask(town).id)
    assert states(town) == ["expired", "revoked", "revoked", "in force"]
    with town.ledger.write() as tx:
        close_case(tx, "A-1", town.clock.now)
    refused(town)
    assert states(town)[-1] == "case closed"


def test_what_was_given_stays_when_the_approver_is_disabled(town: House) -> None:
    one = give(town, ask(town).id)
    with town.ledger.write() as tx:
        set_user(tx, find_user(tx, "maja"), enabled=False)
    assert number_of(town) == [one.id]
    with pytest.raises(NotFound):
        give(town, ask(town, verbs={Verb.SEARCH}).id)


def test_what_is_answered_revoked_or_lapsed_cannot_be_answered(town: House) -> None:
    given_, back = give(town, ask(town).id), revoke(town, ask(town, case="A-2").id, "ines")
    lapsed = ask(town, cameras=["school"])
    town.clock.now = lapsed.expires_us
    for one in (given_, back, lapsed):
        with pytest.raises(Conflict):
            give(town, one.id, "mila")
    for one in (back, lapsed):
        with pytest.raises(Conflict):
            revoke(town, one.id)
    closed = ask(town, case="A-2")
    with town.ledger.write() as tx:
        close_case(tx, "A-2", town.clock.now)
    with pytest.raises(Conflict):
        give(town, closed.id)
    with pytest.raises(Conflict, match="closed"):
        ask(town, "otto", case="A-2")


def test_of_two_who_answer_at_once_one_has_answered(town: House) -> None:
    one, said, ready = ask(town), list[str](), threading.Barrier(4)

    def answer(by: str, yes: bool) -> None:
        ready.wait()
        try:
            with town.ledger.write() as tx:
                access = access_of(tx, by, NOW_US)
                if yes:
                    give_approval(tx, SETTINGS, access, Actor(by), one.id, reason="yes")
                else:
                    refuse_approval(tx, access, Actor(by), one.id, reason="no")
            said.append(by)
        except Conflict:
            pass

    threads = [
        threading.Thread(target=answer, args=(by, by != "mila"))
        for by in ("maja", "mila", "adam", "maja")
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    with town.ledger.read() as tx:
        rows = [row for row in audit.iterate(tx) if row.action.startswith("approval.")]
        (found,) = approvals(tx, access_of(tx, "maja", NOW_US), ended=True)
    assert [row.actor for row in rows[1:]] == said == [found.answered_by]


@pytest.mark.parametrize(
    ("facts", "match"),
    [
        ({"verbs": set()}, "some of"), ({"verbs": {Verb.HOLD}}, "some of"),
        ({"cameras": []}, "cameras"), ({"cameras": ["gate"]}, "no approval is needed"),
        ({"case": None}, "case"), ({"verbs": {Verb.EXPORT}}, "span"),
        ({"span": Span(5, 5)}, "empty"), ({"name": "audra"}, "may not watch"),
        ({"name": "command line (uid 0)"}, "programs"),
    ],
)  # fmt: skip
def test_a_request_says_all_that_will_be_judged(
    town: House, facts: dict[str, Any], match: str
) -> None:
    with pytest.raises(HindsightError, match=match):
        ask(town, **facts)


def test_a_request_is_for_a_case_that_one_knows_of(town: House) -> None:
    with town.ledger.write() as tx:
        add_department(tx, "south", NOW_US)
        open_case(tx, "S-1", "thefts", "adam", NOW_US, department="south")
    said = []
    for case in ("S-1", "S-2"):
        with pytest.raises(NotFound, match="is not known") as refused_:
            ask(town, case=case)
        said.append(str(refused_.value).replace(case, "it"))
    assert said[0] == said[1]
    ask(town, "adam", case="S-1")


def test_the_same_request_does_not_wait_twice(town: House) -> None:
    one = ask(town)
    with pytest.raises(Conflict, match=f"request {one.id}"):
        ask(town)
    ask(town, "otto")
    ask(town, case="A-2")
    ask(town, verbs={Verb.PLAY, Verb.SEARCH})


def test_an_approval_lasts_as_long_as_the_settings_allow(town: House) -> None:
    one = ask(town)
    for until_us in (NOW_US, NOW_US + 168 * HOUR_US + 1):
        with pytest.raises(Invalid):
            give(town, one.id, until_us=until_us)
    assert give(town, one.id).expires_us == NOW_US + 24 * HOUR_US


def test_all_is_in_the_audit_chain(town: House) -> None:
    one = give(town, ask(town, verbs={Verb.EXPORT}, span=SPAN).id)
    revoke(town, one.id)
    with town.ledger.read() as tx:
        rows = [row for row in audit.iterate(tx) if row.action.startswith("approval.")]
        assert audit.rows(tx, case_id="A-1")[-3:] == rows
    told = [(row.actor, row.action, row.subject, row.reason) for row in rows]
    assert told == [
        ("ines", "approval.request", "ines", "the suspect went in"),
        ("maja", "approval.give", "ines", "agreed"),
        ("maja", "approval.revoke", "ines", "not needed any more"),
    ]
    detail = json.loads(rows[1].detail)
    assert (detail["approval"], detail["cameras"], detail["verbs"]) == (1, ["clinic"], ["export"])
    assert detail["from"] == "2026-11-18T13:00:00.000000Z"


def test_all_exports_need_one_where_the_settings_say_so(town: House) -> None:
    strict = AccessSettings(approve_exports=True)
    with town.ledger.read() as tx:
        held = Approvals(tx, strict, access_of(tx, "ines", NOW_US), "A-1")
        assert held.allow(Verb.PLAY, town.cameras["gate"], SPAN)
        assert not held.allow(Verb.EXPORT, town.cameras["gate"], SPAN)


def collect(house: House, span: Span) -> Exhibit:
    with house.ledger.write() as tx:
        return add_exhibit(
            tx, house.directory.settings, access_of(tx, "ines", house.clock.now), Actor("ines"),
            Wanted("A-1", house.cameras["clinic"], span),
        ).exhibit  # fmt: skip


def test_an_approval_of_a_second_does_not_hold_the_hours_around_it(town: House) -> None:
    town.segment("clinic")
    give(town, ask(town, span=SPAN).id)
    for span in (
        Span(SPAN.start_us - HOUR_US, SPAN.end_us), Span(SPAN.start_us, SPAN.end_us + 1),
    ):  # fmt: skip
        with pytest.raises(ApprovalNeeded):
            collect(town, span)
    assert collect(town, SPAN).span == SPAN


@pytest.mark.parametrize("verb", [Verb.SEARCH, Verb.PLAY])
def test_collecting_takes_either_approval_and_its_row_names_it(town: House, verb: Verb) -> None:
    town.segment("clinic")
    number = ask(town, verbs={verb}).id
    give(town, number)
    collect(town, SPAN)
    with town.ledger.read() as tx:
        row = audit.rows(tx, action="exhibit.add")[-1]
    assert json.loads(row.detail)["approvals"] == [number]


def test_a_camera_marked_sensitive_is_read_no_more_at_once(town: House) -> None:
    row, ines = town.segment("gate"), Actor("ines", "A-1", "thefts")

    def read() -> None:
        footage(town.directory, row.id, ines, Verb.PLAY)

    read()
    with town.ledger.write() as tx:
        set_camera(tx, town.cameras["gate"], sensitive=True)
    with pytest.raises(ApprovalNeeded):
        read()
    town.cameras["gate"] = replace(town.cameras["gate"], sensitive=True)
    late = Span(row.end_us, row.end_us + HOUR_US)
    give(town, ask(town, cameras=["gate"], span=late).id)
    with pytest.raises(ApprovalNeeded):
        read()
    give(town, ask(town, cameras=["gate"], span=Span(row.end_us - 1, row.end_us)).id)
    read()
    with pytest.raises(ApprovalNeeded):
        footage(town.directory, row.id, ines, Verb.SEARCH)
    footage(town.directory, row.id, ines, Verb.SEARCH, Verb.PLAY)  # one of them is enough
    with pytest.raises(ApprovalNeeded):
        footage(town.directory, row.id, Actor("ines"), Verb.PLAY)
