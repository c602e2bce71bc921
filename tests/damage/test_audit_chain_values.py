"""Values of another kind in the audit chain, its heads and copies: told, and nothing stops."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import event, text

from storage import audit, audit_heads
from storage.check import check
from storage.check_audit import check_audit
from storage.findings import Level
from storage.sealing import seal_day, sign_audit
from tests.damage.chained import ACTOR, attack, copies, heads, said
from tests.storage.media import House


def test_copy_nested_beyond_reason_and_marks_of_another_type_stop_no_check(signed: House) -> None:
    (path,) = copies(signed)
    path.write_text("[" * 200_000)
    attack(signed, "UPDATE audit_head SET marks = x'6162'")
    assert any("head 1 was changed" in what for what in said(signed))


@pytest.mark.parametrize("name", ["number", "made_us", "seq", "step"])
def test_a_number_without_end_in_a_copy_stops_no_check(signed: House, name: str) -> None:
    (path,) = copies(signed)
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {name: float("inf")}))
    (finding,) = check_audit(signed.directory, dict(signed.directory.archive.volumes))
    assert (finding.loss, "`hindsight seal` writes" in finding.what()) == (False, True)


@pytest.mark.parametrize("number", [[1], {"a": 1}, "1", None, 1.5, float("inf"), True])
def test_row_that_says_a_head_was_made_and_numbers_it_strangely_stops_no_check(
    signed: House, number: object
) -> None:
    with signed.ledger.write() as tx:
        audit.record(
            tx, ACTOR, audit_heads.SIGNED, "row 1", at_us=1, detail={"number": number, "head": "x"}
        )
    assert any("row 10 says that head" in what for what in said(signed))


@pytest.mark.parametrize("name", ["made_us", "seq", "step"])
def test_head_with_text_for_a_number_stops_neither_check_nor_signing(
    signed: House, name: str
) -> None:
    (head,) = heads(signed)
    forged = audit_heads.remade(head, Ed25519PrivateKey.generate(), **{name: "abc"})
    with signed.ledger.write() as tx:
        tx.execute(
            text(f"UPDATE audit_head SET {name} = 'abc', hash = :hash, signature = x'00'"),
            {"hash": forged.hash},
        )
        audit.record(tx, ACTOR, "seal.key", "seal.key", at_us=9, detail={"key_id": head.key_id})
        tx.execute(text("UPDATE audit SET ts_us = 'abc' WHERE action = 'seal.key'"))
    assert any("audit head 1 was changed" in what for what in said(signed))
    sign_audit(signed.directory, ACTOR)
    assert heads(signed)[-1].number == 2


@pytest.mark.parametrize("pause", ["begin", "checkin"])
def test_heads_signed_while_a_check_runs_are_no_loss(signed: House, pause: str) -> None:
    """Another process signs when the check has begun to read the ledger, or has just done so."""
    due = [1]

    def sign(*_: object) -> None:
        if due and due.pop():
            with ThreadPoolExecutor(1) as pool:
                pool.submit(sign_audit, signed.directory, ACTOR).result(30)

    event.listen(signed.ledger.engine, pause, sign)
    assert list(check_audit(signed.directory, dict(signed.directory.archive.volumes))) == []
    assert len(heads(signed)) == 2


def test_what_lies_in_the_place_of_a_copy_is_told_and_once_moved_away_the_copy_comes(
    signed: House,
) -> None:
    (path,) = copies(signed)
    path.with_name("2.json").write_bytes(b"{}")
    sign_audit(signed.directory, ACTOR)
    (finding,) = check(signed.directory, Level.PRESENCE)
    assert (finding.loss, finding.path) == (False, f".audit/{path.parent.name}/2.json")
    assert "move it away: `hindsight seal` writes" in finding.what()
    path.with_name("2.json").unlink()
    seal_day(signed.directory, ACTOR)
    assert list(check(signed.directory, Level.HASH)) == []
