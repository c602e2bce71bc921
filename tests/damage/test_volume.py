"""Volumes that are not there, or not the one they should be: one sentence, never a thousand."""

from __future__ import annotations

import json

from storage.check import check
from storage.directory import open_directory
from storage.findings import Level
from storage.scrub import scrub
from tests.storage.media import House


def test_unmounted_volume_is_one_finding(house: House) -> None:
    house.footage(count=5)
    root = house.directory.archive.volume("main").root
    root.rename(root.with_name("away"))
    root.mkdir()  # the empty mount point
    (finding,) = check(house.directory, Level.HASH)
    assert (finding.invariant, finding.loss, finding.volume) == (12, True, "main")
    assert "mounted" in finding.what()
    assert [f.invariant for f in scrub(house.directory).findings] == [12]
    assert list(root.iterdir()) == []  # nothing was written to what it is not


def test_wrong_volume_is_found(house: House) -> None:
    house.footage(count=5)
    identity = house.directory.archive.volume("main").root / ".volume.json"
    facts = json.loads(identity.read_text())
    identity.write_text(json.dumps(facts | {"uuid": "00000000-0000-0000-0000-000000000000"}))
    (finding,) = check(house.directory, Level.SIZE)
    assert (finding.invariant, finding.volume) == (12, "main")
    assert "another volume" in finding.what()


def test_unreadable_identity_is_found(house: House) -> None:
    (house.directory.archive.volume("main").root / ".volume.json").write_bytes(b"\0" * 50)
    (finding,) = check(house.directory, Level.SIZE)
    assert finding.invariant == 12


def test_volume_that_left_the_settings_is_found(house: House) -> None:
    house.footage()
    (house.root / "hindsight.toml").write_text('[volumes.other]\npath = "volumes/other"\n')
    opened = open_directory(house.root, house.clock)
    findings = list(check(opened, Level.SIZE))
    assert [(f.invariant, f.volume) for f in findings] == [(12, "main")]
    opened.close()


def test_the_other_volume_is_still_checked(house: House) -> None:
    (house.root / "hindsight.toml").write_text(
        '[volumes.main]\npath = "volumes/main"\n[volumes.nas]\npath = "volumes/nas"\n'
    )
    house.directory.close()
    house.directory = open_directory(house.root, house.clock)
    lost, hidden = house.segment("a", volume="main"), house.segment("b", volume="nas")
    house.file(lost).unlink()
    (house.directory.archive.volume("nas").root / ".volume.json").unlink()
    findings = list(check(house.directory, Level.SIZE))
    assert {(f.invariant, f.segment) for f in findings} == {(12, None), (1, lost.id)}
    assert house.file(hidden).exists()
