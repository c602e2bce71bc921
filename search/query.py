"""What is asked: a validated, frozen query, before the register has been looked at."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    ValidationError,
    field_validator,
    model_validator,
)

from search.query_picture import crop, open_picture
from storage.clock import optional_rfc3339
from storage.errors import Invalid

LONGEST_TEXT = 1000  # characters; a description, not a document
MOST_TEXTS = 16  # `--not` given more often than this is a mistake
LONGEST_WITHIN_S = 24 * 3600.0
DEFAULT_WITHIN_S = 60.0  # A, then B: a street crossing takes less, a walk to the next door too
MOST_TOP = 1000
KINDS = ("frame", "region")

Picture = npt.NDArray[np.uint8]  # (height, width, 3) RGB
Box = tuple[int, int, int, int]  # x, y, width, height in pixels of the picture


class Query(BaseModel):
    """A description of a moment, where and when to look for it, and for what purpose.

    Words, a picture, or both. `between` is minutes of the local day of each camera's own zone;
    its end before its start runs over midnight. Times are UTC microseconds, `[from_us, to_us)`.
    A value that cannot be used raises Invalid; unknown cameras and sites are found by the engine.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    text: str | None = None
    not_texts: tuple[str, ...] = ()
    then_text: str | None = None
    within_s: float | None = None
    image: Picture | None = None
    box: Box | None = None
    cameras: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    from_us: int | None = None
    to_us: int | None = None
    between: tuple[int, int] | None = None
    kind: str | None = None
    top: int | None = None
    diversify: bool = True
    case_id: str | None = None
    reason: str | None = None

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

    @field_validator("image", mode="before")
    @classmethod
    def _picture(cls, value: Any) -> Any:
        return open_picture(value) if isinstance(value, bytes | Path) else value

    @field_validator("text", "then_text", "case_id", "reason", mode="after")
    @classmethod
    def _blank_is_none(cls, value: str | None) -> str | None:
        return (value.strip() or None) if value is not None else None

    @field_validator("not_texts", mode="after")
    @classmethod
    def _no_blanks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(text.strip() for text in value if text.strip())

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        self._check_words()
        self._check_picture()
        self._check_when()
        if self.kind is not None and self.kind not in KINDS:
            raise Invalid("kind {kind} must be frame or region", kind=self.kind)
        if self.top is not None and not 1 <= self.top <= MOST_TOP:
            raise Invalid("{top} moments cannot be shown; ask for 1 to 1000", top=self.top)
        return self

    def _check_words(self) -> None:
        if self.text is None and self.image is None:
            raise Invalid("an empty query finds nothing; describe the moment or give a picture")
        for text in filter(None, (self.text, self.then_text, *self.not_texts)):
            if len(text) > LONGEST_TEXT:
                raise Invalid(
                    "a description of {length} characters is too long; use at most 1000",
                    length=len(text),
                )
        if len(self.not_texts) > MOST_TEXTS:
            raise Invalid(
                "{count} exclusions are too many; use at most {most}",
                count=len(self.not_texts), most=MOST_TEXTS,
            )  # fmt: skip
        if self.within_s is not None:
            if self.then_text is None:
                raise Invalid("--within needs --then: say what happens afterwards")
            if not (math.isfinite(self.within_s) and 0 < self.within_s <= LONGEST_WITHIN_S):
                raise Invalid(
                    "within {seconds} s cannot be searched; use more than 0 and at most a day",
                    seconds=self.within_s,
                )

    def _check_picture(self) -> None:
        if self.image is None:
            if self.box is not None:
                raise Invalid("a box needs the picture it lies in; add --image")
            return
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise Invalid("a query picture must be RGB, 8 bits a channel")
        if self.box is not None:
            crop(self.image, self.box)  # Invalid when it lies outside

    def _check_when(self) -> None:
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
    def then_within_s(self) -> float:
        """How soon B must follow A, seconds."""
        return DEFAULT_WITHIN_S if self.within_s is None else self.within_s

    def picture(self) -> Picture | None:
        """The part of the picture that is asked for."""
        if self.image is None or self.box is None:
            return self.image
        return crop(self.image, self.box)

    def understood(self, cameras: list[str] | None, top: int) -> dict[str, Any]:
        """The query as it was understood, for the answer and the audit row.

        `cameras`: slugs it came down to, None for all of them.
        """
        picture = None
        if self.image is not None:
            height, width = self.image.shape[:2]
            digest = hashlib.sha256(np.ascontiguousarray(self.image).tobytes()).hexdigest()
            picture = {"width": width, "height": height, "pixels_sha256": digest}
        return {
            "text": self.text,
            "not": list(self.not_texts),
            "then": self.then_text,
            "within_s": self.then_within_s if self.then_text else None,
            "image": picture,
            "box": list(self.box) if self.box else None,
            "cameras": cameras,
            "sites": list(self.sites),
            "from": optional_rfc3339(self.from_us),
            "to": optional_rfc3339(self.to_us),
            "between": between_text(self.between) if self.between else None,
            "kind": self.kind,
            "top": top,
            "case": self.case_id,
            "reason": self.reason,
        }


def between_text(between: tuple[int, int]) -> str:
    """(1080, 1380) → '18:00-23:00'."""
    return "-".join(f"{minute // 60:02d}:{minute % 60:02d}" for minute in between)


def parse_box(text: str) -> Box:
    """'x,y,w,h' → four integers; Invalid when it is not that."""
    try:
        x, y, w, h = (int(part) for part in text.split(","))
    except ValueError:
        raise Invalid(
            "box {text} cannot be read; write it as x,y,w,h in pixels of the picture", text=text
        ) from None
    return x, y, w, h
