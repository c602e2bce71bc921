"""Searching sensitive cameras: answers, kept ones too, standing queries and marks know none that
a second person did not approve."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import insert

from search import marking, runs, standing_register
from search.engine import Engine
from search.kept_runs import find, note_look
from search.kept_sight import as_seen_by
from search.standing_telling import Telling
from storage import marks, schema
from storage.access import access_of
from storage.approvals import give_approval, request_approval, revoke_approval
from storage.approvals_needed import ApprovalNeeded
from storage.directory import DataDirectory
from storage.errors import Conflict, Denied
from storage.grants import Place, add_grant
from storage.people import find_user
from storage.register import find_camera, set_camera
from storage.rights import Verb
from storage.settings import AccessSettings
from storage.vocabulary import Actor, Role, Span
from tests.search.archive import START_US, Words, asked
from tests.search.lookout import ASKER, CASE, FLOOD, Lookout, new_lookout
from tests.search.receiver import Receiver, with_webhooks
from tests.search.slow import AT_ONCE

SETTINGS = AccessSettings()


@pytest.fixture
def lookout(directory: DataDirectory, receiver: Receiver) -> Lookout:
    """Ines may search the gate and the bridge, which is sensitive; both were flooded."""
    made = new_lookout(directory)
    with_webhooks(directory, duty=receiver.url)
    with directory.ledger.write() as tx:
        for name, role in ((ASKER.name, Role.INVESTIGATOR), ("maja", Role.MANAGER)):
            values = {"name": name, "password_hash": "none", "role": role.value}
            tx.execute(insert(schema.user).values(**values, created_us=1))
            add_grant(
                tx, user=find_user(tx, name), verbs={Verb.SEARCH, Verb.APPROVE},
                place=Place(site=""), from_us=0, until_us=None, purpose="storm",
                made_by="admin", at_us=made.clock.now,
            )  # fmt: skip
        set_camera(tx, find_camera(tx, "bridge"), sensitive=True)
    return made


def approve(lookout: Lookout, span: Span | None = None) -> int:
    with lookout.directory.ledger.write() as tx:
        one = request_approval(
            tx, SETTINGS, access_of(tx, ASKER.name, lookout.clock.now),
            ASKER.under(CASE, "storm"), verbs={Verb.SEARCH}, cameras=[find_camera(tx, "bridge")],
            span=span,
        )  # fmt: skip
        maja = access_of(tx, "maja", lookout.clock.now)
        return give_approval(tx, SETTINGS, maja, Actor("maja"), one.id, reason="agreed").id


def revoke(lookout: Lookout, number: int) -> None:
    with lookout.directory.ledger.write() as tx:
        maja = access_of(tx, "maja", lookout.clock.now)
        revoke_approval(tx, maja, Actor("maja"), number, reason="enough")


def ask(lookout: Lookout, case: str | None = CASE, **query: object) -> tuple[set[str], list[str]]:
    """Cameras found, and those that nobody approved."""
    wanted = asked(text="flood", case_id=case, reason="storm", **query)
    told = runs.ask(lookout.engine, wanted, ASKER).document
    return {one["camera"] for one in told["moments"]}, told["coverage"]["unapproved"]


def test_an_answer_leaves_out_what_nobody_approved_and_says_so(lookout: Lookout) -> None:
    for camera in ("gate", "bridge"):
        lookout.film(camera, FLOOD)
    assert ask(lookout) == ({"gate"}, ["bridge"])
    with pytest.raises(ApprovalNeeded):
        ask(lookout, cameras=("gate", "bridge"))
    number = approve(lookout)
    assert ask(lookout) == ({"gate", "bridge"}, [])
    assert json.loads(lookout.audited("search")[-1].detail)["approvals"] == [number]
    assert ask(lookout, case=None) == ({"gate"}, ["bridge"])
    revoke(lookout, number)
    assert ask(lookout) == ({"gate"}, ["bridge"])


def test_a_search_must_lie_in_the_span_that_was_approved(lookout: Lookout) -> None:
    for camera in ("gate", "bridge"):
        lookout.film(camera, FLOOD)
    end_us = lookout.clock.now
    approve(lookout, Span(START_US, end_us))
    assert ask(lookout, from_us=START_US, to_us=end_us) == ({"gate", "bridge"}, [])
    for span in ({"from_us": START_US, "to_us": end_us + 1}, {"from_us": START_US}, {}):
        assert ask(lookout, **span) == ({"gate"}, ["bridge"]), span


def test_where_a_case_is_missing_that_is_said_first(lookout: Lookout) -> None:
    lookout.set(require_case=True)
    for cameras in ((), ("bridge",), ("gate", "bridge")):
        with pytest.raises(Denied, match="needs an open case"):
            ask(lookout, case=None, cameras=cameras)


def test_a_kept_answer_forgets_a_camera_with_its_approval(lookout: Lookout) -> None:
    for camera in ("gate", "bridge"):
        lookout.film(camera, FLOOD)
    number = approve(lookout)
    query = asked(text="flood", case_id=CASE, reason="storm")
    kept = find(lookout.directory, runs.ask(lookout.engine, query, ASKER).token)
    for cameras in ({"gate", "bridge"}, {"gate"}):
        seen = as_seen_by(lookout.directory, kept, ASKER.name).answer
        assert seen is not None
        assert {one["camera"] for one in seen["moments"]} == cameras
        if len(cameras) > 1:
            revoke(lookout, number)
    later = find(lookout.directory, runs.ask(lookout.engine, query, ASKER).token)
    seen = as_seen_by(lookout.directory, later, ASKER.name).answer
    assert seen is not None
    assert seen["coverage"]["unapproved"] == ["bridge"]  # she sees that it is there


def test_a_look_at_what_is_found_so_far_names_the_approval_it_rests_on(lookout: Lookout) -> None:
    for camera in ("gate", "bridge"):
        lookout.film(camera, FLOOD)
    number, shown = approve(lookout), []

    def look() -> None:
        kept = find(lookout.directory, token)
        for ending in (lambda: revoke(lookout, number), lookout.close_case, None):
            seen = as_seen_by(lookout.directory, kept, ASKER.name)
            assert seen.so_far is not None
            shown.append({one["camera"] for one in seen.so_far["moments"]})
            note_look(lookout.directory, seen, ASKER, {})
            if ending is not None:
                ending()
        runs.cancel(lookout.directory, token)

    query = asked(text="flood", case_id=CASE, reason="storm")
    token = runs.enter(lookout.directory, query, ASKER, state="running")
    engine = Engine(lookout.directory, Words(), pace=AT_ONCE)
    with pytest.raises(Conflict, match="cancelled"):
        runs.carry_out(engine, token, query, ASKER, told=look)
    assert shown == [{"gate", "bridge"}, {"gate"}, set()]
    first = json.loads(lookout.audited("search_shown")[0].detail)
    assert (first["shown"], first["approvals"]) == (["bridge", "gate"], [number])


def test_a_standing_query_and_its_marks_know_no_unapproved_camera(
    lookout: Lookout, receiver: Receiver
) -> None:
    named = asked(text="flood", case_id=CASE, reason="storm", cameras=("bridge",))
    with pytest.raises(ApprovalNeeded):
        lookout.add("named", named)
    lookout.add(webhook="duty")
    lookout.film("bridge", FLOOD)
    assert lookout.look().fired == 0
    number = approve(lookout)
    lookout.clock.forward(3600_000_000)
    lookout.film("bridge", FLOOD)
    assert lookout.look().fired == 1
    query = asked(text="flood", case_id=CASE, reason="storm", cameras=("bridge",))
    kept = find(lookout.directory, runs.ask(lookout.engine, query, ASKER).token)
    marking.mark(lookout.directory, kept, [(marking.shown(kept)[0], True)], ASKER)
    assert shown(lookout, kept.query.id) == (1, 1)
    revoke(lookout, number)
    assert shown(lookout, kept.query.id) == (0, 0)
    telling = Telling(lookout.directory)
    telling.begin()
    telling.wait()
    assert receiver.taken == []


def shown(lookout: Lookout, query_id: str) -> tuple[int, int]:
    """How many firings and marks Ines is shown."""
    _, firings = standing_register.shown(lookout.directory, "flood", ASKER, limit=None)
    with lookout.directory.ledger.read() as tx:
        rows = marking.seen(tx, marks.of_query(tx, query_id), ASKER.name, lookout.directory)
    return len(firings), len(rows)
