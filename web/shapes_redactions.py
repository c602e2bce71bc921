"""Shapes of redacted copies."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from web.shapes import Time, _Asked, _Told


class _OfASpan(_Asked):
    camera: str
    from_: Time = Field(alias="from")
    to: Time
    case: str | None = None
    reason: str | None = None


class RedactionBody(_OfASpan):
    """As the options of `hindsight redact`."""

    recipe: dict[str, Any] = Field(description="what is hidden, and where: docs/design/redaction")
    time: bool = Field(False, description="write each picture's time below it")


class GlanceBody(_OfASpan):
    """One picture of a span."""

    at: Time
    recipe: dict[str, Any] | None = Field(None, description="none: to draw on")


class Unsure(_Told):
    """Where a subject was not followed for sure, so that more is hidden."""

    subject: str
    start: Time
    end: Time


class RedactionState(_Told):
    """A copy on its way."""

    redaction: str
    state: Literal["making", "done", "failed"]
    share: float = Field(description="done, 0…1")
    error: str | None
    unsure: list[Unsure]
