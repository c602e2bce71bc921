"""Shapes of standing queries: what is looked for in footage to come, and what came of it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from web.shapes import SearchBody, Time, _Asked, _Told

LARGEST_PAGE = 1000


class StandingListed(_Asked):
    """Which standing queries."""

    ended: bool = Field(False, description="ended ones too")


class FiringsPage(_Asked):
    """How many firings."""

    limit: int = Field(50, ge=1, le=LARGEST_PAGE)


class StandingBody(SearchBody):
    """As the options of `hindsight standing add`. `case` and `reason` are needed; `from`, `to` and
    `top` mean nothing here.
    """

    name: str
    expires: Time
    threshold: float | None = Field(None, description="0.5 to 1; none: what counts as confident")
    quiet: str | None = Field(None, description="HH:MM-HH:MM, by the clock at each camera")
    webhook: str | None = Field(None, description="a name of GET /webhooks")


class StandingExtend(_Asked):
    """Until when, and why."""

    expires: Time
    reason: str


class StandingEnd(_Asked):
    """Why it ends."""

    reason: str


class Standing(_Told):
    """A standing query."""

    name: str
    subject: str = Field(description="what is looked for, in a line")
    case: str
    reason: str | None
    created: Time
    created_by: str
    expires: Time
    threshold: float
    quiet: str | None
    webhook: str | None
    looked_until: Time = Field(description="what was indexed until then was looked at")
    lag_s: float | None = Field(description="how long ago that was; null when it has ended")
    ended: Time | None
    end_reason: str | None
    trouble: str | None = Field(description="why the last look failed")
    firings: int
    last_fired: Time | None


class StandingMade(Standing):
    """A new standing query, and what to expect of it."""

    notes: list[str]


class Firing(_Told):
    """A moment that was noticed, and whether somebody was told."""

    number: int
    noticed: Time
    camera: str
    start: Time
    end: Time
    time: Time = Field(description="of its best picture")
    segment: str
    frame: str
    score: float
    model: str
    generation: int
    delivery: Literal["none", "quiet", "waiting", "delivered", "failed"]
    attempts: int
    next_attempt: Time | None
    delivered: Time | None
    error: str | None


class StandingShown(Standing):
    """A standing query with its firings, newest first."""

    fired: list[Firing]


class StandingList(_Told):
    """Standing queries, and whether anybody looks."""

    running: bool
    standing: list[Standing]
