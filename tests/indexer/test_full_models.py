"""Every full model of the short list loads through the one code path, from checkpoints made on
the spot: published weights cannot be had offline. Names, sizes, tokenizers and transforms are the
models' own; what these weights answer means nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from indexer.choices import CHOICES, Choice
from indexer.embedder import Embedder
from indexer.weights import PREPROCESS_KEYS, Loaded, default_tag, hash_weights, load_weights
from storage.errors import Invalid
from tests.indexer.full_models import make_checkpoint, make_hub

FULL = {choice.name: choice for choice in CHOICES if choice.name != "nano"}
HUB, OWN = "HFTokenizer", "SimpleTokenizer"
# Kind, context length, what it does not tell apart; numbers before and behind a text, and of the
# padding, which is on the right.
TOKENIZERS = {
    "xlm-roberta-base-ViT-B-32": (HUB, 77, "", 0, 2, 1),
    "ViT-B-16-SigLIP2": (HUB, 64, "case, punctuation", None, 1, 0),
    "MobileCLIP2-S2": (OWN, 77, "case", 49406, 49407, 0),
    "xlm-roberta-large-ViT-H-14": (HUB, 77, "", 0, 2, 1),
}
# Whom each is mistaken for: the smaller sister with the same names, else what is quick to build.
MISTAKEN = {
    "xlm-roberta-base-ViT-B-32": "MobileCLIP2-S2",
    "ViT-B-16-SigLIP2": "MobileCLIP2-S2",
    "MobileCLIP2-S2": "ViT-B-16-SigLIP2",
    "xlm-roberta-large-ViT-H-14": "xlm-roberta-base-ViT-B-32",
}
STEP = 97  # one number in so many of every tensor is compared; all of them take 8 s


@dataclass(frozen=True)
class Case:
    """A model as loaded, and the checkpoint it came from."""

    choice: Choice
    loaded: Loaded
    file: Path


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A hub cache made here; nothing else is within reach."""
    folder = tmp_path_factory.mktemp("hub")
    make_hub(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder))
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        yield folder


@pytest.fixture(scope="module", params=list(FULL))
def case(
    request: pytest.FixtureRequest, offline: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Case]:
    """One model at a time: the largest takes 5 GB, and 8 while it is loaded."""
    name: str = request.param
    file = tmp_path_factory.mktemp("weights") / "made.safetensors"
    make_checkpoint(name, file)
    yield Case(FULL[name], load_weights(name, file), file)
    file.unlink()


def test_it_holds_exactly_the_checkpoint(case: Case) -> None:
    state = case.loaded.network.state_dict()
    with safe_open(case.file, framework="pt") as made:
        assert set(made.keys()) == set(state)
        for key, value in state.items():
            wanted = made.get_tensor(key)
            assert value.shape == wanted.shape, key
            found = value.reshape(-1)[::STEP]
            assert torch.equal(found, wanted.reshape(-1)[::STEP].to(value.dtype)), key
    assert case.loaded.meaningful


def test_one_other_number_is_another_model(case: Case) -> None:
    number = next(case.loaded.network.parameters()).view(-1)[:1]
    before = number.clone()
    number += 1
    try:
        assert hash_weights(case.loaded.network) != case.loaded.weights_hash
    finally:
        number.copy_(before)


def test_it_is_as_large_as_the_list_says(case: Case) -> None:
    parameters = sum(value.numel() for value in case.loaded.network.parameters()) / 1e6
    assert parameters == pytest.approx(case.choice.parameters_m, rel=0.01)
    config = open_clip.get_model_config(case.choice.name)
    assert config["embed_dim"] == case.choice.dimension


