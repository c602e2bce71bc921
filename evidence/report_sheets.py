"""What the PDF of a bundle prints: few rows of each table, however long the tables are."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from evidence.deeds import Deeds
from evidence.documents import Document
from evidence.report_blocks import Block
from evidence.report_contents import contents
from storage.clock import parse_time
from storage.i18n import LANGUAGES

# Nobody reads a thousand pages: the JSON files have every row, and each table says how many more.
MOST_ROWS, MOST_ROWS_OF_ALL = 60, 600
MOST_STILLS, MOST_STILLS_OF_ALL = 4, 48
MANY = 2000  # originals; with more, the 60 MB that printing takes are taken in another process


@dataclass(frozen=True, slots=True)
class Sheets:
    """All that is printed, of a bundle however long: its tables are cut off."""

    export: str
    made_us: int
    blocks: dict[str, list[Block]]  # by language


def write_pdf(
    path: Path, folder: Path, manifest: Document, gaps: Iterable[Document], deeds: Deeds
) -> None:
    """The report as PDF; stills are read from `folder`. The same bundle gives the same bytes."""
    printed = sheets(manifest, gaps, deeds)
    if sum(len(camera["segments"]) for camera in manifest["cameras"]) > MANY:
        _print_apart(path, folder, printed)
        return
    from evidence.report_pdf import print_sheets  # 0.3 s that no other command has to wait

    print_sheets(path, folder, printed)


def _print_apart(path: Path, folder: Path, printed: Sheets) -> None:
    # -P and our own path: what lies in the working directory is never imported.
    places = os.pathsep.join(place for place in sys.path if place)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "evidence.report_pdf", str(path), str(folder)],
        input=pickle.dumps(printed), capture_output=True, check=False,
        env={**os.environ, "PYTHONPATH": places},
    )  # fmt: skip
    if done.returncode:
        words = (done.stderr.decode(errors="replace").strip().splitlines() or ["?"])[-1]
        raise OSError(int(words), path.name) if words.isdigit() else OSError(words)


def sheets(manifest: Document, gaps: Iterable[Document], deeds: Deeds) -> Sheets:
    """What the report prints of these documents."""
    cameras = max(1, len(manifest["cameras"]))
    rows = max(5, min(MOST_ROWS, MOST_ROWS_OF_ALL // cameras))
    stills = max(1, min(MOST_STILLS, MOST_STILLS_OF_ALL // cameras))
    return Sheets(
        manifest["export"],
        parse_time(manifest["made"]),
        {
            lang: list(contents(manifest, gaps, deeds, lang, most_rows=rows, most_stills=stills))
            for lang in LANGUAGES
        },
    )
