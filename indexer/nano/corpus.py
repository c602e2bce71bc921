"""The training corpus on disk: pieces of pictures with their facts, made once and kept.

A piece is `NAME.npy`, uint8 (n, SIZE, SIZE, 3) RGB, and `NAME.jsonl`, one line of facts each.
A piece that is there is not made again; each is written beside its place and moved there whole.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from indexer.nano.facts import Facts
from indexer.nano.pictures import SIZE
from indexer.scenes.arrays import Picture

Pair = tuple[Picture, Facts]
Pictures = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Part:
    """Pictures of one kind, (n, SIZE, SIZE, 3), and their facts in the same order."""

    pictures: Pictures
    facts: list[Facts]


def write_piece(file: Path, pairs: Iterable[Pair]) -> None:
    """Keep pictures with their facts as one piece; `file` without ending."""
    kept = list(pairs)
    pictures = np.stack([picture for picture, _ in kept]) if kept else _none()
    lines = [json.dumps(facts.document(), ensure_ascii=False) for _, facts in kept]
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    with aside.open("wb") as target:
        np.save(target, pictures)
    file.with_suffix(".jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    aside.rename(file.with_suffix(".npy"))


def read_part(folder: Path) -> Part:
    """All pieces of a folder, in order of their names."""
    pictures: list[Pictures] = [_none()]
    facts: list[Facts] = []
    for file in sorted(folder.glob("*.npy")):
        pictures.append(np.load(file))
        lines = file.with_suffix(".jsonl").read_text(encoding="utf-8").splitlines()
        facts += [Facts.of(json.loads(line)) for line in lines]
    return Part(np.concatenate(pictures), facts)


def build_pieces(
    folder: Path, count: int, make: Callable[[int], Iterable[Pair]], jobs: int
) -> None:
    """Make the pieces 0 to `count` − 1 that are missing, `jobs` at a time."""
    missing = [n for n in range(count) if not (folder / f"{n:05d}.npy").exists()]
    if not missing:
        return
    # Started afresh, not forked: OpenCV and FFmpeg hold threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(missing)), mp_context=context) as pool:
        for _ in pool.map(partial(_build, folder, make), missing, chunksize=1):
            pass


def _build(folder: Path, make: Callable[[int], Iterable[Pair]], number: int) -> None:
    cv2.setNumThreads(1)
    write_piece(folder / f"{number:05d}", make(number))


def _none() -> Pictures:
    return np.empty((0, SIZE, SIZE, 3), np.uint8)
