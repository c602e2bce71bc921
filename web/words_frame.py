"""What the frame of every page says: the desk's menu, keys, a server or a session that is gone."""

from __future__ import annotations

from storage.i18n import N_

FRAME: dict[str, str] = {
    "session_ended": N_("Your session has ended. What you see stays; what you did is kept."),
    "log_in_again": N_("Log in and come back here"),
    "right_gone": N_("Not allowed, or not any more: {detail}"),
    "server_silent": N_("The server does not answer; trying again. What you see stays."),
    "server_back": N_("The server answers again."),
    "too_many": N_("Too much was asked at once; it goes on in {s} s."),
    "time_left": N_("about {length} left"),
    "close": N_("Close"),
}
