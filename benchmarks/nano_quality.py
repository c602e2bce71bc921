"""How well the default model finds: held-out real crops, unseen made scenes, real clips by query,
agreement of the two languages, and its speed. Each against chance or the target it was given.

Crops and clips are read from `shared/` beside the checkout; without them it says so and measures
the rest.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

import numpy as np

from benchmarks.house import SHARED_FOOTAGE, House, clips, house
from benchmarks.report import report
from indexer.embedder import Embedder, load_model
from indexer.evaluation import Evaluation, evaluate, never_taught, read_captions
from indexer.nano.examination import examine
from indexer.nano.train import SEED

CAPTIONS = SHARED_FOOTAGE.parent / "captions"
# A model trained for 28 CPU-minutes from nothing on such crops, without made pictures.
BASELINE = {"map": 0.33, "r@10": 0.20}
PARITY_TARGET, CLIP_TARGETS, MADE_TARGET, SPEED_TARGET = 0.7, {1: 0.5, 5: 0.85}, 0.9, 300.0
START = "2026-01-01T00:00:00Z"
BATCH, SPEED_S = 32, 8.0


def main() -> None:
    """Everything about nano as it is shipped."""
    cores = len(os.sched_getaffinity(0))
    embedder = load_model("nano", threads=cores)
    if CAPTIONS.is_dir():
        _crops(embedder)
    else:
        print(f"captioned crops are absent ({CAPTIONS}): not measured")  # noqa: T201
    _made(embedder)
    _speed(embedder)
    if (SHARED_FOOTAGE / "queries.jsonl").is_file():
        _queries(embedder)
    else:
        print(f"real clips are absent ({SHARED_FOOTAGE}): not measured")  # noqa: T201


def _crops(embedder: Embedder) -> None:
    pictures = never_taught(read_captions(CAPTIONS), embedder.taught_clips)
    found = evaluate(embedder, pictures)
    _scores("crops", found)
    report("nano_parity", found.parity.overlap, "of the top 10", "target", PARITY_TARGET)
    cameras = [p for p in pictures if not _seen_camera(p.clip, embedder.taught_clips)]
    _scores("crops_of_unseen_cameras", evaluate(embedder, cameras))


def _scores(name: str, found: Evaluation) -> None:
    for lang, scores in found.scores.items():
        report(f"nano_{name}_map_{lang}", scores.map, f"of {found.pictures}, {found.tags} tags",
               "chance", found.chance.map)  # fmt: skip
        for rank, value in scores.recall.items():
            report(f"nano_{name}_r{rank}_{lang}", value, "caption→crop", "chance",
                   found.chance.recall[rank])  # fmt: skip
        report(f"nano_{name}_map_{lang}_baseline", scores.map, "mAP", "baseline", BASELINE["map"])


def _seen_camera(clip: str | None, taught: frozenset[str]) -> bool:
    """Whether another clip of that camera was trained on."""
    from indexer.nano.real import camera_of

    return clip is not None and camera_of(clip) in {camera_of(one) for one in taught}


def _made(embedder: Embedder) -> None:
    found = examine(embedder)
    for lang in ("en", "zh"):
        report(f"nano_made_map_{lang}", found.map[lang], f"of {found.claims} claims", "chance",
               found.chance)  # fmt: skip
        report(f"nano_made_map_{lang}_target", found.map[lang], "mAP", "target", MADE_TARGET)
        report(f"nano_made_crops_map_{lang}", found.crops[lang], "mAP", "target", MADE_TARGET)
    taught = examine(embedder, seed=SEED)
    report("nano_made_map_en_of_training", taught.map["en"], "mAP", "unseen", found.map["en"])
    for group, row in found.groups.items():
        report(f"nano_made_{group}", row["en"], "mAP", "chance", row["chance"])


def _speed(embedder: Embedder) -> None:
    rng = np.random.default_rng(1)
    pictures = [rng.integers(0, 255, (360, 640, 3), dtype=np.uint8) for _ in range(BATCH)]
    prepared = [embedder.prepare(picture) for picture in pictures]
    embedder.embed_prepared(prepared)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < SPEED_S:
        embedder.embed_prepared(prepared)
        count += BATCH
    rate = count / (time.perf_counter() - start)
    report(f"nano_embeds_{embedder.precision}", rate, "pictures/s", "target", SPEED_TARGET)


def _queries(embedder: Embedder) -> None:
    """Import, index and search every clip through the command line, each as its own camera."""
    lines = (SHARED_FOOTAGE / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    queries = [json.loads(line) for line in lines]
    with house() as made:
        names: dict[str, str] = {}
        for number, file in enumerate(clips(made.root)):
            camera = f"clip-{number:02d}"
            made.run("import", str(file), "--camera", camera, "--start", START)
            names[camera] = file.name
        made.run("index")
        for lang in ("en", "zh"):
            places = [_place(made, query, lang, names) for query in queries]
            for rank, target in CLIP_TARGETS.items():
                share = float(np.mean([place <= rank for place in places]))
                report(f"nano_clips_r{rank}_{lang}", share, f"of {len(queries)} queries", "target",
                       target)  # fmt: skip
            fresh = [
                place
                for place, query in zip(places, queries, strict=True)
                if not set(query["clips"]) & embedder.taught_clips
            ]
            print(f"of these, {len(fresh)} ask for clips never trained on: places {fresh}")  # noqa: T201


def _place(made: House, query: dict[str, Any], lang: str, names: dict[str, str]) -> int:
    """At which place, from 1, the first right clip is; past all when it is not found."""
    answer = made.json("search", query[lang], "--top", "60")
    found = list(dict.fromkeys(names[moment["camera"]] for moment in answer["moments"]))
    right = [place for place, clip in enumerate(found, 1) if clip in query["clips"]]
    return min(right, default=len(names) + 1)


if __name__ == "__main__":
    main()
