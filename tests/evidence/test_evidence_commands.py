"""`export` and `verify` as people and scripts type them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evidence.commands.certificate import group as certificate_group
from evidence.commands.export import command as export_command
from evidence.commands.verify import command as verify_command
from storage.commandline import HindsightGroup, Invocation, run
from storage.i18n import use_language
from storage.settings import FILE_NAME

Run = Callable[..., tuple[int, str, str]]
FROM, TO = "2026-11-18T21:00:01+08:00", "2026-11-18T21:00:07+08:00"


@pytest.fixture
def hindsight(house: Any, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line in the house; returns (exit code, stdout, stderr)."""

    def command(*words: object) -> tuple[int, str, str]:
        group = HindsightGroup(
            commands={"export": export_command, "verify": verify_command,
                      "certificate": certificate_group}
        )  # fmt: skip
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


def test_the_signature_is_told_and_compared(house: Any, hindsight: Run, tmp_path: Path) -> None:
    house.segment()
    _, text, _ = hindsight("certificate", "show", "--json", "--out", tmp_path / "own.pem")
    shown = json.loads(text)
    assert (tmp_path / "own.pem").read_text() == shown["certificate"]
    code, text, _ = hindsight("export", "--camera", "north-gate", "--from", FROM, "--to", TO,
                              "--out", tmp_path / "b")  # fmt: skip
    assert code == 0
    assert f"Signed by {shown['subject']}; SHA-256 of the certificate" in text
    assert shown["certificate_sha256"] in text
    assert "time stamp" not in text
    code, text, _ = hindsight("verify", tmp_path / "b", "--json", "--certificate",
                              shown["certificate_sha256"].upper())  # fmt: skip
    verdict = json.loads(text)
    assert code == 0
    assert verdict["signed_by"] == {
        "subject": shown["subject"], "certificate_sha256": shown["certificate_sha256"]
    }  # fmt: skip
    assert (verdict["timestamp"], verdict["sealed"]["originals"]) == (None, 1)
    code, text, _ = hindsight("verify", tmp_path / "b", "--certificate", "0" * 64)
    assert code == 9
    assert "somebody else signed it" in text


def test_an_authority_that_is_silent_is_told_at_the_export(
    house: Any, hindsight: Run, tmp_path: Path
) -> None:
    (house.directory.root / FILE_NAME).write_text(
        '[evidence]\ntsa_url = "http://127.0.0.1:1/"\nsigner = "Archive of the north district"\n'
    )
    house.segment()
    words = ["export", "--camera", "north-gate", "--from", FROM, "--to", TO, "--out"]
    code, text, _ = hindsight(*words, tmp_path / "b")
    assert code == 0
    assert "NO time stamp: http://127.0.0.1:1/ gave none" in text
    assert "Signed by CN=Archive of the north district" in text


def test_the_certificate_is_shown_and_replaces_no_file(hindsight: Run, tmp_path: Path) -> None:
    code, text, _ = hindsight("certificate", "show")
    assert code == 0
    assert "-----BEGIN CERTIFICATE-----" in text
    assert "PRIVATE" not in text
    (tmp_path / "taken").write_text("mine")
    code, _, error = hindsight("certificate", "show", "--out", tmp_path / "taken")
    assert (code, error.count("\n")) == (5, 1)
    assert (tmp_path / "taken").read_text() == "mine"
    assert hindsight("certificate", "show", "--out", tmp_path / "no" / "where")[0] == 3
