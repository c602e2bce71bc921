"""Shapes of the audit log."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from web.shapes import Time, _Asked, _Told

LARGEST_PAGE = 1000


class Filter(_Asked):
    """Which rows."""

    actor: str | None = Field(None, description="only what this person did")
    case: str | None = Field(None, description="only what was done under this case")
    camera: str | None = Field(None, description="slug, name or GB code")
    action: str | None = Field(None, description="only this action, such as search or play")
    from_: Time | None = Field(None, alias="from")
    to: Time | None = None


class Asked(Filter):
    """Which rows; newest first, a page at a time."""

    before: int | None = Field(None, ge=1, le=2**63 - 1, description="`next` of the page before")
    limit: int = Field(100, ge=1, le=LARGEST_PAGE)


class Exported(Filter):
    """Which rows; all of them."""

    format: Literal["jsonl", "csv"] = Field(
        "jsonl", description="JSON Lines, or a table for spreadsheets"
    )


class Verify(_Asked):
    """A verification that is to begin."""

    noted: str | None = Field(
        None, max_length=64, description="hash of a row or a head that was noted elsewhere"
    )


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


class Head(_Told):
    """A signed head of the chain."""

    number: int
    signed: Time
    row: int = Field(description="it covers all rows up to this one")
    row_hash: str
    previous: str
    hash: str
    key_id: str
    signature: str


class Walk(_Told):
    """A walk along the chain."""

    by: str
    begun: Time
    ended: Time | None = Field(description="null while it goes on")
    done: int = Field(description="rows")
    total: int
    ok: bool | None = Field(description="null while it goes on")
    findings: list[dict[str, object]]
    refused: str | None = Field(description="why it could not come to its end")


class Verification(_Told):
    """The chain: how long it is, how far it is signed, how the last walk along it went."""

    rows: int
    signed: Head | None
    walk: Walk | None = Field(description="null: none since the server began")
