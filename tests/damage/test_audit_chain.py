"""Attacks on the audit chain and its signed heads: each is found, and the row is named."""

from __future__ import annotations

import json
import shutil

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text

from storage import audit, audit_heads
from storage.audit_digest import digest_of
from storage.check import check
from storage.check_audit import check_audit
from storage.directory import SEAL_KEY
from storage.errors import DataLoss
from storage.findings import Level
from storage.sealing import seal_day, sign_audit
from storage.seals import key_id_of, signing_key
from tests.damage.chained import ACTOR, ROWS, attack, breaks, copies, grow, hashed_anew, heads, said
from tests.storage.media import House


def test_a_chain_nobody_touched_is_whole(signed: House) -> None:
    assert breaks(signed) == []
    assert list(check(signed.directory, Level.PRESENCE)) == []
    seal_day(signed.directory, ACTOR)
    assert [head.number for head in heads(signed)] == [1, 2]
    assert list(check(signed.directory, Level.HASH)) == []


@pytest.mark.parametrize(
    "change",
    ["actor = 'somebody else'", "ts_us = 99", "case_id = NULL", "reason = 'theft '",
     "action = 'play'", "subject = ''", "detail = '{}'", "detail = x'00'", "reason = 7"],
)  # fmt: skip
def test_audit_row_changed_is_found(chain: House, change: str) -> None:
    attack(chain, f"UPDATE audit SET {change} WHERE seq = 3")
    assert breaks(chain) == [(3, "changed")]


@pytest.mark.parametrize("column", ["hash", "prev_hash"])
def test_audit_hash_changed_is_found(signed: House, column: str) -> None:
    attack(signed, f"UPDATE audit SET {column} = '{'7' * 64}' WHERE seq = 3")
    assert any("row 3 was changed" in what for what in said(signed))


def test_audit_row_changed_with_its_hash_breaks_the_link(chain: House) -> None:
    with chain.ledger.write() as tx:
        row = list(tx.execute(text("SELECT * FROM audit WHERE seq = 3")).one())
        row[2] = "somebody else"
        tx.execute(
            text("UPDATE audit SET actor = 'somebody else', hash = :hash WHERE seq = 3"),
            {"hash": digest_of(tuple(row[:-1]))},
        )
    assert breaks(chain) == [(4, "unlinked")]


def test_audit_row_changed_and_the_chain_hashed_anew_is_named(signed: House) -> None:
    hashed_anew(signed, 3, actor="somebody else")
    assert breaks(signed) == []  # the chain alone cannot tell
    assert said(signed) == [
        "audit rows 3 to 6 were written anew: they are not the rows that were signed"
    ]


def test_audit_chain_hashed_anew_from_its_first_row_is_found(signed: House) -> None:
    hashed_anew(signed, 1, actor="somebody else")
    assert any("rows 1 to 6 were written anew" in what for what in said(signed))
    attack(signed, "DELETE FROM audit_head")
    assert any("heads of another audit chain" in what for what in said(signed))


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
    assert breaks(chain) == [(3, "unlinked"), (3, "moved")]


def test_audit_row_removed_and_the_chain_hashed_anew_is_named(signed: House) -> None:
    attack(
        signed, "DELETE FROM audit WHERE seq = 4",
        *(f"UPDATE audit SET seq = {i - 1} WHERE seq = {i}" for i in range(5, ROWS + 4)),
    )  # fmt: skip
    hashed_anew(signed, 4)
    assert breaks(signed) == []
    assert any("rows 4 to 6 were written anew" in what for what in said(signed))


def test_audit_row_inserted_is_found(chain: House) -> None:
    room = [f"UPDATE audit SET seq = {i + 1} WHERE seq = {i}" for i in range(ROWS, 3, -1)]
    attack(
        chain, *room,
        "INSERT INTO audit SELECT 4, ts_us, 'eve', case_id, reason, action, subject, detail,"
        " prev_hash, 'x' FROM audit WHERE seq = 3",
    )  # fmt: skip
    assert (4, "changed") in breaks(chain)
    assert (4, "inserted") in breaks(chain)
    assert (5, "moved") in breaks(chain)


