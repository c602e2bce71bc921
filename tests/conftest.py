"""Fixtures shared by all rooms: a real data directory, the shared footage where it is present."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from storage.directory import DataDirectory, init_directory
from storage.i18n import use_language
from tests.storage.media import CommandLine, House, keep_verdicts, new_house

# Speed is measured in benchmarks/: a machine that stalls for a second is no defect. And the suite
# says the same of the same code every time; new examples are looked for on purpose, by `explore`.
settings.register_profile("suite", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))

SHARED = Path(__file__).parents[2] / "shared"


LONG = ("e2e", "damage", "indexer", "recorder")  # folders whose files take long, a minute or two


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, those that compute between those that wait: begun last, one of them would
    keep a worker busy when the others have nothing left."""
    turns: dict[Path, tuple[bool, int, str]] = {}
    files: Counter[str] = Counter()
    for path in dict.fromkeys(item.path for item in items):
        folder = path.parent.name
        turns[path] = (folder not in LONG, files[folder], folder)
        files[folder] += 1
    items.sort(key=lambda item: turns[item.path])


@pytest.fixture(autouse=True)
def _english() -> None:
    """Messages are compared in English unless a test asks for Chinese."""
    use_language("en")


@pytest.fixture
def footage() -> Path:
    """Real CCTV clips beside the checkout; their absence is said, not hidden."""
    folder = SHARED / "footage"
    if not folder.is_dir():
        pytest.skip(f"real footage is absent ({folder}); this test did not run")
    return folder


@pytest.fixture
def captions() -> Path:
    """Captioned crops beside the checkout."""
    folder = SHARED / "captions"
    if not folder.is_dir():
        pytest.skip(f"captioned crops are absent ({folder}); this test did not run")
    return folder


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[DataDirectory]:
    """A fresh, initialised data directory."""
    made, _ = init_directory(tmp_path / "data")
    yield made
    made.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """An empty archive whose clock the test moves."""
    made = new_house(tmp_path / "data")
    yield made
    keep_verdicts(made.directory)
    made.directory.close()


@pytest.fixture
def hindsight(house: House, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """The command line on that archive."""
    return CommandLine(house.root, capsys)
