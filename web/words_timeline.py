"""The sentences of the timeline's modules; web.words takes them in."""

from __future__ import annotations

from storage.i18n import N_

TIMELINE: dict[str, str] = {
    "timeline": N_("Timeline: the instant the cursor is at"),
    "timeline_at": N_("{time}, {camera}"),
    "timeline_shown": N_("Shown"),
    "timeline_marked": N_("Marked"),
    "timeline_days": N_("{d} d {h} h"),
    "timeline_not_played": N_("You may not watch this camera; the timeline shows what is kept."),
    "density": N_("Where the moments lie in time"),
    "density_at": N_("{from} to {to}, moments: {n}"),
    "density_chosen": N_("{from} to {to}: Enter searches this span alone"),
}
