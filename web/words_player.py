"""The sentences of the player's modules; web.words takes them in."""

from __future__ import annotations

from storage.i18n import N_

PLAYER: dict[str, str] = {
    "preview_codec": N_(
        "This browser does not play {codec}. Single pictures are shown; a preview that plays can"
        " be made on the server."
    ),
    "tile_gap": N_("Not recorded {from}–{to}: {cause}"),
    "tile_none": N_("No footage of this camera at this instant."),
    "tile_loading": N_("Opening…"),
    "tile_stills": N_("{codec} does not play in this browser; single pictures are shown."),
    "again": N_(
        "The server does not answer. It is asked again every few seconds; the picture stays."
    ),
    "stopped": N_("Stopped: {detail}"),
    "scrub_none": N_("{time}: nothing is kept here"),
    "cut_help": N_(
        "Draw a box, or move it with the arrows and size it with Shift and arrows. Enter searches,"
        " Escape leaves."
    ),
    "cut_box": N_("The part to search for"),
    "near_loading": N_("Looking at the neighbours…"),
}
