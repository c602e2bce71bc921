"""Every wrong input gets its one line and its exit code; nothing is left half-made."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hindsight import cli
from storage.commandline import run
from storage.directory import DataDirectory

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def hindsight(directory: DataDirectory, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in an initialised directory; returns (exit code, stderr)."""
    directory.close()

    def command(*words: str | Path) -> tuple[int, str]:
        code = run(cli, ["--data", str(directory.root), *map(str, words)])
        return code, capsys.readouterr().err

    return command


def refused(result: tuple[int, str], code: int, *words: str) -> None:
    """One line on stderr that names the thing; no trace."""
    exit_code, text = result
    assert exit_code == code, text
    lines = [line for line in text.splitlines() if line.startswith("hindsight: ")]
    assert len(lines) == 1, text
    assert "Traceback" not in text
    for word in words:
        assert word in lines[0]


def footprint(root: Path) -> set[str]:
    """Every file below the volumes: what a refused import must not change."""
    return {str(p.relative_to(root)) for p in (root / "volumes").rglob("*")}


def test_unknown_setting(hindsight: Run, directory: DataDirectory) -> None:
    (directory.root / "hindsight.toml").write_text("[recorder]\nsegmnt_s = 60\n")
    refused(hindsight("status"), 4, "recorder.segmnt_s", "hindsight.toml")


def test_setting_of_the_wrong_type(hindsight: Run, directory: DataDirectory) -> None:
    (directory.root / "hindsight.toml").write_text('[recorder]\nsegment_s = "long"\n')
    refused(hindsight("status"), 4, "recorder.segment_s")


@pytest.mark.parametrize(
    "url", ["not a url", "gopher://x/y", "rtsp://", "rtsp://h:port/x", "file:"]
)
def test_bad_camera_url(hindsight: Run, url: str) -> None:
    refused(hindsight("camera", "add", "gate", url), 4)
    code, _ = hindsight("camera", "show", "gate")
    assert code == 3


def test_a_password_in_a_bad_url_is_not_repeated(hindsight: Run) -> None:
    _, text = hindsight("camera", "add", "gate", "gopher://user:hunter2@host/x")
    assert "hunter2" not in text


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"", "zero.mp4"),
        (b"this is a text file, whatever its name says\n" * 40, "text.mp4"),
        (b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2" + b"\x00" * 500, "headless.mp4"),
    ],
)
def test_a_file_that_is_no_video(
    hindsight: Run, directory: DataDirectory, tmp_path: Path, content: bytes, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    before = footprint(directory.root)
    result = hindsight("import", path, "--camera", "gate", "--start", "2026-01-01T00:00:00Z")
    refused(result, 4, name)
    assert footprint(directory.root) == before


def test_a_missing_file(hindsight: Run, tmp_path: Path) -> None:
    path = tmp_path / "gone.mp4"
    result = hindsight("import", path, "--camera", "gate", "--start", "2026-01-01T00:00:00Z")
    refused(result, 3, "gone.mp4")


def test_naive_time_at_import(hindsight: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"x")
    result = hindsight("import", path, "--camera", "gate", "--start", "2026-01-01T00:00:00")
    refused(result, 4, "2026-01-01T00:00:00")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["search"], 4),
        (["search", "   "], 4),
        (["search", "x" * 10_000], 4),
        (["search", "car", "--from", "2026-01-02T00:00:00Z", "--to", "2026-01-01T00:00:00Z"], 4),
        (["search", "car", "--from", "2026-01-02T00:00:00"], 4),
        (["search", "car", "--from", "yesterday"], 4),
        (["search", "car", "--between", "25:00-26:00"], 4),
        (["search", "car", "--camera", "nowhere"], 3),
        (["search", "car", "--site", "atlantis"], 3),
        (["search", "car", "--case", "A-1", "--reason", "r"], 3),
        (["segments", "--camera", "nowhere"], 3),
        (["gaps", "--camera", "nowhere"], 3),
        (["record", "--camera", "nowhere", "--for", "1"], 3),
        (["frobnicate"], 2),
        (["search", "car", "--top", "many"], 2),
    ],
)
def test_a_question_that_cannot_be_asked(hindsight: Run, words: list[str], code: int) -> None:
    refused(hindsight(*words), code)


def test_a_picture_that_is_none(hindsight: Run, tmp_path: Path) -> None:
    path = tmp_path / "car.jpg"
    path.write_text("not a picture")
    refused(hindsight("search", "--image", path), 4, "car.jpg")


def test_a_picture_of_200_megapixels(hindsight: Run, tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    Image.fromarray(np.zeros((10_000, 20_000), np.uint8)).save(path, compress_level=1)
    refused(hindsight("search", "--image", path), 4, "huge.png")


def test_a_data_directory_of_another_version(hindsight: Run, directory: DataDirectory) -> None:
    (directory.root / "format.json").write_text(json.dumps({"format": 99}))
    refused(hindsight("status"), 5, "99")


def test_no_data_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(cli, ["--data", str(tmp_path / "none"), "status"])
    refused((code, capsys.readouterr().err), 3, "none")
    assert not (tmp_path / "none").exists()


def test_init_twice(hindsight: Run) -> None:
    refused(hindsight("init"), 5)


def test_a_port_in_use(hindsight: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused(hindsight("serve", "--port", str(port)), 7, str(port))


def test_an_unreachable_camera_is_a_gap_with_its_cause(
    hindsight: Run, directory: DataDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    hindsight("camera", "add", "gate", f"rtsp://127.0.0.1:{port}/live")
    code, _ = hindsight("record", "--for", "3")
    assert code == 0
    capsys.readouterr()
    run(cli, ["--data", str(directory.root), "gaps", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert [gap["cause"] for gap in found] == ["connect_failed"]


def test_errors_speak_chinese(directory: DataDirectory, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(cli, ["--lang", "zh", "--data", str(directory.root), "segments", "--camera", "无此"])
    text = capsys.readouterr().err
    assert code == 3
    assert "摄像机" in text
