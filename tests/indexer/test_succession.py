"""Changing the model: beside the old one, the last word counts, nothing is indexed twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import save_file

from indexer.embedder import load_embedder, load_model
from indexer.indexing import run
from indexer.succession import (
    Lane,
    assess,
    chosen_generation,
    ensure_generation,
    rollback,
    switch_if_complete,
    use_model,
)
from indexer.weights import load_weights
from storage import audit, generations, schema, standings
from storage.directory import DataDirectory, open_directory
from storage.errors import Conflict
from storage.standings import Standing
from storage.vocabulary import Actor, Generation
from tests.indexer.clips import START_US, Archive


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Other weights for nano."""
    file = tmp_path_factory.mktemp("weights") / "second.safetensors"
    state = load_weights("nano", None).network.state_dict()
    state["logit_scale"] = state["logit_scale"] + 1
    save_file({key: value.contiguous() for key, value in state.items()}, file)
    return file


@pytest.fixture(scope="module")
def blind(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights for nano that were never trained."""
    file = tmp_path_factory.mktemp("weights") / "blind.safetensors"
    state = load_weights("nano", None, untrained=True).network.state_dict()
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


def standing_of(directory: DataDirectory, lane: Lane) -> Standing:
    with directory.ledger.read() as tx:
        return standings.standing(tx, lane.generation.id)


def test_a_model_that_answers_no_golden_query_does_not_take_over(
    archive: Archive, short_clip: Path, blind: Path
) -> None:
    directory = archive.directory
    archive.put(short_clip)
    run(directory, ensure_generation(directory))
    lane = use_model(directory, "nano", blind)
    run(directory, lane)
    assert states(directory) == ["active", "building"]
    standing = standing_of(directory, lane)
    with directory.ledger.read() as tx:
        assert standings.progress(tx)[lane.generation.id].share == 1  # complete, not answering
    assert "does not take over" in (standing.refusal() or "")
    assert standing.golden is not None
    assert standing.golden.theirs is not None
    assert standing.golden.wanted == pytest.approx(0.8 * standing.golden.theirs)
    # Asked again it costs nothing: neither model is loaded, no picture is made.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("indexer.succession.assess", None)
        assert switch_if_complete(directory) is None
    # Footage that is recorded goes into both.
    archive.put(short_clip, START_US + 10**9)
    run(directory, ensure_generation(directory))
    assert states(directory) == ["active", "building"]
    answering = active(directory)
    assert answering is not None
    with directory.ledger.read() as tx:
        assert not standings.is_pending(tx, answering.id)
        assert not standings.is_pending(tx, lane.generation.id)


def test_somebody_may_switch_to_it_anyway_and_anything_may_follow(
    archive: Archive, short_clip: Path, blind: Path, second: Path
) -> None:
    directory = archive.directory
    archive.put(short_clip)
    run(directory, ensure_generation(directory))
    lane = use_model(directory, "nano", blind, anyway=True)
    run(directory, lane)
    assert states(directory) == ["retired", "active"]
    run(directory, use_model(directory, "nano", second))
    assert states(directory) == ["retired", "retired", "active"]


def test_the_last_word_on_anyway_counts(archive: Archive, short_clip: Path, blind: Path) -> None:
    directory = archive.directory
    archive.put(short_clip)
    run(directory, ensure_generation(directory))
    use_model(directory, "nano", blind, anyway=True)
    assert standing_of(directory, use_model(directory, "nano", blind)).anyway
    lane = use_model(directory, "nano", blind, anyway=False)
    run(directory, lane)
    assert states(directory) == ["active", "building"]


def test_a_model_whose_files_are_gone_does_not_take_over(
    archive: Archive, short_clip: Path, second: Path, tmp_path: Path
) -> None:
    directory = archive.directory
    archive.put(short_clip)
    run(directory, ensure_generation(directory))
    file = tmp_path / "mine.safetensors"
    file.write_bytes(second.read_bytes())
    lane = use_model(directory, "nano", file)
    with directory.ledger.write() as tx:  # as if its last segment had been done before
        tx.execute(schema.index_work.update().values(generation_id=lane.generation.id))
    file.unlink()
    assert switch_if_complete(directory) is None
    assert "cannot be loaded" in (standing_of(directory, lane).refusal() or "")
    file.write_bytes(second.read_bytes())
    assert switch_if_complete(directory) is None  # nobody loaded it again
    switched = switch_if_complete(directory, [lane.embedder])
    assert switched is not None
    assert switched.id == lane.generation.id


def test_a_model_that_went_after_it_answered_does_not_take_over(
    archive: Archive, short_clip: Path, second: Path, tmp_path: Path
) -> None:
    """What is remembered of its answers does not bring its files back: search could not load it."""
    directory = archive.directory
    archive.put(short_clip)
    run(directory, ensure_generation(directory))
    file = tmp_path / "mine.safetensors"
    file.write_bytes(second.read_bytes())
    lane = use_model(directory, "nano", file)
    assert assess(directory, lane.generation, [lane.embedder]).golden is not None
    with directory.ledger.write() as tx:  # as if its last segment had been done just now
        tx.execute(schema.index_work.update().values(generation_id=lane.generation.id))
    file.unlink()
    assert switch_if_complete(directory) is None
    assert switch_if_complete(directory, [lane.embedder]) is None  # a worker still holds it
    assert "cannot be loaded" in (standing_of(directory, lane).refusal() or "")
    # Asked again it costs nothing, whoever holds it.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("indexer.succession.assess", None)
        assert switch_if_complete(directory, [lane.embedder]) is None
    assert states(directory) == ["active", "building"]
    file.write_bytes(second.read_bytes())
    assert switch_if_complete(directory, [lane.embedder]) is not None


def test_a_model_whose_file_was_moved_is_found_where_it_is_now(
    archive: Archive, short_clip: Path, second: Path, tmp_path: Path
) -> None:
    directory = archive.directory
    archive.put(short_clip)
    old, new = tmp_path / "old.safetensors", tmp_path / "new.safetensors"
    old.write_bytes(second.read_bytes())
    run(directory, use_model(directory, "nano", old))
    old.rename(new)
    lane = use_model(directory, "nano", new)
    assert lane.generation.number == 1  # the same weights: nothing is indexed again
    assert load_embedder(directory, lane.generation).weights_hash == lane.generation.weights_hash
    assert run(directory, ensure_generation(directory)).segments == 0


def test_going_back_is_at_once_and_twice(
    archive: Archive, short_clip: Path, second: Path, blind: Path
) -> None:
    directory, actor = archive.directory, Actor("eve")
    archive.put(short_clip)
    run(directory, ensure_generation(directory))
    with pytest.raises(Conflict, match="no way back"):
        rollback(directory, actor)
    run(directory, use_model(directory, "nano", second))
    run(directory, use_model(directory, "nano", blind, anyway=True))
    archive.put(short_clip, START_US + 10**9)
    run(directory, ensure_generation(directory))
    assert rollback(directory, actor).number == 2
    assert states(directory) == ["retired", "active", "retired"]
    lane = ensure_generation(directory)
    assert (lane.generation.number, lane.generation.state) == (2, "active")  # and stays
    with directory.ledger.read() as tx:
        assert generations.pending(tx, lane.generation.id)[0] == 1  # it has not seen the second
        assert audit.rows(tx)[-1].action == "model.rollback"
    assert run(directory, lane).segments == 1
    assert rollback(directory, actor).number == 1
    assert states(directory) == ["active", "retired", "retired"]
    with pytest.raises(Conflict, match="no way back"):
        rollback(directory, actor)


def test_going_back_to_a_model_that_is_gone_changes_nothing(
    archive: Archive, short_clip: Path, second: Path, tmp_path: Path
) -> None:
    directory = archive.directory
    archive.put(short_clip)
    file = tmp_path / "mine.safetensors"
    file.write_bytes(second.read_bytes())
    run(directory, use_model(directory, "nano", file))
    run(directory, use_model(directory, "nano", None))
    before = states(directory)
    file.unlink()
    with pytest.raises(Conflict, match=r"generation 1 of nano cannot answer again: .*exist"):
        rollback(directory, Actor("eve"))
    state = load_weights("nano", second).network.state_dict()
    state["logit_scale"] = state["logit_scale"] + 2
    save_file({key: value.contiguous() for key, value in state.items()}, file)
    with pytest.raises(Conflict, match="cannot answer again: the files of model nano are not"):
        rollback(directory, Actor("eve"))
    assert states(directory) == before == ["retired", "active"]


def test_going_back_lets_what_is_being_built_be_built(
    archive: Archive, short_clip: Path, second: Path, blind: Path
) -> None:
    directory = archive.directory
    archive.put(short_clip)
    run(directory, ensure_generation(directory))
    run(directory, use_model(directory, "nano", second))
    use_model(directory, "nano", blind)
    assert rollback(directory, Actor("eve")).number == 1
    assert states(directory) == ["active", "retired", "building"]


def test_a_model_of_ones_own_is_asked_when_it_is_named(
    make_archive: Callable[..., Archive], blind: Path, caplog: pytest.LogCaptureFixture
) -> None:
    directory = make_archive(f'checkpoint = "{blind}"').directory
    lane = ensure_generation(directory)
    assert lane.generation.state == "active"  # the first answers, whatever it answers
    assert "no better than chance" in caplog.text
    golden = standing_of(directory, lane).golden
    assert golden is not None
    assert not golden.refused


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
