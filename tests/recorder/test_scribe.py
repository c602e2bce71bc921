"""The scribe: a busy ledger holds up nothing, loses nothing and keeps the order."""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy import Connection

from recorder.scribe import Scribe
from storage import camera_states, timeline
from storage.clock import US
from storage.vocabulary import CameraState, GapCause
from tests.storage.media import House


@pytest.fixture
def house(house: House) -> House:
    house.camera()
    return house


def starts(house: House) -> list[int]:
    with house.ledger.read() as tx:
        return [gap.start_us for gap in timeline.gaps(tx)]


def test_entries_wait_for_a_busy_ledger_and_keep_their_order(house: House) -> None:
    scribe = Scribe(house.directory)
    camera_id = house.camera().id
    with sqlite3.connect(house.root / "ledger.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        for second in range(50):
            scribe.enter(
                lambda tx, at=second: timeline.add_gap(
                    tx, camera_id, at * US, (at + 1) * US, GapCause.UNKNOWN
                )
            )
        assert not scribe.drain(0.2)  # and entering did not wait either
        other.execute("COMMIT")
    other.close()
    assert scribe.drain(40)
    assert starts(house) == [second * US for second in range(50)]


def test_entry_that_cannot_be_written_takes_no_other_with_it(house: House) -> None:
    scribe = Scribe(house.directory)
    camera_id = house.camera().id

    def defect(_tx: Connection) -> None:
        raise ZeroDivisionError

    with sqlite3.connect(house.root / "ledger.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")  # so that all of them come in one batch
        scribe.enter(lambda tx: timeline.add_gap(tx, camera_id, 0, US, GapCause.UNKNOWN))
        scribe.enter(defect)
        scribe.enter(lambda tx: timeline.add_gap(tx, camera_id, US, 2 * US, GapCause.UNKNOWN))
        other.execute("COMMIT")
    other.close()
    assert scribe.drain(40)
    assert starts(house) == [0, US]


def test_only_the_last_state_counts(house: House) -> None:
    scribe = Scribe(house.directory)
    for second in range(20):
        scribe.say(
            CameraState(house.camera().id, "recording", 0, second, None, None, None, None, 0, None),
            now=False,
        )
    assert scribe.drain(10)
    with house.ledger.read() as tx:
        assert camera_states.states(tx)[house.camera().id].alive_us == 19
