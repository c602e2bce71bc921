"""Renders several scenes at a time, each in a process of its own."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2

from .clip import render_scene
from .spec import SceneSpec
from .truth import SceneTruth


def render_scenes(specs: list[SceneSpec], paths: list[Path], jobs: int) -> Iterator[SceneTruth]:
    """Write one clip for each spec, `jobs` at a time; yields the truths in order."""
    if jobs <= 1 or len(specs) <= 1:
        yield from map(_alone, specs, paths)
        return
    # Started afresh, not forked: OpenCV and FFmpeg hold threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(specs)), mp_context=context) as pool:
        yield from pool.map(_alone, specs, paths)


def _alone(spec: SceneSpec, path: Path) -> SceneTruth:
    cv2.setNumThreads(1)  # the pictures are small: threads cost more than they bring
    return render_scene(spec, path)
