"""The audit chain: rows in order, filtered, and a walk that finds nothing in a sound one."""

from __future__ import annotations

from storage import audit
from storage.vocabulary import Actor
from tests.storage.media import House


def log(house: House, *subjects: str, actor: Actor | None = None) -> None:
    for subject in subjects:
        with house.ledger.write() as tx:
            audit.record(
                tx, actor or Actor("li.wei", "C-1", "theft"), "search", subject,
                at_us=house.clock.now, detail={"text": "红衣 person", "top": 3},
            )  # fmt: skip


def test_a_sound_chain_has_no_break_and_a_head_to_note(house: House) -> None:
    log(house, "a", "b")
    with house.ledger.read() as tx:
        noted = audit.head(tx)
    log(house, "c")
    assert noted is not None
    with house.ledger.read() as tx:
        assert list(audit.verify(tx)) == []
        assert list(audit.verify(tx, noted[1])) == []
        assert [row.seq for row in audit.rows(tx)] == [1, 2, 3, 4]  # `init` is the first


def test_rows_are_found_by_who_why_and_what(house: House) -> None:
    log(house, "a")
    log(house, "b", actor=Actor("eve"))
    with house.ledger.read() as tx:
        assert [row.subject for row in audit.rows(tx, actor="eve")] == ["b"]
        assert [row.subject for row in audit.rows(tx, case_id="C-1")] == ["a"]
        assert [row.action for row in audit.rows(tx, action="init")] == ["init"]
        (newest,) = audit.rows(tx, limit=1, newest_first=True)
        assert newest.subject == "b"
        assert audit.rows(tx, actor="li.wei")[0].detail == '{"text":"红衣 person","top":3}'


def test_what_a_row_says_is_bound_by_its_hash_whatever_it_is(house: House) -> None:
    log(house, "x" * 2000, "'; DROP TABLE audit; --", "😀\n", "")
    with house.ledger.read() as tx:
        assert list(audit.verify(tx)) == []
