"""Fixtures of the storage tests: an archive to fill, and its command line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = str(Path(__file__).parents[2])
if ROOT not in sys.path:  # tests share media.py, however pytest was started
    sys.path.insert(0, ROOT)

from tests.storage.media import CommandLine, House, new_house  # noqa: E402


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """An empty archive whose clock the test moves."""
    made = new_house(tmp_path / "data")
    yield made
    made.directory.close()


@pytest.fixture
def hindsight(house: House, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """The command line on that archive."""
    return CommandLine(house.root, capsys)
