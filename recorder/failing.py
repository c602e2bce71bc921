"""Why a stretch ends: the cause of the gap that begins, and a sentence for people."""

from __future__ import annotations

import errno

from storage.errors import Unavailable
from storage.vocabulary import GapCause
from storage.volumes import Volume

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# The disk is there, and is not what it was: remounted read-only, failing, gone, a stale NFS handle.
BROKEN = {errno.EIO, errno.EROFS, errno.ENODEV, errno.ENXIO, errno.ESTALE, errno.ENOTCONN}


class RecordingFailed(Exception):
    """Recording of this stretch ended; `cause` names the gap that begins."""

    def __init__(self, cause: GapCause, detail: str) -> None:
        super().__init__(detail)
        self.cause = cause
        self.detail = detail


def refused(error: OSError, volume: Volume) -> RecordingFailed:
    """What it means that the disk refused to write."""
    cause = GapCause.UNKNOWN
    try:
        volume.verify()
    except Unavailable:
        cause = GapCause.WRONG_VOLUME
    if error.errno in FULL:
        cause = GapCause.DISK_FULL
    elif error.errno in BROKEN:
        cause = GapCause.WRONG_VOLUME
    detail = f"volume {volume.name} cannot be written: {error.strerror or error}"
    return RecordingFailed(cause, detail)
