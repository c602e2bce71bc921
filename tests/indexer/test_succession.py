"""Changing the model: beside the old one, the last word counts, nothing is indexed twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import save_file

from indexer.embedder import load_model
from indexer.indexing import run
from indexer.succession import (
    Lane,
    chosen_generation,
    ensure_generation,
    switch_if_complete,
    use_model,
)
from indexer.weights import load_weights
from storage import generations
from storage.directory import DataDirectory, open_directory
from storage.vocabulary import Generation
from tests.indexer.clips import START_US, Archive


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Other weights for nano."""
    file = tmp_path_factory.mktemp("weights") / "second.safetensors"
    state = load_weights("nano", None).network.state_dict()
    state["logit_scale"] = state["logit_scale"] + 1
    save_file({key: value.contiguous() for key, value in state.items()}, file)
    return file


def states(directory: DataDirectory) -> list[str]:
    with directory.ledger.read() as tx:
        return [generation.state for generation in generations.generations(tx)]


def active(directory: DataDirectory) -> Generation | None:
    with directory.ledger.read() as tx:
        return generations.active_generation(tx)


def test_the_first_generation_answers_at_once(archive: Archive) -> None:
    first = ensure_generation(archive.directory).generation
    assert (first.number, first.state, first.model) == (1, "active", "nano")
    assert ensure_generation(archive.directory).generation == first


def test_a_new_model_takes_over_only_when_it_has_seen_everything(
    archive: Archive, short_clip: Path, second: Path
) -> None:
    directory = archive.directory
    archive.put(short_clip)
    old = ensure_generation(directory)
    run(directory, old)
    new = use_model(directory, "nano", second)
    assert states(directory) == ["active", "building"]
    assert switch_if_complete(directory) is None
    archive.put(short_clip, START_US + 10**9)
    run(directory, new)
    assert states(directory) == ["retired", "active"]
    with directory.ledger.read() as tx:
        assert generations.pending(tx, new.generation.id) == (0, 0)
        # The old one answered for the new footage as well, until the switch.
        assert generations.pending(tx, old.generation.id) == (0, 0)


def test_going_back_finds_what_was_indexed_before(
    archive: Archive, short_clip: Path, second: Path
) -> None:
    directory = archive.directory
    archive.put(short_clip)
    run(directory, ensure_generation(directory))
    run(directory, use_model(directory, "nano", second))
    back = use_model(directory, "nano", None)
    assert back.generation.number == 1
    assert run(directory, back).segments == 0
    assert states(directory) == ["active", "retired"]


def test_changing_ones_mind_gives_the_unfinished_one_up(
    archive: Archive, short_clip: Path, second: Path
) -> None:
    directory = archive.directory
    archive.put(short_clip)
    run(directory, ensure_generation(directory))
    use_model(directory, "nano", second)
    assert states(directory) == ["active", "building"]
    use_model(directory, "nano", None)
    assert states(directory) == ["active", "retired"]


def test_the_last_word_counts_be_it_the_command_or_the_settings(
    make_archive: Callable[..., Archive], second: Path
) -> None:
    directory = make_archive().directory
    use_model(directory, "nano", second)  # before anything was indexed, the settings say nano
    kept = ensure_generation(directory).generation
    assert kept.meaningful
    copy = directory.root / "elsewhere.safetensors"
    copy.write_bytes(second.read_bytes())
    (directory.root.parent / "hindsight.toml").write_text(
        '[indexer]\nmodel = "nano"\ncheckpoint = "elsewhere.safetensors"\n'
    )
    changed = open_directory(directory.root)
    assert ensure_generation(changed).generation.id == kept.id  # the same weights, elsewhere
    (directory.root.parent / "hindsight.toml").write_text("[indexer]\nthreads = 1\n")
    changed.close()
    reopened = open_directory(directory.root)
    assert ensure_generation(reopened).generation.weights_hash != kept.weights_hash
    reopened.close()


def test_weights_that_changed_on_disk_are_a_new_generation(
    archive: Archive, short_clip: Path, second: Path, tmp_path: Path
) -> None:
    directory = archive.directory
    archive.put(short_clip)
    file = tmp_path / "mine.safetensors"
    file.write_bytes(second.read_bytes())
    run(directory, use_model(directory, "nano", file))
    state = load_weights("nano", second).network.state_dict()
    state["logit_scale"] = state["logit_scale"] + 2
    save_file({key: value.contiguous() for key, value in state.items()}, file)
    lane = ensure_generation(directory)
    assert (lane.generation.number, lane.generation.state) == (2, "building")
    assert run(directory, lane).segments == 1
    found = active(directory)
    assert found is not None
    assert found.number == 2


def test_a_failed_segment_does_not_hold_up_the_switch(
    archive: Archive, short_clip: Path, second: Path, tmp_path: Path
) -> None:
    directory = archive.directory
    archive.put(short_clip)
    bad = tmp_path / "bad.mp4"
    bad.write_text("not video")
    archive.put(bad, START_US + 10**9)
    run(directory, ensure_generation(directory))
    run(directory, use_model(directory, "nano", second))
    assert states(directory) == ["retired", "active"]


def test_what_is_chosen_is_the_building_one_else_the_active_one(
    archive: Archive, short_clip: Path, second: Path
) -> None:
    directory = archive.directory
    with directory.ledger.read() as tx:
        assert chosen_generation(tx) is None
    archive.put(short_clip)
    run(directory, ensure_generation(directory))
    lane = use_model(directory, "nano", second)
    with directory.ledger.read() as tx:
        assert chosen_generation(tx) == lane.generation


def test_a_model_that_does_not_load_changes_nothing(archive: Archive) -> None:
    before = states(archive.directory)
    with pytest.raises(Exception, match="does not exist"):
        use_model(archive.directory, "nano", Path("gone.safetensors"))
    assert states(archive.directory) == before
    assert isinstance(
        Lane(ensure_generation(archive.directory).generation, load_model("nano")), Lane
    )
