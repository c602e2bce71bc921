"""verify.py as it travels: one file, a bare Python, no package, no network, no trace left."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from evidence import verify_bundle


def alone(*words: object, lang: str = "en") -> subprocess.CompletedProcess[str]:
    """Run a verify.py with nothing of ours in reach."""
    return subprocess.run(
        [sys.executable, "-I", "-S", *map(str, words), "--lang", lang],
        capture_output=True, text=True, encoding="utf-8",
        env={"PATH": "/usr/bin:/bin", "PYTHONUTF8": "1"}, cwd="/",
    )  # fmt: skip


def test_the_bundle_checks_itself_and_is_left_as_it_was(bundle: Path) -> None:
    before = sorted(bundle.rglob("*"))
    done = alone(bundle / "verify.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Sound: ")
    assert sorted(bundle.rglob("*")) == before


def test_damage_is_told_in_plain_words_in_both_languages(bundle: Path) -> None:
    (bundle / "data/gaps.json").unlink()
    done = alone(bundle / "verify.py")
    assert done.returncode == 9
    assert "- data/gaps.json is missing" in done.stdout
    assert "- 缺少 data/gaps.json" in alone(bundle / "verify.py", lang="zh").stdout


def test_it_checks_a_zip_elsewhere(bundle: Path, tmp_path: Path) -> None:
    program = Path(shutil.copy(bundle / "verify.py", tmp_path / "trusted.py"))
    zipped = shutil.make_archive(str(tmp_path / "b"), "zip", bundle.parent, bundle.name)
    assert alone(program, zipped).returncode == 0
    assert alone(program, zipped, "--fingerprint", "0" * 64).returncode == 9


def test_what_is_no_bundle(bundle: Path, tmp_path: Path) -> None:
    assert alone(bundle / "verify.py", tmp_path / "gone").returncode == 3
    assert alone(bundle / "verify.py", tmp_path).returncode == 4


def test_a_console_without_chinese_does_not_stop_it(bundle: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", bundle / "verify.py", "--lang", "zh"],
        capture_output=True,
        env={"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"},
    )
    assert done.returncode == 0, done.stderr


def test_it_is_the_file_of_this_version(pristine: Path) -> None:
    assert (pristine / "verify.py").read_bytes() == Path(verify_bundle.__file__).read_bytes()


def test_it_is_python_3_8_and_imports_the_standard_library_only() -> None:
    source = Path(verify_bundle.__file__).read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 8))
    imported = {
        alias.name.split(".")[0]
        for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    } | {
        str(node.module).split(".")[0]
        for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
    }  # fmt: skip
    assert imported <= set(sys.stdlib_module_names)


@pytest.mark.parametrize("name", ["3.8", "3.9", "3.10", "3.12", "3.13"])
def test_it_runs_under_other_pythons(bundle: Path, name: str) -> None:
    found = shutil.which(f"python{name}")
    if not found or subprocess.run([found, "-V"], capture_output=True).returncode:
        pytest.skip(f"python{name} is not installed; only its grammar was checked")
    done = subprocess.run([found, "-I", bundle / "verify.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
