"""Shapes of approvals."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from web.shapes import Time, _Asked, _Told

Approvable = Literal["search", "play", "export"]


class Which(_Asked):
    """Which requests."""

    ended: bool = Field(False, description="those that have ended too, of the newest 500")


class RequestBody(_Asked):
    """What somebody wants to do, with which cameras, for which case and why."""

    verbs: list[Approvable] = Field(min_length=1)
    camera: list[str] = Field(min_length=1, max_length=500)
    from_: Time | None = Field(None, alias="from", description="of the footage; needed to export")
    to: Time | None = None
    case: str
    reason: str


class GiveBody(_Asked):
    """Yes, and until when."""

    reason: str
    until: Time | None = Field(None, description="null: as long as the settings say")


class ReasonBody(_Asked):
    """Why."""

    reason: str


class Approval(_Told):
    """A request, and what became of it."""

    id: int
    user: str = Field(description="who wants to look")
    verbs: list[Approvable]
    cameras: list[str]
    from_: Time | None = Field(alias="from", description="null: footage of whatever time")
    to: Time | None
    case: str
    reason: str
    state: Literal["waiting", "in force", "refused", "revoked", "case closed", "expired"]
    asked_by: str
    asked: Time
    expires: Time
    answer: Literal["given", "refused"] | None
    answered: Time | None
    answered_by: str | None
    answer_reason: str | None
    revoked: Time | None
    revoked_by: str | None
    revoke_reason: str | None


class Listed(Approval):
    """As somebody sees it."""

    answerable: bool = Field(description="it waits for an answer that you may give")
