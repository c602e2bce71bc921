"""Fixtures of the web tests: an archive with real media, the application, people logged in."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = str(Path(__file__).parents[2])
if ROOT not in sys.path:  # tests share footage.py and media.py, however pytest was started
    sys.path.insert(0, ROOT)

from storage.clock import US  # noqa: E402
from tests.servers.oidc_provider import OidcProvider, provided  # noqa: E402
from tests.storage.media import new_house  # noqa: E402
from tests.web.city import City, built  # noqa: E402
from tests.web.desk import NOW_US, Desk  # noqa: E402
from tests.web.footage import START_US, keep, lose, register, write_clip  # noqa: E402
from tests.web.provider_desk import anew  # noqa: E402


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips of two seconds that follow one another, encoded once."""
    folder = tmp_path_factory.mktemp("clips")
    write_clip(folder / "one.mp4", first=0)
    write_clip(folder / "two.mp4", first=50)
    return folder


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """An application over a fresh data directory, with a clock that stands still."""
    house = new_house(tmp_path / "data", NOW_US)
    made = Desk(house.directory, house.clock)
    yield made
    made.close()


@pytest.fixture
def archive(desk: Desk, clips: Path) -> Desk:
    """A camera with two segments, a gap of five seconds, and a third segment."""
    gate = desk.cameras["gate"] = register(desk.directory, "gate")
    one = keep(desk.directory, gate, clips / "one.mp4", START_US)
    two = keep(desk.directory, gate, clips / "two.mp4", one.end_us)
    lose(desk.directory, gate, two.end_us, two.end_us + 5_000_000)
    three = keep(desk.directory, gate, clips / "one.mp4", two.end_us + 5_000_000)
    desk.segments += [one, two, three]
    return desk


@pytest.fixture(scope="module")
def running_provider() -> Iterator[OidcProvider]:
    """A login provider, one for the module."""
    with provided(lambda: NOW_US // US) as provider:
        yield provider


@pytest.fixture
def provider(running_provider: OidcProvider, desk: Desk) -> OidcProvider:
    """That provider, as it is before a test tells it otherwise; its clock is the desk's."""
    return anew(running_provider, desk)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """Somebody of every role, and cameras they may use, only see, or not know of."""
    yield from built(tmp_path_factory.mktemp("city"))


@pytest.fixture
def as_it_was(city: City) -> Iterator[City]:
    """The city, whose clock and settings are put back."""
    yield city
    city.desk.clock.now = NOW_US
    city.require_case(False)
