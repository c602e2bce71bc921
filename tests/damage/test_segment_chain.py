"""Damage to the chain of a camera's segments: what rows alone show, before any seal is made."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import text
from ulid import ULID

from storage.check import check
from storage.findings import Finding, Level
from storage.segments import expire, insert_segment
from storage.vocabulary import Segment
from tests.storage.media import START_US, US, House


def found(house: House) -> list[Finding]:
    """What the chain says; that files and times fit is another's matter."""
    return [f for f in check(house.directory, Level.PRESENCE) if f.invariant == 13]


def sql(house: House, *statements: str) -> None:
    with house.ledger.write() as tx:
        for statement in statements:
            tx.execute(text(statement))


def put(house: House, row: Segment, **facts: object) -> Segment:
    """A row that somebody makes up, after another's likeness."""
    made = replace(row, **{"id": str(ULID()), "path": f"{ULID()}.mp4", "sha256": "f" * 64} | facts)
    with house.ledger.write() as tx:
        insert_segment(tx, made)
    return made


def test_live_and_imported_footage_follow_each_their_own(house: House) -> None:
    first = house.segment("gate", START_US)
    imported = house.imported("gate", START_US + 600 * US)
    second = house.segment("gate", START_US + 2 * US)  # was open when the import came
    another = house.imported("gate", START_US + 900 * US)
    assert (first.prev_sha256, imported.prev_sha256) == (None, None)
    assert (second.prev_sha256, another.prev_sha256) == (first.sha256, imported.sha256)
    house.expect("gate", START_US, second.end_us)
    assert list(check(house.directory, Level.HASH)) == []


def test_an_older_ledger_whose_chains_were_one_is_still_whole(house: House) -> None:
    first = house.segment("gate", START_US)
    imported = house.imported("gate", START_US + 600 * US, created_us=START_US + US)
    second = house.segment("gate", START_US + 2 * US)
    third = house.segment("gate", START_US + 4 * US)
    sql(
        house, f"UPDATE segment SET prev_sha256 = '{first.sha256}' WHERE id = '{imported.id}'",
        f"UPDATE segment SET prev_sha256 = '{imported.sha256}' WHERE id = '{third.id}'",
    )  # fmt: skip
    assert second.prev_sha256 == first.sha256
    assert found(house) == []


def test_a_removed_row_is_missed_by_the_one_after_it(house: House) -> None:
    _, second, third = house.footage()
    sql(house, f"DELETE FROM segment WHERE id = '{second.id}'")
    (finding,) = found(house)
    assert (finding.segment, finding.loss) == (third.id, True)


def test_a_removed_import_is_missed_by_the_one_after_it(house: House) -> None:
    house.imported("gate", START_US)
    with house.ledger.write() as tx:
        tx.execute(text("UPDATE segment SET sha256 = :hash"), {"hash": "e" * 64})
    second = house.imported("gate", START_US + 60 * US)
    third = house.imported("gate", START_US + 120 * US)
    sql(house, f"DELETE FROM segment WHERE id = '{second.id}'")
    assert [(f.segment, f.loss) for f in found(house)] == [(third.id, True)]


def test_an_inserted_row_makes_a_fork(house: House) -> None:
    first, second, third = house.footage()
    put_there = put(house, second, start_us=second.end_us, end_us=third.start_us)
    (finding,) = found(house)
    assert (finding.invariant, finding.loss) == (13, True)
    assert all(row.id in finding.what() for row in (first, second, put_there))


def test_what_a_disk_that_was_away_kept_is_a_notice(house: House) -> None:
    _, second, _ = house.footage()
    late = put(house, second, recovered=True)  # adopted when recording had gone on elsewhere
    forks = [f for f in found(house) if "both follow" in f.what("en")]
    assert [(f.segment, f.loss) for f in forks] == [(late.id, False)]


def test_a_row_put_at_the_beginning_of_nothing_is_a_notice(house: House) -> None:
    row = house.footage()[2]
    put_there = put(house, row, prev_sha256=None)
    (finding,) = found(house)
    assert (finding.segment, finding.loss) == (put_there.id, False)
    assert "anew" in finding.what()


def test_swapped_ids_are_found(house: House) -> None:
    rows = house.footage("gate", 4)
    one, other = rows[1].id, rows[2].id
    sql(
        house, f"UPDATE segment SET id = 'aside' WHERE id = '{one}'",
        f"UPDATE segment SET id = '{one}' WHERE id = '{other}'",
        f"UPDATE segment SET id = '{other}' WHERE id = 'aside'",
    )  # fmt: skip
    findings = found(house)
    assert findings
    assert all(finding.loss for finding in findings)
    assert {finding.segment for finding in findings} <= {rows[1].id, rows[2].id, rows[3].id}


def test_a_clock_that_was_set_back_is_a_notice(house: House) -> None:
    second = house.footage("gate", 2)[1]
    old = str(ULID.from_timestamp(1_000_000_000))
    sql(house, f"UPDATE segment SET id = '{old}', created_us = 5 WHERE id = '{second.id}'")
    findings = found(house)
    assert not any(finding.loss for finding in findings)
    assert [f.segment for f in findings if "clock" in f.what()] == [old]


def test_the_same_file_taken_in_twice_is_no_fork(house: House) -> None:
    rows = [house.imported("gate", START_US + n * 60 * US) for n in range(5)]
    assert len({row.sha256 for row in rows}) == 1
    assert found(house) == []


def test_a_tombstone_stays_a_link(house: House) -> None:
    second = house.footage()[1]
    with house.ledger.write() as tx:
        expire(tx, [second.id], "class_3_days = 30", house.clock.now)
        tx.execute(text("UPDATE segment SET unlinked_us = 1 WHERE state = 'expired'"))
    house.file(second).unlink()
    assert list(check(house.directory, Level.HASH)) == []
