"""Fixtures of the search tests."""

from __future__ import annotations

import pytest

from storage.directory import DataDirectory
from tests.search.archive import Archive, new_archive


@pytest.fixture
def archive(directory: DataDirectory) -> Archive:
    """An empty archive with one active generation."""
    return new_archive(directory)
