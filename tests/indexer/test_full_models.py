"""Every full model of the short list loads through the one code path, from checkpoints made on
the spot: published weights cannot be had offline. Names, sizes, tokenizers and transforms are the
models' own; what these weights answer means nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch

from indexer.choices import CHOICES, Choice
from indexer.embedder import Embedder
from indexer.weights import Loaded, default_tag, load_weights
from storage.errors import Invalid
from tests.indexer.full_models import make_checkpoint, make_hub

FULL = {choice.name: choice for choice in CHOICES if choice.name != "nano"}
TOKENIZERS = {
    "xlm-roberta-base-ViT-B-32": ("HFTokenizer", 77),
    "ViT-B-16-SigLIP2": ("HFTokenizer", 64),
    "MobileCLIP2-S2": ("SimpleTokenizer", 77),
    "xlm-roberta-large-ViT-H-14": ("HFTokenizer", 77),
}
SEVERAL_SECONDS = ("xlm-roberta-large-ViT-H-14",)  # to embed one picture in float32


@dataclass(frozen=True)
class Case:
    """A model as loaded, and the checkpoint it came from with some of its tensors."""

    choice: Choice
    loaded: Loaded
    file: Path
    tensors: dict[str, torch.Tensor]


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
    """One model at a time: the largest takes 5 GB."""
    name: str = request.param
    file = tmp_path_factory.mktemp("weights") / "made.safetensors"
    tensors = make_checkpoint(name, file)
    yield Case(FULL[name], load_weights(name, file), file, tensors)
    file.unlink()


def test_it_holds_exactly_the_checkpoint(case: Case) -> None:
    state = case.loaded.network.state_dict()
    assert len(case.tensors) == 6
    for key, value in case.tensors.items():
        assert torch.equal(state[key].contiguous(), value.to(state[key].dtype)), key
    assert case.loaded.meaningful
    assert len(case.loaded.weights_hash) == 64


def test_it_is_as_large_as_the_list_says(case: Case) -> None:
    parameters = sum(value.numel() for value in case.loaded.network.parameters()) / 1e6
    assert parameters == pytest.approx(case.choice.parameters_m, rel=0.01)
    config = open_clip.get_model_config(case.choice.name)
    assert config["embed_dim"] == case.choice.dimension


def test_its_tokenizer_is_its_own(case: Case) -> None:
    kind, context = TOKENIZERS[case.choice.name]
    tokenizer = case.loaded.tokenizer
    assert type(tokenizer).__name__ == kind
    tokens = tokenizer(["a white van", "白色面包车"])
    assert tokens.shape == (2, context)
    assert not torch.equal(tokens[0], tokens[1])


def test_its_transform_is_that_of_its_training(case: Case) -> None:
    name = case.choice.name
    tag = default_tag(name, open_clip.list_pretrained_tags_by_model(name))
    assert tag is not None
    training = open_clip.get_pretrained_cfg(name, tag)
    ours = case.loaded.network.visual.preprocess_cfg  # type: ignore[union-attr]
    for key in ("mean", "std", "interpolation", "resize_mode"):
        if training.get(key) is not None:
            wanted = training[key]
            assert ours[key] == (tuple(wanted) if isinstance(wanted, list) else wanted), key
    size = open_clip.get_model_config(name)["vision_cfg"]["image_size"]
    assert case.loaded.image_size == (size, size)


def test_it_embeds_pictures_and_both_languages(case: Case) -> None:
    if case.choice.name in SEVERAL_SECONDS:
        pytest.skip("its forward pass takes too long for a test; its loading was tested")
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
    with pytest.raises(Invalid, match=r"is not one of nano"):
        load_weights("nano", case.file)


def test_its_checkpoint_cut_short_is_refused(case: Case, tmp_path: Path) -> None:
    short = tmp_path / "short.safetensors"
    with case.file.open("rb") as whole:
        short.write_bytes(whole.read(5_000_000))
    with pytest.raises(Invalid, match="truncated"):
        load_weights(case.choice.name, short)
