"""The training program: from nothing to weights that load; paused and gone on; fixed by seed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import load_file

from indexer.embedder import load_model
from indexer.nano.examination import UNSEEN
from indexer.nano.train import build, encode_texts, main
from indexer.weights import NANO_DIR


def train(out: Path, *more: str) -> Result:
    """The command, as small as it can be."""
    small = ("--scenes", "1", "--steps", "3", "--collages", "1")
    return CliRunner().invoke(main, ["--out", str(out), *small, *more])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of three steps on one made scene."""
    out = tmp_path_factory.mktemp("nano") / "whole"
    result = train(out)
    assert result.exit_code == 0, result.output
    return out


def test_its_weights_load_as_any_checkpoint_does(trained: Path) -> None:
    embedder = load_model("nano", trained / "nano.safetensors", threads=1)
    assert embedder.meaningful
    vectors = embedder.embed_texts(["a red car", "红色汽车"])
    assert vectors.shape == (2, embedder.dimension)


def test_words_and_clips_are_written_beside_the_weights(trained: Path) -> None:
    known = json.loads((trained / "lexicon.json").read_text(encoding="utf-8"))
    assert "car" in known["en"]
    assert "汽车" in known["zh"]
    assert json.loads((trained / "clips.json").read_text()) == []  # made scenes alone


def test_a_paused_training_ends_with_the_same_weights(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "paused"
    out.mkdir()
    (out / "corpus").symlink_to(trained / "corpus")
    first = train(out, "--until", "2")
    assert first.exit_code == 0, first.output
    assert not (out / "nano.safetensors").exists()
    second = train(out)
    assert second.exit_code == 0, second.output
    ours, theirs = (load_file(folder / "nano.safetensors") for folder in (out, trained))
    assert ours.keys() == theirs.keys()
    for key, value in ours.items():
        assert torch.equal(value, theirs[key]), key


def test_a_state_of_other_settings_is_refused_and_kept(trained: Path) -> None:
    state = (trained / "state.pt").read_bytes()
    result = train(trained, "--seed", "8")
    assert result.exit_code == 1
    assert "name another --out" in result.output
    assert "Traceback" not in result.output
    assert (trained / "state.pt").read_bytes() == state


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--captions", "nowhere", "--footage", "nowhere"), "has no captions.jsonl"),
        (("--captions", "nowhere"), "go together"),
        (("--seed", str(UNSEEN)), "seed of the examination"),
    ],
)
def test_what_cannot_be_trained_on_is_said_in_one_line(
    trained: Path, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    (tmp_path / "corpus").symlink_to(trained / "corpus")
    result = train(tmp_path, *words)
    assert result.exit_code != 0
    assert said in result.output
    assert "Traceback" not in result.output


def test_texts_without_their_padding_give_the_same_vectors() -> None:
    torch.manual_seed(1)
    network = build().eval()
    tokens = torch.zeros((2, 64), dtype=torch.long)
    tokens[0, :5] = torch.tensor([49406, 320, 736, 1615, 49407])
    tokens[1, :3] = torch.tensor([49406, 1615, 49407])
    with torch.inference_mode():
        whole = encode_texts(network, tokens)
        short = encode_texts(network, tokens[:, :5])
    assert torch.allclose(whole, short, atol=1e-5)


def test_its_towers_are_small() -> None:
    network = build()
    image = sum(value.numel() for value in network.visual.parameters())
    assert image <= 6_000_000
    assert sum(value.numel() for value in network.state_dict().values()) * 2 <= 30_000_000
    settings = json.loads((NANO_DIR / "nano.json").read_text())
    assert 128 <= settings["vision_cfg"]["image_size"] <= 192