def test_audit_row_inserted_and_the_chain_hashed_anew_is_named(signed: House) -> None:
    room = [f"UPDATE audit SET seq = {i + 1} WHERE seq = {i}" for i in range(ROWS + 3, 3, -1)]
    attack(
        signed, *room,
        "INSERT INTO audit SELECT 4, ts_us, actor, case_id, reason, action, subject, detail,"
        " prev_hash, hash FROM audit WHERE seq = 3",
    )  # fmt: skip
    hashed_anew(signed, 4)
    assert breaks(signed) == []
    assert any("rows 4 to 6 were written anew" in what for what in said(signed))


def test_audit_row_before_the_first_is_found(chain: House) -> None:
    attack(
        chain, "INSERT INTO audit SELECT 0, ts_us, actor, case_id, reason, action, subject, detail,"
        " prev_hash, hash FROM audit WHERE seq = 1",
    )  # fmt: skip
    assert (0, "inserted") in breaks(chain)


def test_audit_rows_reordered_are_found(chain: House) -> None:
    attack(
        chain, "UPDATE audit SET seq = 99 WHERE seq = 3", "UPDATE audit SET seq = 3 WHERE seq = 4",
        "UPDATE audit SET seq = 4 WHERE seq = 99",
    )  # fmt: skip
    found = breaks(chain)
    assert {(3, "moved"), (4, "moved")} <= set(found)
    assert {seq for seq, _ in found} == {3, 4, 5}


def test_audit_rows_swapped_and_the_chain_hashed_anew_are_named(signed: House) -> None:
    attack(
        signed, "UPDATE audit SET seq = 99 WHERE seq = 3",
        "UPDATE audit SET seq = 3 WHERE seq = 4", "UPDATE audit SET seq = 4 WHERE seq = 99",
    )  # fmt: skip
    hashed_anew(signed, 3)
    assert any("rows 3 to 6 were written anew" in what for what in said(signed))


def test_audit_chain_cut_below_its_head_is_named(signed: House) -> None:
    attack(signed, "DELETE FROM audit WHERE seq >= 5")
    assert breaks(signed) == []
    assert said(signed) == ["audit rows 5 to 6 were signed and are gone: the end was cut off"]
    with pytest.raises(DataLoss, match="row 6 was signed"):
        sign_audit(signed.directory, ACTOR)
    made = seal_day(signed.directory, ACTOR)  # footage is sealed all the same
    assert made.audit_head is None
    assert "row 6 was signed" in str(made.audit_failure)
    grow(signed, 5, 9, "eve")  # and grown again: the rows are others
    assert said(signed) == [
        "audit rows 5 to 6 were written anew: they are not the rows that were signed"
    ]


def test_audit_chain_cut_with_its_head_is_told_by_the_copy(signed: House) -> None:
    attack(signed, "DELETE FROM audit WHERE seq >= 5", "DELETE FROM audit_head")
    assert said(signed) == [
        "audit head 1 lies on volume main and is not in the ledger: it was removed there",
        "audit rows 5 to 6 were signed and are gone: the end was cut off",
    ]


def test_rows_that_no_head_covers_can_be_cut_and_only_a_noted_head_tells(signed: House) -> None:
    with signed.ledger.read() as tx:
        noted = audit.head(tx)
    assert noted is not None
    attack(signed, "DELETE FROM audit WHERE seq >= 9")
    assert said(signed) == []
    assert said(signed, noted[1]) == [
        "the noted head is not in the audit chain: rows up to 8 were cut off or replaced"
    ]
    assert said(signed, heads(signed)[0].hash) == []  # a signed head can be noted as well


def test_audit_log_emptied_is_found(signed: House) -> None:
    attack(signed, "DELETE FROM audit", "DELETE FROM audit_head")
    assert breaks(signed) == []  # an empty chain is whole
    assert any("heads of another audit chain" in what for what in said(signed))


