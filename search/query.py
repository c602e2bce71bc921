"""What is asked: a validated, frozen query, before the register has been looked at."""

from __future__ import annotations

import hashlib
import math
import unicodedata
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from search.query_picture import bounded, crop, open_picture
from storage.clock import EARLIEST_US, LATEST_US, optional_rfc3339
from storage.errors import Invalid
from storage.i18n import tr

LONGEST_TEXT = 1000  # characters; a description, not a document
MOST_PARTS = 16  # of a list; more than this is a mistake
MOST_WEIGHT = 100.0
MOST_MARKS = 1000
LONGEST_WITHIN_S = 24 * 3600.0
DEFAULT_WITHIN_S = 60.0  # A, then B: a street crossing takes less, a walk to the next door too
FARTHEST_M = 20_000_000.0  # half way round the Earth: there is nothing farther
LARGEST_FRAME = 2**63 - 1  # storage.lake.frame_id
LARGEST_BOX = 100_000  # pixels; no picture is that large
MOST_TOP = 1000
KINDS = ("frame", "region")
LIGHTS = ("day", "night")
ALREADY_CUT = "already cut"  # validation context: the picture comes out of a stored query

Picture = npt.NDArray[np.uint8]  # (height, width, 3) RGB
Box = tuple[int, int, int, int]  # x, y, width, height in pixels of the picture


class Asked(BaseModel):
    """Base of everything that is asked: frozen, and what cannot be used raises Invalid."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    @model_validator(mode="wrap")
    @classmethod
    def _in_our_words(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """A value of a wrong type becomes the house's one-line error."""
        try:
            return handler(values)
        except ValidationError as error:
            first = error.errors()[0]
            raise Invalid(
                "search field {field} cannot be used: {error}; nothing was searched",
                field=".".join(str(part) for part in first["loc"]), error=first["msg"],
            ) from None  # fmt: skip


class Part(Asked):
    """Words or a picture, and how much they count beside the others.

    The picture may be given as bytes, file or pixels, with the box that matters in it. What is
    kept in `image` is cut to the box already and at most query_picture.LONGEST_SIDE pixels long;
    `box` remembers where it was cut out.
    """

    text: str | None = None
    box: Box | None = None
    image: Picture | None = None
    weight: float = 1.0

    @field_validator("image", mode="before")
    @classmethod
    def _opened(cls, value: Any) -> Any:
        return open_picture(value) if isinstance(value, bytes | Path) else value

    @field_validator("image", mode="after")
    @classmethod
    def _taken_in(cls, value: Picture | None, info: ValidationInfo) -> Picture | None:
        if value is None:
            return None
        if value.ndim != 3 or value.shape[2] != 3 or value.dtype != np.uint8 or not value.size:
            raise Invalid("a query picture must be RGB, 8 bits a channel, and not empty")
        box = info.data.get("box")
        if box is not None and not (info.context or {}).get(ALREADY_CUT):
            value = crop(value, box)  # Invalid when it lies outside
        kept = bounded(value).copy()
        kept.setflags(write=False)
        return kept

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.image is None:
            if self.box is not None:
                raise Invalid("a box needs the picture it lies in; add --image")
            if self.text is None or not self.text.strip():
                raise Invalid("an empty query finds nothing; describe the moment or give a picture")
            if len(self.text) > LONGEST_TEXT:
                raise Invalid(
                    "a description of {length} characters is too long; use at most 1000",
                    length=len(self.text),
                )
        elif self.text is not None:
            raise Invalid("a part of a query is words or a picture; give each its own part")
        if not (math.isfinite(self.weight) and 0 < self.weight <= MOST_WEIGHT):
            raise Invalid(
                "weight {weight} cannot be used; use more than 0 and at most 100",
                weight=f"{self.weight:g}",
            )
        return self

    @cached_property
    def pixels_sha256(self) -> str | None:
        """Names the picture: SHA-256 of 'width×height' and its RGB bytes, row by row."""
        if self.image is None:
            return None
        height, width = self.image.shape[:2]
        return hashlib.sha256(f"{width}x{height}\n".encode() + self.image.tobytes()).hexdigest()

    @property
    def meaning(self) -> str:
        """What two parts share that ask for the same: words, however written, or pixels."""
        if self.text is None:
            return f"picture {self.pixels_sha256}"
        return " ".join(unicodedata.normalize("NFKC", self.text).casefold().split())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Part) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[object, ...]:
        return self.text, self.pixels_sha256, self.box, self.weight


class Then(Asked):
    """What happens afterwards: on the same camera, or also on one within `near_m` of it."""

    parts: tuple[Part, ...]
    within_s: float = DEFAULT_WITHIN_S
    near_m: float | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if not self.parts:
            raise Invalid("--then is empty: say what happens afterwards")
        _check_count(self.parts)
        if not (math.isfinite(self.within_s) and 0 < self.within_s <= LONGEST_WITHIN_S):
            raise Invalid(
                "within {seconds} s cannot be searched; use more than 0 and at most a day",
                seconds=self.within_s,
            )
        if self.near_m is not None:
            _check_distance(self.near_m)
        return self


class Around(Asked):
    """Cameras at most `radius_m` from a point, WGS 84 degrees."""

    lat: float
    lon: float
    radius_m: float

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if not (abs(self.lat) <= 90 and abs(self.lon) <= 180):  # false for NaN, too
            raise Invalid(
                "the point {lat},{lon} does not lie on the Earth; latitude is -90 to 90,"
                " longitude -180 to 180",
                lat=f"{self.lat:g}", lon=f"{self.lon:g}",
            )  # fmt: skip
        _check_distance(self.radius_m)
        return self


