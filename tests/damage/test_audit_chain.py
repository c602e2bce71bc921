"""Attacks on the audit chain: every one but growth at its end breaks it, and the row is named."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from storage import audit
from storage.check import check
from storage.findings import Level
from storage.vocabulary import Actor
from tests.storage.media import House

ROWS = 6


@pytest.fixture
def chain(house: House) -> House:
    """Rows 1 … 6; the first is that of `init`."""
    for i in range(2, ROWS + 1):
        with house.ledger.write() as tx:
            audit.record(
                tx, Actor("li.wei", "C-1", "theft"), "search", f"query {i}", at_us=i,
                detail={"top": i},
            )  # fmt: skip
    return house


def attack(house: House, *statements: str) -> None:
    with house.ledger.write() as tx:
        for statement in statements:
            tx.execute(text(statement))


def breaks(house: House) -> list[tuple[int, str]]:
    with house.ledger.read() as tx:
        return [(b.seq, b.what) for b in audit.verify(tx)]


def test_a_chain_nobody_touched_is_whole(chain: House) -> None:
    assert breaks(chain) == []
    assert list(check(chain.directory, Level.PRESENCE)) == []


@pytest.mark.parametrize(
    "change",
    ["actor = 'somebody else'", "ts_us = 99", "case_id = NULL", "reason = 'theft '",
     "action = 'play'", "subject = ''", "detail = '{}'", "detail = x'00'", "ts_us = '3'"],
)  # fmt: skip
def test_audit_row_changed_is_found(chain: House, change: str) -> None:
    if change == "ts_us = '3'":  # SQLite gives a number's column its number back: no change
        attack(chain, f"UPDATE audit SET {change} WHERE seq = 3")
        assert breaks(chain) == []
        return
    attack(chain, f"UPDATE audit SET {change} WHERE seq = 3")
    assert breaks(chain) == [(3, "changed")]


def test_audit_row_changed_with_its_hash_breaks_the_link(chain: House) -> None:
    with chain.ledger.write() as tx:
        row = audit.rows(tx)[2]
        values = {
            "seq": row.seq, "ts_us": row.ts_us, "actor": "somebody else", "case_id": row.case_id,
            "reason": row.reason, "action": row.action, "subject": row.subject,
            "detail": row.detail, "prev_hash": row.prev_hash,
        }  # fmt: skip
        tx.execute(
            text("UPDATE audit SET actor = 'somebody else', hash = :hash WHERE seq = 3"),
            {"hash": audit._digest(values)},
        )
    assert breaks(chain) == [(4, "unlinked")]


def test_audit_row_removed_is_found(chain: House) -> None:
    attack(chain, "DELETE FROM audit WHERE seq = 3")
    assert breaks(chain) == [(3, "missing")]
    attack(chain, "DELETE FROM audit WHERE seq = 1")
    assert breaks(chain) == [(1, "missing"), (3, "missing")]


def test_audit_row_removed_and_the_rest_renumbered_is_found(chain: House) -> None:
    attack(
        chain, "DELETE FROM audit WHERE seq = 3",
        *(f"UPDATE audit SET seq = {i - 1} WHERE seq = {i}" for i in range(4, ROWS + 1)),
    )  # fmt: skip
    assert (3, "unlinked") in breaks(chain)


def test_audit_row_inserted_is_found(chain: House) -> None:
    attack(
        chain, *(f"UPDATE audit SET seq = {i + 1} WHERE seq = {i}" for i in range(ROWS, 3, -1)),
        "INSERT INTO audit SELECT 4, ts_us, actor, case_id, reason, action, subject, detail,"
        " prev_hash, hash FROM audit WHERE seq = 3",
    )  # fmt: skip
    assert (4, "unlinked") in breaks(chain)
    assert (4, "changed") in breaks(chain)


def test_audit_rows_reordered_are_found(chain: House) -> None:
    attack(
        chain, "UPDATE audit SET seq = 99 WHERE seq = 3", "UPDATE audit SET seq = 3 WHERE seq = 4",
        "UPDATE audit SET seq = 4 WHERE seq = 99",
    )  # fmt: skip
    assert {seq for seq, _ in breaks(chain)} >= {3, 4}


def test_audit_log_emptied_is_found_by_a_noted_head(chain: House) -> None:
    with chain.ledger.read() as tx:
        head = audit.head(tx)
    assert head == (ROWS, head[1] if head else "")
    attack(chain, "DELETE FROM audit")
    assert breaks(chain) == []  # an empty chain is whole: only a head kept elsewhere tells
    with chain.ledger.read() as tx:
        assert [b.what for b in audit.verify(tx, head[1] if head else None)] == ["cut"]


def test_check_names_the_row_under_its_invariant(chain: House) -> None:
    attack(chain, "UPDATE audit SET actor = 'x' WHERE seq = 5")
    (finding,) = check(chain.directory, Level.PRESENCE)
    assert (finding.invariant, finding.loss) == (10, True)
    assert "row 5" in finding.what()
