"""Fixtures of the indexer tests: archives to fill, a small model, the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = str(Path(__file__).parents[2])
if ROOT not in sys.path:  # tests share clips.py, however pytest was started
    sys.path.insert(0, ROOT)

from hindsight import cli  # noqa: E402
from indexer.embedder import Embedder, load_model  # noqa: E402
from storage.clock import Clock  # noqa: E402
from storage.commandline import run  # noqa: E402
from storage.register import add_camera  # noqa: E402
from tests.indexer.clips import START_US, Archive, Clip, steady, write_clip  # noqa: E402
from tests.indexer.street import encode, street  # noqa: E402
from tests.storage.media import keep_verdicts, new_directory  # noqa: E402


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a command said."""

    code: int
    out: str
    err: str


class CommandLine:
    """`hindsight` in this process, on one data directory."""

    def __init__(self, root: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self._capture = capture

    def __call__(self, *words: str | Path) -> Spoken:
        self._capture.readouterr()
        code = run(cli, ["--data", str(self.root), *map(str, words)])
        said = self._capture.readouterr()
        return Spoken(code, said.out, said.err)

    def json(self, *words: str | Path) -> Any:
        """The JSON of a command that must succeed."""
        said = self(*words, "--json")
        assert said.code == 0, said.err
        return json.loads(said.out)


@pytest.fixture
def make_archive(tmp_path: Path) -> Iterator[Callable[..., Archive]]:
    """Make a data directory whose hindsight.toml has these lines in [indexer].

    Every picture that is due is embedded, whole and alone, unless it is `gated`: then as by
    default.
    """
    opened = []

    def make(settings: str = "", clock: Clock | None = None, *, gated: bool = False) -> Archive:
        every = "" if gated else "sensitivity = 1\nregions = 0\n"
        text = f"[indexer]\nthreads = 1\n{every}{settings}\n"
        (tmp_path / "hindsight.toml").write_text(text)
        directory = new_directory(tmp_path / "data", clock)
        opened.append(directory)
        with directory.ledger.write() as tx:
            camera = add_camera(tx, name="gate", url=None, created_us=START_US)
        return Archive(directory, camera)

    yield make
    for directory in opened:
        keep_verdicts(directory)
        directory.close()


@pytest.fixture
def archive(make_archive: Callable[..., Archive]) -> Archive:
    """A data directory where every picture that is due is embedded."""
    return make_archive()


@pytest.fixture
def hindsight(archive: Archive, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """The command line on that archive."""
    return CommandLine(archive.directory.root, capsys)


@pytest.fixture(scope="session")
def nano() -> Embedder:
    """The default model, loaded once."""
    return load_model("nano", threads=1)


@pytest.fixture(scope="session")
def short_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds, a keyframe each second."""
    return write_clip(tmp_path_factory.mktemp("clips") / "short.mp4", Clip(steady(25, 6)))


@pytest.fixture(scope="session")
def minutes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A minute of a quiet street, one with somebody in it, and one at constant bit rate."""
    folder = tmp_path_factory.mktemp("minutes")
    cbr = "bitrate=1500:vbv-maxrate=1500:vbv-bufsize=300:nal-hrd=cbr:filler=1"
    return {
        "quiet": encode(folder / "quiet.mp4", street(60), "crf=28"),
        "walk": encode(folder / "walk.mp4", street(60, walks=True), "crf=28"),
        "cbr": encode(folder / "cbr.mp4", street(60), cbr),
    }
