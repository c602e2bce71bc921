"""Searching under a grant: answers, standing queries and webhooks know no other camera."""

from __future__ import annotations

import pytest

from search import marking, runs, standing_register
from search.differences import differences
from search.engine import Engine
from search.kept_runs import Kept, find, note_look
from search.kept_sight import as_seen_by
from search.marking import shown
from search.standing_telling import Telling
from storage import audit, marks, standing_queries
from storage.directory import DataDirectory
from storage.errors import Denied, NotFound
from storage.grants import Place, add_grant, grants, revoke_grant
from storage.people import add_user
from storage.register import add_camera
from storage.rights import Verb
from storage.vocabulary import Actor, Role
from tests.search.archive import Words, asked
from tests.search.lookout import ASKER, CASE, DAY_US, FLOOD, Lookout, new_lookout
from tests.search.receiver import Receiver, with_webhooks
from tests.search.slow import AT_ONCE

ADMIN = Actor("admin")


@pytest.fixture
def lookout(directory: DataDirectory, receiver: Receiver) -> Lookout:
    """Ines may search the gate, and only see the pier; of the bridge she knows nothing."""
    made = new_lookout(directory)
    made.archive.camera("pier")
    with_webhooks(directory, duty=receiver.url)
    with directory.ledger.write() as tx:
        ines = add_user(
            tx, ASKER.name, "correct horse battery", Role.INVESTIGATOR, created_us=1
        )  # fmt: skip
        for name, verb in (("gate", Verb.SEARCH), ("pier", Verb.SEE)):
            add_grant(
                tx, user=ines, verbs={verb}, place=Place(camera_id=made.archive.camera(name).id),
                from_us=0, until_us=None, purpose="storm", made_by="admin", at_us=made.clock.now,
            )  # fmt: skip
    return made


def revoke(lookout: Lookout) -> None:
    with lookout.directory.ledger.write() as tx:
        for one in grants(tx):
            revoke_grant(tx, one.id, "moved away", "admin", lookout.clock.now)


def test_an_answer_is_of_the_granted_cameras_alone(lookout: Lookout) -> None:
    for camera in ("gate", "bridge", "pier"):
        lookout.film(camera, FLOOD)
    mine = runs.ask(lookout.engine, asked(text="flood"), ASKER).document
    assert {one["camera"] for one in mine["moments"]} == {"gate"}
    assert mine["coverage"]["cameras"] == 1
    assert mine["query"]["cameras"] == ["gate"]
    assert mine["more"].keys() <= {"gate"}
    everything = runs.ask(lookout.engine, asked(text="flood"), ADMIN).document
    assert {one["camera"] for one in everything["moments"]} == {"gate", "bridge", "pier"}
    assert everything["coverage"]["recorded_s"] > 2 * mine["coverage"]["recorded_s"]


def test_what_is_named_is_unknown_or_denied_and_is_not_stored(lookout: Lookout) -> None:
    said = []
    for name in ("bridge", "nowhere"):
        with pytest.raises(NotFound) as refused:
            runs.ask(lookout.engine, asked(text="flood", cameras=(name,)), ASKER)
        said.append(str(refused.value).replace(name, "it"))
    assert said[0] == said[1]
    with pytest.raises(Denied, match="hindsight grant add"):
        runs.ask(lookout.engine, asked(text="flood", cameras=("gate", "pier")), ASKER)
    assert not lookout.audited("search")


def test_a_kept_answer_shows_what_may_be_searched_when_it_is_read(lookout: Lookout) -> None:
    lookout.film("gate", FLOOD)
    lookout.film("bridge", FLOOD)
    token = runs.ask(lookout.engine, asked(text="flood"), ADMIN).token
    kept = find(lookout.directory, token)
    assert as_seen_by(lookout.directory, kept, "admin") is kept
    seen = as_seen_by(lookout.directory, kept, ASKER.name)
    assert kept.answer is not None
    assert seen.answer is not None
    assert {one["camera"] for one in kept.answer["moments"]} == {"gate", "bridge"}
    assert {one["camera"] for one in seen.answer["moments"]} == {"gate"}
    revoke(lookout)
    seen = as_seen_by(lookout.directory, kept, ASKER.name)
    assert seen.answer is not None
    assert seen.answer["moments"] == []


def test_what_is_found_so_far_shows_no_more_than_the_answer_would(lookout: Lookout) -> None:
    lookout.film("gate", FLOOD)
    lookout.film("bridge", FLOOD)
    seen: list[list[set[str]]] = []

    def look() -> None:
        kept = find(lookout.directory, token)
        assert as_seen_by(lookout.directory, kept, "admin") is kept
        mine = as_seen_by(lookout.directory, kept, ASKER.name)
        revoke(lookout)
        none = as_seen_by(lookout.directory, kept, ASKER.name)
        told = [one.so_far or {"moments": []} for one in (kept, mine, none)]
        seen.append([{moment["camera"] for moment in one["moments"]} for one in told])

    query = asked(text="flood")
    token = runs.enter(lookout.directory, query, ADMIN, state="running")
    engine = Engine(lookout.directory, Words(), pace=AT_ONCE)
    runs.carry_out(engine, token, query, ADMIN, told=look)
    assert seen == [[{"gate", "bridge"}, {"gate"}, set()]]


