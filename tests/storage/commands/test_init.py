"""`hindsight init`: the password once, the keys by fingerprint, nothing twice."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from storage.directory import open_directory
from storage.people import check_password
from tests.storage.media import CommandLine


@pytest.fixture
def fresh(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """The command line where nothing is yet."""
    return CommandLine(tmp_path / "data", capsys)


def test_what_init_says_is_true(fresh: CommandLine) -> None:
    said = fresh.json("init", "--admin", "chief")
    made = open_directory(fresh.root)
    assert check_password(made.ledger, "chief", said["one_time_password"], 0) is not None
    digest = hashlib.sha256(made.key("secrets.key")).hexdigest()
    assert said["keys"]["secrets.key"].replace(" ", "") == digest[:32]
    assert said["directory"] == str(fresh.root)
    made.close()


def test_for_people_it_says_what_to_do_next(fresh: CommandLine) -> None:
    said = fresh("init")
    assert said.code == 0
    for word in ("admin", "one-time password", "secrets.key", "hindsight camera add"):
        assert word in said.out


def test_a_second_init_changes_nothing(fresh: CommandLine) -> None:
    fresh("init")
    before = (fresh.root / "keys" / "secrets.key").read_bytes()
    said = fresh("init")
    assert (said.code, said.out) == (5, "")
    assert len(said.err.splitlines()) == 1
    assert (fresh.root / "keys" / "secrets.key").read_bytes() == before


def test_a_place_that_cannot_be_written_gets_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("x")
    said = CommandLine(tmp_path / "file" / "data", capsys)("init")
    assert said.code == 7
    assert len(said.err.splitlines()) == 1
    assert "file" in said.err
