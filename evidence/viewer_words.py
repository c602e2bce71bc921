"""What the viewer of a bundle says: key in its script → English, translated when it is written."""

from __future__ import annotations

from storage.i18n import N_

VIEWER_WORDS = {
    "title": N_("Evidence viewer"),
    "case": N_("Case"),
    "export": N_("Export number"),
    "report": N_("Report"),
    "language": N_("中文"),
    "play": N_("Play"),
    "pause": N_("Pause"),
    "step_back": N_("One picture back"),
    "step_on": N_("One picture on"),
    "jump_back": N_("10 seconds back"),
    "jump_on": N_("10 seconds on"),
    "speed": N_("Speed"),
    "skip": N_("Skip gaps"),
    "sound": N_("Sound"),
    "skipped": N_("Skipped: {span}, {cause}"),
    "cameras": N_("Cameras; up to four at a time"),
    "four": N_("Four are shown already; put one away first."),
    "none": N_("Choose a camera below."),
    "gap": N_("No footage: {cause}"),
    "gap_until": N_("until {time}"),
    "no_copy": N_("Recorded, but without a playable copy: {reason}. The original is {file}"),
    "corrected": N_("with the clock corrected: {time}"),
    "outside": N_("No footage here."),
    "codec": N_(
        "This browser shows no picture of this file ({codec}). Open {file} with another player,"
        " such as VLC."
    ),
    "broken": N_(
        "{file} cannot be played. If the bundle is a zip, unpack it first; verify.py tells whether"
        " the file is whole."
    ),
    "hash": N_("Original on screen, SHA-256"),
    "zoom_in": N_("Zoom in"),
    "zoom_out": N_("Zoom out"),
    "whole": N_("Whole span"),
    "keys": N_(
        "Space: play or pause. J K L: backwards, pause, forwards; again: faster. ← →: one picture"
        " (with Shift 10 seconds). ↑ ↓: speed. Home, End. Pictures are copies; the hash is that of"
        " the original file they come from."
    ),
}
