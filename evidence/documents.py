"""JSON written piece by piece: of a bundle's long lists one row at a time stands in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO, overload

Document = Mapping[str, Any]
OPENED = 4  # so deep objects and lists are spread over lines; what lies deeper is one line


class Rows(Sequence[Document]):
    """A long list whose rows are made when they are looked at, and not kept."""

    def __init__(self, count: int, make: Callable[[int], Document]) -> None:
        self._count = count
        self._make = make

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> Document: ...
    @overload
    def __getitem__(self, place: slice) -> list[Document]: ...
    def __getitem__(self, place: int | slice) -> Document | list[Document]:
        places = range(self._count)[place]
        return self._make(places) if isinstance(places, int) else [self._make(i) for i in places]

    def __iter__(self) -> Iterator[Document]:
        return map(self._make, range(self._count))


def write_json(path: Path, document: object) -> None:
    """The document, its long lists (`Rows`, iterators) a row at a time, a row a line."""
    with path.open("w", encoding="utf-8") as target:
        _write(target, document, 0)
        target.write("\n")


def _write(target: TextIO, value: object, depth: int) -> None:
    if isinstance(value, Mapping) and depth < OPENED:
        named = ((f"{_line(str(key))}: ", each) for key, each in value.items())
        _spread(target, "{}", named, depth)
    elif isinstance(value, Iterable) and not isinstance(value, str | Mapping) and depth < OPENED:
        _spread(target, "[]", (("", each) for each in value), depth)
    else:
        target.write(_line(value))


def _spread(
    target: TextIO, ends: str, items: Iterable[tuple[str, object]], depth: int
) -> None:  # fmt: skip
    target.write(ends[0])
    empty = True
    for name, each in items:
        target.write(("\n" if empty else ",\n") + " " * (depth + 1) + name)
        _write(target, each, depth + 1)
        empty = False
    target.write(ends[1] if empty else "\n" + " " * depth + ends[1])


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=list)
