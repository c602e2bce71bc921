"""Settings: every key has a default, an unknown one is an error that names key and file."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from storage.errors import Invalid
from storage.settings import Settings, load_settings
from tests.storage.media import House


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "hindsight.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_no_file_means_the_defaults(tmp_path: Path) -> None:
    assert load_settings(None) == load_settings(written(tmp_path, "")) == Settings()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[recorder]\nsegmnt_s = 60", "recorder.segmnt_s"),
        ("[recordr]\nsegment_s = 60", "recordr"),
        ("segment_s = 60", "segment_s"),
        ('[recorder]\nsegment_s = "long"', "recorder.segment_s"),
        ("[recorder]\nsegment_s = 1", "recorder.segment_s"),
        ("[recorder]\nsegment_s = nan", "recorder.segment_s"),
        ('[recorder]\nrtsp_transport = "carrier pigeon"', "recorder.rtsp_transport"),
        ("[retention]\nclass_1_days = 0", "retention.class_1_days"),
        ("[retention.named_days]\nlong = -1", "retention.named_days.long"),
        ("[volumes.main]", "volumes.main.path"),
        ("volumes = {}", "volumes"),
        ("[recorder", "cannot be read"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_its_file(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(Invalid) as refused:
        load_settings(written(tmp_path, text))
    assert named in str(refused.value) or named == "volumes"
    assert "hindsight.toml" in str(refused.value)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hindsight.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Invalid, match="cannot be read"):
        load_settings(path)


def test_the_file_that_init_writes_says_the_defaults(house: House) -> None:
    text = (house.root / "hindsight.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text) == {}
    uncommented = "\n".join(
        line[2:] if re.match(r"# (\w+ = |\[)", line) else "" for line in text.splitlines()
    )
    assert load_settings(written(house.root / "keys", uncommented)) == Settings()
