"""`redact`, and `verify` of what it made, as people and scripts type them."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evidence.commands.redact import command as redact_command
from evidence.commands.verify import command as verify_command
from evidence.verify_redaction import verify_redaction
from storage.commandline import HindsightGroup, Invocation, run
from storage.directory import init_directory
from storage.i18n import use_language
from tests.evidence.conftest import House
from tests.evidence.redact_footage import box, clip

Run = Callable[..., tuple[int, str, str]]
SPAN = ("--camera", "north gate", "--from", "2026-11-18T21:00:00+08:00", "--to",
        "2026-11-18T21:00:01+08:00")  # fmt: skip


def place(i: int) -> tuple[float, float]:
    return 30 + 6 * i, 80


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive with a second of footage."""
    folder = tmp_path_factory.mktemp("archive")
    directory, _ = init_directory(folder / "data")
    House(directory).adopt(clip(folder / "a.mp4", place, 10), "north gate")
    directory.close()
    return folder / "data"


@pytest.fixture
def hindsight(data: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line; returns (exit code, stdout, stderr)."""

    def command(*words: object) -> tuple[int, str, str]:
        group = HindsightGroup(commands={"redact": redact_command, "verify": verify_command})
        invocation = Invocation(data)
        group.context_settings = {"obj": invocation}
        code = run(group, [str(word) for word in words])
        invocation.close()
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


@pytest.fixture(scope="module")
def sound(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy as a folder and as a zip, never changed."""
    folder = tmp_path_factory.mktemp("copies")
    recipe = folder / "recipe.json"
    subject = {"name": "a car", "boxes": [{"at": "2026-11-18T13:00:00.5Z", "box": box(60, 80)}]}
    recipe.write_text(json.dumps({"recipe": 1, "subjects": [subject]}))
    for name in ("copy", "copy.zip"):
        group = HindsightGroup(commands={"redact": redact_command})
        invocation = Invocation(data)
        group.context_settings = {"obj": invocation}
        assert run(group, ["redact", *SPAN, "--recipe", str(recipe), "--out",
                           str(folder / name), "--time"]) == 0  # fmt: skip
        invocation.close()
    return folder


@pytest.fixture
def copy(sound: Path, tmp_path: Path) -> Path:
    """One to damage."""
    return Path(shutil.copytree(sound / "copy", tmp_path / "copy"))


def test_redact_tells_what_it_made(hindsight: Run, tmp_path: Path) -> None:
    code, text, _ = hindsight("redact", *SPAN, "--out", tmp_path / "b")
    assert code == 0
    assert "in 10 pictures" in text
    assert "from end to end" in text
    code, text, _ = hindsight("verify", tmp_path / "b", "--lang", "zh")
    assert code == 0
    assert text.startswith("遮挡副本完好")
    use_language("en")


def test_redact_as_json(hindsight: Run, tmp_path: Path) -> None:
    code, text, _ = hindsight("redact", *SPAN, "--out", tmp_path / "b.zip", "--json")
    document = json.loads(text)
    assert code == 0
    assert document["path"] == str(tmp_path / "b.zip")
    code, text, _ = hindsight(
        "verify", tmp_path / "b.zip", "--json", "--fingerprint", document["file"]["sha256"],
        "--certificate", document["signed_by"]["certificate_sha256"],
    )  # fmt: skip
    verdict = json.loads(text)
    assert (code, verdict["ok"], verdict["originals"]) == (0, True, 1)
    assert verdict["sha256"] == document["file"]["sha256"]


def test_a_wrong_recipe_ends_with_one_line_that_names_the_place(
    hindsight: Run, tmp_path: Path
) -> None:
    recipe = tmp_path / "recipe.json"
    recipe.write_text('{"recipe": 1, "subjects": [{"name": "a", "boxes": [{"at": "soon"}]}]}')
    code, out, err = hindsight("redact", *SPAN, "--recipe", recipe, "--out", tmp_path / "b")
    assert (code, out) == (4, "")
    assert "subjects[0].boxes[0].at" in err
    assert err.count("\n") == 1
    assert not (tmp_path / "b").exists()


def test_another_certificate_or_film_than_the_one_told_is_found(
    hindsight: Run, sound: Path
) -> None:
    for option in ("--certificate", "--fingerprint"):
        code, text, _ = hindsight("verify", sound / "copy", option, "0" * 64)
        assert code == 9, option
        assert "not the one you were told of" in text


@pytest.mark.parametrize("name", ["film", "redaction.json", "CHECK.txt", "certificate.pem",
                                  "sha256.txt", "sha256.txt.sig"])  # fmt: skip
def test_a_changed_or_missing_file_is_found(hindsight: Run, copy: Path, name: str) -> None:
    path = next(copy.glob("*.mp4")) if name == "film" else copy / name
    data = bytearray(path.read_bytes())
    for at in sorted({0, len(data) // 2, len(data) - 1}):
        data[at] ^= 1
        path.write_bytes(data)
        code, text, _ = hindsight("verify", copy, "--json")
        assert code == 9, at
        assert json.loads(text)["findings"]
        data[at] ^= 1
    path.unlink()
    code, text, _ = hindsight("verify", copy, "--json")
    assert code == 9
    assert {"what": "missing", "path": path.name} in [
        {key: one[key] for key in ("what", "path")} for one in json.loads(text)["findings"]
    ]


def test_what_was_added_is_found(hindsight: Run, copy: Path) -> None:
    (copy / "note.txt").write_text("trust me")
    (copy / "link").symlink_to("redaction.json")
    (copy / "folder").mkdir()
    code, text, _ = hindsight("verify", copy)
    assert code == 9
    for name in ("note.txt", "link", "folder"):
        assert f"{name} was added" in text


def test_a_file_swapped_for_a_link_is_not_followed(hindsight: Run, copy: Path) -> None:
    film = next(copy.glob("*.mp4"))
    film.rename(copy.parent / "film.mp4")
    film.symlink_to(copy.parent / "film.mp4")
    code, text, _ = hindsight("verify", copy, "--json")
    assert code == 9
    assert [one["what"] for one in json.loads(text)["findings"]] == ["special"]


def test_flipped_bytes_of_a_zip_are_found(hindsight: Run, sound: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(sound / "copy.zip", tmp_path / "copy.zip"))
    assert hindsight("verify", path)[0] == 0
    data = bytearray(path.read_bytes())
    for at in range(200, len(data) - 2000, max(1, len(data) // 12)):
        data[at] ^= 1
        path.write_bytes(data)
        assert hindsight("verify", path)[0] == 9, at
        data[at] ^= 1


def test_a_film_from_another_copy_under_its_own_list_is_found(
    hindsight: Run, copy: Path, tmp_path: Path
) -> None:
    """Somebody who makes the list anew has no key to sign it with."""
    film = next(copy.glob("*.mp4"))
    film.write_bytes(b"another film")
    names = sorted(path.name for path in copy.iterdir() if not path.name.startswith("sha256"))
    _list(copy, names)
    code, text, _ = hindsight("verify", copy, "--json")
    assert code == 9
    found = {one["what"] for one in json.loads(text)["findings"]}
    assert found == {"signature", "contradiction"}


def test_a_forged_film_whose_list_leaves_out_the_certificate_is_found(tmp_path: Path) -> None:
    forged = tmp_path / "forged"
    forged.mkdir()
    (forged / "gate_redacted.mp4").write_bytes(b"forged film")
    _list(forged, ["gate_redacted.mp4"])
    (forged / "sha256.txt.sig").write_bytes(bytes(64))
    found = {one.kind for one in verify_redaction(forged).findings}
    assert found == {"missing", "unlisted"}
    told = verify_redaction(forged, film="ab" * 32, certificate="cd" * 32)
    assert {one.kind for one in told.findings} >= {"film_unknown", "signer_unknown"}


@pytest.mark.parametrize("name", ["certificate.pem", "sha256.txt.sig", "redaction.json"])
def test_papers_that_are_no_papers_are_found(copy: Path, name: str) -> None:
    (copy / name).unlink()
    (copy / name).mkdir()
    assert name in {one.path for one in verify_redaction(copy).findings if one.kind == "unreadable"}


def test_bytes_before_a_zip_are_found_and_a_folder_s_entry_is_not(
    sound: Path, tmp_path: Path
) -> None:
    path, hidden = tmp_path / "copy.zip", tmp_path / "hidden.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("copy/", b"")  # as `zip -r` does
        for one in sorted((sound / "copy").iterdir()):
            made.write(one, f"copy/{one.name}")
    assert verify_redaction(path).findings == []
    with zipfile.ZipFile(hidden, "w") as evil:
        evil.writestr("copy/film.mp4", b"another film")
        length = evil.start_dir
    hidden.write_bytes(hidden.read_bytes()[:length] + path.read_bytes())
    assert [one.kind for one in verify_redaction(hidden).findings] == ["hidden"]


def _list(folder: Path, names: list[str]) -> None:
    from storage.durable import sha256_file

    lines: list[Any] = [f"{sha256_file(folder / name)}  {name}\n" for name in names]
    (folder / "sha256.txt").write_text("".join(lines))
