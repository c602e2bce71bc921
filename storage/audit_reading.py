"""Reading the audit log: every reading is itself a row, committed before the first one is shown."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from itertools import islice
from typing import Any

from storage import audit
from storage.audit import Asked, AuditRow
from storage.audit_digest import COLUMNS
from storage.audit_heads import Head
from storage.audit_heads import newest as newest_head
from storage.audit_words import time_of
from storage.clock import rfc3339
from storage.directory import DataDirectory
from storage.vocabulary import Actor

PAGE = 1000  # rows read at once for somebody who may be slow to take them
FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")  # what a spreadsheet would run, and the apostrophe


def note(
    directory: DataDirectory, actor: Actor, action: str, detail: Mapping[str, Any] | None = None
) -> None:
    """Commit the row that says who reads the log, and what of it."""
    now_us = directory.clock.now_us()

    def write(tx: Any) -> int:
        return audit.record(tx, actor, action, "audit", at_us=now_us, detail=detail)

    directory.ledger.write_together(write)


def asked_document(asked: Asked) -> dict[str, object]:
    """What was asked, for the row of the reading."""
    named: dict[str, object | None] = {
        "actor": asked.actor, "case": asked.case_id, "of_camera": asked.camera,
        "action": asked.action, "before": asked.before,
        "since": None if asked.from_us is None else rfc3339(asked.from_us),
        "until": None if asked.to_us is None else rfc3339(asked.to_us),
    }  # fmt: skip
    return {name: value for name, value in named.items() if value is not None}


def page(directory: DataDirectory, asked: Asked, limit: int) -> list[AuditRow]:
    """At most `limit` of the rows asked for, newest first."""
    found: list[AuditRow] = []
    with directory.ledger.read() as tx:
        for row in audit.find(tx, asked, newest_first=True, at_most=limit):
            found.append(row)
            if len(found) == limit:
                break
    return found


def document(row: AuditRow) -> dict[str, object]:
    """An audit row as JSON."""
    return {
        "row": row.seq,
        "time": time_of(row),
        "actor": _text(row.actor),
        "action": _text(row.action),
        "subject": _text(row.subject),
        "case": _text(row.case_id),
        "reason": _text(row.reason),
        "detail": audit.said(row),
        "previous": _text(row.prev_hash),
        "hash": _text(row.hash),
    }


def _text(value: object) -> str | None:
    """A column of a row; what damage put into it is no text, and is shown all the same."""
    return value if value is None or isinstance(value, str) else repr(value)


def json_lines(rows: Iterable[AuditRow]) -> Iterator[str]:
    """As JSON Lines, each row as its hash covers it."""
    for row in rows:
        text = json.dumps(
            asdict(row), ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=repr
        )
        yield f"{text}\n"


def csv_lines(rows: Iterable[AuditRow]) -> Iterator[str]:
    """As CSV, names of the columns first. A cell that a spreadsheet would run has an apostrophe
    before it, and so has one that begins with one: taking one off gives the row as its hash
    covers it."""
    line = _Line()
    writer = csv.writer(line)
    writer.writerow(COLUMNS)
    yield line.text
    for row in rows:
        writer.writerow([_cell(value) for value in asdict(row).values()])
        yield line.text


class _Line:
    """What the writer wrote last: it writes a row at a time."""

    text = ""

    def write(self, text: str) -> None:
        self.text = text


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def exported(directory: DataDirectory, asked: Asked) -> Iterator[AuditRow]:
    """The rows asked for, oldest first, streamed from one snapshot."""
    with directory.ledger.read() as tx:
        yield from audit.find(tx, asked)


def exported_slowly(directory: DataDirectory, asked: Asked) -> Iterator[AuditRow]:
    """As `exported`, for who takes the rows over a network: no transaction stays open meanwhile.

    The chain only grows, so rows up to the newest of the beginning are a snapshot.
    """
    with directory.ledger.read() as tx:
        newest = audit.head(tx)
    end = 1 if newest is None else newest[0] + 1
    asked = replace(asked, before=end if asked.before is None else min(asked.before, end))
    while True:
        with directory.ledger.read() as tx:
            found = list(islice(audit.find(tx, asked), PAGE))
        yield from found
        if len(found) < PAGE:
            return
        asked = replace(asked, after=found[-1].seq)


def counted(directory: DataDirectory) -> tuple[int, Head | None]:
    """(rows of the chain, its newest signed head)."""
    with directory.ledger.read() as tx:
        head, signed = audit.head(tx), newest_head(tx)
    return (0 if head is None else head[0]), signed
