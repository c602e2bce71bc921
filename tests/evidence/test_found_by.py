"""Bundles that name the search that found their footage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from evidence.commands.export import command as export_command
from evidence.verify_bundle import verify
from storage.commandline import HindsightGroup, Invocation, run
from tests.evidence.conftest import START_US
from tests.evidence.searched import WEIGHTS, kept_search

SPAN = ("--from", "2026-11-18T21:00:01+08:00", "--to", "2026-11-18T21:00:04+08:00")


def exported(house: Any, out: Path, *words: str) -> int:
    group = HindsightGroup(commands={"export": export_command})
    group.context_settings = {"obj": Invocation(house.directory.root)}
    return run(group, ["export", "--camera", "gate", *SPAN, "--out", str(out), *words])


def test_manifest_and_report_name_the_search(house: Any, out: Path) -> None:
    house.camera("gate", department="north", vendor="Acme")
    house.segment("gate")
    token = kept_search(house.ledger, "li.wei", START_US)
    assert exported(house, out, "--search", token) == 0
    manifest = json.loads((out / "data/manifest.json").read_text(encoding="utf-8"))
    found = manifest["search"]
    assert (found["token"], found["query"]) == (token, {"text": "红衣 <b>"})
    assert (found["model"], found["generation"], found["weights_sha256"]) == ("nano", 1, WEIGHTS)
    assert (found["code_version"], found["asked_by"]) == ("0.1/abc", "li.wei")
    assert len(found["stored_query"]) == 26
    [camera] = manifest["cameras"]
    assert (camera["department"], camera["vendor"]) == ("north", "Acme")
    assert {"python", "pyav", "ffmpeg", "bagit", "cryptography"} <= manifest["tool"].keys()
    page = (out / "data/report.html").read_text(encoding="utf-8")
    assert "Found by the search" in page
    assert "红衣 &lt;b&gt;" in page
    assert WEIGHTS in page
    assert "Acme" in page
    assert verify(out).findings == []


def test_a_search_that_found_nothing_yet_is_refused(house: Any, out: Path) -> None:
    house.segment("gate")
    token = kept_search(house.ledger, "li.wei", START_US, answered=False)
    assert exported(house, out, "--search", token) == 5
    assert exported(house, out, "--search", "0" * 26) == 3
    assert list(out.parent.iterdir()) == []


def test_an_interrupted_command_keeps_what_it_is_asked_to(house: Any, out: Path) -> None:
    house.segment("gate")
    assert exported(house, out, "--keep", "--resume") == 0  # nothing to go on with: from the start
    assert verify(out).findings == []
