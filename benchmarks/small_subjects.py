"""Small subjects by words: recall@10 with vectors of regions against whole frames only.

Everything that happens on two made cameras (`day_stream`), each event minute followed by quiet
ones; every description is asked for in English and in Chinese, over both cameras.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from benchmarks import day_stream
from benchmarks.day_finding import Asked, ask, rows, slack_us
from benchmarks.day_minutes import BUSY
from benchmarks.day_truth import Event
from benchmarks.house import house
from benchmarks.report import report
from storage.directory import DataDirectory, open_directory

CAMERAS = ("yard", "road")
BETTER = 2.0  # wanted
INTERVAL_S = 2.0
WAYS = {"regions": "regions = 8\n", "whole_frames": "regions = 0\nsensitivity = 1\n"}
# What stands between the event minutes: the same light, and nothing happens.
_BETWEEN = {
    "day": ("grey-1", "noon-2"), "rain": ("rain-1", "rain-2"), "dusk": ("dusk-still", "dusk-2"),
    "ir": ("night-1", "night-3"),
}  # fmt: skip


def main() -> None:
    """Index both ways, ask the same."""
    if not day_stream.available():
        print("real clips and crops are absent: small subjects are not measured")  # noqa: T201
        return
    made = day_stream.day(day_stream.cache())
    names = [name for busy, sky in BUSY.items() for name in (busy, *_BETWEEN[sky.name])]
    truth = {
        camera: [event for event in made.truth(camera, names) if event.small] for camera in CAMERAS
    }
    asked: dict[str, dict[str, list[Asked]]] = {}
    for way, settings in WAYS.items():
        with indexed(made, names, settings) as directory:
            asked[way] = {
                lang: ask(directory, truth, lang, slack_us=slack_us(INTERVAL_S))
                for lang in ("en", "zh")
            }
            found = rows(directory)
            print(f"{way}: {len(found)} vectors, "  # noqa: T201
                  f"{sum(row.kind == 'region' for row in found)} of regions")  # fmt: skip
    events = sum(map(len, truth.values()))
    for lang in ("en", "zh"):
        ours, peer = (asked[way][lang] for way in WAYS)
        unit = f"of {events} events by {len(ours)} sentences, wanted {BETTER:g} x"
        report(f"small_subjects_recall_10_{lang}", _recall(ours), unit, "whole frames",
               _recall(peer))  # fmt: skip
        report(f"small_subjects_top_10_{lang}", _hit(ours), "of sentences", "whole frames",
               _hit(peer))  # fmt: skip
    coloured = _coloured(truth)
    for lang in ("en", "zh"):
        ours, peer = ([one for one in asked[way][lang] if one.text in coloured] for way in WAYS)
        unit = f"of {len(ours)} sentences that say a colour"
        report(f"small_subjects_coloured_recall_10_{lang}", _recall(ours), unit, "whole frames",
               _recall(peer))  # fmt: skip


@contextmanager
def indexed(made: day_stream.Day, names: list[str], settings: str) -> Iterator[DataDirectory]:
    """Both cameras with these minutes, indexed."""
    with house(f"[indexer]\ninterval_s = {INTERVAL_S}\n{settings}") as one:
        directory = open_directory(one.root / "data")
        try:
            for camera in CAMERAS:
                day_stream.install(made, directory, camera, names)
            one.run("index")
            yield directory
        finally:
            directory.close()


def _coloured(truth: dict[str, list[Event]]) -> set[str]:
    every = [event for events in truth.values() for event in events if event.colour]
    return {text for event in every for text in (event.en, event.zh)}


def _recall(asked: list[Asked]) -> float:
    return float(np.mean([one.recall for one in asked]))


def _hit(asked: list[Asked]) -> float:
    return float(np.mean([one.found > 0 for one in asked]))


if __name__ == "__main__":
    main()
