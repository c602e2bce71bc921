"""The docs cannot rot: generated pages are current, links lead somewhere, routes are listed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_generated_reference_is_what_the_code_says(tmp_path: Path) -> None:
    code = (
        "import runpy, json; pages = runpy.run_path('docs/generate.py')['pages']();"
        "print(json.dumps({str(k): v for k, v in pages.items()}))"
    )
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    stale = [
        path
        for path, text in json.loads(result.stdout).items()
        if not Path(path).exists() or Path(path).read_text(encoding="utf-8") != text
    ]
    assert not stale, f"run `python docs/generate.py`: {stale}"


def pages() -> list[Path]:
    return [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def test_every_link_between_pages_leads_somewhere() -> None:
    broken = []
    for page in pages():
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" in target or target.startswith("mailto:"):
                continue
            if not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)} → {target}")
    assert not broken, broken


def test_every_endpoint_is_documented(tmp_path: Path) -> None:
    from storage.directory import init_directory
    from web.app import create_app

    directory, _ = init_directory(tmp_path / "data")
    app = create_app(directory)
    text = (ROOT / "docs" / "ref" / "http.md").read_text(encoding="utf-8")
    rules = {rule.rule for rule in app.url_map.iter_rules() if rule.endpoint != "static"}
    directory.close()
    assert sorted(rule for rule in rules if f"`{rule}`" not in text) == []


@pytest.mark.parametrize(
    "name", ["README", "docs/guide/cameras", "docs/guide/models", "docs/guide/verify-a-bundle"]
)
def test_guides_exist_in_both_languages(name: str) -> None:
    for suffix in (".md", ".zh.md"):
        assert (ROOT / f"{name}{suffix}").read_text(encoding="utf-8").strip()


def test_every_dependency_says_why_it_is_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *chain.from_iterable(project["optional-dependencies"].values()),
    ]
    names = {re.split(r"[\[<>=~!]", line)[0].strip().lower() for line in wanted}
    text = (ROOT / "docs" / "design" / "dependencies.md").read_text(encoding="utf-8").lower()
    assert sorted(name for name in names if f"`{name}`" not in text) == []


# Travels alone in every bundle and must run where nothing of ours is: it has to be one file.
ONE_FILE = ROOT / "evidence" / "verify_bundle.py"


def test_no_module_is_a_drawer_or_has_grown_too_long() -> None:
    wrong = []
    for room in ("storage", "recorder", "indexer", "search", "evidence", "web"):
        for path in (ROOT / room).rglob("*.py"):
            lines = path.read_text(encoding="utf-8").count("\n")
            if lines > 450 and "versions" not in path.parts and path != ONE_FILE:
                wrong.append(f"{path.relative_to(ROOT)}: {lines} lines")
            if path.stem in {"utils", "helpers", "common", "manager"}:
                wrong.append(f"{path.relative_to(ROOT)}: a drawer")
    assert not wrong, wrong
