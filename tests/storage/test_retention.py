"""Retention: the promise per class, holds above all, tombstones, files that will not go."""

from __future__ import annotations

from dataclasses import replace

import pytest

from storage import audit, retention
from storage.cases import add_hold, release_hold
from storage.check import check
from storage.directory import open_directory
from storage.errors import Conflict, Held, NotFound
from storage.findings import Level
from storage.fragments import facts_file
from storage.i18n import use_language
from storage.segments import expire, not_unlinked
from storage.violations import violations
from storage.vocabulary import Actor, Segment, SegmentState
from storage.volume_states import in_words
from tests.storage.media import DAY_US, START_US, US, House

ACTOR = Actor("the night job")


def hold(house: House, segment: Segment, *, expires_us: int | None = None) -> int:
    with house.ledger.write() as tx:
        return add_hold(
            tx, segment.camera_id, segment.end_us - 1, segment.end_us + 10 * US, reason="theft",
            owner="li.wei", at_us=house.clock.now, expires_us=expires_us,
        ).id  # fmt: skip


def later(house: House, days: float) -> None:
    house.clock.now = START_US + int(days * DAY_US)


def expired(house: House) -> list[str]:
    return [row.id for row in house.rows() if row.state is SegmentState.EXPIRED]


def test_each_class_keeps_its_promise_to_the_day(house: House) -> None:
    kept = {
        name: house.segment(house.camera(name, **facts).name)
        for name, facts in {
            "one": {"site_class": 1}, "two": {"site_class": 2}, "three": {"site_class": 3},
        }.items()
    }  # fmt: skip
    for days, gone in ((29.9, []), (30.1, ["three"]), (90.1, ["two"]), (730.1, ["one"])):
        later(house, days)
        result = retention.retain(house.directory, ACTOR)
        assert [segment.camera for segment, _ in result.sample] == gone
        for name in gone:
            assert not house.file(kept[name]).exists()


def test_the_tombstone_keeps_hash_span_rule_and_time(house: House) -> None:
    segment = house.segment()
    later(house, 31)
    retention.retain(house.directory, ACTOR)
    (row,) = house.rows()
    assert row == replace(
        segment, state=SegmentState.EXPIRED, expired_us=house.clock.now,
        expired_rule="class_3_days = 30",
    )  # fmt: skip
    with house.ledger.read() as tx:
        assert not_unlinked(tx) == []


def test_a_named_class_outranks_the_site_class(house: House) -> None:
    (house.root / "hindsight.toml").write_text(
        "[retention]\nclass_3_days = 30\n[retention.named_days]\nshort = 2\n"
    )
    house.camera("short", retention_class="short")
    house.camera("lost", retention_class="not in the settings")
    for name in ("short", "lost"):
        house.segment(name)
    house.directory.close()
    house.directory = open_directory(house.root, house.clock)
    later(house, 9999)
    result = retention.retain(house.directory, ACTOR)
    assert [(s.camera, rule) for s, rule in result.sample] == [("short", "named_days.short = 2")]
    assert result.undecided == ["lost"]  # its class is unknown: keep, and say so


def test_oldest_goes_first(house: House) -> None:
    newer = house.segment("a", START_US + 60 * US)
    older = house.segment("b", START_US)
    later(house, 40)
    result = retention.retain(house.directory, ACTOR, dry_run=True)
    assert [segment.id for segment, _ in result.sample] == [older.id, newer.id]


def test_a_dry_run_changes_nothing(house: House) -> None:
    segment = house.segment()
    later(house, 40)
    with house.ledger.read() as tx:
        before = len(audit.rows(tx))
    result = retention.retain(house.directory, ACTOR, dry_run=True)
    assert [s.id for s, _ in result.sample] == [segment.id]
    assert house.rows() == [segment]
    assert house.file(segment).exists()
    with house.ledger.read() as tx:
        assert len(audit.rows(tx)) == before


def test_a_hold_that_touches_a_segment_keeps_all_of_it(house: House) -> None:
    first, held, last = house.footage(count=3)
    number = hold(house, held)
    later(house, 9999)
    result = retention.retain(house.directory, ACTOR)
    # The hold begins one microsecond before `held` ends and runs over `last`.
    assert expired(house) == [first.id]
    assert (result.held_segments, result.held_bytes) == (2, held.size_bytes + last.size_bytes)
    with house.ledger.write() as tx:
        release_hold(tx, number, "case closed", house.clock.now)
    retention.retain(house.directory, ACTOR)
    assert expired(house) == [first.id, held.id, last.id]


def test_a_hold_ends_when_it_said_it_would(house: House) -> None:
    segment = house.segment()
    hold(house, segment, expires_us=START_US + 40 * DAY_US)
    later(house, 39)
    assert retention.retain(house.directory, ACTOR).expired == 0
    later(house, 41)
    assert retention.retain(house.directory, ACTOR).expired == 1


def test_a_hold_of_one_camera_keeps_no_other(house: House) -> None:
    mine, other = house.segment("a"), house.segment("b")
    hold(house, mine)
    later(house, 40)
    retention.retain(house.directory, ACTOR)
    assert expired(house) == [other.id]


