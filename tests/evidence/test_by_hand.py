"""The pages in a bundle on verifying it: their commands, typed as they stand, do as they say."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from evidence.export import ExportResult
from storage.directory import init_directory
from storage.settings import Settings
from tests.evidence.conftest import House
from tests.evidence.time_authority import serving

PAGES = ("VERIFY-en.txt", "VERIFY-zh.txt")


@dataclass
class Given:
    """A stamped bundle, what was told apart from it, and the authority's root."""

    result: ExportResult
    root: Path


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Given]:
    """Made once."""
    folder = tmp_path_factory.mktemp("by hand")
    (folder / "tsa").mkdir()
    directory, _ = init_directory(folder / "data")
    with serving(folder / "tsa") as authority:
        directory.settings = Settings.model_validate({"evidence": {"tsa_url": authority.url}})
        house = House(directory)
        house.segment("北门 2号")
        yield Given(house.export(folder / "bundle", 0, 4), authority.root)
    directory.close()


@pytest.fixture
def place(given: Given, tmp_path: Path) -> Path:
    """A copy of the bundle with the authority's root beside it."""
    shutil.copy(given.root, tmp_path / "AUTHORITY.pem")
    return Path(shutil.copytree(given.result.path, tmp_path / "bundle"))


def typed(place: Path, page: str, given: Given) -> list[tuple[str, int, str]]:
    """(command, exit status, output) of all that stands behind a $."""
    words = {"FINGERPRINT": given.result.fingerprint, "CERTIFICATE": given.result.signer.sha256,
             "指纹": given.result.fingerprint, "证书": given.result.signer.sha256}  # fmt: skip
    done = []
    for line in re.findall(r"^ +\$ (.+)$", (place / page).read_text(encoding="utf-8"), re.M):
        command = re.sub(
            r"(?<= )(FINGERPRINT|CERTIFICATE|指纹|证书)\b", lambda m: words[m[1]], line
        )
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        run = subprocess.run(
            ["bash", "-c", command], cwd=place, capture_output=True, text=True,
            env={"PATH": path, "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        done.append((line, run.returncode, run.stdout + run.stderr))
    return done


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_the_page_does_what_it_says(place: Path, page: str, given: Given) -> None:
    lists, tags, added, signed, whose, stamped, when, alone, compared = typed(place, page, given)
    assert lists[1] == 0
    assert all(line.endswith(": OK") for line in lists[2].splitlines())
    assert tags[2].split()[0] == given.result.fingerprint
    assert added[2] == ""
    assert signed[2].strip() == "Signature Verified Successfully"
    assert given.result.signer.sha256 in whose[2].replace(":", "").lower()
    assert given.result.signer.sha256 in (place / page).read_text(encoding="utf-8")
    assert "Verification: OK" in stamped[2]
    assert re.search(r"Time stamp: \w+ +\d+ [\d:]+ \d{4} GMT", when[2])
    for line in (alone, compared):
        assert line[1] == 0, line


def test_the_commands_find_what_was_done_to_the_bundle(place: Path, given: Given) -> None:
    original = next(path for path in place.rglob("*.mp4") if "originals" in path.parts)
    content = bytearray(original.read_bytes())
    content[100] ^= 1
    original.write_bytes(content)
    (place / "data" / "more.mp4").write_bytes(b"more")
    (place / "fingerprint-sha256.txt.sig").write_bytes(bytes(64))
    (place / "timestamp.tsr").write_bytes(given.root.read_bytes())
    lists, _, added, signed, _, stamped, _, alone, _ = typed(place, PAGES[0], given)
    assert "FAILED" in lists[2]
    assert added[2].strip() == "data/more.mp4"
    assert signed[1] != 0
    assert "Verification: OK" not in stamped[2]
    assert alone[1] == 9


def test_a_page_of_a_bundle_without_a_stamp_asks_for_none(pristine: Path) -> None:
    for page in PAGES:
        assert "openssl ts" not in (pristine / page).read_text(encoding="utf-8")
