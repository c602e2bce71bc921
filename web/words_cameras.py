"""What the modules of the cameras desk say."""

from __future__ import annotations

from storage.i18n import N_

CAMERAS: dict[str, str] = {
    "try_going": N_("Looking at the source, at most 10 seconds…"),
    "try_picture": N_("What the camera showed at {time}"),
    "try_at": N_("Picture of {time}"),
    "try_no_picture": N_("No picture."),
    "board_stale": N_("The server does not answer: this is the board of {time}."),
}
