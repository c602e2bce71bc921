"""Long lists in pages: which page the address asks for, and the addresses of those beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import urlencode

from flask import request

SIZE = 50
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Part(Generic[T]):
    """One page of a list."""

    items: Sequence[T]
    first: int  # number of the first of them, from 1; 0 where there is none
    total: int
    before: str | None  # address of the page before, and of the one after
    after: str | None

    @property
    def last(self) -> int:
        """Number of the last of them."""
        return self.first + len(self.items) - (1 if self.items else 0)


def part_of(every: Sequence[T], size: int = SIZE) -> Part[T]:
    """The page that `page` in the address names, from 1; where there is none, the nearest."""
    asked = request.args.get("page", "1")
    pages = max(1, -(-len(every) // size))
    number = min(max(int(asked), 1), pages) if asked.isdecimal() and len(asked) < 9 else 1
    items = every[(number - 1) * size : number * size]
    return Part(
        items, (number - 1) * size + 1 if items else 0, len(every),
        _address(number - 1) if number > 1 else None,
        _address(number + 1) if number < pages else None,
    )  # fmt: skip


def _address(number: int) -> str:
    pairs = [(key, value) for key, value in request.args.items(multi=True) if key != "page"]
    return f"{request.path}?{urlencode([*pairs, ('page', str(number))])}"
