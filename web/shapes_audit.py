"""Shapes of the audit log."""

from __future__ import annotations

from pydantic import Field

from web.shapes import Time, _Asked, _Told

LARGEST_PAGE = 1000


class Asked(_Asked):
    """Which rows; newest first, a page at a time."""

    actor: str | None = Field(None, description="only what this person did")
    case: str | None = Field(None, description="only what was done under this case")
    camera: str | None = Field(None, description="slug, name or GB code")
    action: str | None = Field(None, description="only this action, such as search or play")
    from_: Time | None = Field(None, alias="from")
    to: Time | None = None
    before: int | None = Field(None, ge=1, le=2**63 - 1, description="`next` of the page before")
    limit: int = Field(100, ge=1, le=LARGEST_PAGE)


class Row(_Told):
    """One row of the chain."""

    row: int
    time: Time
    actor: str
    action: str
    subject: str
    case: str | None
    reason: str | None
    detail: object
    previous: str = Field(description="hash of the row before")
    hash: str


class Page(_Told):
    """Rows, and where the next page begins."""

    rows: list[Row]
    next: int | None = Field(description="null: nothing older was asked for")
