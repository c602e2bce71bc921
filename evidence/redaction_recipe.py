"""The recipe of a redacted copy: what a person drew, read from JSON; errors name the place."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from storage.clock import parse_time, rfc3339
from storage.errors import HindsightError, Invalid, NotFound
from storage.i18n import N_, tr
from storage.vocabulary import Span

VERSION = 1  # of the format
BOXES, ALL_BUT_BOXES = "boxes", "all-but-boxes"  # what is hidden
BLOCKS, SOLID = "blocks", "solid"  # and with what
MOST_SUBJECTS = 100
MOST_BOXES = 1000  # of one subject
MOST_BYTES = 4 << 20
LONGEST_NAME = 100
LEAST_SIDE = 0.002  # of the picture: 4 pixels of a full HD line
DIGITS = 5  # of a fraction, as of privacy zones


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle as fractions of the upright picture, (0, 0) its upper left corner."""

    x: float
    y: float
    w: float
    h: float


@dataclass(frozen=True, slots=True)
class Drawn:
    """Where somebody saw a subject."""

    at_us: int
    box: Box


@dataclass(frozen=True, slots=True)
class Subject:
    """Somebody or something, and where a person said it is."""

    name: str
    drawn: tuple[Drawn, ...]  # by time, one or more
    from_us: int | None  # not there before; None: there from the beginning of the span
    until_us: int | None  # not there from then on
    track: bool  # followed between what is drawn; False: moved in a straight line


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that a redacted copy is made by, besides its footage."""

    hide: str = BOXES
    fill: str = BLOCKS
    subjects: tuple[Subject, ...] = ()

    def document(self) -> dict[str, Any]:
        """As JSON, in one form only. Names stay here: whoever gets a copy is not told whom it
        hides."""
        return {
            "recipe": VERSION,
            "hide": self.hide,
            "fill": self.fill,
            "subjects": [_subject_document(i, one) for i, one in enumerate(self.subjects, 1)],
        }

    @property
    def sha256(self) -> str:
        """Of its canonical JSON: keys sorted, no blanks, UTF-8."""
        return hashlib.sha256(canonical(self.document())).hexdigest()


def canonical(document: Any) -> bytes:
    """One spelling of a document."""
    text = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode()


def load_recipe(path: Path, asked: Span) -> Recipe:
    """A recipe out of a file, for a span. NotFound, Invalid."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise Invalid("recipe {file} is longer than {most} bytes", file=path, most=MOST_BYTES)
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFound("there is no recipe {file}; nothing was made", file=path) from None
    except UnicodeDecodeError:
        raise Invalid("recipe {file} is no UTF-8 text; nothing was made", file=path) from None
    return parse_recipe(text, asked)


def parse_recipe(text: str, asked: Span) -> Recipe:
    """A recipe out of its JSON, for a span. Invalid names the place, such as
    subjects[0].boxes[2].at."""
    try:
        found = json.loads(text, object_pairs_hook=_pairs, parse_constant=_constant)
    except RecursionError:
        raise Invalid("the recipe is nested too deep; nothing was made") from None
    except json.JSONDecodeError as error:
        raise Invalid(
            "the recipe is no JSON: line {line}, column {column}: {error}; nothing was made",
            line=error.lineno, column=error.colno, error=error.msg,
        ) from None  # fmt: skip
    except ValueError:  # more digits than Python reads
        raise Invalid("the recipe holds {text}, which is no number; nothing was made",
                      text="…") from None  # fmt: skip
    return read_recipe(found, asked)


def read_recipe(found: Any, asked: Span) -> Recipe:
    """As `parse_recipe`, of JSON that was read already."""
    top = _Place(found, "").object("recipe", "hide", "fill", "subjects")
    version = top.get("recipe")
    if version is None or version.value != VERSION or isinstance(version.value, bool):
        raise Invalid(
            'recipe: this program reads "recipe": {version}; nothing was made', version=VERSION
        )
    hide = top["hide"].one_of(BOXES, ALL_BUT_BOXES) if "hide" in top else BOXES
    fill = top["fill"].one_of(BLOCKS, SOLID) if "fill" in top else BLOCKS
    subjects = top["subjects"].list(MOST_SUBJECTS) if "subjects" in top else []
    read = tuple(_subject(one, asked) for one in subjects)
    if hide == ALL_BUT_BOXES and not read:
        top["hide"].wrong(N_("without a subject nothing at all would be shown"))
    names = [one.name for one in read]
    for place, name in zip(subjects, names, strict=True):
        if names.count(name) > 1:
            place.wrong(N_("two subjects have the same name"))
    return Recipe(hide, fill, read)


def _subject(place: _Place, asked: Span) -> Subject:
    fields = place.object("name", "boxes", "from", "until", "track")
    name = place.field(fields, "name").text()
    boxes = place.field(fields, "boxes").list(MOST_BOXES)
    if not boxes:
        place.wrong(N_("a subject needs a box"), "boxes")
    from_us = fields["from"].time(asked) if "from" in fields else None
    until_us = fields["until"].time(asked, end=True) if "until" in fields else None
    track = fields["track"].flag() if "track" in fields else True
    if from_us is not None and until_us is not None and from_us >= until_us:
        fields["until"].wrong(N_("it lies at or before the subject's `from`"))
    drawn: list[Drawn] = []
    for one in boxes:
        parts = one.object("at", "box")
        at = one.field(parts, "at")
        at_us = at.time(asked)
        if drawn and at_us <= drawn[-1].at_us:
            at.wrong(N_("boxes stand in order of time, one at an instant"))
        if (from_us is not None and at_us < from_us) or (
            until_us is not None and at_us >= until_us
        ):
            at.wrong(N_("the subject is not there then: see its `from` and `until`"))
        drawn.append(Drawn(at_us, one.field(parts, "box").box()))
    return Subject(name, tuple(drawn), from_us, until_us, track)


