"""The audit chain: rows in order, filtered, and a walk that finds nothing in a sound one."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from storage import audit
from storage.audit import Asked
from storage.audit_digest import COLUMNS, digest_of
from storage.audit_reading import page
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


def test_rows_of_a_camera_are_those_that_name_it(house: House) -> None:
    log(house, "gate", "gate-2", "square, gate", "gate%", "x")
    with house.ledger.write() as tx:
        for detail in ({"camera": "gate"}, {"cameras": ["a", "gate"]}, {"text": "gate"}):
            audit.record(tx, Actor("eve"), "search", "y", at_us=7, detail=detail)
    with house.ledger.read() as tx:
        found = [row.seq for row in audit.find(tx, Asked(camera="gate"))]
        assert found == [2, 4, 7, 8]
        assert [row.seq for row in audit.find(tx, Asked(camera="gate", actor="eve"))] == [7, 8]


def test_rows_of_a_span_and_pages_of_them(house: House) -> None:
    for at_us in (10, 20, 30, 40):
        with house.ledger.write() as tx:
            audit.record(tx, Actor("eve"), "search", "y", at_us=at_us)
    asked = Asked(from_us=10, to_us=40)
    with house.ledger.read() as tx:
        assert [row.ts_us for row in audit.find(tx, asked)] == [10, 20, 30]
    assert [row.seq for row in page(house.directory, asked, 2)] == [4, 3]
    assert [row.seq for row in page(house.directory, replace(asked, before=3), 2)] == [2]


@given(
    st.tuples(
        st.integers(0, 2**63 - 1), st.integers(), st.text(), st.none() | st.text(),
        st.none() | st.text(), st.text(), st.text(), st.text(), st.text(),
    )
)  # fmt: skip
def test_hash_is_that_of_canonical_json(values: tuple[Any, ...]) -> None:
    named = dict(zip(COLUMNS, values, strict=False))
    plain = json.dumps(named, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert digest_of(values) == hashlib.sha256(plain.encode()).hexdigest()


def test_what_a_row_says_is_bound_by_its_hash_whatever_it_is(house: House) -> None:
    log(house, "x" * 2000, "'; DROP TABLE audit; --", "😀\n", "")
    with house.ledger.read() as tx:
        assert list(audit.verify(tx)) == []
