"""The gates of the cameras, kept across segments and restarts: bounded in memory, one file each.

A file may be lost or damaged: the camera's next picture is new then, and nothing else happens.
"""

from __future__ import annotations

import json
import logging
import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from indexer.bustle import Bustle
from indexer.following import Following, Subject
from indexer.novelty import Gate
from indexer.scene import Scene
from storage.events import EventKind

FORMAT = 1
SAVE_EVERY_US = 300_000_000  # of footage; a kill costs so much learning
log = logging.getLogger(__name__)


class Memory:
    """Gates by camera, the least recently used ones on disk only."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._gates: OrderedDict[int, Gate] = OrderedDict()
        self._saved_us: dict[int, int] = {}

    def gate(self, camera_id: int) -> Gate:
        """The camera's, from memory or disk; a new one where nothing is known."""
        gate = self._gates.pop(camera_id, None)
        if gate is None:
            gate = self._load(camera_id) or Gate()
            self._saved_us[camera_id] = gate.looked_us or 0
        self._gates[camera_id] = gate
        while len(self._gates) > 1 and self._held() > self._most_bytes:
            oldest = next(iter(self._gates))
            self._save(oldest)
            del self._gates[oldest]
        return gate

    def used(self, camera_id: int) -> None:
        """A segment of the camera is done: save its gate when it has learnt for long."""
        gate = self._gates[camera_id]
        if abs((gate.looked_us or 0) - self._saved_us[camera_id]) >= SAVE_EVERY_US:
            self._save(camera_id)

    def keep(self) -> None:
        """Save all."""
        for camera_id in self._gates:
            self._save(camera_id)

    def _held(self) -> int:
        return sum(gate.memory_bytes for gate in self._gates.values())

    def _file(self, camera_id: int) -> Path:
        return self._folder / f"camera-{camera_id}.npz"

    def _save(self, camera_id: int) -> None:
        gate = self._gates[camera_id]
        if gate.scene is None or self._saved_us[camera_id] == gate.looked_us:
            return
        file = self._file(camera_id)
        unfinished = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with unfinished.open("wb") as target:  # not synced: it may be lost
                np.savez(target, **_arrays(gate))
            unfinished.replace(file)
        except OSError as error:
            log.warning("what camera %d usually shows is not kept: %s", camera_id, error)
            unfinished.unlink(missing_ok=True)
        self._saved_us[camera_id] = gate.looked_us or 0

    def _load(self, camera_id: int) -> Gate | None:
        try:
            with (
                self._file(camera_id).open("rb") as source,
                np.load(source, allow_pickle=False) as arrays,
            ):
                return _gate({name: arrays[name] for name in arrays.files})
        except FileNotFoundError:
            return None
        except Exception as error:  # whatever is wrong with a cache, it is made anew
            log.warning("what camera %d usually shows is learnt anew: %s", camera_id, error)
            return None


def _arrays(gate: Gate) -> dict[str, Any]:
    scene = gate.scene
    assert scene is not None
    facts = {
        "format": FORMAT, "contours": scene.contours, "looks": scene.looks,
        "looked_us": gate.looked_us, "whole_us": gate.whole_us, "whole_share": gate.whole_share,
        "drift": gate.drift, "distrust_us": gate.distrust_us, "strange_us": gate.strange_us,
        "bad": gate.bad, "told": gate.watch.told, "shows": gate.watch.shows,
        "since_us": gate.watch.since_us,
        "subjects": [
            [list(one.box), one.seen_us, one.embedded_us, one.embedded_area]
            for one in gate.following.subjects
        ],
    }  # fmt: skip
    looks = [(one.looks, one.embedded_looks) for one in gate.following.subjects]
    return {
        "facts": np.frombuffer(json.dumps(facts).encode(), np.uint8),
        "values": scene.values,
        "mean": np.clip(scene.mean, 0, 255).astype(np.float16),
        "quiet": np.array(gate.bustle.quiet, np.float64).reshape(-1, 2),
        "looks": np.array(looks, np.float16),
    }


def _gate(arrays: dict[str, Any]) -> Gate:
    facts = json.loads(arrays["facts"].tobytes())
    if facts["format"] != FORMAT:
        raise ValueError(f"format {facts['format']}")
    values = arrays["values"]
    if values.dtype != np.uint8 or values.ndim != 4 or values.shape[1:] != arrays["mean"].shape:
        raise ValueError("wrong shape")
    scene = Scene(values[0])
    scene.values = values
    scene.mean = arrays["mean"].astype(np.float32)
    scene.looks = int(facts["looks"])
    scene.contours = float(facts["contours"])
    scene.refresh()
    gate = Gate()
    gate.scene = scene
    gate.bustle = Bustle([(float(mean), float(burst)) for mean, burst in arrays["quiet"]])
    gate.following = Following()
    for (box, seen_us, embedded_us, area), (looks, then) in zip(
        facts["subjects"], arrays["looks"].astype(np.float32), strict=True
    ):
        x, y, w, h = (int(side) for side in box)
        gate.following.subjects.append(
            Subject((x, y, w, h), looks, int(seen_us), int(embedded_us), then, int(area))
        )
    gate.looked_us, gate.whole_us = facts["looked_us"], facts["whole_us"]
    gate.whole_share, gate.drift = float(facts["whole_share"]), float(facts["drift"])
    gate.distrust_us, gate.strange_us = int(facts["distrust_us"]), facts["strange_us"]
    gate.bad = int(facts["bad"])
    gate.watch.told, gate.watch.shows = _event(facts["told"]), _event(facts["shows"])
    gate.watch.since_us = int(facts["since_us"])
    return gate


def _event(word: str | None) -> EventKind | None:
    return None if word is None else EventKind(word)
