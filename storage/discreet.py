"""What state and errors say to people who do not look after the archive: nothing of its folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from storage.directory import DataDirectory
from storage.status import CameraOverview, VolumeOverview

LEFT_OUT = "…"


def without_folders(directory: DataDirectory, text: str | None) -> str | None:
    """A sentence with every folder of the archive left out; what else it says stays."""
    if text is None:
        return None
    roots = [directory.root, *(volume.root for volume in directory.archive.volumes.values())]
    folders = {str(each) for root in roots for each in (root, root.resolve())}
    for folder in sorted(folders - {"/"}, key=len, reverse=True):
        text = text.replace(folder, LEFT_OUT)
    return text


def discreet_cameras(
    directory: DataDirectory, found: Sequence[CameraOverview]
) -> list[CameraOverview]:
    """Cameras as they stand, with errors that name no folder."""
    return [replace(one, error=without_folders(directory, one.error)) for one in found]


def discreet_volumes(
    directory: DataDirectory, found: Sequence[VolumeOverview]
) -> list[VolumeOverview]:
    """Volumes as they stand, without where they lie."""
    return [
        replace(
            one, root=None, error=without_folders(directory, one.error),
            refuses=without_folders(directory, one.refuses),
        )
        for one in found
    ]  # fmt: skip
