"""Shapes of cases, exhibits and hand-overs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from web.shapes import Time, _Asked, _Told

Handed = Literal["search", "play", "export"]


class WhichCases(_Asked):
    """Which cases."""

    open: bool = Field(False, description="open ones only")


class CaseBody(_Asked):
    """A case to be opened: of the department of whoever opens it."""

    id: str = Field(max_length=64)
    reason: str = Field(max_length=1000)


class Case(_Told):
    """A purpose of looking."""

    id: str
    reason: str
    department: str | None = Field(description="null: of everybody who works with cases")
    opened: Time
    opened_by: str
    closed: Time | None


class Ended(_Told):
    """What ended with a case, and what stays."""

    case: Case
    handovers: int
    grants: int
    standing: int
    holds: int = Field(description="they stay until they are released")


class CaseStill(_Told):
    """The picture an exhibit is known by."""

    time: Time
    sha256: str = Field(description="of its pixels: RGB, 8 bits, row by row")
    segment: str
    box: list[int] | None


class ExhibitNote(_Told):
    """What somebody wrote about an exhibit."""

    text: str
    by: str
    at: Time


class Exhibit(_Told):
    """A moment kept for a case; of a camera you do not see, only that it is there."""

    id: int
    case: str
    camera: str | None
    start: Time | None
    end: Time | None
    still: CaseStill | None
    search: str | None
    hold: int | None
    added_by: str
    added: Time
    removed: Time | None
    removed_by: str | None
    remove_reason: str | None
    notes: list[ExhibitNote]


class Collected(Exhibit):
    """An exhibit that was added, and what there is to say of it."""

    overlaps: list[int] = Field(description="exhibits that show a part of the same")
    said: list[str] = Field(description="sentences for a person")


class CaseHold(_Told):
    """Footage held for a case."""

    id: int
    camera: str
    start: Time
    end: Time
    reason: str
    owner: str


class Handover(_Told):
    """A case, handed to a department until a time."""

    id: int
    case: str
    department: str
    until: Time
    reason: str
    state: Literal["in force", "expired", "taken back", "case closed"]
    grants: list[int]
    made_by: str
    made: Time
    ended: Time | None
    ended_by: str | None
    end_reason: str | None


class CaseContents(Case):
    """A case with what there is of it."""

    exhibits: list[Exhibit]
    handovers: list[Handover]
    holds: list[CaseHold]
    standing: list[str]
    searches: list[str]
    exports: list[str]


class HandoverBody(_Asked):
    """To whom, until when, what for."""

    department: str
    until: Time
    verbs: list[Handed] = Field(min_length=1)
    reason: str


class CaseReason(_Asked):
    """Why."""

    reason: str


class ExhibitBody(_Asked):
    """A span, or the instant of a moment with 10 s around it."""

    case: str
    camera: str
    from_: Time | None = Field(None, alias="from")
    to: Time | None = None
    at: Time | None = Field(None, description="of its picture")
    box: tuple[int, int, int, int] | None = Field(None, description="x, y, w, h in its pixels")
    note: str = Field("", max_length=1000)
    search: str | None = Field(None, max_length=26, description="token of the run that found it")
    hold: bool | None = Field(None, description="null: its footage is held where you may hold it")


class NoteBody(_Asked):
    """What is to be seen."""

    text: str
