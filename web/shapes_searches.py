"""Shapes of searches that are kept: runs, their pages, their differences."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from web.shapes import Answer, Coverage, Moment, Time, _Asked, _Told

LONGEST_WAIT_S = 30.0
LARGEST_PAGE = 1000
LONGEST_SPAN_DAYS = 100_000
State = Literal["waiting", "running", "done", "cancelled", "failed"]
WAIT = Field(
    0.0,
    ge=0,
    le=LONGEST_WAIT_S,
    allow_inf_nan=False,
    description="wait so long for its end, seconds; the answer may come sooner",
)


class Waiting(_Asked):
    """How long to wait for an end."""

    wait_s: float = WAIT


class Watching(Waiting):
    """How long to wait for an end, or for more than is known."""

    known: int | None = Field(
        None, ge=0, le=LONGEST_SPAN_DAYS,
        description="days looked through that you know of; more of them end the waiting, too",
    )  # fmt: skip


class Page(_Asked):
    """Which moments."""

    start: int = Field(0, ge=0, le=LARGEST_PAGE, description="the first is 0")
    limit: int = Field(50, ge=1, le=LARGEST_PAGE)
    wait_s: float = WAIT


class Against(_Asked):
    """With which earlier answer to compare."""

    then: str = Field(description="token of an earlier run of the same query")


class Listed(_Asked):
    """Which searches."""

    case: str | None = None
    limit: int = Field(50, ge=1, le=LARGEST_PAGE)


class Run(_Told):
    """One run of what was asked, but for its answer."""

    token: str
    state: State
    progress: float = Field(ge=0, le=1)
    name: str | None
    subject: str = Field(description="what was asked, in a line")
    case: str | None
    reason: str | None
    asked_by: str
    asked: Time
    finished: Time | None
    model: str | None
    generation: int | None
    code_version: str
    error: str | None


class SoFar(_Told):
    """What a running search has found, and of how many days that it has looked through."""

    moments: int
    days_done: int
    days: int


class SearchState(Run):
    """How far a search is; with `done`, how much it found and what it did not look at."""

    so_far: SoFar | None = Field(description="of one that is running, once it lasts")
    total: int | None = Field(description="moments; null until it is done")
    confident: bool | None
    coverage: Coverage | None


class Footage(_Told):
    """Whether what a moment was found by is still there."""

    state: Literal["kept", "partly", "gone"]
    rule: str | None = Field(None, description="by which it was deleted")
    expired: Time | None = None


class KeptMoment(Moment):
    """A moment as it was given, and what became of its footage."""

    footage: Footage


class MomentsPage(_Told):
    """Some of the moments of a search. One that is not done has no order and no coverage yet."""

    token: str
    state: State
    total: int | None
    start: int
    moments: list[KeptMoment]
    next: int | None = Field(description="`start` of the page after; null: there is none")
    coverage: Coverage | None = Field(None, description="on the first page")
    query: dict[str, object] | None = Field(None, description="as understood; on the first page")
    confident: bool | None = None
    so_far: list[Moment] | None = Field(
        None, description="what a running search has found; more comes after it"
    )


class Cause(_Told):
    """Something that changed; with facts of its own."""

    model_config = ConfigDict(extra="allow")

    cause: str
    text: str


class Side(_Told):
    """One of the two runs that are compared."""

    token: str
    began: Time
    model: str | None
    generation: int | None
    code_version: str
    moments: int


class Confident(_Told):
    """Whether there was a match, then and now."""

    then: bool
    now: bool
    why: list[Cause]


class Difference(_Told):
    """A moment of either answer; `why` unless it is the same."""

    model_config = ConfigDict(extra="allow")

    change: Literal["same", "moved", "new", "gone"]
    camera: str
    rank: dict[Literal["then", "now"], int | None] = Field(
        description="place in the answer, from 1"
    )
    fields: list[str] | None = Field(None, description="in what a moved one differs")
    moment: dict[Literal["then", "now"], Moment | None] | None = None
    why: list[Cause] | None = None


class Differences(_Told):
    """How a later answer differs from an earlier one to the same query, and why."""

    then: Side
    now: Side
    changed: bool
    same: int
    moved: int
    new: int
    gone: int
    confident: Confident
    moments: list[Difference] = Field(description="as they are now, then those that are gone")
    circumstances: list[Cause] = Field(description="what else has changed, whatever it did")


class Again(_Told):
    """A query asked again: the new run, and once that is done, what is different."""

    run: SearchState
    answer: Answer | None
    differences: Differences | None = Field(
        description="null while it runs, and where the earlier run has no answer"
    )
