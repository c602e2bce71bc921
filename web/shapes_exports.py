"""Shapes of exports that the server makes."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from web.shapes import Time, _Asked, _Told
from web.shapes_searches import WAIT

State = Literal["waiting", "running", "done", "failed", "cancelled", "expired"]


class Listed(_Asked):
    """How many of one's exports."""

    limit: int = Field(50, ge=1, le=1000)


class Waiting(_Asked):
    """How long to wait for an end."""

    wait_s: float = WAIT


class Export(_Told):
    """One export: what was asked, how far it is, where its bundle is."""

    id: str
    state: State
    progress: float = Field(ge=0, le=1)
    cameras: list[str]
    from_: Time = Field(alias="from")
    to: Time
    case: str | None
    reason: str | None
    asked: Time
    finished: Time | None
    expires: Time | None = Field(description="until when the bundle can be fetched")
    name: str = Field(description="of the file")
    size_bytes: int | None = Field(description="of the zip")
    error: str | None = Field(description="why it failed")
    fingerprint: str | None = Field(description="stands for the whole bundle")
    address: str
    bundle: str | None = Field(description="where to fetch it, once it is done")


class ExportResult(Export):
    """The same with what is in the bundle."""

    result: dict[str, Any] | None = Field(description="as `export --json`, once it is done")