def test_deleting_held_footage_is_refused_and_nothing_goes(house: House) -> None:
    free, held = house.segment("a"), house.segment("b")
    hold(house, held)
    with pytest.raises(Held, match=r"li\.wei.*theft"):
        retention.delete(house.directory, [free.id, held.id], "court order", ACTOR)
    assert expired(house) == []
    assert house.file(free).exists()
    with pytest.raises(NotFound):
        retention.delete(house.directory, [free.id, "01NOSUCH"], "court order", ACTOR)
    retention.delete(house.directory, [free.id], "court order 7", ACTOR)
    assert [row.expired_rule for row in house.rows() if row.expired_us] == ["court order 7"]
    assert not house.file(free).exists()
    with pytest.raises(NotFound):
        retention.delete(house.directory, [free.id], "again", ACTOR)


def test_an_import_is_young_on_the_day_it_comes_in(house: House) -> None:
    old = house.imported(start_us=START_US - 3000 * DAY_US, created_us=START_US)
    later(house, 29)
    assert retention.retain(house.directory, ACTOR).expired == 0
    later(house, 31)
    facts = facts_file(house.file(old))
    assert facts.exists()
    retention.retain(house.directory, ACTOR)
    assert not facts.exists()
    assert not house.file(old).exists()


def test_every_pass_leaves_one_audit_row(house: House) -> None:
    house.segment()
    later(house, 40)
    retention.retain(house.directory, ACTOR)
    retention.retain(house.directory, ACTOR)
    with house.ledger.read() as tx:
        rows = audit.rows(tx, action="retain")
    assert [row.detail for row in rows] == [
        f'{{"bytes":{house.rows()[0].size_bytes},"held":0,"segments":1}}',
        '{"bytes":0,"held":0,"segments":0}',
    ]


def test_empty_folders_go_and_shared_ones_stay(house: House) -> None:
    old, young = house.segment("a"), house.segment("a", START_US + 20 * DAY_US)
    later(house, 40)
    retention.retain(house.directory, ACTOR)
    assert not house.file(old).parent.parent.exists()
    assert house.file(young).exists()


def test_a_file_that_will_not_go_is_counted_and_tried_again(house: House) -> None:
    segment = house.segment()
    path = house.file(segment)
    path.unlink()
    path.mkdir()  # a folder cannot be unlinked, not even by root
    later(house, 40)
    result = retention.retain(house.directory, ACTOR)
    assert [failure.segment.id for failure in result.failed] == [segment.id]
    assert result.removed == 0
    with house.ledger.read() as tx:
        assert retention.unremoved(tx) == 1
    path.rmdir()
    path.write_bytes(b"footage again")
    result = retention.retain(house.directory, ACTOR)
    assert (result.failed, result.removed, result.expired) == ([], 1, 0)
    assert not path.exists()


def test_what_an_absent_volume_hides_is_not_gone(house: House) -> None:
    segment = house.segment()
    volume = house.directory.archive.volume("main").root
    away = volume.with_name("away")
    volume.rename(away)
    later(house, 40)
    result = retention.retain(house.directory, ACTOR)
    assert "mounted" in result.failed[0].error
    assert expired(house) == [segment.id]
    away.rename(volume)
    assert house.file(segment).exists()
    assert retention.retain(house.directory, ACTOR).removed == 1
    assert not house.file(segment).exists()


def test_a_pass_cut_off_after_its_tombstones_is_finished_by_the_next(house: House) -> None:
    segments = house.footage(count=3)
    later(house, 40)
    with house.ledger.write() as tx:  # what a kill leaves: rows turned, files there
        expire(tx, [segment.id for segment in segments], "class_3_days = 30", house.clock.now)
    house.file(segments[0]).unlink()  # or one file gone, not yet marked
    notices = list(check(house.directory, Level.SIZE))
    assert [(f.invariant, f.loss) for f in notices] == [(3, False)] * 2
    assert retention.retain(house.directory, ACTOR).removed == 3
    assert list(check(house.directory, Level.HASH)) == []


def test_pictures_made_of_deleted_footage_go_with_it(house: House) -> None:
    segment = house.segment()
    picture = house.directory.cache / "segments" / segment.id / "1.jpg"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"a face")
    later(house, 40)
    retention.retain(house.directory, ACTOR)
    assert not picture.exists()


def test_two_passes_never_run_at_once(house: House) -> None:
    with house.directory.exclusive("retain"), pytest.raises(Conflict):
        retention.retain(house.directory, ACTOR)


def test_the_ballast_comes_back_when_there_is_room(house: House) -> None:
    (house.root / "ballast").unlink()
    retention.retain(house.directory, ACTOR)
    assert (house.root / "ballast").exists()


def configured(house: House, text: str) -> None:
    """Open the archive again with these settings."""
    (house.root / "hindsight.toml").write_text(text)
    house.directory.close()
    house.directory = open_directory(house.root, house.clock)