def test_its_tokenizer_is_its_own(case: Case) -> None:
    kind, context, ignored, first, last, padding = TOKENIZERS[case.choice.name]
    tokenizer = case.loaded.tokenizer
    assert type(tokenizer).__name__ == kind
    if kind == HUB:
        named = open_clip.get_model_config(case.choice.name)["text_cfg"]["hf_tokenizer_name"]
        assert tokenizer.tokenizer.name_or_path == named  # type: ignore[attr-defined]
    plain, chinese, capital, dotted, endless = tokenizer(
        ["a white van", "白色面包车", "A white van", "a white van.", "a white van " * 200]
    )
    assert plain.shape == endless.shape == (context,)
    assert not torch.equal(plain, chinese)
    assert first is None or plain[0] == first
    end = plain.tolist().index(last)
    assert (plain[end + 1 :] == padding).all()
    assert end + 1 < context
    assert endless[-1] == last
    assert torch.equal(plain, capital) == ("case" in ignored)
    assert torch.equal(plain, dotted) == ("punctuation" in ignored)


def test_its_transform_is_that_of_its_training(case: Case) -> None:
    name = case.choice.name
    tag = default_tag(name, open_clip.list_pretrained_tags_by_model(name))
    assert tag is not None
    training = open_clip.get_pretrained_cfg(name, tag)
    ours = case.loaded.network.visual.preprocess_cfg  # type: ignore[union-attr]
    assert {key: ours[key] for key in PREPROCESS_KEYS} == {
        key: training[key] for key in PREPROCESS_KEYS
    }
    size = open_clip.get_model_config(name)["vision_cfg"]["image_size"]
    assert case.loaded.image_size == (size, size)
    resize = case.loaded.transform.transforms[0]  # type: ignore[attr-defined]
    assert resize.interpolation.value == training["interpolation"]
    # What it does to a picture twice as wide as high, grey with a red edge.
    picture = np.full((size, 2 * size, 3), 128, np.uint8)
    picture[:, : size // 4] = (255, 0, 0)
    prepared = case.loaded.transform(Image.fromarray(picture))
    assert prepared.shape == (3, size, size)
    mean, std = torch.tensor(training["mean"]), torch.tensor(training["std"])
    assert torch.allclose(prepared[:, size // 2, size // 2], (128 / 255 - mean) / std, atol=1e-5)
    red = torch.allclose(prepared[:, 9, 0], (torch.tensor([1.0, 0, 0]) - mean) / std, atol=1e-5)
    assert red == (training["resize_mode"] == "squash")  # the others crop the edge


def test_it_embeds_pictures_and_both_languages(case: Case) -> None:
    # In float32: the bfloat16 self-check of eight pictures is tested by itself, and costs a minute.
    embedder = Embedder(case.loaded, case.loaded.network, "float32")
    assert embedder.dimension == case.choice.dimension
    picture = np.random.default_rng(1).integers(0, 255, (120, 200, 3), dtype=np.uint8)
    for vectors in (
        embedder.embed_images([picture]),
        embedder.embed_texts(["a white van on a wet road", "湿路面上的白色面包车"]),
    ):
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
        assert np.isfinite(vectors).all()


def test_it_knows_every_word(case: Case) -> None:
    assert case.loaded.lexicon is None


def test_its_checkpoint_is_no_other_model_s(case: Case) -> None:
    other = MISTAKEN[case.choice.name]
    with pytest.raises(Invalid, match=f"is not one of {other} "):
        load_weights(other, case.file)


def test_its_checkpoint_cut_short_is_refused(case: Case, tmp_path: Path) -> None:
    short = tmp_path / "short.safetensors"
    with case.file.open("rb") as whole:
        short.write_bytes(whole.read(5_000_000))  # all of the header
    for size in (case.file.stat().st_size - 1, 5_000_000, 1000):
        os.truncate(short, size)  # the largest is a hole for the most part, and costs no disk
        with pytest.raises(Invalid, match="truncated"):
            load_weights(case.choice.name, short)


def test_a_checkpoint_without_one_of_its_tensors_is_refused(offline: Path, tmp_path: Path) -> None:
    """What it does not give would be whatever was in memory."""
    file = tmp_path / "made.safetensors"
    make_checkpoint("MobileCLIP2-S2", file)
    state = load_file(file)
    del state["visual.trunk.stem.0.conv_scale.bn.running_mean"]
    save_file(state, file)
    with pytest.raises(Invalid, match="is not one of MobileCLIP2-S2"):
        load_weights("MobileCLIP2-S2", file)
    file.unlink()