@pytest.mark.parametrize(
    "change", ["seq = 5", "row_hash = 'x'", "marks = 'x'", "made_us = 3", "step = 2", "number = 2"]
)
def test_forged_head_is_found_and_its_copy_stands_in(signed: House, change: str) -> None:
    attack(signed, f"UPDATE audit_head SET {change}")
    found = said(signed)
    assert any("audit head" in what for what in found)
    hashed_anew(signed, 3, actor="somebody else")
    assert any("rows 3 to 6 were written anew" in what for what in said(signed))


def test_head_made_anew_with_another_key_is_found(signed: House) -> None:
    hashed_anew(signed, 3, actor="somebody else")
    attack(signed, "DELETE FROM audit_head")
    audit_heads.sign(signed.directory, Ed25519PrivateKey.generate(), ACTOR)
    found = said(signed)
    assert any("is signed by another key" in what for what in found)
    assert any("rows 3 to 6 were written anew" in what for what in found)


def test_chain_forged_with_our_key_is_told_by_the_copy(signed: House) -> None:
    hashed_anew(signed, 3, actor="somebody else")
    attack(signed, "DELETE FROM audit_head")
    sign_audit(signed.directory, ACTOR)  # as one who holds the data directory, keys and all
    assert any("is another on volume main than in the ledger" in what for what in said(signed))


def test_head_removed_from_between_is_found(signed: House) -> None:
    sign_audit(signed.directory, ACTOR)
    attack(signed, "DELETE FROM audit_head WHERE number = 1")
    assert any("audit head 1 is missing" in what for what in said(signed))
    assert any("audit head 1 lies on volume main" in what for what in said(signed))


def test_signature_forged_is_found(signed: House) -> None:
    attack(signed, "UPDATE audit_head SET signature = x'00'")
    assert said(signed) == ["audit head 1 does not bear this installation's signature"]


def test_copy_that_differs_is_found_and_one_that_is_no_copy_is_a_notice(signed: House) -> None:
    (path,) = copies(signed)
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    volumes = dict(signed.directory.archive.volumes)
    (finding,) = check_audit(signed.directory, volumes)
    assert (finding.loss, "no whole copy of an audit head" in finding.what()) == (False, True)
    path.write_bytes(whole)
    with signed.ledger.read() as tx:
        head = audit_heads.newest(tx)
    assert head is not None
    key = Ed25519PrivateKey.generate()
    forged = audit_heads.remade(head, key, seq=5)
    path.write_bytes(audit_heads.copy_of(forged, key.public_key()))
    assert said(signed) == [
        "audit head 1 is another on volume main than in the ledger: one of them was replaced"
    ]


def test_copy_that_is_gone_is_a_notice_and_comes_back(signed: House) -> None:
    shutil.rmtree(signed.root / "volumes/main/.audit")
    (finding,) = check(signed.directory, Level.PRESENCE)
    assert (finding.loss, finding.volume) == (False, "main")
    sign_audit(signed.directory, ACTOR)
    assert len(copies(signed)) == 2
    assert list(check(signed.directory, Level.PRESENCE)) == []


def test_heads_of_a_key_lost_and_made_anew_are_a_notice(signed: House) -> None:
    before = heads(signed)[0].key_id
    (signed.root / "keys" / SEAL_KEY).unlink()
    signed.clock.forward(1)
    sign_audit(signed.directory, ACTOR)
    assert said(signed) == []
    assert [head.key_id == before for head in heads(signed)] == [True, False]
    hashed_anew(signed, 3, actor="somebody else")
    assert any("rows 3 to 10 were written anew" in what for what in said(signed))


def test_busy_day_is_named_by_the_span_of_a_mark(chain: House) -> None:
    grow(chain, ROWS + 1, 10)
    # 10 rows, 3 marks: 4 rows to each
    audit_heads.sign(chain.directory, signing_key(chain.directory), ACTOR, most_marks=3)
    assert said(chain) == []
    hashed_anew(chain, 6, actor="somebody else")
    assert said(chain) == [
        "audit rows 5 to 10 were written anew: they are not the rows that were signed"
    ]


