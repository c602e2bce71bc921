"""The models that measurements of indexing embed with: the shipped one, full ones with noise."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from indexer.embedder import NANO


@dataclass(frozen=True, slots=True)
class Model:
    """Its name, and its weights where they were made."""

    name: str
    checkpoint: Path | None

    @property
    def label(self) -> str:
        """For names of results."""
        return self.name.replace("-", "_").lower()

    def settings(self, *more: str) -> str:
        """For hindsight.toml."""
        lines = ["[indexer]", f'model = "{self.name}"', *more]
        if self.checkpoint is not None:
            lines.append(f'checkpoint = "{self.checkpoint}"')
        return "\n".join(lines) + "\n"


@contextmanager
def chosen_models(default: str) -> Iterator[list[Model]]:
    """Those of HINDSIGHT_BENCH_MODELS (`nano,ViT-B-32`). Weights of full ones are random, made
    on the spot: that changes no time."""
    names = os.environ.get("HINDSIGHT_BENCH_MODELS", default).split(",")
    with TemporaryDirectory(prefix="hindsight-weights-") as folder:
        yield [Model(name, _checkpoint(name, Path(folder))) for name in names]


def _checkpoint(name: str, folder: Path) -> Path | None:
    if name == NANO:
        return None
    from tests.indexer.full_models import make_checkpoint

    file = folder / f"{name}.safetensors"
    make_checkpoint(name, file)
    return file
