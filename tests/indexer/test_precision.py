"""bfloat16 only where it gives the same vectors, sooner; found out once per model and machine."""

from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path

import pytest
import torch

from indexer.precision import SAME_FROM, Verdict, choose_precision, cpu_has_bfloat16, self_check
from indexer.weights import Loaded, load_weights


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return load_weights("nano", None)


def test_the_self_check_compares_real_vectors(loaded: Loaded) -> None:
    verdict = self_check(loaded)
    assert 0.9 < verdict.cosine <= 1.0001
    assert verdict.speedup > 0
    weight = next(loaded.network.parameters())
    assert weight.dtype == torch.float32  # the network itself is untouched


class Coarse(torch.nn.Module):
    """An image tower that bfloat16 ruins: it lives off differences far below its resolution."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        flat = pictures.flatten(1)[:, :64]
        return ((flat / 1000 + 1) - 1) * 1000


def test_a_model_that_bfloat16_ruins_stays_in_float32(loaded: Loaded) -> None:
    network = copy.deepcopy(loaded.network)
    network.visual = Coarse()
    network.text = torch.nn.Embedding(49408, 64)
    network.encode_text = lambda tokens: network.text(tokens)[:, 0]  # type: ignore[method-assign]
    verdict = self_check(dataclasses.replace(loaded, network=network))
    assert verdict.cosine < SAME_FROM
    assert verdict.precision == "float32"


def test_a_verdict_needs_both_sameness_and_speed() -> None:
    assert Verdict(0.9999, 4.8).precision == "bfloat16"
    assert Verdict(0.9989, 4.8).precision == "float32"
    assert Verdict(0.9999, 0.3).precision == "float32"


def test_the_verdict_is_remembered_and_a_broken_one_made_again(
    loaded: Loaded, tmp_path: Path
) -> None:
    if not cpu_has_bfloat16():
        assert choose_precision(loaded, tmp_path)[1] == "float32"
        assert list(tmp_path.iterdir()) == []
        pytest.skip("this CPU has no bfloat16: there is no verdict to remember")
    choose_precision(loaded, tmp_path)
    [file] = tmp_path.iterdir()
    facts = json.loads(file.read_text())
    assert facts["model"] == "nano"
    file.write_text(json.dumps(facts | {"cosine": 0.5}))
    assert choose_precision(loaded, tmp_path)[1] == "float32"
    file.write_text("{")
    choose_precision(load_weights("nano", None), tmp_path)  # which one wins, the machine says
    assert json.loads(file.read_text()).keys() == facts.keys()
