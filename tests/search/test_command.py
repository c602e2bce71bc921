"""`hindsight search` as people and scripts meet it."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from hindsight import cli
from storage import audit
from storage.clock import rfc3339
from storage.commandline import run
from storage.directory import DataDirectory
from storage.register import add_camera, find_camera
from tests.web.footage import START_US, keep, write_clip

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def hindsight(directory: DataDirectory, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command on an archive with one camera and no footage: (exit code, stdout, stderr)."""
    with directory.ledger.write() as tx:
        add_camera(tx, name="gate", url=None, created_us=1, site="city/north")

    def command(*words: str | Path) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(cli, ["--data", str(directory.root), *map(str, words)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


def test_an_empty_archive_answers_and_says_what_it_did_not_look_at(hindsight: Run) -> None:
    code, out, _ = hindsight("search", "a white van", "--site", "city", "--json", "--top", "5")
    answer = json.loads(out)
    assert code == 0
    assert (answer["confident"], answer["moments"]) == (False, [])
    assert answer["query"]["cameras"] == ["gate"]
    assert answer["query"]["top"] == 5
    assert set(answer["coverage"]) == {
        "cameras", "expected_s", "recorded_s", "indexed_s", "gaps", "index_lag_s", "model",
        "generation", "unreadable", "unapproved",
    }  # fmt: skip


def test_no_confident_match_says_what_to_try_in_both_languages(hindsight: Run) -> None:
    _, out, _ = hindsight("search", "a white van")
    assert "no confident match; try" in out
    assert "nothing is indexed yet" in out
    _, out, _ = hindsight("--lang", "zh", "search", "白色面包车")
    assert "没有" in out
    assert "confident" not in out


def test_a_wrong_question_fails_before_the_model_is_loaded(directory: DataDirectory) -> None:
    code = (
        "import sys; from hindsight import cli; from storage.commandline import run;"
        f"args = ['--data', {str(directory.root)!r}, 'search', 'car', '--camera', 'nowhere'];"
        "assert run(cli, args) == 3; assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "nowhere" in done.stderr


def test_a_picture_that_claims_200_megapixels_is_refused_by_its_header(
    hindsight: Run, tmp_path: Path
) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 20_000, 10_000, 8, 2, 0, 0, 0)
    path = tmp_path / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b""))
    code, _, err = hindsight("search", "--image", path)
    assert code == 4
    assert "bomb.png" in err
    assert "64 megapixels" in err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--box", "1,2,3,4", "car"], 4),
        (["--box", "1,2,x,4", "--image", "PICTURE"], 4),
        (["--box", "30,0,10,10", "--image", "PICTURE"], 4),
        (["--box=-1,0,10,10", "--image", "PICTURE"], 4),
        (["--box", "0,0,0,10", "--image", "PICTURE"], 4),
        (["car", "--within", "5"], 4),
        (["car", "--then", "bus", "--within", "nan"], 4),
        (["car", "--then", "bus", "--within", "-1"], 4),
        (["car", "--top", "0"], 4),
        (["car", "--between", "18:00"], 4),
        (["car", "--between", "18:00-18:00"], 4),
        (["car", "--from", "1800-01-01T00:00:00Z"], 4),
        (["--image", "nowhere.jpg"], 3),
        (["--image", "."], 4),
        (["--not", "car"], 4),
        (["--then", "car"], 4),
        (["--not-image", "PICTURE"], 4),
        (["car", "--not", " CAR "], 4),
        (["--image", "PICTURE", "--not-image", "PICTURE"], 4),
        (["car^0"], 4),
        (["--image", "PICTURE^500"], 4),
        (["--image", "PICTURE", "--box", "0,0,5,5", "--box", "0,0,5,5"], 4),
        (["car", "--near", "50"], 4),
        (["car", "--then", "bus", "--near", "0"], 4),
        (["car", "--weekday", "holiday"], 4),
        (["car", "--around", "31.2,121.4"], 4),
        (["car", "--around", "91,121.4,500"], 4),
        (["car", "--around", "31.2,121.4,-5"], 4),
        (["car", "--kind", "person"], 4),
        (["car", "--least-box", "0"], 4),
        (["car", "--light", "dusk"], 4),
        (["--like", "gate"], 4),
        (["--like", "gate@2026-11-18T13:04:07Z"], 3),
        (["--like", "nowhere@2026-11-18T13:04:07Z"], 3),
        (["car", *(word for i in range(17) for word in ("--also", f"car {i}"))], 4),
    ],
)
def test_a_wrong_option_is_one_line(
    hindsight: Run, tmp_path: Path, words: list[str], code: int
) -> None:
    picture = tmp_path / "small.png"
    Image.new("RGB", (32, 16)).save(picture)
    found, out, err = hindsight("search", *(w.replace("PICTURE", str(picture)) for w in words))
    assert (found, out) == (code, "")
    assert err.count("\n") == 1
    assert err.startswith("hindsight: ")


