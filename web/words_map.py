"""What the map's modules say."""

from __future__ import annotations

from storage.i18n import N_

MAP: dict[str, str] = {
    "map_on": N_("recording"),
    "map_wait": N_("connecting"),
    "map_lost": N_("not recording"),
    "map_stale": N_("recorder silent"),
    "map_unknown": N_("never recorded"),
    "map_off": N_("not to record"),
    "map_live": N_("States as of {time}."),
    "map_stale_states": N_(
        "The server does not answer: these are the states of {time}. It is asked again."
    ),
    "map_paused": N_("States as of {time}; asked again when you look at this page."),
    "map_in": N_("Zoom in"),
    "map_out": N_("Zoom out"),
    "map_whole": N_("Show all"),
    "map_circle": N_("Search in a circle"),
    "map_circle_hint": N_("Press where its middle is and draw outwards."),
    "map_inside": N_("{n} cameras inside."),
    "map_inside_1": N_("{n} camera inside."),
    "map_many": N_("{n} cameras"),
    "map_many_lost": N_("{n} cameras, {lost} of them not recording"),
    "map_many_hits": N_("{n} cameras, {moments}"),
    "map_camera": N_("{name}: {state}"),
    "map_camera_hits": N_("{name}: {state}, {moments}"),
    "map_moments": N_("{n} moments"),
    "map_moments_1": N_("{n} moment"),
    "map_class": N_("class {n}"),
    "map_grid": N_("Grid: {length}"),
    "map_metres": N_("{n} m"),
    "map_kilometres": N_("{n} km"),
    "map_here": N_("Cameras here"),
    "map_shown": N_("{shown} of {n} cameras shown"),
    "map_shown_1": N_("{shown} of {n} camera shown"),
    "map_share": N_("{on} of {due} recording"),
    "map_no_ground": N_(
        "The map under the cameras cannot be read ({detail}); they are on plain ground now."
    ),
    "map_no_card": N_("The camera cannot be shown now ({detail})."),
    "map_no_data": N_("The cameras could not be loaded ({detail}). Load the page again."),
}
