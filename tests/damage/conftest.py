"""Fixtures of the damage tests."""

from __future__ import annotations

import pytest

from storage.sealing import sign_audit
from tests.damage.chained import ACTOR, ROWS, grow
from tests.storage.media import House


@pytest.fixture
def chain(house: House) -> House:
    """Rows 1 … 6; the first is that of `init`."""
    grow(house, 2, ROWS)
    return house


@pytest.fixture
def signed(chain: House) -> House:
    """The same, with a head over all of them, which is row 7, and rows 8 and 9."""
    sign_audit(chain.directory, ACTOR)
    grow(chain, ROWS + 2, ROWS + 3)
    return chain