def test_head_removed_with_every_copy_is_told_by_the_row_that_says_it_was_made(
    signed: House,
) -> None:
    attack(signed, "DELETE FROM audit_head")
    shutil.rmtree(signed.root / "volumes/main/.audit")
    hashed_anew(signed, 3, actor="somebody else")
    assert said(signed) == [
        "audit row 7 says that head 1 was made, and it is not there: it was removed or replaced"
    ]


def test_chain_made_anew_is_no_rebuilt_one_because_a_row_says_so(signed: House) -> None:
    """The heads that lie on the volume are younger than its first row."""
    attack(signed, "DELETE FROM audit_head")
    hashed_anew(signed, 1, actor="somebody else")
    hashed_anew(signed, 7, action="search")
    hashed_anew(signed, 9, action="rebuild")
    (what,) = said(signed)
    assert "heads of another audit chain" in what


def test_chain_lost_before_the_ledger_was_rebuilt_is_a_notice(signed: House) -> None:
    attack(signed, "DELETE FROM audit_head")
    later_us = signed.directory.clock.now_us() + 1
    hashed_anew(signed, 1, ts_us=later_us)
    hashed_anew(signed, 7, action="search")
    hashed_anew(signed, 9, action="rebuild")
    assert said(signed) == []
    volumes = dict(signed.directory.archive.volumes)
    (finding,) = check_audit(signed.directory, volumes)
    assert "heads of another audit chain" in finding.what()


def test_another_key_is_not_ours_because_a_row_says_one_was_made(signed: House) -> None:
    """Such a row names the key it is about."""
    other = Ed25519PrivateKey.generate()
    (head,) = heads(signed)
    forged = audit_heads.remade(head, other, made_us=1)
    attack(
        signed,
        f"UPDATE audit_head SET made_us = 1, hash = '{forged.hash}', key_id = '{forged.key_id}',"
        f" signature = x'{forged.signature.hex()}'",
    )
    shutil.rmtree(signed.root / "volumes/main/.audit")
    with signed.ledger.write() as tx:
        audit.record(
            tx, ACTOR, "seal.key", "seal.key", at_us=2, detail={"key_id": forged.key_id}
        )  # fmt: skip
    assert any("head 1 is signed by another key" in what for what in said(signed))


def test_head_that_somebody_put_on_a_volume_is_not_called_removed(signed: House) -> None:
    (head,), (path,) = heads(signed), copies(signed)
    stranger = Ed25519PrivateKey.generate()
    forged = audit_heads.remade(head, stranger, number=3)
    path.with_name("3.json").write_bytes(audit_heads.copy_of(forged, stranger.public_key()))
    (what,) = said(signed)
    assert "bears another key's signature" in what


def test_a_chain_that_nothing_was_added_to_is_not_signed_again(signed: House) -> None:
    first = sign_audit(signed.directory, ACTOR)
    assert sign_audit(signed.directory, ACTOR) == first
    assert first is not None
    assert first.number == 2


def test_check_names_the_row_under_its_invariant(chain: House) -> None:
    attack(chain, "UPDATE audit SET actor = 'x' WHERE seq = 5")
    (finding,) = check(chain.directory, Level.PRESENCE)
    assert (finding.invariant, finding.loss) == (10, True)
    assert "row 5" in finding.what()


def test_copy_says_what_the_head_says_and_who_signed_it(signed: House) -> None:
    (path,) = copies(signed)
    found = json.loads(path.read_bytes())
    (head,) = heads(signed)
    assert audit_heads.read_copy(path) == head
    assert (found["seq"], found["key_id"]) == (ROWS, head.key_id)
    key = Ed25519PrivateKey.generate()
    assert key_id_of(key.public_key()) != head.key_id
