"""What the shipped nano makes of the real clips: vectors of pictures and of words, to grow from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.house import SHARED_FOOTAGE, clips, house
from storage import generations, lake
from storage.directory import open_directory

Floats = npt.NDArray[np.float32]
Int64s = npt.NDArray[np.int64]
START = "2026-01-01T00:00:00Z"
CAPTIONS = SHARED_FOOTAGE.parent / "captions" / "captions.jsonl"
# Every half second and things seen again after two: what a camera does within a minute, often
# enough to tell how it varies.
OFTEN = "[indexer]\nthreads = 1\ninterval_s = 0.5\nregion_again_s = 2\nsensitivity = 0.8\n"


@dataclass(frozen=True, slots=True, eq=False)
class Real:
    """n rows of real clips (vectors L2-normalised), and m sentences somebody wrote about them."""

    vectors: Floats  # (n, dimension)
    clip: Int64s
    scene: Int64s  # of every clip, by its number: clips of one camera share it
    ts_us: Int64s
    frame: npt.NDArray[np.bool_]  # a whole picture, not a region
    box: npt.NDArray[np.int32]  # (n, 4) x, y, w, h
    texts: Floats  # (m, dimension): the queries first, then captions


def available() -> bool:
    """Whether the clips lie beside the checkout."""
    return (SHARED_FOOTAGE / "queries.jsonl").is_file()


def real(cache: Path) -> Real:
    """Import and index every clip as a camera of its own; kept in `cache` (2 minutes else)."""
    kept = cache / "real.npz"
    if not kept.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        with house(OFTEN) as made:
            for number, file in enumerate(clips(made.root)):
                made.run("import", str(file), "--camera", f"clip-{number}", "--start", START)
            made.run("index")
            columns = _rows(made.root / "data")
            from indexer.nano.real import camera_of

            names = [camera_of(file.name) for file in clips(made.root)]
        scene = np.unique(names, return_inverse=True)[1].astype(np.int64)
        texts = _texts()
        with kept.open("wb") as target:
            np.savez(target, texts=texts, scene=scene, **columns)  # type: ignore[arg-type]
    with np.load(kept) as read:
        return Real(**{name: read[name] for name in read.files})


def _rows(root: Path) -> dict[str, npt.NDArray[np.generic]]:
    directory = open_directory(root)
    try:
        with directory.ledger.read() as tx:
            generation = generations.active_generation(tx)
            assert generation is not None
            live = generations.live_parts(tx, generation.id)
        pieces = [lake.read_part(directory.lake, part, generation) for part in sorted(live)]
    finally:
        directory.close()
    facts = [row for table, _ in pieces for row in table.to_pylist()]
    boxes = [[row[side] or 0 for side in "xywh"] for row in facts]
    return {
        "vectors": np.concatenate([vectors for _, vectors in pieces]).astype(np.float32),
        "clip": np.array([row["camera_id"] - 1 for row in facts], dtype=np.int64),
        "ts_us": np.array([row["ts_us"] for row in facts], dtype=np.int64),
        "frame": np.array([row["kind"] == "frame" for row in facts]),
        "box": np.array(boxes, dtype=np.int32),
    }


def _texts() -> Floats:
    """What people would type, and what others wrote of the same clips; English and Chinese."""
    from indexer.embedder import load_model

    said: list[str] = []
    for line in (SHARED_FOOTAGE / "queries.jsonl").read_text(encoding="utf-8").splitlines():
        query = json.loads(line)
        said += [query["en"], query["zh"]]
    if CAPTIONS.is_file():
        for line in CAPTIONS.read_text(encoding="utf-8").splitlines():
            caption = json.loads(line)
            said += [caption["en"][0], caption["zh"][0]]
    return load_model("nano", threads=1).embed_texts(list(dict.fromkeys(said)))
