"""Damage to media files: each kind is found, named, and at the cheapest level that can see it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from storage.check import check
from storage.findings import Finding, Level
from storage.fragments import facts_file
from storage.vocabulary import Segment
from tests.storage.media import START_US, US, House

LEVELS = (Level.PRESENCE, Level.SIZE, Level.HASH)


def found(house: House, level: Level) -> list[Finding]:
    return list(check(house.directory, level))


def seen_from(house: House, level: Level) -> Finding:
    """The one finding, the same at `level` and deeper; nothing above it."""
    for shallower in LEVELS[: LEVELS.index(level)]:
        assert found(house, shallower) == []
    findings = [found(house, deeper) for deeper in LEVELS[LEVELS.index(level) :]]
    assert all(len(each) == 1 for each in findings), findings
    assert len({each[0].message for each in findings}) == 1
    return findings[0][0]


def test_a_sound_archive_has_no_finding(house: House) -> None:
    house.footage()
    house.imported(start_us=START_US + 60 * US)
    for level in LEVELS:
        assert found(house, level) == []


@pytest.mark.parametrize("share", [0.01, 0.3, 0.7, 0.999])
def test_flipped_byte_is_found(house: House, share: float) -> None:
    segment = house.footage()[1]
    path = house.file(segment)
    raw = bytearray(path.read_bytes())
    raw[int(len(raw) * share)] ^= 0x01
    path.write_bytes(raw)
    finding = seen_from(house, Level.HASH)
    assert (finding.invariant, finding.loss, finding.segment) == (1, True, segment.id)


def test_flipped_byte_in_an_import_is_found(house: House) -> None:
    segment = house.imported()
    path = house.file(segment)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0x80
    path.write_bytes(raw)
    assert seen_from(house, Level.HASH).segment == segment.id


def test_missing_file_is_found(house: House) -> None:
    segment = house.footage()[1]
    house.file(segment).unlink()
    finding = seen_from(house, Level.PRESENCE)
    assert (finding.invariant, finding.segment, finding.path) == (1, segment.id, segment.path)
    assert "missing" in finding.what()


@pytest.mark.parametrize("cut", [lambda n: 0, lambda n: n // 2, lambda n: n - 1])
def test_truncated_file_is_found(house: House, cut: Callable[[int], int]) -> None:
    segment = house.footage()[1]
    path = house.file(segment)
    path.write_bytes(path.read_bytes()[: cut(segment.size_bytes)])
    finding = seen_from(house, Level.SIZE)
    assert f"{segment.size_bytes}" in finding.what()


def test_appended_bytes_are_found(house: House) -> None:
    segment = house.footage()[1]
    with house.file(segment).open("ab") as target:
        target.write(b"x")
    assert seen_from(house, Level.SIZE).segment == segment.id


def test_swapped_files_are_found_and_named(house: House) -> None:
    first, second = house.segment("a"), house.segment("b")
    assert first.size_bytes == second.size_bytes  # so that only the bytes tell
    one, other = house.file(first), house.file(second)
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)
    assert found(house, Level.SIZE) == []
    findings = {f.segment: f.what() for f in found(house, Level.HASH)}
    assert f"is that of segment {second.id} (b)" in findings[first.id]
    assert f"is that of segment {first.id} (a)" in findings[second.id]


def test_a_folder_in_a_files_place_is_found(house: House) -> None:
    segment = house.footage()[1]
    house.file(segment).unlink()
    house.file(segment).mkdir()
    assert seen_from(house, Level.PRESENCE).segment == segment.id


def test_a_link_out_of_the_volume_is_no_footage(house: House, tmp_path: Path) -> None:
    segment = house.footage()[1]
    path = house.file(segment)
    path.rename(tmp_path / "elsewhere.mp4")
    path.symlink_to(tmp_path / "elsewhere.mp4")
    assert seen_from(house, Level.PRESENCE).segment == segment.id


def test_lost_facts_of_an_import_are_found(house: House) -> None:
    segment = house.imported()
    facts_file(house.file(segment)).unlink()
    finding = seen_from(house, Level.PRESENCE)
    assert (finding.invariant, finding.segment) == (13, segment.id)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"id": 1}', b"\xff" * 100])
def test_broken_facts_of_an_import_are_found(house: House, content: bytes) -> None:
    segment = house.imported()
    facts_file(house.file(segment)).write_bytes(content)
    finding = seen_from(house, Level.HASH)
    assert (finding.invariant, finding.segment) == (13, segment.id)


def test_unknown_file_is_listed_and_left_alone(house: House) -> None:
    house.footage()
    root = house.directory.archive.volume("main").root
    strays = [root / "holiday.mp4", root / "gate" / "2026-11-18" / "notes.txt",
              root / "gate" / "gone.avi.facts.json"]  # fmt: skip
    for stray in strays:
        stray.write_bytes(b"not ours")
    for level in LEVELS:
        findings = found(house, level)
        assert {f.path for f in findings} == {str(s.relative_to(root)) for s in strays}
        assert {(f.invariant, f.loss) for f in findings} == {(3, False)}
    assert all(stray.exists() for stray in strays)


def test_a_file_that_was_set_aside_is_said_to_hold_nothing(house: House) -> None:
    house.footage()
    aside = house.directory.archive.volume("main").root / "gate" / "early.mp4.unusable"
    aside.write_bytes(b"half a header")
    (finding,) = found(house, LEVELS[0])
    assert (finding.invariant, finding.loss) == (5, False)
    assert "nothing is in it" in finding.what("en")
    assert aside.exists()


def test_an_unfinished_file_is_listed_unless_it_is_being_written(house: House) -> None:
    root = house.directory.archive.volume("main").root
    unfinished = root / "gate" / "x.mp4.open"
    unfinished.parent.mkdir()
    unfinished.write_bytes(b"half")
    house.clock.now = int(unfinished.stat().st_mtime * US)
    (finding,) = found(house, Level.SIZE)
    assert (finding.invariant, finding.loss, finding.path) == (5, False, "gate/x.mp4.open")
    with house.directory.exclusive("record"):
        assert found(house, Level.SIZE) == []
        house.clock.forward(3600 * US)  # nobody has written to it for an hour
        assert len(found(house, Level.SIZE)) == 1
    assert unfinished.exists()


def test_check_changes_nothing(house: House) -> None:
    segments: list[Segment] = house.footage()
    house.file(segments[0]).unlink()
    root = house.directory.archive.volume("main").root
    before = {p: p.stat().st_mtime_ns for p in root.rglob("*")}
    rows = house.rows()
    for level in LEVELS:
        found(house, level)
    assert {p: p.stat().st_mtime_ns for p in root.rglob("*")} == before
    assert house.rows() == rows
