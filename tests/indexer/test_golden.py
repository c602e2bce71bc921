"""Golden queries: the same pictures every time; who passes, who is refused, and for what."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from indexer import golden
from indexer.embedder import Embedder, load_model
from indexer.golden import EDITION, MARGIN, ask, golden_pictures, judge, mean_precision, measure
from indexer.weights import load_weights
from storage.standings import Golden

Floats = npt.NDArray[np.float32]
MINE = Golden(EDITION, 0.6, 0.2, 0.2)


def test_the_pictures_are_the_same_in_every_run_and_all_different() -> None:
    first = golden_pictures()
    golden._rendered.cache_clear()
    again = golden_pictures()
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert len({picture.tobytes() for picture in first}) == len(first) == 16
    for lang in ("en", "zh"):
        assert len(set(golden.sentences(lang))) == len(first)


def test_the_default_model_answers_and_chance_does_not(nano: Embedder) -> None:
    found = measure(nano)
    assert found.fault is None
    assert found.en > 0.85
    assert found.zh > 0.85
    assert found.chance == pytest.approx(0.211, abs=0.001)
    blind = measure(load_model("nano", threads=1, untrained=True))
    assert max(blind.en, blind.zh) < blind.chance + MARGIN


def test_weights_drawn_at_random_are_never_mistaken_for_a_model() -> None:
    loaded = load_weights("nano", None)
    embedder = Embedder(loaded, loaded.network, "float32")
    for seed in range(20):
        drawn = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for tensor in loaded.network.parameters():
                if tensor.ndim > 1:
                    tensor.copy_(torch.randn(tensor.shape, generator=drawn) * tensor.std())
        found = measure(embedder)
        assert found.en < found.chance + MARGIN


def test_equal_vectors_for_all_are_no_finding() -> None:
    assert mean_precision(np.ones((4, 4), np.float32)) == pytest.approx(0.25)
    assert mean_precision(np.eye(4, dtype=np.float32)) == 1


class Odd:
    """A model with something wrong with its vectors."""

    model, weights_hash, preprocess_hash = "odd", "a" * 64, "b" * 64

    def __init__(self, fault: str) -> None:
        self.fault, self.calls = fault, 0

    def embed_texts(self, texts: list[str]) -> Floats:
        return np.eye(len(texts), 32, dtype=np.float32)

    def embed_images(self, pictures: list[npt.NDArray[np.uint8]]) -> Floats:
        self.calls += 1
        rows = np.eye(len(pictures), 32, dtype=np.float32)
        if self.fault == "infinite":
            rows[0, 0] = np.nan
        if self.fault == "long":
            rows *= 1.1
        if self.fault == "unsteady" and self.calls > 1:
            rows = np.roll(rows, 1, axis=1)
        return rows


@pytest.mark.parametrize("fault", ["infinite", "long", "unsteady"])
def test_vectors_that_are_none_are_refused_whatever_they_answer(fault: str) -> None:
    found = measure(Odd(fault))  # type: ignore[arg-type]
    assert found.fault == fault
    assert found.refused


def test_answers_are_remembered_by_weights(tmp_path: Path) -> None:
    odd = Odd("")
    first = ask(odd, tmp_path / "golden")  # type: ignore[arg-type]
    calls = odd.calls
    assert first.en == 1
    assert ask(odd, tmp_path / "golden") == first  # type: ignore[arg-type]
    assert odd.calls == calls
    (file,) = (tmp_path / "golden").iterdir()
    for text in ("not JSON", '{"edition": "0", "en": 1, "zh": 1, "chance": 0.2}', "{}"):
        file.write_text(text)
        before = odd.calls
        assert ask(odd, tmp_path / "golden") == first  # type: ignore[arg-type]
        assert odd.calls > before


@pytest.mark.parametrize(
    ("mine", "theirs", "at_home", "refused"),
    [
        (0.6, 0.7, False, False),  # a little worse
        (0.5, 0.7, False, True),  # clearly worse
        (0.5, 0.9, True, False),  # than one that was trained with pictures of this kind
        (0.3, 0.9, True, True),  # no better than chance
        (0.3, 0.45, False, True),  # so too, though not clearly worse
        (0.21, 0.3, False, False),  # what answers now tells nothing apart either
        (0.6, None, False, False),  # what answers now cannot be loaded
        (0.3, None, False, True),
    ],
)
def test_a_successor_must_not_be_clearly_worse(
    mine: float, theirs: float | None, at_home: bool, refused: bool
) -> None:
    other = None if theirs is None else replace(MINE, en=theirs)
    judged = judge(replace(MINE, en=mine), other, 7, at_home=at_home)
    assert judged.refused == refused
    assert (judged.against, judged.theirs) == (7, theirs)


def test_knowing_no_chinese_is_no_reason_to_refuse() -> None:
    assert not judge(replace(MINE, zh=0.1), replace(MINE, zh=0.9), 7, at_home=False).refused
