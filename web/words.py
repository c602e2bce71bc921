"""The sentences the browser modules say; they travel as JSON in the page."""

from __future__ import annotations

from storage.i18n import N_, tr

WORDS: dict[str, str] = {
    "play": N_("Play"),
    "pause": N_("Pause"),
    "loading": N_("Opening the recording…"),
    "gap": N_("Not recorded {from}–{to} ({length}): {cause}. Playback goes on after it."),
    "jump": N_("No footage was expected {from}–{to} ({length}). Playback goes on after it."),
    "end": N_("The newest footage ends here."),
    "begin": N_("The oldest footage begins here."),
    "stills_codec": N_(
        "This browser does not play {codec}. Single pictures are shown instead,"
        " decoded on the server; step with the arrows."
    ),
    "stills_missing": N_("The player part is not installed; single pictures are shown instead."),
    "failed": N_(
        "The recording could not be loaded ({detail}). Try again, or look at another time."
    ),
    "offline": N_(
        "The server does not answer. This page keeps what it shows; it goes on when the"
        " server is back."
    ),
    "logged_out": N_("Your session has ended. Log in again in another tab, then go on here."),
    "in": N_("In {time}"),
    "out": N_("Out {time}"),
    "not_picture": N_("This is not a picture."),
    "uploading": N_("Taking the picture in…"),
    "seconds": N_("{s} s"),
    "minutes": N_("{m} min {s} s"),
    "hours": N_("{h} h {m} min"),
    "speed": N_("Speed {speed}×"),
    "backwards": N_("Backwards {speed}×"),
}


def words() -> dict[str, str]:
    """All of them in the language of this request; `{fields}` are filled in the browser."""
    return {key: tr(text) for key, text in WORDS.items()}
