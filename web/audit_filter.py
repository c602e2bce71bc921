"""Which audit rows a page or a program asks for, read once for showing and for exporting."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response

from storage.audit import Asked, AuditRow
from storage.audit_reading import (
    asked_document,
    csv_lines,
    exported_slowly,
    json_lines,
    note,
    page,
)
from storage.discreet import without_folders
from storage.errors import Invalid
from storage.findings import Finding
from storage.i18n import current_language
from storage.register import find_camera
from web import context

DOWNLOAD = "application/octet-stream"  # whatever it is, it is to be saved, not shown
FORMATS = ("jsonl", "csv")


def camera_slug(name: str | None) -> str | None:
    """As rows name it. NotFound when no camera is called so."""
    if not name:
        return None
    with context.directory().ledger.read() as tx:
        return find_camera(tx, name).slug


def read(asked: Asked, limit: int) -> list[AuditRow]:
    """The newest of the rows asked for; the reading is a row itself, committed before."""
    directory = context.directory()
    note(directory, context.actor(), "audit.read", asked_document(asked) | {"limit": limit})
    return page(directory, asked, limit)


def export(asked: Asked, form: str) -> Response:
    """All of the rows asked for as a file, oldest first, as `hindsight audit export` writes it."""
    if form not in FORMATS:
        raise Invalid("an export is written as one of: {formats}", formats=", ".join(FORMATS))
    directory = context.directory()
    note(directory, context.actor(), "audit.export", asked_document(asked) | {"format": form})
    rows = exported_slowly(directory, asked)
    lines: Iterator[str] = csv_lines(rows) if form == "csv" else json_lines(rows)
    response = Response((line.encode() for line in lines), mimetype=DOWNLOAD)
    response.headers.set("Content-Disposition", "attachment", filename=f"audit.{form}")
    return response


def finding_text(one: Finding) -> str:
    """What a walk found, for whoever asks: folders are for those who look after the archive."""
    text = one.what(current_language())
    return text if context.knows_folders() else str(without_folders(context.directory(), text))
