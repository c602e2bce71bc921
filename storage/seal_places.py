"""Where on a volume the copies of seals and of the audit chain's heads lie."""

from __future__ import annotations

import re

from storage.volumes import Volume

SEALS = ".seals"  # folder at the root of a volume
AUDIT = ".audit"  # beside it: a folder per chain, named after its first row's hash
SUFFIX = ".json"


def copy_path(camera: str, number: int) -> str:
    """Relative to the volume's root."""
    return f"{SEALS}/{camera}/{number}{SUFFIX}"


def head_path(chain: str, number: int) -> str:
    """Of the copy of an audit head, relative to the volume's root."""
    return f"{AUDIT}/{chain}/{number}{SUFFIX}"


def is_copy(path: str) -> bool:
    """Whether a path on a volume is that of a copy."""
    places = f"{re.escape(SEALS)}|{re.escape(AUDIT)}"
    return re.fullmatch(rf"({places})/[^/]+/[1-9]\d*\.json", path) is not None


def heads_on(volume: Volume) -> dict[str, list[int]]:
    """Of which audit chains copies of heads lie here, and of which heads."""
    found: dict[str, list[int]] = {}
    folder = volume.root / AUDIT
    for chain in sorted(folder.iterdir()) if folder.is_dir() else ():
        names = [entry.name for entry in chain.iterdir()] if chain.is_dir() else []
        numbers = [n.removesuffix(SUFFIX) for n in names if is_copy(f"{AUDIT}/x/{n}")]
        found[chain.name] = sorted(map(int, numbers))
    return found


def numbers_on(volume: Volume, camera: str) -> set[int]:
    """Of which of a camera's seals something lies where the copy would."""
    folder = volume.root / SEALS / camera
    names = (entry.name for entry in folder.iterdir()) if folder.is_dir() else ()
    return {int(name.removesuffix(SUFFIX)) for name in names if is_copy(f"{SEALS}/x/{name}")}


def cameras_on(volume: Volume) -> list[str]:
    """Cameras of which copies lie here."""
    folder = volume.root / SEALS
    return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
