"""Chains and seals with the ledger on a real PostgreSQL server."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from recorder.intake import Declaration, import_file
from recorder.probe import Prober
from storage import audit
from storage.check import check
from storage.directory import init_directory
from storage.findings import Level
from storage.ledger import Ledger
from storage.rebuild import rebuild
from storage.sealing import seal_day, sign_audit
from storage.seals import inclusion_proof, leaf_of, verify_inclusion
from storage.vocabulary import Actor
from tests.storage.media import DAY_US, START_US, US, HandClock, House, avi_media
from tests.storage.test_postgresql import ledger, server_url  # noqa: F401  # fixtures

ACTOR = Actor("the operator")


@pytest.fixture
def house(tmp_path: Path, ledger: Ledger) -> Iterator[House]:  # noqa: F811
    """An archive whose ledger is PostgreSQL's."""
    root = tmp_path / "data"
    root.mkdir()
    (root / "hindsight.toml").write_text(f'[ledger]\nurl = "{ledger.url}"\n')
    clock = HandClock(START_US + DAY_US)
    directory, _ = init_directory(root, clock=clock)
    yield House(directory, clock)
    directory.close()


def whats(house: House, level: Level = Level.HASH) -> list[str]:
    return [f.what() for f in check(house.directory, level)]


def test_audit_chain_is_signed_and_what_is_touched_is_named(house: House) -> None:
    def look(n: int) -> int:
        return house.ledger.write_together(
            lambda tx: audit.record(tx, Actor(f"p{n}"), "play", "gate", at_us=n)
        )

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(look, range(20))) == list(range(2, 22))
    head = sign_audit(house.directory, ACTOR)
    assert head is not None
    assert whats(house) == []
    with house.ledger.write() as tx:
        tx.execute(text("UPDATE audit SET actor = 'x' WHERE seq = 7"))
        tx.execute(text("DELETE FROM audit WHERE seq >= 21"))
    assert whats(house) == [
        "audit row 7 was changed: its hash does not fit",
        "audit row 21 was signed and is gone: the end was cut off",
    ]


def test_rows_are_sealed_proved_and_what_is_touched_is_named(house: House) -> None:
    rows = house.footage("gate", 4)
    house.imported("gate", START_US + 600 * US)
    (seal,) = seal_day(house.directory, ACTOR).seals
    assert whats(house) == []
    with house.ledger.read() as tx:
        proof = inclusion_proof(tx, rows[2].id)
    assert verify_inclusion(leaf_of(proof.facts), proof, seal.root)
    with house.ledger.write() as tx:
        tx.execute(text(f"UPDATE segment SET fps = 5 WHERE id = '{rows[0].id}'"))
        tx.execute(text(f"DELETE FROM segment WHERE id = '{rows[3].id}'"))
    found = " ".join(whats(house, Level.PRESENCE))
    assert f"the row of segment {rows[0].id} (gate) was changed since seal 1" in found
    assert f"segment {rows[3].id} (gate) is under seal 1 and no longer in the ledger" in found


def test_seals_lost_come_back_with_the_rows(house: House) -> None:
    rows = house.footage("gate", 3)
    seal_day(house.directory, ACTOR)
    with house.ledger.write() as tx:
        for table in ("seal_leaf", "seal", "segment"):
            tx.execute(text(f"DELETE FROM {table}"))
    result = rebuild(house.directory, ACTOR)
    assert (result.added, result.seals, result.findings) == (rows, 1, [])
    assert whats(house) == []


def test_imports_at_the_same_time_stand_in_one_line(house: House, tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    path.write_bytes(avi_media(2))
    with Prober() as prober:
        found = prober.look(path)
    said = [Declaration("gate", START_US + n * 60 * US) for n in range(8)]
    house.camera("gate")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda one: import_file(house.directory, path, found, one, ACTOR), said))
    rows = sorted(house.rows(), key=lambda row: row.id)
    assert [row.prev_sha256 for row in rows] == [None, *(row.sha256 for row in rows[:-1])]
    assert whats(house) == []
