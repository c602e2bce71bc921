"""Where on a volume the copies of seals lie."""

from __future__ import annotations

import re

from storage.volumes import Volume

SEALS = ".seals"  # folder at the root of a volume
SUFFIX = ".json"


def copy_path(camera: str, number: int) -> str:
    """Relative to the volume's root."""
    return f"{SEALS}/{camera}/{number}{SUFFIX}"


def is_copy(path: str) -> bool:
    """Whether a path on a volume is that of a copy."""
    return re.fullmatch(rf"{re.escape(SEALS)}/[^/]+/[1-9]\d*\.json", path) is not None


def numbers_on(volume: Volume, camera: str) -> set[int]:
    """Of which of a camera's seals something lies where the copy would."""
    folder = volume.root / SEALS / camera
    names = (entry.name for entry in folder.iterdir()) if folder.is_dir() else ()
    return {int(name.removesuffix(SUFFIX)) for name in names if is_copy(f"{SEALS}/x/{name}")}


def cameras_on(volume: Volume) -> list[str]:
    """Cameras of which copies lie here."""
    folder = volume.root / SEALS
    return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
