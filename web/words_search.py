"""The sentences of the search desk's browser modules; web.words hands them to the page."""

from __future__ import annotations

from storage.i18n import N_

SEARCH: dict[str, str] = {
    "search_waiting": N_("Waiting for its turn…"),
    "search_running": N_("Searching, {percent} % done…"),
    "search_days": N_("{done} of {n} days looked through."),
    "search_days_1": N_("{done} of {n} day looked through."),
    "search_so_far": N_("{n} moments so far."),
    "search_so_far_1": N_("{n} moment so far."),
    "search_whole": N_("The whole answer is there."),
    "search_marked": N_("{right} right, {wrong} wrong"),
    "search_unfolded": N_("{n} more are shown."),
    "search_unfolded_1": N_("{n} more is shown."),
    "search_film": N_("Before and after"),
    "search_no_picture": N_("no picture can be made"),
    "search_too_large": N_(
        "This picture has {size} MB, and {most} MB are the most; nothing was sent. Make it smaller,"
        " or cut out what matters."
    ),
}
