"""mAP and recall are what they say, on made pictures and on the captioned crops."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexer.embedder import Embedder
from indexer.evaluation import (
    average_precision,
    evaluate,
    measure_parity,
    never_taught,
    read_captions,
    tag_queries,
)
from indexer.tags import COLOURS, TYPES
from storage.errors import DataLoss, Invalid, NotFound
from tests.indexer.clips import numbered_picture
from tests.indexer.conftest import CommandLine


def write_captions(folder: Path, count: int = 12, clips: Sequence[str] = ()) -> Path:
    """`clips`: of the first pictures; the others name none."""
    (folder / "crops").mkdir(parents=True)
    lines = []
    for i in range(count):
        Image.fromarray(numbered_picture(i, (120, 80))).save(folder / "crops" / f"{i}.jpg")
        colour = "red" if i % 2 else "blue"
        entry = {
            "file": f"crops/{i}.jpg", "en": [f"a {colour} car number {i}"], "zh": [f"{i}号车"],
            "objects": [["car", colour], ["spaceship", None], *([["person", None]] * (i < 3))],
        }  # fmt: skip
        if i < len(clips):
            entry["clip"] = clips[i]
        lines.append(json.dumps(entry, ensure_ascii=False))
    (folder / "captions.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


def test_average_precision_of_a_known_ranking() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.6], np.float32)
    assert average_precision(scores, np.array([True, False, True, False])) == pytest.approx(5 / 6)
    assert average_precision(scores, np.array([True, True, False, False])) == 1
    assert average_precision(scores, np.array([False, False, False, True])) == 0.25


def test_tag_queries_are_the_same_in_both_languages(tmp_path: Path) -> None:
    queries = [texts for texts, _ in tag_queries(read_captions(write_captions(tmp_path)))]
    # 'car' is in every picture, 'person' in too few, 'spaceship' has no Chinese here.
    assert queries == [
        {"en": "a blue car", "zh": "蓝色汽车"},
        {"en": "a red car", "zh": "红色汽车"},
    ]


def test_a_model_to_which_all_is_one_gets_no_recall(tmp_path: Path, nano: Embedder) -> None:
    class Constant(Embedder):
        def __init__(self) -> None:
            self.dimension = 4

        def embed_images(
            self, pictures: object
        ) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
            return np.full((len(pictures), 4), 0.5, np.float32)  # type: ignore[arg-type]

        embed_texts = embed_images

    found = evaluate(Constant(), read_captions(write_captions(tmp_path, 12)))
    assert found.scores["en"].recall == {1: 0.0, 5: 0.0, 10: 0.0}
    assert measure_parity(Constant(), np.full((30, 4), 0.5, np.float32)).overlap == 0


def test_parity_is_what_both_languages_find_first() -> None:
    class Speaks(Embedder):
        """Reads English only, or both languages alike."""

        def __init__(self, *, chinese: bool) -> None:
            self.chinese = chinese

        def embed_texts(
            self, texts: Sequence[str]
        ) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
            forwards = [[1.0, 0.0] if self.chinese or t.isascii() else [-1.0, 0.0] for t in texts]
            return np.array(forwards, np.float32)

    vectors = np.stack([np.linspace(-1, 1, 40), np.zeros(40)], axis=1).astype(np.float32)
    found = measure_parity(Speaks(chinese=True), vectors)
    assert found.document() == {
        "overlap": 1.0, "queries": len(TYPES) * (1 + len(COLOURS)), "chance": 0.25,
    }  # fmt: skip
    assert measure_parity(Speaks(chinese=False), vectors).overlap == 0
    assert measure_parity(Speaks(chinese=False), vectors[:5]).chance == 1  # all five, either way


def test_pictures_of_training_clips_are_told_from_others(tmp_path: Path) -> None:
    pictures = read_captions(write_captions(tmp_path, 4, ["taught.mp4", "other.mp4"]))
    assert [one.clip for one in pictures] == ["taught.mp4", "other.mp4", None, None]
    assert never_taught(pictures, frozenset(["taught.mp4"])) == pictures[1:]
    assert never_taught(pictures, frozenset()) == pictures


def test_eval_leaves_out_what_the_model_was_trained_with(
    tmp_path: Path, hindsight: CommandLine, nano: Embedder
) -> None:
    taught = min(nano.taught_clips)
    some = write_captions(tmp_path / "some", 12, [taught] * 3 + ["other.mp4"])
    found = hindsight.json("model", "eval", "--captions", some)
    assert (found["pictures"], found["left_out"], found["taught"]) == (9, 3, 0)
    assert set(found["parity"]) == {"overlap", "queries", "chance"}
    assert "3 pictures of clips" in hindsight("model", "eval", "--captions", some).out
    found = hindsight.json("model", "eval", "--captions", some, "--all")
    assert (found["pictures"], found["left_out"], found["taught"]) == (12, 0, 3)
    every = write_captions(tmp_path / "every", 6, [taught] * 6)
    said = hindsight("model", "eval", "--captions", every)
    assert "nano: 6 pictures" in said.out
    assert "6 of these pictures are of clips the model was trained with" in said.out
    assert "略去" in hindsight("--lang", "zh", "model", "eval", "--captions", every).out


def test_broken_captions_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"has no captions\.jsonl"):
        read_captions(tmp_path / "nowhere")
    folder = write_captions(tmp_path / "a")
    (folder / "captions.jsonl").write_text('{"file": "x"}\n')
    with pytest.raises(Invalid, match="line 1 of"):
        read_captions(folder)
    (folder / "captions.jsonl").write_text("\n")
    with pytest.raises(Invalid, match="no captioned picture"):
        read_captions(folder)


def test_broken_pictures_are_named(tmp_path: Path, nano: Embedder) -> None:
    folder = write_captions(tmp_path, 3)
    (folder / "crops" / "1.jpg").write_bytes(b"not a picture")
    with pytest.raises(DataLoss, match=r"1\.jpg cannot be read"):
        evaluate(nano, read_captions(folder))
    (folder / "crops" / "1.jpg").unlink()
    with pytest.raises(NotFound, match=r"1\.jpg of the captions is missing"):
        evaluate(nano, read_captions(folder))


def test_the_captioned_crops_are_evaluated_in_the_shape_of_the_interface(
    captions: Path, tmp_path: Path, hindsight: CommandLine
) -> None:
    """Every sixth crop, to be quick; `model eval` on all of them takes the same path."""
    lines = (captions / "captions.jsonl").read_text(encoding="utf-8").splitlines()[::6]
    entries = [json.loads(line) for line in lines]
    for entry in entries:
        entry["file"] = str(captions / entry["file"])
    folder = tmp_path / "some"
    folder.mkdir()
    text = "\n".join(json.dumps(entry) for entry in entries)
    (folder / "captions.jsonl").write_text(text, encoding="utf-8")
    found = hindsight.json("model", "eval", "--captions", folder, "--all")
    assert found["pictures"] == len(entries)
    assert found["model"] == "nano"
    for lang in ("en", "zh"):
        assert set(found[lang]) == {"map", "r@1", "r@5", "r@10"}
        assert all(0 <= value <= 1 for value in found[lang].values())
    assert found["chance"]["r@10"] == pytest.approx(10 / len(entries), abs=1e-4)
    assert found["tags"] >= 15
