"""`export` and `verify` as people and scripts type them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evidence.commands.export import command as export_command
from evidence.commands.verify import command as verify_command
from storage.commandline import HindsightGroup, Invocation, run
from storage.i18n import use_language

Run = Callable[..., tuple[int, str, str]]
FROM, TO = "2026-11-18T21:00:01+08:00", "2026-11-18T21:00:07+08:00"


@pytest.fixture
def hindsight(house: Any, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line in the house; returns (exit code, stdout, stderr)."""

    def command(*words: object) -> tuple[int, str, str]:
        group = HindsightGroup(commands={"export": export_command, "verify": verify_command})
        group.context_settings = {"obj": Invocation(house.directory.root)}
        code = run(group, [str(word) for word in words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


def test_export_tells_what_it_made_and_what_is_missing(
    house: Any, hindsight: Run, tmp_path: Path
) -> None:
    house.segment("北门 2号", 0)
    code, text, _ = hindsight("export", "--camera", "北门 2号", "--from", FROM, "--to", TO,
                              "--out", tmp_path / "b")  # fmt: skip
    assert code == 0
    assert "北门-2号" in text
    assert "recording was not expected" in text
    assert "Fingerprint: " in text
    assert hindsight("verify", tmp_path / "b")[0] == 0


def test_export_speaks_chinese(house: Any, hindsight: Run, tmp_path: Path) -> None:
    house.segment()
    code, text, _ = hindsight("export", "--camera", "north-gate", "--from", FROM, "--to", TO,
                              "--out", tmp_path / "b", "--lang", "zh")  # fmt: skip
    assert code == 0
    assert "有缺口：该时段不要求录像" in text
    code, text, _ = hindsight("verify", tmp_path / "b", "--lang", "zh")
    assert code == 0
    assert text.startswith("完好：")
    use_language("en")


def test_export_as_json(house: Any, hindsight: Run, tmp_path: Path) -> None:
    house.segment()
    code, text, _ = hindsight("export", "--camera", "north-gate", "--from", FROM, "--to", TO,
                              "--out", tmp_path / "b.zip", "--json")  # fmt: skip
    document = json.loads(text)
    assert code == 0
    assert document["path"] == str(tmp_path / "b.zip")
    assert document["segments"] == 1
    [camera] = document["cameras"]
    assert (camera["recorded_s"], camera["gap_s"]) == (3.0, 3.0)
    code, text, _ = hindsight("verify", tmp_path / "b.zip", "--json")
    verdict = json.loads(text)
    assert code == 0
    assert verdict["ok"] is True
    assert verdict["fingerprint"] == document["fingerprint"]


@pytest.mark.parametrize(
    ("change", "code", "word"),
    [
        ({"--from": "2026-11-18T21:00:01"}, 4, "no zone"),
        ({"--from": TO, "--to": FROM}, 4, "empty"),
        ({"--camera": "nowhere"}, 3, "nowhere"),
        ({"--from": "2020-01-01T00:00:00Z", "--to": "2020-01-02T00:00:00Z"}, 3, "north-gate"),
        ({"--case": "A-117"}, 3, "A-117"),
        ({"--out": "no/where/b"}, 3, "no/where"),
        ({"--out": "."}, 5, "exists already"),
    ],
)
def test_bad_input_gets_one_line_and_its_exit_code(
    house: Any, hindsight: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    change: dict[str, str], code: int, word: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    house.segment()
    options = {"--camera": "north-gate", "--from": FROM, "--to": TO, "--out": "b"} | change
    found, text, error = hindsight("export", *(word for pair in options.items() for word in pair))
    assert (found, text) == (code, "")
    assert word in error
    assert error.count("\n") == 1
    assert not (tmp_path / "b").exists()


def test_verify_names_the_damage(hindsight: Run, bundle: Path) -> None:
    (bundle / "data/report.html").write_text("other")
    code, text, _ = hindsight("verify", bundle)
    assert code == 9
    assert "data/report.html was changed" in text
    code, text, _ = hindsight("verify", bundle, "--json")
    assert code == 9
    assert json.loads(text)["findings"] == [
        {"what": "changed", "path": "data/report.html", "other": "manifest-sha256.txt",
         "text": "data/report.html was changed: its SHA-256 is not the one in"
         " manifest-sha256.txt"}
    ]  # fmt: skip


def test_verify_compares_the_fingerprint(hindsight: Run, bundle: Path) -> None:
    code, text, _ = hindsight("verify", bundle, "--fingerprint", "ab" * 32)
    assert code == 9
    assert "not the bundle meant" in text


def test_verify_of_something_else(hindsight: Run, tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("not a zip")
    shutil.make_archive(str(tmp_path / "other"), "zip", tmp_path, "text.zip")
    (tmp_path / "folder").mkdir()
    assert hindsight("verify", tmp_path / "gone")[0] == 3
    for name in ("text.zip", "other.zip", "folder"):
        code, _, error = hindsight("verify", tmp_path / name)
        assert (code, error.count("\n")) == (4, 1)
