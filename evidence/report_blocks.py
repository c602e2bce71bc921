"""What a report is made of, whether it becomes HTML or PDF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text, or one of several in a cell."""

    text: str
    look: str = ""  # "" | dim | code
    href: str | None = None  # relative to the report's own folder


Cell = Sequence[Line]


@dataclass(frozen=True, slots=True)
class Title:
    """A heading of level 1 to 3."""

    kind: ClassVar = "title"  # for templates
    level: int
    text: str
    beside: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Label and value, one under the other."""

    kind: ClassVar = "facts"  # for templates
    rows: Sequence[tuple[str, Cell]]


@dataclass(frozen=True, slots=True)
class Words:
    """A paragraph."""

    kind: ClassVar = "words"  # for templates
    text: str
    look: str = ""  # "" | code


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under heads; `further` says how many there are beyond them, and where."""

    kind: ClassVar = "table"  # for templates
    heads: Sequence[str]
    widths: Sequence[int]  # in parts of their sum
    rows: Sequence[Sequence[Cell]]
    further: str | None = None


@dataclass(frozen=True, slots=True)
class Pictures:
    """Stills with what is said of each; href leads to the JPEG."""

    kind: ClassVar = "pictures"  # for templates
    rows: Sequence[tuple[str, Cell]]
    further: str | None = None


Block = Title | Facts | Words | Table | Pictures
