"""Adds to a bundle what people look at: stills, the report as HTML and PDF, the viewer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evidence.deeds import Deeds
from evidence.documents import Document
from evidence.manifest import Part
from evidence.report import write_report
from evidence.report_sheets import write_pdf
from evidence.stills import RECIPE, Still, most_of_a_camera, take_stills
from evidence.viewer import write_viewer
from storage.clock import rfc3339
from storage.vocabulary import Span


def add_papers(
    bag: Path, asked: Span, parts: Sequence[Part], manifest: dict[str, Any],
    gaps: Sequence[Document], deeds: Deeds,
) -> None:  # fmt: skip
    """Write them into the folder that becomes the payload, from the bundle's documents.

    `manifest` learns of the stills. OSError when the disk refuses.
    """
    most = most_of_a_camera(len(parts))
    for part, camera in zip(parts, manifest["cameras"], strict=True):
        taken, failed = take_stills(part.plan, part.sources, asked, bag / "stills", most)
        camera["stills"] = [_still(one) for one in taken]
        camera["stills_failed"] = [rfc3339(at_us) for at_us in failed]
    write_report(bag / "report.html", manifest, gaps, deeds)
    write_pdf(bag / "report.pdf", bag, manifest, gaps, deeds)
    write_viewer(bag / "viewer.html", manifest, gaps)


def _still(one: Still) -> dict[str, Any]:
    return {
        "file": f"data/stills/{one.path.name}",
        "sha256": one.sha256,
        "size_bytes": one.size_bytes,
        "time": rfc3339(one.at_us),
        "pts": one.pts,
        "width": one.size[0],
        "height": one.size[1],
        "derivative": True,
        "recipe": RECIPE,
        "originals": [{"id": one.original.id, "sha256": one.original.sha256}],
    }
