"""Shapes of the map: cameras by place, and how each stands."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from web.shapes import _Told

Mark = Literal["on", "wait", "lost", "stale", "unknown", "off"]


class MapCamera(_Told):
    """Where a camera stands; places are null where nobody entered them."""

    slug: str
    name: str
    site: str
    class_: int = Field(alias="class")
    lat: float | None
    lon: float | None
    view: float | None = Field(description="direction it looks in, degrees clockwise from north")


class MapStates(_Told):
    """How the cameras stand now. The same answer, and the same ETag, while nothing changes."""

    states: dict[Mark, list[str]] = Field(
        description="cameras by state: on (recording), wait (connecting), lost (not recording),"
        " stale (the recorder fell silent), unknown (never recorded), off (not to record)"
    )
    register_: str = Field(
        alias="register", description="another one when the facts of `GET /map` are others"
    )


class Map(MapStates):
    """All cameras one may see."""

    cameras: list[MapCamera]