def test_a_damaged_picture_is_named(hindsight: Run, tmp_path: Path) -> None:
    path = tmp_path / "half.jpg"
    Image.effect_noise((200, 200), 50).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    code, _, err = hindsight("search", "--image", path)
    assert code == 4
    assert "half.jpg" in err


def test_every_option_is_understood_and_said_back(hindsight: Run, tmp_path: Path) -> None:
    for name, size in (("a", (32, 16)), ("b", (20, 10)), ("c", (8, 8))):
        Image.effect_noise(size, 50).convert("RGB").save(tmp_path / f"{name}.png")
    code, out, err = hindsight(
        "search", "红色汽车^2", "--also", "at night", "--image", f"{tmp_path / 'a.png'}^0.5",
        "--box", "1,2,10,11", "--image", tmp_path / "b.png", "--not", "a bus^3",
        "--not-image", tmp_path / "c.png", "--then", "a dog", "--within", "9", "--near", "250",
        "--around", "31.2304,121.4737,500", "--weekday", "sun", "--weekday", "Mon",
        "--weekday", "7", "--kind", "region", "--least-box", "24", "--light", "night",
        "--between", "22:00-03:00", "--json",
    )  # fmt: skip
    assert code == 0, err
    said = json.loads(out)["query"]
    assert [(part.get("text"), part["weight"]) for part in said["parts"]] == [
        ("红色汽车", 2.0), ("at night", 1.0), (None, 0.5), (None, 1.0),
    ]  # fmt: skip
    pictures = [part for part in (*said["parts"], *said["exclusions"]) if "picture" in part]
    assert [
        (part["picture"]["width"], part["picture"]["height"], part["box"]) for part in pictures
    ] == [(10, 11, [1, 2, 10, 11]), (20, 10, None), (8, 8, None)]
    assert said["exclusions"][0] == {"text": "a bus", "weight": 3.0}
    assert (said["then"], said["within_s"], said["near_m"]) == ("a dog", 9.0, 250.0)
    assert said["around"] == {"lat": 31.2304, "lon": 121.4737, "radius_m": 500.0}
    assert (said["weekdays"], said["between"]) == ([1, 7], "22:00-03:00")
    assert (said["kind"], said["least_box"], said["light"]) == ("region", 24, "night")


def test_more_like_a_moment_of_the_archive_looks_and_is_audited(
    directory: DataDirectory, hindsight: Run, tmp_path: Path
) -> None:
    with directory.ledger.read() as tx:
        gate = find_camera(tx, "gate")
    keep(directory, gate, write_clip(tmp_path / "clip.mp4"), START_US)
    at = rfc3339(START_US + 1_000_000)
    code, out, err = hindsight("search", "--like", f"gate@{at}#20,30,40,50^2", "--json")
    assert code == 0, err
    (part,) = json.loads(out)["query"]["parts"]
    assert (part["box"], part["weight"]) == ([20, 30, 40, 50], 2.0)
    assert (part["picture"]["width"], part["picture"]["height"]) == (40, 50)
    with directory.ledger.read() as tx:
        assert [row.action for row in audit.rows(tx)][-2:] == ["view", "search"]


def test_a_camera_without_a_place_is_said_not_to_be_near(hindsight: Run) -> None:
    _, out, _ = hindsight("search", "car", "--around", "31.2,121.4,500")
    assert "cameras without a place are never near anything: 1 (gate)" in out
    _, out, _ = hindsight("--lang", "zh", "search", "汽车", "--around", "31.2,121.4,500")
    assert "没有坐标的摄像机" in out
