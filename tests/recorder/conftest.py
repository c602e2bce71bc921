"""Fixtures of the recorder tests: servers, clips, archives that are recorded into."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = str(Path(__file__).parents[2])
if ROOT not in sys.path:  # tests share helpers, however pytest was started
    sys.path.insert(0, ROOT)

from tests.servers.bad_camera import BadCamera  # noqa: E402
from tests.servers.clips import make_clip  # noqa: E402
from tests.servers.fixtures import rtsp_server  # noqa: E402, F401  a fixture
from tests.servers.recording import Recording  # noqa: E402


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a clip once a session: clips("a.mp4", audio="aac")."""
    folder = tmp_path_factory.mktemp("clips")

    def clip(name: str, **how: object) -> Path:
        path = folder / name
        return path if path.exists() else make_clip(path, **how)  # type: ignore[arg-type]

    return clip


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[Callable[..., Recording]]:
    """Makes archives to record into; nothing is left running."""
    made: list[Recording] = []

    def make(name: str = "data", **how: object) -> Recording:
        made.append(Recording(tmp_path / name, **how))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def server() -> Iterator[BadCamera]:
    """A camera that does as its test says."""
    made = BadCamera()
    yield made
    made.close()
