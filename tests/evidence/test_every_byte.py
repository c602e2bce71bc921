"""Every byte flipped, every file removed, added, renamed, swapped: found, and named for it.

The verifier only hashes media, pages and itself, so of those each 23rd byte is flipped here;
benchmarks/flipped_bytes.py flips them all.
"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from evidence.verify_bundle import Finding
from storage.directory import init_directory
from storage.settings import Settings
from tests.evidence.conftest import House
from tests.evidence.mutations import OPAQUE, Bundle, named_rightly
from tests.evidence.time_authority import serving


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Signed, stamped, sealed, with a gap and a clock correction."""
    folder = tmp_path_factory.mktemp("small")
    return Bundle(make_small(folder))


def make_small(folder: Path) -> Path:
    """One camera, one second of footage, everything a bundle can have."""
    (folder / "tsa").mkdir()
    directory, _ = init_directory(folder / "data")
    with serving(folder / "tsa") as authority:
        directory.settings = Settings.model_validate({"evidence": {"tsa_url": authority.url}})
        house = House(directory)
        house.expect("gate", 0)
        house.segment("gate", 0, 1)
        house.export(folder / "bundle", 0, 2)
    directory.close()
    return folder / "bundle"


def test_untouched_it_is_sound(small: Bundle) -> None:
    assert small.findings({}) == []
    assert "timestamp.tsr" in small.files


LONG = 3000  # bytes of a file of which every third is flipped here; benchmarks.flipped_bytes: all


def test_every_flipped_byte_is_found_and_named(small: Bundle) -> None:
    for name, raw in small.files.items():
        step = 23 if name.endswith(OPAQUE) else 3 if len(raw) > LONG else 1
        wrong = [
            (place, found)
            for place, found in small.flips(name, step)
            if not named_rightly(name, found)
        ]
        assert not wrong, (name, wrong[:3])


def test_every_removed_file_is_missed(small: Bundle) -> None:
    for name in small.files:
        found = [(one.kind, one.path) for one in small.findings({name: None})]
        assert found == [("missing", name)]


def test_every_emptied_file_is_found(small: Bundle) -> None:
    for name in small.files:
        first = small.findings({name: b""})[0]
        assert (first.kind, first.path) in (("changed", name), ("signature", name))


@pytest.mark.parametrize("place", ["extra", "data/extra", "data/originals/gate/extra.mp4"])
def test_every_added_file_is_found(small: Bundle, place: str) -> None:
    for raw in (b"", b"new", *small.files.values()):
        found = small.findings({place: raw})
        assert [(one.kind, one.path) for one in found] == [("added", place)]


def test_every_renamed_file_is_named_with_both_names(small: Bundle) -> None:
    for name, raw in small.files.items():
        for other in (f"{name}.bak", f"data/{name.replace('/', '_')}"):
            assert small.findings({name: None, other: raw}) == [Finding("renamed", name, other)]


def test_every_two_swapped_files_are_named(small: Bundle) -> None:
    for one, other in combinations(small.files, 2):
        found = small.findings({one: small.files[other], other: small.files[one]})
        assert [item.kind for item in found] == ["swapped"], (one, other, found)
        assert {found[0].path, found[0].other} == {one, other}
