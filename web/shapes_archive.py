"""Shapes of the archive desk in the JSON API; as the commands' JSON."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from web.shapes import Time, _Asked


class ViolationsAsked(_Asked):
    """Which deletions."""

    camera: list[str] = Field(default_factory=list, description="slugs; none: all you may see")
    from_: Time | None = Field(None, alias="from")
    to: Time | None = None


class HoldsAsked(_Asked):
    """Which holds."""

    all: bool = Field(False, description="ended ones too")


class HoldBody(_Asked):
    """Footage to hold, of all these cameras or of none."""

    camera: list[str]
    from_: Time = Field(alias="from")
    to: Time
    reason: str
    case: str | None = None
    until: Time | None = Field(None, description="it ends by itself then")


class ReleaseBody(_Asked):
    """Why it is let go."""

    reason: str


class PromiseBody(_Asked):
    """How long footage of a class is to be kept."""

    class_: str = Field(alias="class", description="1, 2, 3, or a retention class")
    days: float
    reason: str


class HoldDocument(BaseModel):
    """A hold, as `hold list --json`."""

    id: int
    camera: str
    start: Time
    end: Time
    case: str | None
    reason: str
    owner: str
    created: Time
    expires: Time | None
    released: Time | None
    release_reason: str | None
    segments: int
    held_bytes: int


class Amount(BaseModel):
    """Some footage."""

    segments: int
    bytes: int
    hours: float


class Released(BaseModel):
    """What letting go of a hold does."""

    hold: int
    free: Amount = Field(description="held by nothing else")
    due: Amount = Field(description="of that, what the next retention run deletes")


class MadeHold(HoldDocument):
    """A hold that was just made."""

    deleted_before: int = Field(description="segments of the span that were gone already")


class MadeHolds(BaseModel):
    """One for each camera."""

    holds: list[MadeHold]


class ViolationDocument(BaseModel):
    """As `violations --json`."""

    at: Time
    camera: str
    volume: str
    start: Time
    end: Time
    segments: int
    size_bytes: int
    promised_until: Time
    promise: str
    reason: str


class ForecastDocument(BaseModel):
    """As `forecast --json`, of the cameras one may see; volumes are told whole."""

    cameras: list[dict[str, Any]]
    volumes: list[dict[str, Any]]
    violations: dict[str, Any]
    promise_kept: bool
    breaks_on: Time | None


class DecisionDocument(BaseModel):
    """As `promise list --json`."""

    id: int
    class_: str = Field(alias="class")
    rule: str
    days: float
    before_days: float | None
    decided: Time
    decided_by: str
    reason: str
    effective: Time
    withdrawn: Time | None
    withdrawn_by: str | None
    withdraw_reason: str | None


class RetentionDocument(BaseModel):
    """What the next run would let go of, as the sums of `retain --dry-run --json`."""

    dry_run: bool
    expired_segments: int
    expired_bytes: int
    expired_hours: float
    held: dict[str, int]
    undecided: list[str]
    decisions: list[DecisionDocument]