def test_what_was_found_under_a_case_is_gone_when_it_closes(lookout: Lookout) -> None:
    lookout.add()
    lookout.film("gate", FLOOD)
    assert lookout.look().fired == 1
    query = asked(text="flood", case_id=CASE, reason="storm", top=1)
    kept = find(lookout.directory, runs.ask(lookout.engine, query, ASKER).token)
    (moment,) = shown(kept)
    marking.mark(lookout.directory, kept, [(moment, True)], ASKER)
    assert told(lookout, kept) == (1, 1, 1)
    lookout.close_case()
    assert told(lookout, kept) == (0, 0, 0)
    said = as_seen_by(lookout.directory, kept, ASKER.name).answer
    assert said is not None
    assert f"case {CASE} is closed" in said["warnings"][0]
    assert as_seen_by(lookout.directory, kept, "admin") is kept  # who audits reads it


def told(lookout: Lookout, kept: Kept) -> tuple[int, int, int]:
    """How many moments, firings and marks ines is shown."""
    answer = as_seen_by(lookout.directory, kept, ASKER.name).answer
    assert answer is not None
    _, firings = standing_register.shown(lookout.directory, "flood", ASKER, limit=None)
    with lookout.directory.ledger.read() as tx:
        rows = marks.of_query(tx, kept.query.id)
        seen = marking.seen(tx, rows, ASKER.name, lookout.directory)
    return len(answer["moments"]), len(firings), len(seen)


def test_what_was_asked_without_a_case_is_gone_when_one_is_demanded(lookout: Lookout) -> None:
    lookout.film("gate", FLOOD)
    kept = find(lookout.directory, runs.ask(lookout.engine, asked(text="flood"), ASKER).token)
    lookout.set(require_case=True)
    seen = as_seen_by(lookout.directory, kept, ASKER.name).answer
    assert seen is not None
    assert seen["moments"] == []


def test_who_is_no_administrator_any_more_is_not_told_of_new_cameras(lookout: Lookout) -> None:
    lookout.film("gate", FLOOD)
    then = find(lookout.directory, runs.ask(lookout.engine, asked(text="flood"), ADMIN).token)
    lookout.clock.forward(1)
    with lookout.directory.ledger.write() as tx:
        add_camera(tx, name="witness flat", url=None, created_us=lookout.clock.now)
    lookout.clock.forward(1)
    now = find(lookout.directory, runs.ask(lookout.engine, asked(text="flood"), ADMIN).token)
    told = differences(lookout.directory, then, now)
    assert "witness-flat" in str(told)
    kept = [as_seen_by(lookout.directory, one, ASKER.name) for one in (then, now)]
    assert "witness-flat" not in str(differences(lookout.directory, *kept))


def test_trouble_that_names_a_hidden_camera_is_told_to_its_owner_alone(lookout: Lookout) -> None:
    lookout.add()
    with lookout.directory.ledger.write() as tx:
        one = standing_queries.find(tx, "flood")
        standing_queries.note_trouble(tx, one.id, "camera bridge is gone")
        add_user(tx, "omar", "correct horse battery", Role.INVESTIGATOR, created_us=1)
    told = {
        name: standing_register.named(lookout.directory, "flood", Actor(name)).standing.trouble
        for name in ("ines", "omar", "admin")
    }
    assert told == {"ines": "camera bridge is gone", "omar": None, "admin": "camera bridge is gone"}


def test_a_look_is_found_under_the_cameras_that_were_shown(lookout: Lookout) -> None:
    for camera in ("gate", "bridge"):
        lookout.film(camera, FLOOD)
    kept = find(lookout.directory, runs.ask(lookout.engine, asked(text="flood"), ADMIN).token)
    note_look(lookout.directory, kept, ADMIN, {"moments": 2})
    with lookout.directory.ledger.read() as tx:
        for camera, due in (("bridge", ["search", "search_shown"]), ("pier", [])):
            rows = audit.find(tx, audit.Asked(camera=camera, actor="admin"))
            assert [row.action for row in rows] == due, camera


def test_a_standing_query_looks_with_what_its_owner_may_search_then(lookout: Lookout) -> None:
    lookout.add()
    lookout.film("bridge", FLOOD)
    assert lookout.look().fired == 0
    lookout.film("gate", FLOOD)
    assert lookout.look().fired == 1
    lookout.clock.forward(DAY_US)
    revoke(lookout)
    lookout.film("gate", FLOOD)
    found = lookout.look()
    assert (found.queries, found.fired) == (1, 0)
    assert {one.camera for one in lookout.firings()} == {"gate"}


def test_nobody_is_told_of_a_camera_that_may_no_longer_be_searched(
    lookout: Lookout, receiver: Receiver
) -> None:
    lookout.add(webhook="duty")
    lookout.film("gate", FLOOD)
    assert lookout.look().fired == 1
    revoke(lookout)
    telling = Telling(lookout.directory)
    telling.begin()
    telling.wait()
    (firing,) = lookout.firings()
    assert receiver.taken == []
    assert (firing.delivery, firing.error) == (
        "failed", "who wanted it may no longer search this camera",
    )  # fmt: skip
