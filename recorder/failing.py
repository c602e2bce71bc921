"""Why a stretch ends: the cause of the gap that begins, and a sentence for people."""

from __future__ import annotations

import errno

from storage.directory import DataDirectory
from storage.errors import Unavailable
from storage.vocabulary import GapCause
from storage.volumes import Volume

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class RecordingFailed(Exception):
    """Recording of this stretch ended; `cause` names the gap that begins."""

    def __init__(self, cause: GapCause, detail: str) -> None:
        super().__init__(detail)
        self.cause = cause
        self.detail = detail


def volume_for_next(directory: DataDirectory) -> Volume:
    """The volume for the next segment, verified; RecordingFailed when there is none."""
    try:
        volume = directory.archive.recording_volume()
    except Unavailable as error:
        raise RecordingFailed(GapCause.WRONG_VOLUME, str(error)) from None
    floor = directory.settings.retention.free_floor_bytes
    if volume.free_bytes() < floor:
        raise RecordingFailed(
            GapCause.DISK_FULL,
            f"volume {volume.name} has less than {floor} bytes free; free space or add one",
        )
    return volume


def refused(error: OSError, volume: Volume | None) -> RecordingFailed:
    """What it means that the disk refused to write."""
    cause, name = GapCause.UNKNOWN, "the volume"
    if volume is not None:
        name = f"volume {volume.name}"
        try:
            volume.verify()
        except Unavailable:
            cause = GapCause.WRONG_VOLUME
    if error.errno in FULL:
        cause = GapCause.DISK_FULL
    return RecordingFailed(cause, f"{name} cannot be written: {error.strerror or error}")
