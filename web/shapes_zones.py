"""Shapes of privacy zones."""

from __future__ import annotations

from pydantic import Field

from web.shapes import Time, _Asked, _Told

LONGEST = 4000  # of a list of corners nobody draws; storage.zones says what is right


class ZonesListed(_Asked):
    """Which privacy zones."""

    camera: list[str] = Field([], description="slug, name or GB code; again for more")
    ended: bool = Field(False, description="ended ones too")


class ZoneBody(_Asked):
    """As the options of `hindsight zone add`."""

    camera: str
    name: str
    points: list[tuple[float, float]] = Field(
        max_length=LONGEST, description="corners, as fractions of width and height from top left"
    )
    reason: str
    from_: Time | None = Field(None, alias="from", description="of the footage; none: from now on")
    until: Time | None = Field(None, description="of the footage; none: until it is ended")


class ZoneEnd(_Asked):
    """Why it ends."""

    reason: str


class Zone(_Told):
    """A part of a camera's picture that is hidden in footage of a span of time."""

    id: int
    camera: str
    name: str
    points: list[tuple[float, float]]
    from_: Time = Field(alias="from")
    until: Time | None
    reason: str
    made_by: str
    made: Time
    ended: Time | None
    ended_by: str | None
    end_reason: str | None


class ZoneMade(Zone):
    """A new one."""

    segments: int = Field(description="kept segments it hides a part of; they are indexed again")
