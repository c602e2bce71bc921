"""Searching under a grant: answers, standing queries and webhooks know no other camera."""

from __future__ import annotations

import pytest

from search import runs
from search.kept_runs import find
from search.kept_sight import as_seen_by
from search.standing_telling import Telling
from storage.directory import DataDirectory
from storage.errors import Denied, NotFound
from storage.grants import Place, add_grant, grants, revoke_grant
from storage.people import add_user
from storage.rights import Verb
from storage.vocabulary import Actor, Role
from tests.search.archive import asked
from tests.search.lookout import ASKER, DAY_US, FLOOD, Lookout, new_lookout
from tests.search.receiver import Receiver, with_webhooks

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
