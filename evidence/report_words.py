"""Codes in a bundle's JSON files, in words: marked here, translated where they are shown."""

from __future__ import annotations

from storage.i18n import N_
from storage.vocabulary import ClockSource

CLOCK_WORDS = {
    ClockSource.RTCP.value: N_("the camera's sender reports"),
    ClockSource.ARRIVAL.value: N_("arrival of the stream"),
    ClockSource.DECLARED.value: N_("declared at import"),
}
REASON_WORDS = {
    "codec": N_("MP4 cannot hold this codec"),
    "no_keyframe": N_("no picture that can stand alone"),
    "error": N_("the file could not be cut"),
    "unfaithful": N_("the copy was not as long as its originals"),
}
# Actions of audit rows that can be about footage.
DEED_WORDS = {
    "clock.correct": N_("corrected the clock"),
    "delete": N_("deleted footage"),
    "export": N_("exported"),
    "export.fetched": N_("downloaded a bundle"),
    "export.sealed": N_("finished an export"),
    "hold.add": N_("put a hold on it"),
    "hold.release": N_("released a hold"),
    "import": N_("took it in"),
    "view": N_("looked at it"),
}
# Of the manifest's `tool`, whose parts go by their own names in every language.
TOOL_NAMES = {
    "version": "Hindsight", "python": "Python", "pyav": "PyAV", "ffmpeg": "FFmpeg",
    "bagit": "bagit", "cryptography": "cryptography",
}  # fmt: skip
