"""Cases and holds: a purpose is opened once, a hold ends only with a reason."""

from __future__ import annotations

import pytest

from storage import cases
from storage.errors import Conflict, Invalid, NotFound
from tests.storage.media import START_US, US, House


def test_a_case_is_opened_and_closed_once(house: House) -> None:
    with house.ledger.write() as tx:
        cases.open_case(tx, "2026-311", "theft", "li.wei", START_US)
        with pytest.raises(Conflict):
            cases.open_case(tx, "2026-311", "again", "li.wei", START_US)
        assert cases.find_open_case(tx, "2026-311").reason == "theft"
        assert cases.close_case(tx, "2026-311", START_US + 1).closed_us == START_US + 1
        with pytest.raises(Conflict):
            cases.close_case(tx, "2026-311", START_US + 2)
        assert cases.cases(tx, open_only=True) == []


@pytest.mark.parametrize(("number", "reason"), [("", "x"), (" ", "x"), ("x" * 65, "x"), ("1", " ")])
def test_a_case_needs_a_number_and_a_reason(house: House, number: str, reason: str) -> None:
    with house.ledger.write() as tx, pytest.raises(Invalid):
        cases.open_case(tx, number, reason, "li.wei", START_US)


def test_a_hold_is_listed_while_it_holds(house: House) -> None:
    key = house.camera().id
    with house.ledger.write() as tx:
        hold = cases.add_hold(
            tx, key, START_US, START_US + US, reason="theft", owner="li.wei", at_us=START_US,
            expires_us=START_US + 9 * US,
        )  # fmt: skip
        assert cases.holds(tx, at_us=START_US) == [hold]
        assert cases.holds(tx, at_us=START_US + 9 * US) == []
        assert cases.holds(tx, camera_ids=[]) == []
        released = cases.release_hold(tx, hold.id, "closed", START_US + 2)
        assert (released.released_us, released.release_reason) == (START_US + 2, "closed")
        assert cases.holds(tx, at_us=START_US) == []
        assert cases.holds(tx) == [released]
        with pytest.raises(Conflict):
            cases.release_hold(tx, hold.id, "again", START_US + 3)
        with pytest.raises(NotFound):
            cases.release_hold(tx, 99, "x", START_US)


def test_a_hold_needs_a_span_a_reason_and_an_open_case(house: House) -> None:
    key = house.camera().id
    with house.ledger.write() as tx:
        cases.open_case(tx, "1", "x", "li.wei", START_US)
        cases.close_case(tx, "1", START_US)
        common = {"owner": "li.wei", "at_us": START_US}
        with pytest.raises(Invalid):
            cases.add_hold(tx, key, START_US, START_US, reason="x", **common)  # type: ignore[arg-type]
        with pytest.raises(Invalid):
            cases.add_hold(tx, key, START_US, START_US + 1, reason=" ", **common)  # type: ignore[arg-type]
        with pytest.raises(Conflict):
            cases.add_hold(
                tx,
                key,
                START_US,
                START_US + 1,
                reason="x",
                case_id="1",
                **common,  # type: ignore[arg-type]
            )
        assert cases.holds(tx) == []
