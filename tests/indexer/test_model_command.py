"""`model list` and `model use`: the choice, the switch, and what it will cost."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import save_file

from indexer.embedder import SMALL
from indexer.weights import load_weights
from tests.indexer.clips import Archive
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
    assert found == {
        "model": "nano", "generation": 2, "dimension": 256, "state": "building",
        "pending_segments": 1, "pending_s": pytest.approx(6, abs=0.1),
    }  # fmt: skip
    assert hindsight.json("index")["generation"] == 2
    states = {row["model"]: row["generation"] for row in hindsight.json("model", "list")}
    assert states["nano"] == 2


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
