"""Sealing: what a pass covers, how often, how it is proved, and its copies."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from storage import audit, sealing
from storage.check import check
from storage.directory import SEAL_KEY, open_directory
from storage.errors import DataLoss, NotFound
from storage.findings import Level
from storage.seal_copies import read_copy
from storage.sealing import KEEPER, seal_day, seal_if_due
from storage.seals import (
    GENESIS,
    Seal,
    digest_of,
    inclusion_proof,
    is_signed,
    leaf_of,
    seals,
    signing_key,
    verify_inclusion,
)
from storage.vocabulary import Actor
from tests.storage.media import DAY_US, HOUR_US, START_US, US, House

ACTOR = Actor("the operator")


def sealed(house: House) -> list[Seal]:
    with house.ledger.read() as tx:
        return seals(tx)


def test_a_pass_seals_every_row_once_and_links_seals_per_camera(house: House) -> None:
    house.footage("gate", 3)
    house.footage("square", 2)
    first = seal_day(house.directory, ACTOR)
    assert [(s.camera, s.number, s.segments) for s in first.seals] == [
        ("gate", 1, 3), ("square", 1, 2),
    ]  # fmt: skip
    assert seal_day(house.directory, ACTOR).seals == []
    house.segment("gate", START_US + 60 * US)
    (second,) = seal_day(house.directory, ACTOR).seals
    assert (second.number, second.segments) == (2, 1)
    assert second.prev_hash == first.seals[0].hash
    assert first.seals[0].prev_hash == GENESIS
    key = signing_key(house.directory).public_key()
    assert all(is_signed(seal, key) and digest_of(seal) == seal.hash for seal in sealed(house))
    assert sorted(sealed(house), key=lambda s: s.id) == [*first.seals, second]


def test_the_keeper_seals_once_a_day_and_looks_at_one_file_otherwise(house: House) -> None:
    house.clock.now = START_US - START_US % DAY_US + 30 * US
    house.footage("gate", 2)
    made = seal_if_due(house.directory)
    assert made is not None
    assert made.segments == 2
    house.segment("gate", START_US + 60 * US)
    house.clock.forward(23 * HOUR_US)
    house.directory.ledger.close()
    assert seal_if_due(house.directory) is None
    (house.root / "run" / "sealed").unlink()  # may be lost: the ledger knows as well
    made = seal_if_due(house.directory)
    assert made is not None
    assert made.seals == []
    house.clock.forward(HOUR_US)
    made = seal_if_due(house.directory)
    assert made is not None
    assert [seal.number for seal in made.seals] == [2]
    with house.ledger.read() as tx:
        rows = audit.rows(tx, action="seal")
    assert {row.actor for row in rows} == {KEEPER.name}
    assert len(rows) == 2  # passes that sealed nothing leave no row


def test_a_pass_beside_another_is_left_to_the_other(house: House) -> None:
    house.footage()
    with house.directory.exclusive("seal"):
        assert seal_if_due(house.directory) is None
    assert seal_if_due(house.directory) is not None


def test_a_pass_that_was_cut_short_goes_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "MOST_LEAVES", 2)
    house.footage("gate", 5)
    made = seal_day(house.directory, ACTOR)
    assert [(seal.number, seal.segments) for seal in made.seals] == [(1, 2), (2, 2), (3, 1)]
    with house.ledger.write() as tx:  # as if killed before the third and before its audit row
        tx.execute(text("DELETE FROM seal_leaf WHERE seal_id = 3"))
        tx.execute(text("DELETE FROM seal WHERE id = 3"))
        tx.execute(text("DELETE FROM audit WHERE action IN ('seal', 'audit.sign')"))
        tx.execute(text("DELETE FROM audit_head"))
    (house.root / "volumes/main/.seals/gate/3.json").unlink()
    shutil.rmtree(house.root / "volumes/main/.audit")
    assert [seal.number for seal in seal_day(house.directory, ACTOR).seals] == [3]
    assert list(check(house.directory, Level.HASH)) == []


def test_every_segment_is_proved_by_its_path_alone(house: House) -> None:
    rows = house.footage("gate", 7)
    with house.ledger.read() as tx, pytest.raises(NotFound, match="no seal yet"):
        inclusion_proof(tx, rows[0].id)
    (seal,) = seal_day(house.directory, ACTOR).seals
    with house.ledger.read() as tx:
        proofs = [inclusion_proof(tx, row.id) for row in rows]
        with pytest.raises(NotFound, match="not in the ledger"):
            inclusion_proof(tx, "nothing")
    for row, proof in zip(rows, proofs, strict=True):
        assert (proof.seal, proof.facts["sha256"]) == (seal, row.sha256)
        assert len(proof.path) <= 3
        assert verify_inclusion(leaf_of(proof.facts), proof, seal.root)
        assert not verify_inclusion(leaf_of({**proof.facts, "end_us": 0}), proof, seal.root)
        assert not verify_inclusion(leaf_of(proof.facts), proof, "0" * 64)
        other = replace(proof, index=(proof.index + 1) % 7)
        assert not verify_inclusion(leaf_of(proof.facts), other, seal.root)


def test_a_leaf_is_the_same_however_the_row_was_read(house: House) -> None:
    """From the ledger, and from JSON a copy holds: a rebuilt row must fit its leaf."""
    rows = [*house.footage(), house.imported("gate", START_US + 60 * US)]
    with house.ledger.write() as tx:
        tx.execute(
            text("UPDATE segment SET fps = 29.97, note = '取证 “1”' WHERE origin = 'import'")
        )
    seal_day(house.directory, ACTOR)
    copy = read_copy(house.root / "volumes/main/.seals/gate/1.json")
    assert [facts["id"] for facts in copy.facts] == sorted(row.id for row in rows)
    assert list(check(house.directory, Level.PRESENCE)) == []


def test_every_volume_gets_a_copy_and_one_added_later_gets_the_old_ones(
    house: House, tmp_path: Path
) -> None:
    house.footage()
    seal_day(house.directory, ACTOR)
    house.directory.close()
    (house.root / "hindsight.toml").write_text(
        '[volumes.main]\npath = "volumes/main"\n[volumes.spare]\npath = "volumes/spare"\n'
    )
    house.directory = open_directory(house.root, house.clock)
    finding, heads = sorted(check(house.directory, Level.PRESENCE), key=lambda f: -f.invariant)
    assert "lacks copies of audit heads: 1" in heads.what()
    assert (finding.volume, finding.loss) == ("spare", False)
    assert seal_day(house.directory, ACTOR).copies == 1
    one, other = (
        house.root / "volumes" / name / ".seals/gate/1.json" for name in ("main", "spare")
    )
    assert one.read_bytes() == other.read_bytes()
    one.unlink()
    (house.root / "keys" / SEAL_KEY).unlink()  # with another key it is taken from the other volume
    assert seal_day(house.directory, ACTOR).copies == 1
    assert one.read_bytes() == other.read_bytes()


def test_a_volume_that_is_absent_gets_its_copies_later(house: House) -> None:
    house.footage()
    identity = house.root / "volumes/main/.volume.json"
    aside = identity.rename(house.root / "aside")
    made = seal_day(house.directory, ACTOR)
    assert (made.segments, made.copies) == (3, 0)
    aside.rename(identity)
    assert seal_day(house.directory, ACTOR).copies == 1


def test_a_missing_key_is_made_at_the_first_seal_and_audited(house: House) -> None:
    house.footage()
    (house.root / "keys" / SEAL_KEY).unlink()
    assert list(check(house.directory, Level.PRESENCE)) == []  # nothing was sealed yet
    (seal,) = seal_day(house.directory, ACTOR).seals
    with house.ledger.read() as tx:
        (row,) = audit.rows(tx, action="seal.key")
    assert json.loads(row.detail) == {"key_id": seal.key_id}
    assert (house.root / "keys" / SEAL_KEY).stat().st_mode & 0o777 == 0o600
    assert list(check(house.directory, Level.HASH)) == []
    (house.root / "keys" / SEAL_KEY).write_bytes(b"not a key")
    with pytest.raises(DataLoss, match="restore it from your backup"):
        seal_day(house.directory, ACTOR)
