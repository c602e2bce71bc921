"""axe over a page: what shuts somebody out."""

from __future__ import annotations

from pathlib import Path

import axe_playwright_python
from playwright.sync_api import Page

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
# A promise of what is wrong, a line each.
VIOLATIONS = """
axe.run(document, {
  resultTypes: ["violations"],
  runOnly: {type: "tag", values: [
    "wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]},
}).then((found) => found.violations.map((one) =>
  `${one.id}: ${one.nodes.slice(0, 4).map((node) => node.target.join(" ")).join(" | ")}`))
"""


def violations(page: Page) -> list[str]:
    """Of the page as it is shown now."""
    page.evaluate(AXE)
    found: list[str] = page.evaluate(VIOLATIONS)
    return found
