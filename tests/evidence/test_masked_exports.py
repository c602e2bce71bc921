"""Originals of a camera with privacy zones leave the house only with the right to unmask."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from storage import audit, zone_making
from storage.errors import Denied
from storage.grants import Place, add_grant
from storage.people import add_user, find_user
from storage.register import find_camera
from storage.rights import Verb
from storage.vocabulary import Actor, Role
from tests.evidence.conftest import START_US, House

LI_WEI = Actor("li.wei")


def test_an_export_of_masked_footage_needs_the_right_to_unmask(house: House, out: Path) -> None:
    house.segment("gate", 0, 2)
    house.expect("gate", 0, 2)
    now_us = house.directory.clock.now_us()
    with house.ledger.write() as tx:
        user = add_user(
            tx, "li.wei", "correct horse battery", Role.INVESTIGATOR, created_us=1,
            must_change=False,
        )  # fmt: skip
        add_grant(
            tx, user=user, verbs={Verb.EXPORT}, place=Place(site=""), from_us=0, until_us=None,
            purpose="thefts", made_by="admin", at_us=now_us,
        )  # fmt: skip
    zone_making.add(
        house.directory, Actor("admin", None, "flats"), lambda tx: find_camera(tx, "gate"),
        name="windows", points=[(0, 0), (1, 0), (1, 1)], from_us=START_US, until_us=None,
    )  # fmt: skip
    with pytest.raises(Denied, match=r"camera gate.*\(windows\).*redacted copy.*Nothing was"):
        house.export(out, 0, 2, actor=LI_WEI)
    assert not out.exists()
    assert not list(out.parent.glob(".*"))
    house.export(out.with_name("program"), 0, 2, actor=Actor("the owner"))
    with house.ledger.write() as tx:
        add_grant(
            tx, user=find_user(tx, "li.wei"), verbs={Verb.UNMASK}, place=Place(site=""),
            from_us=0, until_us=now_us + 10**12, purpose="thefts", made_by="admin", at_us=now_us,
        )  # fmt: skip
    house.export(out, 0, 2, actor=LI_WEI)
    assert out.exists()
    with house.ledger.read() as tx:
        for action in ("export", "export.sealed"):
            told = [json.loads(one.detail) for one in audit.iterate(tx) if one.action == action]
            assert [one["unmasked"] for one in told] == [["windows"], ["windows"]], action