def test_a_cameras_own_days_outrank_its_class(house: House) -> None:
    configured(house, "[retention.camera_days]\ngate = 3\n")
    house.camera("gate", retention_class="not in the settings")
    for name in ("gate", "yard"):
        house.segment(name)
    later(house, 3.1)
    result = retention.retain(house.directory, ACTOR)
    assert [(s.camera, rule) for s, rule in result.sample] == [("gate", "camera_days.gate = 3")]
    assert (result.early, result.undecided) == (0, [])


def test_a_volume_that_keeps_nothing_longer_breaks_the_promise_and_says_so(house: House) -> None:
    configured(house, '[volumes.main]\npath = "volumes/main"\nkeep_days = 5\n')
    first, second = house.footage(count=2)
    young = house.segment("yard", START_US + 3 * DAY_US)
    later(house, 5.1)
    result = retention.retain(house.directory, ACTOR)
    assert (result.expired, result.early) == (2, 2)
    assert expired(house) == [first.id, second.id]
    assert house.file(young).exists()
    (row,) = [r for r in house.rows() if r.id == first.id]
    assert row.expired_rule == "volumes.main.keep_days = 5, before class_3_days = 30"
    with house.ledger.read() as tx:
        (one,) = violations(tx)
    assert (one.camera, one.volume, one.segments) == ("gate", "main", 2)
    assert (one.start_us, one.end_us) == (first.start_us, second.end_us)
    assert one.size_bytes == first.size_bytes + second.size_bytes
    assert one.promised_until_us == second.end_us + 30 * DAY_US
    assert (one.promise, one.reason) == (
        "class_3_days = 30", "volume main keeps nothing longer than 5 days",
    )  # fmt: skip


def test_a_volume_that_keeps_a_day_says_so_in_both_languages(house: House) -> None:
    configured(house, '[volumes.main]\npath = "volumes/main"\nkeep_days = 1\n')
    house.segment()
    later(house, 2)
    retention.retain(house.directory, ACTOR)
    with house.ledger.read() as tx:
        (one,) = violations(tx)
    assert one.reason == "volume main keeps nothing longer than 1 day"
    use_language("zh")
    assert in_words(one.reason) == "存储卷 main 中的录像最多保存 1 天"
    # As the ledger kept it before.
    assert in_words(f"{one.reason}s") == "存储卷 main 中的录像最多保存 1 天"


def test_a_cap_longer_than_the_promise_changes_nothing(house: House) -> None:
    configured(house, '[volumes.main]\npath = "volumes/main"\nkeep_days = 60\n')
    house.segment()
    later(house, 31)
    assert retention.retain(house.directory, ACTOR).early == 0
    with house.ledger.read() as tx:
        assert violations(tx) == []


def test_footage_past_its_promise_is_no_violation_of_a_late_pass(house: House) -> None:
    configured(house, '[volumes.main]\npath = "volumes/main"\nkeep_days = 5\n')
    house.segment()
    later(house, 31)
    result = retention.retain(house.directory, ACTOR)
    assert (result.expired, result.early) == (1, 0)
    assert result.sample[0][1] == "class_3_days = 30"


def test_a_pass_larger_than_a_transaction_is_one_audit_row_and_loses_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 3)
    monkeypatch.setattr(retention, "SAMPLE", 2)
    rows = house.footage("gate", count=5) + house.footage("yard", count=5)
    held = rows[4]
    with house.ledger.write() as tx:
        add_hold(tx, held.camera_id, held.start_us, held.end_us, reason="x", owner="x", at_us=0)
    later(house, 40)
    assert [s.id for s, _ in retention.would_expire(house.directory)] == [
        row.id for row in sorted(rows, key=lambda row: (row.start_us, row.id)) if row != held
    ]
    result = retention.retain(house.directory, ACTOR)
    assert (result.expired, result.removed, len(result.sample)) == (9, 9, 2)
    with house.ledger.read() as tx:
        assert [row.detail for row in audit.rows(tx, action="retain")] == [
            f'{{"bytes":{result.expired_bytes},"held":1,"segments":9}}'
        ]
    assert [row.id for row in house.rows() if row.state is SegmentState.CLOSED] == [held.id]


def test_a_hold_added_while_a_pass_runs_counts(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 1)
    first, second = house.footage(count=2)
    later(house, 40)

    def held_meanwhile(done: int, total: int) -> None:
        if done == 1:
            hold(house, second)

    result = retention.retain(house.directory, ACTOR, progress=held_meanwhile)
    assert (result.expired, expired(house)) == (1, [first.id])
    assert house.file(second).exists()


def test_a_routine_pass_that_finds_nothing_leaves_no_audit_row(house: House) -> None:
    house.segment()
    retention.retain(house.directory, ACTOR, routine=True)
    with house.ledger.read() as tx:
        assert audit.rows(tx, action="retain") == []
    later(house, 40)
    retention.retain(house.directory, ACTOR, routine=True)
    with house.ledger.read() as tx:
        assert len(audit.rows(tx, action="retain")) == 1
