"""`model list` and `model use`: the choice, the switch, and what it will cost."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import save_file

from indexer.embedder import SMALL
from indexer.weights import load_weights
from storage import audit
from tests.indexer.clips import START_US, Archive
from tests.indexer.conftest import CommandLine


def test_the_choice_is_listed_with_what_is_in_use(hindsight: CommandLine) -> None:
    before = {row["model"]: row["state"] for row in hindsight.json("model", "list")}
    assert list(before) == [
        "nano", "xlm-roberta-base-ViT-B-32", "ViT-B-16-SigLIP2", "MobileCLIP2-S2",
        "xlm-roberta-large-ViT-H-14",
    ]  # fmt: skip
    assert set(before.values()) == {None}
    assert hindsight("model", "use", "nano").code == 0
    after = {row["model"]: row["state"] for row in hindsight.json("model", "list")}
    assert after["nano"] == "active"
    assert "answers" in hindsight("model", "list").out
    assert "正在应答" in hindsight("model", "list", "--lang", "zh").out


def test_switching_says_what_it_will_cost(
    archive: Archive, hindsight: CommandLine, short_clip: Path, tmp_path: Path
) -> None:
    archive.put(short_clip)
    said = hindsight("model", "use", "nano")
    assert "nano is in use (generation 1); 0.00 h of footage (1 segments) wait" in said.out
    assert said.err.count("`hindsight model use NAME` switches") == 1
    assert hindsight("index").code == 0
    file = tmp_path / "nano2.safetensors"
    state = load_weights("nano", None).network.state_dict()
    state["logit_scale"] = state["logit_scale"] + 1
    save_file({key: value.contiguous() for key, value in state.items()}, file)
    found = hindsight.json("model", "use", "nano", "--checkpoint", file)
    golden = found.pop("golden")
    assert golden["en"] > 0.8
    assert golden["zh"] > 0.8
    assert found == {
        "model": "nano", "generation": 2, "dimension": 256, "state": "building",
        "pending_segments": 1, "pending_s": pytest.approx(6, abs=0.1), "refused": None,
    }  # fmt: skip
    assert hindsight.json("index")["generation"] == 2
    states = {row["model"]: row["generation"] for row in hindsight.json("model", "list")}
    assert states["nano"] == 2


def test_a_refused_model_is_told_by_every_command_and_may_be_used_anyway(
    archive: Archive, hindsight: CommandLine, short_clip: Path, tmp_path: Path
) -> None:
    archive.put(short_clip)
    assert hindsight("index").code == 0
    blind = tmp_path / "blind.safetensors"
    state = load_weights("nano", None, untrained=True).network.state_dict()
    save_file({key: value.contiguous() for key, value in state.items()}, blind)
    said = hindsight("model", "use", "nano", "--checkpoint", blind)
    assert said.code == 0
    assert "generation 2 of nano does not take over" in said.err  # before a day of indexing
    assert "hindsight model use nano --checkpoint" in said.err
    assert "is built beside the old one: 0.00 h of footage (1 segments)" in said.out
    assert hindsight("index").code == 0
    listed = hindsight("model", "list")
    assert "! generation 2 of nano does not take over" in listed.out
    (row,) = [row for row in hindsight.json("model", "list") if row["model"] == "nano"]
    assert row["generation"] == 2
    old, new = row["generations"]
    assert (old["state"], new["state"]) == ("active", "building")
    assert new["share"] == 1
    assert new["indexed_s"] == new["kept_s"] == pytest.approx(6, abs=0.1)
    assert new["golden"]["refused"]
    assert new["golden"]["en"] < new["golden"]["wanted"]
    assert old["answers_since"]
    assert not new["answers_since"]
    status = hindsight.json("status")
    assert status["building"]["share"] == 1
    assert status["building"]["refused"] in status["warnings"]
    assert "is being built anew with nano (generation 2)" in hindsight("status").out
    used = hindsight.json("model", "use", "nano", "--checkpoint", blind, "--anyway")
    assert (used["state"], used["refused"]) == ("active", None)
    assert hindsight.json("status")["building"] is None
    back = hindsight("model", "rollback")
    assert "nano (generation 1) answers again; 0.00 h of footage (0 segments)" in back.out
    again = hindsight("model", "rollback")
    assert again.code == 5
    assert again.err.count("\n") == 1
    with archive.directory.ledger.read() as tx:
        actions = [row.action for row in audit.rows(tx) if row.action.startswith("model.")]
    assert actions == ["model.use", "model.use", "model.rollback"]


def test_coverage_after_going_back_says_what_is_not_indexed(
    archive: Archive, hindsight: CommandLine, short_clip: Path, tmp_path: Path
) -> None:
    archive.put(short_clip)
    assert hindsight("index").code == 0
    file = tmp_path / "nano2.safetensors"
    state = load_weights("nano", None).network.state_dict()
    state["logit_scale"] = state["logit_scale"] + 1
    save_file({key: value.contiguous() for key, value in state.items()}, file)
    assert hindsight("model", "use", "nano", "--checkpoint", file).code == 0
    assert hindsight("index").code == 0
    archive.put(short_clip, START_US + 10**9)
    assert hindsight("index").code == 0
    assert hindsight.json("search", "a red car")["coverage"]["generation"] == 2
    back = hindsight.json("model", "rollback")
    assert (back["generation"], back["pending_segments"]) == (1, 1)
    coverage = hindsight.json("search", "a red car")["coverage"]
    assert coverage["generation"] == 1
    assert coverage["indexed_s"] == pytest.approx(coverage["recorded_s"] / 2)
    assert hindsight.json("index")["segments"] == 1
    coverage = hindsight.json("search", "a red car")["coverage"]
    assert coverage["indexed_s"] == pytest.approx(coverage["recorded_s"])


def test_the_small_model_in_use_is_said_once_and_calmly(
    archive: Archive, hindsight: CommandLine, short_clip: Path
) -> None:
    archive.put(short_clip)
    for words in (["model", "use", "nano"], ["index"]):
        said = hindsight(*words)
        assert said.code == 0
        assert said.err.splitlines() == [SMALL]
    assert hindsight("model", "list").err == ""
    found = hindsight("search", "a red car")
    assert found.out.count(SMALL) == 1
    found = hindsight("search", "a red elephant")
    assert "no confident match" in found.out
    assert "has never seen these words: elephant; results" in found.out
    answer = hindsight.json("search", "大象", "--not", "a giraffe")
    assert not answer["confident"]
    asked, excluded = answer["warnings"]
    assert "words: 象;" in asked
    assert "an exclusion: giraffe;" in excluded
    assert answer["notes"] == [SMALL]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["use", "nanoo"], 3, "nearest: nano"),
        (["use", "nano", "--checkpoint", "gone.safetensors"], 3, "does not exist"),
        (["eval", "--checkpoint", "x"], 2, "--checkpoint needs --model"),
        (["eval", "--captions", "nowhere"], 3, "has no captions.jsonl"),
    ],
)
def test_bad_input_is_one_line(
    hindsight: CommandLine, words: list[str], code: int, message: str
) -> None:
    said = hindsight("model", *words)
    assert said.code == code
    assert message in said.err
    assert said.err.count("\n") == 1
