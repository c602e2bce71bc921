"""The sentences the browser modules say; they travel as JSON in the page."""

from __future__ import annotations

from storage.i18n import N_, tr
from web.words_cameras import CAMERAS
from web.words_frame import FRAME
from web.words_map import MAP
from web.words_player import PLAYER
from web.words_search import SEARCH
from web.words_timeline import TIMELINE

WORDS: dict[str, str] = (
    {
        "play": N_("Play"),
        "pause": N_("Pause"),
        "loading": N_("Opening the recording…"),
        "gap": N_("Not recorded {from}–{to} ({length}): {cause}. Playback goes on after it."),
        "jump": N_("No footage was expected {from}–{to} ({length}). Playback goes on after it."),
        "end": N_("The newest footage ends here."),
        "begin": N_("The oldest footage begins here."),
        "stills_missing": N_(
            "The player part is not installed; single pictures are shown instead."
        ),
        "failed": N_(
            "The recording could not be loaded ({detail}). Try again, or look at another time."
        ),
        "offline": N_(
            "The server does not answer. This page keeps what it shows; it goes on when the"
            " server is back."
        ),
        "logged_out": N_("Your session has ended. Log in again in another tab, then go on here."),
        "approvals": N_("Go to the approvals"),
        "in": N_("In {time}"),
        "out": N_("Out {time}"),
        "collect_none": N_("Choose a result or open a recording first; then it can be collected."),
        "collect_no_case": N_("No case that you know of is open; open one at the cases desk."),
        "collecting": N_("Collecting it into case {case}…"),
        "collected": N_("Exhibit {exhibit} of case {case}."),
        "collect_show": N_("Show the case"),
        "not_picture": N_("This is not a picture."),
        "uploading": N_("Taking the picture in…"),
        "seconds": N_("{s} s"),
        "minutes": N_("{m} min {s} s"),
        "hours": N_("{h} h {m} min"),
        "speed": N_("Speed {speed}×"),
        "backwards": N_("Backwards {speed}×"),
        "subject": N_("Subject {n}"),
        "redact_preview": N_("Hiding it in this picture…"),
        "redact_rough": N_("About, as drawn; followed exactly in the copy: {names}"),
        "redact_from": N_("From {time}"),
        "redact_until": N_("Until {time}"),
        "redact_none": N_("not drawn yet"),
        "redact_no_recipe": N_("This file holds no recipe."),
        "redact_begins": N_("Beginning…"),
        "redact_making": N_("Hiding and checking every picture: {percent} %"),
        "redact_done": N_(
            "The copy is made and was read back. Look at it from end to end before it leaves"
            " the house."
        ),
        "redact_unsure": N_(
            "Not followed for sure, so more is hidden: {names}. Another box there hides less."
        ),
        "redact_stopped": N_("Stopped; nothing of it is left."),
    }
    | CAMERAS
    | FRAME
    | MAP
    | PLAYER
    | SEARCH
    | TIMELINE
)  # each desk's own follow


def words() -> dict[str, str]:
    """All of them in the language of this request; `{fields}` are filled in the browser."""
    return {key: tr(text) for key, text in WORDS.items()}