class Marked(Asked):
    """A row of the lake that somebody said shows what is asked for, or does not."""

    frame_id: int
    segment_id: str
    right: bool

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if not 0 <= self.frame_id <= LARGEST_FRAME:
            raise Invalid("frame {frame} is no number of a picture", frame=self.frame_id)
        return self


class Query(Asked):
    """A description of a moment, where and when to look for it, and for what purpose.

    `between` is minutes of the local day of each camera's own zone, its end before its start runs
    over midnight; `weekdays` are days of that same clock, 1 Monday to 7 Sunday. Times are UTC
    microseconds, `[from_us, to_us)`. `least_box`: pixels of a region's shorter side; whole
    pictures qualify always. Unknown cameras and sites are found by the engine.
    """

    parts: tuple[Part, ...] = ()
    exclusions: tuple[Part, ...] = ()
    then: Then | None = None
    cameras: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    around: Around | None = None
    from_us: int | None = None
    to_us: int | None = None
    between: tuple[int, int] | None = None
    weekdays: tuple[int, ...] = ()
    kind: str | None = None
    least_box: int | None = None
    light: str | None = None
    marks: tuple[Marked, ...] = ()
    top: int | None = None
    diversify: bool = True
    case_id: str | None = None
    reason: str | None = None

    @field_validator("case_id", "reason", mode="after")
    @classmethod
    def _blank_is_none(cls, value: str | None) -> str | None:
        return (value.strip() or None) if value is not None else None

    @field_validator("weekdays", mode="after")
    @classmethod
    def _each_day_once(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        for day in value:
            if not 1 <= day <= 7:
                raise Invalid(
                    "weekday {day} is not known; use mon, tue, wed, thu, fri, sat, sun or 1 to 7",
                    day=day,
                )
        return tuple(sorted(set(value)))

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        self._check_parts()
        self._check_when()
        if self.kind is not None and self.kind not in KINDS:
            raise Invalid("kind {kind} must be frame or region", kind=self.kind)
        if self.light is not None and self.light not in LIGHTS:
            raise Invalid("light {light} must be day or night", light=self.light)
        if self.least_box is not None and not 1 <= self.least_box <= LARGEST_BOX:
            raise Invalid(
                "a least box of {pixels} pixels cannot be searched; use 1 to 100000",
                pixels=self.least_box,
            )
        if self.top is not None and not 1 <= self.top <= MOST_TOP:
            raise Invalid("{top} moments cannot be shown; ask for 1 to 1000", top=self.top)
        if len(self.marks) > MOST_MARKS:
            raise Invalid(
                "{count} marks are too many; use at most {most}",
                count=len(self.marks), most=MOST_MARKS,
            )  # fmt: skip
        return self

    def _check_parts(self) -> None:
        if not self.parts:
            raise Invalid("an empty query finds nothing; describe the moment or give a picture")
        _check_count(self.parts)
        _check_count(self.exclusions)
        excluded = {part.meaning for part in self.exclusions}
        for part in self.parts:
            if part.meaning in excluded:
                raise Invalid(
                    "{what} is asked for and excluded at once; take one of the two away",
                    what=part.text or tr("a picture"),
                )

    def _check_when(self) -> None:
        for us in (self.from_us, self.to_us):
            if us is not None and not EARLIEST_US <= us < LATEST_US:
                raise Invalid("time {us} µs lies outside 1971–2200; check the year", us=us)
        if self.from_us is not None and self.to_us is not None and self.from_us >= self.to_us:
            raise Invalid(
                "the span from {start} to {end} is empty; --from must be before --to",
                start=optional_rfc3339(self.from_us), end=optional_rfc3339(self.to_us),
            )  # fmt: skip
        if self.between is not None:
            start, end = self.between
            if not (0 <= start < 1440 and 0 <= end <= 1440) or start == end:
                raise Invalid(
                    "time of day {text} is empty or out of range; write it as 18:00-23:00",
                    text=between_text(self.between),
                )

    @property
    def steps(self) -> tuple[tuple[Part, ...], ...]:
        """What is asked for, step by step: one, or two for 'A, then B'."""
        return (self.parts,) if self.then is None else (self.parts, self.then.parts)

    @property
    def texts(self) -> tuple[str, ...]:
        """All words that are asked for."""
        return _texts([part for step in self.steps for part in step])

    @property
    def excluded_texts(self) -> tuple[str, ...]:
        """All words that are excluded."""
        return _texts(self.exclusions)

    @property
    def subject(self) -> str:
        """In one line, for the audit row and lists."""
        said = [" + ".join(part.text or "picture" for part in step) for step in self.steps]
        return " → ".join(said)

    def understood(self, cameras: list[str] | None, top: int) -> dict[str, Any]:
        """The query as it was understood, for the answer and the audit row.

        `cameras`: slugs it came down to, None for all of them.
        """
        from search.query_document import understood  # which builds queries, too

        return understood(self, cameras, top)


def _texts(parts: Sequence[Part]) -> tuple[str, ...]:
    return tuple(part.text for part in parts if part.text is not None)


def _check_count(parts: Sequence[Part]) -> None:
    if len(parts) > MOST_PARTS:
        raise Invalid(
            "{count} descriptions and pictures are too many; use at most {most}",
            count=len(parts), most=MOST_PARTS,
        )  # fmt: skip


def _check_distance(metres: float) -> None:
    if not (math.isfinite(metres) and 0 < metres <= FARTHEST_M):
        raise Invalid(
            "a distance of {metres} m cannot be searched; use more than 0 and at most 20,000 km",
            metres=f"{metres:g}",
        )


def between_text(between: tuple[int, int]) -> str:
    """(1080, 1380) → '18:00-23:00'."""
    return "-".join(f"{minute // 60:02d}:{minute % 60:02d}" for minute in between)
