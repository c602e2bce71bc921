"""Models by name and by checkpoint: what loads, what is refused, and that vectors are honest."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import save_file

from indexer.embedder import (
    SMALL,
    UNTRAINED,
    Embedder,
    load_embedder,
    load_model,
    model_warning,
)
from indexer.lexicon import Lexicon
from indexer.succession import choose, ensure_generation
from indexer.weights import NANO_WEIGHTS, find_source, load_weights, read_clips
from storage.errors import Conflict, DataLoss, Invalid, NotFound, Unavailable
from tests.indexer.clips import Archive, numbered_picture

TINY = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 64, "layers": 1, "width": 64, "head_width": 32, "patch_size": 32},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
OTHER = TINY | {"embed_dim": 48}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two architectures that open_clip did not know, with weights made here."""
    folder = tmp_path_factory.mktemp("weights")
    made = {}
    for name, config in (("test-tiny", TINY), ("test-other", OTHER)):
        (folder / f"{name}.json").write_text(json.dumps(config))
        open_clip.add_model_config(folder / f"{name}.json")
        torch.manual_seed(5)
        network = open_clip.create_model(name, load_weights=False, pretrained_text=False)
        made[name] = folder / f"{name}.safetensors"
        save_file({k: v.contiguous() for k, v in network.state_dict().items()}, made[name])
    return made


def pictures(count: int) -> list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    return [numbered_picture(i * 37, (320, 180)) for i in range(count)]


def test_importing_the_embedder_does_not_import_torch() -> None:
    code = (
        "import numpy, storage.errors, storage.vocabulary, sys, time; t = time.process_time();"
        "import indexer.embedder; print(time.process_time() - t, 'torch' in sys.modules)"
    )
    spent, torch_too = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert torch_too == "False"
    assert float(spent) < 0.05


def test_nano_before_its_training_says_so() -> None:
    nano = load_model("nano", threads=1, untrained=True)
    assert (nano.model, nano.meaningful) == ("nano", False)
    assert nano.unknown_words("an elephant") == []  # nothing means anything to it
    assert nano.taught_clips == frozenset()


def test_a_model_names_the_words_it_was_never_taught() -> None:
    taught = Lexicon(english=["car"], chinese=["汽车"])
    loaded = replace(load_weights("nano", None, untrained=True), lexicon=taught)
    nano = Embedder(loaded, loaded.network, "float32")
    assert nano.unknown_words("an elephant near cars") == ["elephant"]
    assert nano.unknown_words("汽车和大象") == ["象"]


def test_shipped_weights_come_with_their_words_and_clips(nano: Embedder, tmp_path: Path) -> None:
    assert nano.meaningful
    assert nano.unknown_words("a red elephant") == ["elephant"]
    assert nano.taught_clips
    # The same weights named as a file are somebody's own: nothing is known of their training.
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(NANO_WEIGHTS.read_bytes())
    own = load_model("nano", copy, threads=1)
    assert own.weights_hash == nano.weights_hash
    assert (own.unknown_words("an elephant"), own.taught_clips) == ([], frozenset())


def test_a_damaged_list_of_training_clips_is_named(tmp_path: Path) -> None:
    assert read_clips(tmp_path / "clips.json") == frozenset()
    (tmp_path / "clips.json").write_text('["a.mp4", ')
    with pytest.raises(DataLoss, match=r"clips\.json cannot be read"):
        read_clips(tmp_path / "clips.json")


def test_nano_gives_unit_vectors(nano: Embedder) -> None:
    vectors = nano.embed_images(pictures(3))
    words = nano.embed_texts(["a white van", "白色面包车", ""])
    for found in (vectors, words):
        assert found.shape == (3, nano.dimension)
        assert found.dtype == np.float32
        assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-5)
    assert nano.embed_images([]).shape == nano.embed_texts([]).shape == (0, nano.dimension)


def test_the_same_weights_give_the_same_vectors_in_any_batch_and_thread(nano: Embedder) -> None:
    again = load_model("nano", threads=1)
    assert again.weights_hash == nano.weights_hash
    assert again.preprocess_hash == nano.preprocess_hash
    together = nano.embed_images(pictures(4))
    alone = np.concatenate([again.embed_images([picture]) for picture in pictures(4)])
    # In bfloat16 another batch is summed in another order, to about three digits.
    close = 1e-5 if nano.precision == "float32" else 1e-2
    assert together == pytest.approx(alone, abs=close)
    with ThreadPoolExecutor(4) as pool:
        texts = [f"car number {i}" for i in range(8)]
        parallel = np.concatenate(list(pool.map(lambda text: nano.embed_texts([text]), texts)))
    assert parallel == pytest.approx(nano.embed_texts(texts), abs=close)


def test_nano_is_small_enough_to_ship() -> None:
    network = open_clip.create_model("nano", load_weights=False, pretrained_text=False)
    assert sum(p.numel() for p in network.visual.parameters()) <= 6_000_000


