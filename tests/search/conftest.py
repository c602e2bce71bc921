"""Fixtures of the search tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from storage.directory import DataDirectory
from tests.search.archive import Archive, new_archive
from tests.search.keeping import BUS, Keeping
from tests.search.lookout import Lookout, new_lookout
from tests.search.receiver import Receiver, receiving
from tests.storage.media import House


@pytest.fixture
def archive(directory: DataDirectory) -> Archive:
    """An empty archive with one active generation."""
    return new_archive(directory)


@pytest.fixture
def keeping(house: House) -> Keeping:
    """Two cameras with an hour of road, and a bus at each."""
    made = Keeping(house)
    made.footage("gate", BUS)
    made.footage("yard", BUS)
    return made


@pytest.fixture
def lookout(directory: DataDirectory) -> Lookout:
    """Cameras that are looked at by standing queries as they are filmed."""
    return new_lookout(directory)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Somebody who is told of firings."""
    with receiving() as made:
        yield made
