"""data/report.html: the bundle's contents for people, in Chinese and in English, on one page."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from evidence.deeds import Deeds
from evidence.documents import Document
from evidence.report_contents import contents

MOST_ROWS = 200  # of a table; the JSON files list them all
MOST_STILLS = 12  # of a camera


def write_report(path: Path, manifest: Document, gaps: Iterable[Document], deeds: Deeds) -> None:
    """The whole page: it opens from a stick, years later, without a network. Stills lie beside it.

    Written as it is made: a bundle of a hundred cameras does not stand in memory twice.
    """
    sections = [
        (lang, contents(
            manifest, gaps, deeds, lang, most_rows=MOST_ROWS, most_stills=MOST_STILLS
        ))
        for lang in ("zh", "en")
    ]  # fmt: skip
    page = templates().get_template("report.html")
    with path.open("w", encoding="utf-8") as target:
        for piece in page.generate(export=manifest["export"], sections=sections):
            target.write(piece)


def templates() -> Environment:
    """Of this room; everything put into them is escaped."""
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True,
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
