"""Who did what with the footage of a bundle, counted while its audit rows pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(slots=True)
class Deed:
    """How often somebody did something with the footage, and when first and last."""

    count: int
    first_us: int
    last_us: int


Deeds = Mapping[tuple[str, str], Deed]  # by action and actor


def note_deed(deeds: dict[tuple[str, str], Deed], action: str, actor: str, at_us: int) -> None:
    """Count one audit row."""
    deed = deeds.setdefault((action, actor), Deed(0, at_us, at_us))
    deed.count += 1
    deed.first_us, deed.last_us = min(deed.first_us, at_us), max(deed.last_us, at_us)