def _subject_document(number: int, one: Subject) -> dict[str, Any]:
    life = {"from": one.from_us, "until": one.until_us}
    return {
        "name": str(number),
        **{key: rfc3339(us) for key, us in life.items() if us is not None},
        "track": one.track,
        "boxes": [
            {"at": rfc3339(each.at_us), "box": [each.box.x, each.box.y, each.box.w, each.box.h]}
            for each in one.drawn
        ],
    }


def _pairs(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Invalid("the recipe says {key} twice in one place; nothing was made", key=twice[:60])
    return found


def _constant(text: str) -> NoReturn:
    raise Invalid("the recipe holds {text}, which is no number; nothing was made", text=text)


@dataclass(frozen=True, slots=True)
class _Place:
    """A value in the recipe and where it stands."""

    value: Any
    path: str

    def object(self, *keys: str) -> Mapping[str, _Place]:
        """Its fields; no others than `keys`."""
        if not isinstance(self.value, dict):
            self.wrong(N_("an object {…} must stand here"))
        for key in self.value:
            if key not in keys:
                raise Invalid(
                    "recipe, {place}: {key} is not known here; known are {keys}. Nothing was made",
                    place=self.path or "top", key=key[:60], keys=", ".join(keys),
                )  # fmt: skip
        return {key: _Place(one, self._below(key)) for key, one in self.value.items()}

    def field(self, fields: Mapping[str, _Place], key: str) -> _Place:
        """One that must be there."""
        if key not in fields:
            self.wrong(N_("this is missing"), key)
        return fields[key]

    def list(self, most: int) -> list[_Place]:
        """Its elements."""
        if not isinstance(self.value, list):
            self.wrong(N_("a list […] must stand here"))
        if len(self.value) > most:
            raise Invalid(
                "recipe, {place}: more than {most}; nothing was made", place=self.path, most=most
            )
        return [_Place(one, f"{self.path}[{i}]") for i, one in enumerate(self.value)]

    def text(self) -> str:
        """A name."""
        if not isinstance(self.value, str) or not self.value.strip():
            self.wrong(N_("a name must stand here"))
        if len(self.value) > LONGEST_NAME or not self.value.isprintable():
            raise Invalid(
                "recipe, {place}: a name has at most {most} characters, all printable;"
                " nothing was made",
                place=self.path, most=LONGEST_NAME,
            )  # fmt: skip
        return self.value.strip()

    def flag(self) -> bool:
        """true or false."""
        if not isinstance(self.value, bool):
            self.wrong(N_("true or false must stand here"))
        return bool(self.value)

    def one_of(self, *words: str) -> str:
        """A word of the format."""
        if self.value not in words:
            raise Invalid(
                "recipe, {place}: one of {words} must stand here; nothing was made",
                place=self.path, words=", ".join(words),
            )  # fmt: skip
        return str(self.value)

    def time(self, asked: Span, *, end: bool = False) -> int:
        """An instant of the span; its end too, if `end`."""
        if not isinstance(self.value, str):
            self.wrong(N_("a time such as 2026-11-18T21:04:07+08:00 must stand here"))
        try:
            at_us = parse_time(self.value)
        except HindsightError as error:
            raise Invalid("recipe, {place}: {error}", place=self.path, error=error.text()) from None
        if not (asked.start_us <= at_us < asked.end_us or (end and at_us == asked.end_us)):
            raise Invalid(
                "recipe, {place}: {time} lies outside the span from {start} to {end};"
                " nothing was made",
                place=self.path, time=rfc3339(at_us), start=rfc3339(asked.start_us),
                end=rfc3339(asked.end_us),
            )  # fmt: skip
        return at_us

    def box(self) -> Box:
        """x, y, width and height, inside the picture."""
        sides = self.value
        if not isinstance(sides, list) or len(sides) != 4 or not all(map(_is_number, sides)):
            self.wrong(N_("a box is [x, y, width, height], fractions of the picture from 0 to 1"))
        x, y, w, h = (round(float(side), DIGITS) for side in sides)
        if w < LEAST_SIDE or h < LEAST_SIDE:
            self.wrong(N_("the box has no area to speak of"))
        if x < 0 or y < 0 or round(x + w, DIGITS) > 1 or round(y + h, DIGITS) > 1:
            self.wrong(
                N_("the box lies partly outside the picture; its sides are fractions, 0 to 1")
            )
        return Box(x, y, w, h)

    def wrong(self, message: str, key: str = "") -> NoReturn:
        """Invalid, with the place; `message` is marked with N_."""
        place = self._below(key) if key else self.path
        raise Invalid(
            "recipe, {place}: {error}; nothing was made", place=place or "top",
            error=tr(message),
        )  # fmt: skip

    def _below(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key


def _is_number(value: object) -> bool:
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and abs(value) < 1e9
        and math.isfinite(value)
    )
