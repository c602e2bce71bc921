"""Shapes of marks: what somebody said of the moments of an answer."""

from __future__ import annotations

from pydantic import Field

from web.shapes import Time, _Asked, _Told


class MarkBody(_Asked):
    """Whether a moment shows what was asked for."""

    right: bool


class Mark(_Told):
    """Somebody's word on the best picture of a moment."""

    frame: str = Field(description="`best.frame` of the moment")
    segment: str
    camera: str
    time: Time
    right: bool
    by: str
    at: Time = Field(description="when it was said")
    case: str | None
    kept: bool = Field(description="its footage is still there; otherwise it refines nothing")
