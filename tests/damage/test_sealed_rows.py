"""Attacks on sealed rows and on seals: each is found, and the row or the seal is named."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import event, text
from ulid import ULID

from storage.check import check
from storage.check_seals import check_seals
from storage.directory import SEAL_KEY, make_seal_key
from storage.findings import Finding, Level
from storage.merkle import tree_root
from storage.rebuild import rebuild
from storage.sealing import seal_day
from storage.seals import Seal, digest_of, key_id_of, leaf_of, leaves, seals
from storage.segments import expire, insert_segment
from storage.vocabulary import Actor, Segment
from tests.storage.media import DAY_US, START_US, US, House

ACTOR = Actor("the operator")


@pytest.fixture
def rows(house: House) -> list[Segment]:
    """Two days of a camera under a seal each, an import among them, and another camera."""
    made = house.footage("gate", 3)
    seal_day(house.directory, ACTOR)
    house.clock.forward(DAY_US)
    made += [house.segment("gate", START_US + DAY_US + n * 2 * US) for n in range(3)]
    made += [house.imported("gate", START_US + 600 * US, created_us=house.clock.now)]
    house.footage("square", 2)
    seal_day(house.directory, ACTOR)
    assert [f.what() for f in check(house.directory, Level.HASH)] == []
    return made


def found(house: House, level: Level = Level.PRESENCE) -> list[Finding]:
    return [f for f in check(house.directory, level) if f.invariant == 13]


def sql(house: House, *statements: str) -> None:
    with house.ledger.write() as tx:
        for statement in statements:
            tx.execute(text(statement))


def sealed(house: House, name: str = "gate") -> list[Seal]:
    with house.ledger.read() as tx:
        return [seal for seal in seals(tx) if seal.camera == name]


def named(findings: list[Finding], rule: str) -> list[str | None]:
    return [f.segment for f in findings if rule in f.what()]


def copies(house: House) -> list[Path]:
    return sorted((house.root / "volumes").rglob(".seals/*/*.json"))


@pytest.mark.parametrize(
    "change",
    ["start_us = start_us + 1", "end_us = end_us + 1", "clock_error_us = 0", "size_bytes = 1",
     "sha256 = 'x'", "clock_source = 'declared'", "recovered = 1", "created_us = created_us - 1",
     "note = 'cut'", "fps = 25.0", "codec = NULL", "first_pts = 0", "origin = 'import'",
     "prev_sha256 = NULL", "camera_id = 2", "note = x'00'"],
)  # fmt: skip
def test_a_changed_fact_of_a_sealed_row_is_named(
    house: House, rows: list[Segment], change: str
) -> None:
    sql(house, f"UPDATE segment SET {change} WHERE id = '{rows[1].id}'")
    findings = found(house)
    assert named(findings, "was changed since seal 1") == [rows[1].id]
    assert all(f.loss for f in findings if f.segment == rows[1].id and "changed since" in f.what())


def test_moving_and_expiring_break_no_seal(house: House, rows: list[Segment]) -> None:
    with house.ledger.write() as tx:
        expire(tx, [rows[0].id], "class_3_days = 30", house.clock.now)
        tx.execute(text("UPDATE segment SET unlinked_us = 1 WHERE state = 'expired'"))
    house.file(rows[0]).unlink()
    moved = house.file(rows[1]).rename(house.file(rows[1]).with_name("elsewhere.mp4"))
    root = house.directory.archive.volume("main").root
    sql(
        house, f"UPDATE segment SET path = '{moved.relative_to(root)}' WHERE id = '{rows[1].id}'"
    )  # fmt: skip
    assert list(check(house.directory, Level.HASH)) == []


def test_a_row_removed_from_a_sealed_day_is_named(house: House, rows: list[Segment]) -> None:
    # With its file, and the one after it made to follow the one before it.
    house.file(rows[1]).unlink()
    sql(
        house, f"DELETE FROM segment WHERE id = '{rows[1].id}'",
        f"UPDATE segment SET prev_sha256 = '{rows[0].sha256}' WHERE id = '{rows[2].id}'",
    )  # fmt: skip
    findings = found(house)
    assert named(findings, "no longer in the ledger") == [rows[1].id]
    assert named(findings, "was changed since") == [rows[2].id]


def test_the_last_row_of_a_sealed_day_removed_is_named(house: House, rows: list[Segment]) -> None:
    last = rows[5]
    house.file(last).unlink()
    sql(house, f"DELETE FROM segment WHERE id = '{last.id}'")
    (finding,) = found(house)
    assert (finding.segment, finding.loss) == (last.id, True)


def test_a_row_removed_with_its_leaf_is_named_from_the_copy(
    house: House, rows: list[Segment]
) -> None:
    sql(
        house, f"DELETE FROM segment WHERE id = '{rows[5].id}'",
        f"DELETE FROM seal_leaf WHERE segment_id = '{rows[5].id}'",
    )  # fmt: skip
    house.file(rows[5]).unlink()
    findings = found(house)
    assert named(findings, "no longer in the ledger") == [rows[5].id]
    assert any("its copy on a volume says" in f.what() for f in findings)
    for copy in copies(house):
        copy.unlink()
    findings = found(house)
    assert named(findings, "no longer in the ledger") == []
    assert any("no volume has a whole copy" in f.what() for f in findings)


def test_a_row_and_its_leaf_changed_together_are_named(house: House, rows: list[Segment]) -> None:
    from storage.seal_copies import facts_by_id

    sql(house, f"UPDATE segment SET end_us = end_us + 9 WHERE id = '{rows[2].id}'")
    with house.ledger.write() as tx:
        leaf = leaf_of(facts_by_id(tx, [rows[2].id])[rows[2].id])
        tx.execute(
            text("UPDATE seal_leaf SET leaf = :leaf WHERE segment_id = :id"),
            {"leaf": leaf, "id": rows[2].id},
        )
    assert named(found(house), "was changed since") == [rows[2].id]


def test_a_row_inserted_into_a_sealed_day_is_named_whether_sealed_since_or_not(
    house: House, rows: list[Segment]
) -> None:
    put = replace(rows[1], id=str(ULID()), path="x.mp4", sha256="f" * 64)
    with house.ledger.write() as tx:
        insert_segment(tx, put)
    assert named(found(house), "was not there when that was made") == [put.id]
    house.clock.forward(DAY_US)
    seal_day(house.directory, ACTOR)
    findings = found(house)
    assert named(findings, "was not there when that was made") == [put.id]
    assert all(f.loss for f in findings)


def test_what_a_kill_left_may_be_adopted_and_sealed_late(house: House, rows: list[Segment]) -> None:
    late = house.segment("gate", START_US + 20 * US)
    sql(house, f"UPDATE segment SET recovered = 1 WHERE id = '{late.id}'")
    house.clock.forward(DAY_US)
    assert named(found(house), "was not there") == []
    seal_day(house.directory, ACTOR)
    assert named(found(house), "was not there") == []


def test_rows_that_a_rebuild_brought_back_late_are_a_notice(
    house: House, rows: list[Segment]
) -> None:
    late = house.segment("gate", START_US + DAY_US + 20 * US)
    sql(house, f"DELETE FROM segment WHERE id = '{late.id}'")
    house.clock.forward(DAY_US)
    house.segment("gate", START_US + 2 * DAY_US)
    seal_day(house.directory, ACTOR)
    house.clock.forward(US)
    assert rebuild(house.directory, ACTOR).added == [late]
    (finding,) = [f for f in found(house) if "was not there" in f.what()]
    assert (finding.segment, finding.loss) == (late.id, False)


def test_two_rows_that_swap_their_ids_are_named(house: House, rows: list[Segment]) -> None:
    one, other = rows[3].id, rows[4].id
    sql(
        house, f"UPDATE segment SET id = 'aside' WHERE id = '{one}'",
        f"UPDATE segment SET id = '{one}' WHERE id = '{other}'",
        f"UPDATE segment SET id = '{other}' WHERE id = 'aside'",
    )  # fmt: skip
    assert named(found(house), "was changed since seal 2") == sorted([one, other])


def test_two_rows_that_swap_their_times_are_named(house: House, rows: list[Segment]) -> None:
    a, b = rows[0], rows[2]
    for row, times in ((a, b), (b, a)):
        sql(
            house, f"UPDATE segment SET start_us = {times.start_us}, end_us = {times.end_us}"
            f" WHERE id = '{row.id}'",
        )  # fmt: skip
    assert named(found(house), "was changed since seal 1") == sorted([a.id, b.id])


def test_a_removed_seal_is_found(house: House, rows: list[Segment]) -> None:
    first = sealed(house)[0]
    sql(
        house, f"DELETE FROM seal_leaf WHERE seal_id = {first.id}",
        f"DELETE FROM seal WHERE id = {first.id}",
    )  # fmt: skip
    whats = [f.what() for f in found(house) if f.loss]
    assert any("seal 1 of gate is missing" in what for what in whats)
    assert any("seal 1 of gate lies on volume main and is not in the ledger" in w for w in whats)
    assert any("audit row" in what for what in whats)
    assert rebuild(house.directory, ACTOR).seals == 1
    assert found(house, Level.HASH) == []


def test_the_newest_seal_cut_off_is_found_by_copy_by_audit_and_by_a_noted_hash(
    house: House, rows: list[Segment]
) -> None:
    from storage.check_seals import check_seals

    newest = sealed(house)[-1]
    sql(
        house, f"DELETE FROM seal_leaf WHERE seal_id = {newest.id}",
        f"DELETE FROM seal WHERE id = {newest.id}",
    )  # fmt: skip
    assert any("seal 2 of gate lies on volume" in f.what() for f in found(house))
    for copy in copies(house):
        copy.unlink()
    assert any("audit row" in f.what() for f in found(house))
    sql(house, "DELETE FROM audit WHERE action = 'seal'")
    none = {f.what() for f in found(house) if f.loss}
    assert none == set()  # the whole of it is gone: only what was noted elsewhere tells
    (finding,) = [f for f in check_seals(house.directory, Level.SIZE, {}, [newest.hash]) if f.loss]
    assert newest.hash in finding.what()


def test_seals_in_another_order_are_found(house: House, rows: list[Segment]) -> None:
    one, other = sealed(house)
    sql(
        house, f"UPDATE seal SET number = 99 WHERE id = {one.id}",
        f"UPDATE seal SET number = 1 WHERE id = {other.id}",
        f"UPDATE seal SET number = 2 WHERE id = {one.id}",
    )  # fmt: skip
    whats = [f.what() for f in found(house) if f.loss]
    assert any("does not follow" in what for what in whats)
    assert any("seal 1 of gate was changed" in what for what in whats)


@pytest.mark.parametrize("change", ["sealed_us = 5", "segments = 2", f"root = '{'0' * 64}'"])
def test_a_changed_seal_is_found(house: House, rows: list[Segment], change: str) -> None:
    sql(house, f"UPDATE seal SET {change} WHERE id = {sealed(house)[0].id}")
    assert any("seal 1 of gate was changed" in f.what() for f in found(house))


def forged(house: House, key: Ed25519PrivateKey, *, claims: str | None = None) -> None:
    """The newest seal of gate made anew over other rows, signed by `key`."""
    newest = sealed(house)[-1]
    with house.ledger.write() as tx:
        stored = dict(leaves(tx, newest.id))
        dropped = sorted(stored)[-1]
        tx.execute(text("DELETE FROM seal_leaf WHERE segment_id = :id"), {"id": dropped})
        tx.execute(text("DELETE FROM segment WHERE id = :id"), {"id": dropped})
        del stored[dropped]
        made = replace(newest, segments=len(stored), root=tree_root(stored.values()))
        made = replace(made, hash=digest_of(made))
        tx.execute(
            text("UPDATE seal SET segments = :n, root = :root, hash = :hash, key_id = :key,"
                 " signature = :signature WHERE id = :id"),
            {"n": made.segments, "root": made.root, "hash": made.hash, "id": newest.id,
             "key": claims or key_id_of(key.public_key()),
             "signature": key.sign(bytes.fromhex(made.hash))},
        )  # fmt: skip


def test_a_seal_signed_by_another_key_is_found(house: House, rows: list[Segment]) -> None:
    forged(house, Ed25519PrivateKey.generate())
    findings = [f for f in found(house, Level.HASH) if f.loss]
    assert any("signed by another key" in f.what() for f in findings)
    assert any("is another on volume main than in the ledger" in f.what() for f in findings)


def test_a_seal_that_claims_our_key_and_is_not_ours_is_found(
    house: House, rows: list[Segment]
) -> None:
    forged(house, Ed25519PrivateKey.generate(), claims=sealed(house)[0].key_id)
    assert any("does not bear" in f.what() for f in found(house))


def test_a_seal_made_anew_with_our_own_key_is_found_by_audit_and_copy(
    house: House, rows: list[Segment]
) -> None:
    from storage.seals import signing_key

    forged(house, signing_key(house.directory))
    whats = [f.what() for f in found(house, Level.HASH)]
    assert any("audit row" in what for what in whats)
    assert any("is another on volume main" in what for what in whats)


def test_a_key_that_was_lost_is_said_and_a_new_one_is_audited(
    house: House, rows: list[Segment]
) -> None:
    (house.root / "keys" / SEAL_KEY).unlink()
    (finding,) = found(house)
    assert "seal.key is missing" in finding.what()
    house.clock.forward(DAY_US)
    house.segment("gate", house.clock.now)
    seal_day(house.directory, ACTOR)
    findings = found(house)
    assert all("signed by another key" in f.what() and not f.loss for f in findings)
    assert len(findings) == 2  # one for each camera


def test_a_key_put_in_the_place_of_ours_is_found(house: House, rows: list[Segment]) -> None:
    make_seal_key(house.root)
    findings = [f for f in found(house) if f.loss]
    assert any("signed by another key" in f.what() for f in findings)


def test_copies_lost_are_a_notice_and_the_next_pass_writes_them(
    house: House, rows: list[Segment]
) -> None:
    shutil.rmtree(house.root / "volumes" / "main" / ".seals")
    findings = found(house)
    assert {f.loss for f in findings} == {False}
    assert seal_day(house.directory, ACTOR).copies == 3
    assert found(house, Level.HASH) == []


def test_a_flipped_byte_in_a_copy_is_found_at_level_hash(house: House, rows: list[Segment]) -> None:
    copy = copies(house)[0]
    raw = bytearray(copy.read_bytes())
    raw[len(raw) // 2] ^= 0x01
    copy.write_bytes(raw)
    assert found(house, Level.SIZE) == []
    (finding,) = found(house, Level.HASH)
    assert (finding.loss, finding.path) == (False, ".seals/gate/1.json")


@pytest.mark.parametrize("name", ["number", "sealed_us", "segments"])
def test_a_number_without_end_in_a_copy_stops_no_check(
    house: House, rows: list[Segment], name: str
) -> None:
    copy = copies(house)[1]
    copy.write_text(json.dumps(json.loads(copy.read_bytes()) | {name: float("inf")}))
    (finding,) = found(house)  # at every level: it is the newest of its camera
    assert (finding.loss, finding.path) == (False, ".seals/gate/2.json")
    assert "Move it away, and `hindsight seal` writes" in finding.what()
    copy.unlink()
    assert seal_day(house.directory, ACTOR).copies == 1
    assert found(house, Level.HASH) == []


@pytest.mark.parametrize("change", ["sealed_us = 'abc'", "number = 'abc'", "segments = 'abc'"])
def test_text_for_a_number_of_a_seal_stops_no_check(
    house: House, rows: list[Segment], change: str
) -> None:
    sql(
        house, f"UPDATE seal SET {change} WHERE id = {sealed(house)[1].id}",
        """UPDATE audit SET ts_us = 'abc', detail = '{"count": 1e999}' WHERE action = 'seal'""",
        "UPDATE audit SET ts_us = 'abc' WHERE action = 'seal.key' OR seq = 1",
    )  # fmt: skip
    assert any("of gate was changed" in f.what() for f in found(house))


@pytest.mark.parametrize("pause", ["begin", "checkin"])
def test_seals_made_while_a_check_runs_are_no_loss(
    house: House, rows: list[Segment], pause: str
) -> None:
    """Another process seals whenever the check begins to read the ledger, or has just done so."""
    due = [3, 2, 1]
    busy: list[int] = []

    def keep_and_seal() -> None:
        house.segment("gate", START_US + 2 * DAY_US + due.pop() * 2 * US)
        seal_day(house.directory, ACTOR)

    def seal(*_: object) -> None:
        if due and not busy:
            busy.append(1)
            with ThreadPoolExecutor(1) as pool:
                pool.submit(keep_and_seal).result(30)
            busy.clear()

    event.listen(house.ledger.engine, pause, seal)
    volumes = dict(house.directory.archive.volumes)
    assert list(check_seals(house.directory, Level.HASH, volumes)) == []
    assert len(sealed(house)) == 5


def test_strangers_among_the_copies_are_listed_and_left_alone(
    house: House, rows: list[Segment]
) -> None:
    root = house.directory.archive.volume("main").root
    strangers = [".seals/note.txt", ".seals/gate/01.json", ".seals/nobody/1.json"]
    (root / ".seals" / "nobody").mkdir()
    for stranger in strangers:
        (root / stranger).write_bytes(b"{}")
    findings = list(check(house.directory, Level.PRESENCE))
    assert sorted(f.path or "" for f in findings) == sorted(strangers)
    assert not any(f.loss for f in findings)
    assert all((root / stranger).exists() for stranger in strangers)
