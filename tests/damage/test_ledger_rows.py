"""Damage to the ledger's rows: removed, impossible, contradicting; each breaks an invariant."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import text

from storage import generations, timeline
from storage.cases import add_hold
from storage.check import check
from storage.findings import Finding, Level
from storage.lake import Frame, write_parts
from storage.segments import expire
from storage.vocabulary import GapCause
from tests.storage.media import START_US, US, House


def found(house: House, level: Level = Level.SIZE) -> list[Finding]:
    return list(check(house.directory, level))


def sql(house: House, statement: str) -> None:
    """What somebody with the file in hand could do."""
    with house.ledger.write() as tx:
        tx.execute(text(statement))


def test_row_removed_shows_as_an_unknown_file_a_hole_and_a_broken_chain(house: House) -> None:
    first, second, third = house.footage()
    sql(house, f"DELETE FROM segment WHERE id = '{second.id}'")
    findings = {f.invariant: f for f in found(house)}
    assert set(findings) == {3, 6, 13}
    assert findings[3].path == second.path
    assert (findings[6].start_us, findings[6].end_us) == (second.start_us, second.end_us)
    assert findings[13].segment == third.id
    assert first.prev_sha256 is None


def test_row_and_file_removed_still_leave_a_hole_and_a_broken_chain(house: House) -> None:
    second = house.footage()[1]
    sql(house, f"DELETE FROM segment WHERE id = '{second.id}'")
    house.file(second).unlink()
    assert {(f.invariant, f.loss) for f in found(house)} == {(6, True), (13, True)}


def test_a_hole_that_no_gap_explains_is_found(house: House) -> None:
    house.segment("gate", START_US)
    house.segment("gate", START_US + 10 * US)
    house.expect("gate", START_US, START_US + 12 * US)
    (finding,) = found(house)
    assert (finding.invariant, finding.camera, finding.loss) == (6, "gate", True)
    assert (finding.start_us, finding.end_us) == (START_US + 2 * US, START_US + 10 * US)
    with house.ledger.write() as tx:
        timeline.add_gap(
            tx, house.camera().id, START_US + 2 * US, START_US + 10 * US, GapCause.STALLED
        )
    assert found(house) == []


def test_a_recorder_killed_just_now_is_a_notice_until_it_starts_again(house: House) -> None:
    house.segment("gate", START_US)
    house.expect("gate", START_US)
    (finding,) = found(house)
    assert (finding.invariant, finding.loss) == (6, False)
    assert "hindsight record" in finding.what()


def test_an_impossible_time_is_found(house: House) -> None:
    segment = house.segment("gate", START_US)
    sql(house, f"UPDATE segment SET start_us = -5 WHERE id = '{segment.id}'")
    assert [(f.invariant, f.segment) for f in found(house)] == [(7, segment.id)]


def test_a_file_deleted_against_a_hold_is_found(house: House) -> None:
    held, lawful = house.segment("a"), house.segment("b")
    with house.ledger.write() as tx:
        add_hold(
            tx, held.camera_id, held.start_us, held.end_us, reason="theft", owner="li.wei",
            at_us=START_US,
        )  # fmt: skip
        expire(tx, [held.id, lawful.id], "somebody's own idea", house.clock.now)
        tx.execute(text("UPDATE segment SET unlinked_us = 1"))
    for segment in (held, lawful):
        house.file(segment).unlink()
    assert [(f.invariant, f.segment) for f in found(house)] == [(4, held.id)]


def test_a_row_cannot_become_a_tombstone_without_a_rule(house: House) -> None:
    house.segment()
    with pytest.raises(Exception, match="tombstone"):
        sql(house, "UPDATE segment SET state = 'expired'")


def test_damage_in_the_lake_is_found(house: House) -> None:
    segment = house.segment()
    with house.ledger.write() as tx:
        generation = generations.add_generation(
            tx, model="m", checkpoint=None, weights_hash="w", preprocess_hash="p", dimension=4,
            meaningful=True, state="active", at_us=1,
        )  # fmt: skip
        generations.claim(tx, generation.id, "me", among=[segment.id], now_us=1, lease_us=10)
    frame = Frame(1, segment.camera_id, segment.id, START_US, 0, "frame", None, 1.0, 0)
    (part,) = write_parts(
        house.directory.lake, generation, [frame], np.full((1, 4), 0.5, np.float16)
    )
    with house.ledger.write() as tx:
        done = generations.Outcome(segment.id, 1, part, 1, None, 0, None)
        generations.finish(tx, [done], generation.id, "me", at_us=2)
    assert found(house, Level.HASH) == []
    path = house.directory.lake / part
    path.write_bytes(path.read_bytes()[:-1])
    assert found(house, Level.SIZE) == []
    (finding,) = found(house, Level.HASH)
    assert (finding.invariant, finding.path) == (8, part)
    path.unlink()
    (finding,) = found(house, Level.PRESENCE)
    assert (finding.invariant, finding.path) == (8, part)
