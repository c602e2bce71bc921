"""Tables as CSV files: streamed, with the mark by which spreadsheets know Chinese, and without
anything that a spreadsheet would run."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence

from flask import Response, stream_with_context

from storage.audit_reading import FORMULA
from storage.i18n import tr

MARK = "\ufeff"  # without it a spreadsheet takes Chinese for something else
TOGETHER = 200  # rows in one piece


def cell(value: object) -> object:
    """Text that a spreadsheet would run has an apostrophe before it; nothing is an empty cell."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def pieces(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """The file, its columns' names in the current language first."""
    line = _Lines()
    writer = csv.writer(line)
    writer.writerow([tr(name) for name in head])
    yield MARK + line.take()
    for number, row in enumerate(rows, 1):
        writer.writerow([cell(value) for value in row])
        if number % TOGETHER == 0:
            yield line.take()
    yield line.take()


def csv_file(name: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> Response:
    """To be saved under this name; rows are read while they are sent."""
    response = Response(stream_with_context(pieces(head, rows)), mimetype="text/csv")
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response


class _Lines:
    """What the writer wrote since it was last taken."""

    def __init__(self) -> None:
        self._parts: list[str] = []

    def write(self, text: str) -> None:
        self._parts.append(text)

    def take(self) -> str:
        text = "".join(self._parts)
        self._parts.clear()
        return text