def test_a_local_checkpoint_loads_with_its_own_transform(checkpoints: dict[str, Path]) -> None:
    embedder = load_model("test-tiny", checkpoints["test-tiny"], threads=1)
    assert (embedder.dimension, embedder.meaningful) == (32, True)
    transform = open_clip.create_model_and_transforms("test-tiny", load_weights=False)[2]
    from PIL import Image

    picture = pictures(1)[0]
    assert torch.equal(embedder.prepare(picture), transform(Image.fromarray(picture)))


def test_a_checkpoint_keeps_the_preprocessing_of_its_architecture() -> None:
    """open_clip forgets it when a local file is named, which then looks like a bad model."""
    import indexer.weights as weights

    source = find_source("ViT-B-16-SigLIP2", Path("somewhere.safetensors"))
    assert source.tag == "webli"
    settings = weights._preprocessing(source)
    assert settings["mean"] == (0.5, 0.5, 0.5)
    assert settings["resize_mode"] == "squash"


def test_published_weights_are_chosen_to_fit_the_architecture() -> None:
    assert find_source("ViT-B-32", None).tag == "datacomp_xl_s13b_b90k"
    assert find_source("ViT-B-32-quickgelu", None).tag == "metaclip_fullcc"
    assert find_source("xlm-roberta-base-ViT-B-32", None).tag == "laion5b_s13b_b90k"
    assert find_source("ViT-B-32/openai", None).tag == "openai"


def test_a_checkpoint_of_another_architecture_is_refused(checkpoints: dict[str, Path]) -> None:
    with pytest.raises(Invalid, match="is not one of test-tiny"):
        load_model("test-tiny", checkpoints["test-other"])


def test_a_truncated_checkpoint_is_refused(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    whole = checkpoints["test-tiny"].read_bytes()
    for size in (0, 4, 100, len(whole) // 2, len(whole) - 1):
        cut = tmp_path / f"cut-{size}.safetensors"
        cut.write_bytes(whole[:size])
        with pytest.raises(Invalid, match="truncated or no safetensors"):
            load_model("test-tiny", cut)


def test_a_pickle_is_refused_whatever_its_name(
    checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    for name in ("model.pt", "model.safetensors"):
        file = tmp_path / name
        torch.save({"a": torch.zeros(2)}, file)
        with pytest.raises(Invalid, match="is a pickle"):
            load_model("test-tiny", file)


def test_a_missing_checkpoint_is_named(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"gone\.safetensors does not exist"):
        load_model("test-tiny", tmp_path / "gone.safetensors")


def test_an_unknown_model_suggests_the_nearest_names() -> None:
    with pytest.raises(NotFound, match="nearest: ViT-B-16-SigLIP2"):
        load_model("vit-b-16-siglip2")
    with pytest.raises(NotFound, match="has no weights named nonsense; there are: openai"):
        load_model("ViT-B-32/nonsense")


def test_an_architecture_without_published_weights_asks_for_a_file() -> None:
    with pytest.raises(Invalid, match="--checkpoint FILE"):
        load_model("ViT-S-16")


def test_a_download_that_fails_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(Unavailable, match=r"cannot be downloaded.*--checkpoint FILE"):
        load_model("ViT-B-32")


def test_the_embedder_of_a_generation_is_that_generation_s_model(
    archive: Archive, checkpoints: dict[str, Path]
) -> None:
    directory = archive.directory
    assert load_embedder(directory).model == "nano"  # of the settings: there is no generation yet
    generation = ensure_generation(directory).generation
    assert model_warning(generation) == (SMALL if generation.meaningful else UNTRAINED)
    assert model_warning(replace(generation, meaningful=False)) == UNTRAINED
    assert model_warning(replace(generation, meaningful=True)) == SMALL
    assert model_warning(None) is None
    tiny = load_model("test-tiny", checkpoints["test-tiny"])
    other = choose(directory, tiny, checkpoints["test-tiny"])
    assert model_warning(other) is None
    assert load_embedder(directory, other).weights_hash == tiny.weights_hash
    assert load_embedder(directory, generation).weights_hash == generation.weights_hash


def test_weights_changed_behind_a_generation_are_never_compared_with_it(
    archive: Archive, checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    file = tmp_path / "mine.safetensors"
    file.write_bytes(checkpoints["test-tiny"].read_bytes())
    generation = choose(archive.directory, load_model("test-tiny", file), file)
    network = open_clip.create_model("test-tiny", load_weights=False, pretrained_text=False)
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, file)
    with pytest.raises(Conflict, match="not those that made its index generation 1"):
        load_embedder(archive.directory, generation)


def test_a_checkpoint_in_the_settings_starts_at_the_data_directory(
    make_archive: Callable[..., Archive], checkpoints: dict[str, Path]
) -> None:
    archive = make_archive('model = "test-tiny"\ncheckpoint = "weights/mine.safetensors"')
    target = archive.directory.root / "weights" / "mine.safetensors"
    target.parent.mkdir()
    target.write_bytes(checkpoints["test-tiny"].read_bytes())
    lane = ensure_generation(archive.directory)
    assert (lane.generation.model, lane.generation.state) == ("test-tiny", "active")


def test_two_threads_that_load_nano_at_once_get_the_same_weights() -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        hashes = {
            one.weights_hash for one in pool.map(lambda _: load_model("nano", None, 1), range(4))
        }
    assert len(hashes) == 1
