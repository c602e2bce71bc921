"""`camera import`: registers a whole table of cameras, or none of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import click
from cryptography.fernet import Fernet
from sqlalchemy import Connection

from storage.camera_table import (
    LARGEST_BYTES,
    Mistake,
    Row,
    at_line,
    decoded,
    read,
    same_source,
)
from storage.commandline import HindsightCommand, Invocation, json_option, pass_invocation
from storage.errors import Conflict, HindsightError, NotFound
from storage.i18n import N_
from storage.register import cameras, credentials_of, slug_of
from storage.register_changes import add
from storage.settings import RetentionSettings
from storage.vocabulary import Camera


@dataclass(slots=True)
class Outcome:
    """What became of the table."""

    added: list[Camera] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)  # slugs that stand in the register already


@click.command(
    "import",
    cls=HindsightCommand,
    help=N_(
        "Register the cameras of a CSV table, all of them or none. Columns: name, url, site, class,"
        " gb_code, lat, lon, tz, department, address, vendor, view, retention, enabled, sensitive."
    ),
    example="hindsight camera import cameras.csv",
)
@click.argument("file", type=click.Path(path_type=Path))
@json_option
@pass_invocation
def command(invocation: Invocation, file: Path, as_json: bool) -> None:
    """Rows that stand in the register already, with the same facts, are skipped."""
    directory = invocation.directory
    rows = read_rows(file, directory.settings.retention)
    vault = directory.vault()
    outcome = Outcome()
    with directory.ledger.write() as tx:
        known = {camera.slug: camera for camera in cameras(tx)}
        for row in rows:
            _add(tx, invocation, file, row, known, vault, outcome)
    if as_json:
        invocation.json(
            {"added": [camera.slug for camera in outcome.added], "skipped": outcome.skipped}
        )
        return
    invocation.say(N_("Cameras registered: {n}."), n=len(outcome.added))
    if outcome.skipped:
        invocation.say(
            N_("In the register already, skipped: {cameras}."), cameras=", ".join(outcome.skipped),
        )  # fmt: skip


def read_rows(file: Path, retention: RetentionSettings) -> list[Row]:
    """The rows of a table. Invalid names the line and the column of the first mistake."""
    rows = []
    text, _ = decoded(_bytes(file), file)
    for row in read(text, file, retention):
        if isinstance(row, Mistake):
            raise at_line(file, row)
        rows.append(row)
    return rows


def _bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as source:
            return source.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise NotFound("{file} does not exist; nothing was registered", file=file) from None


def _add(
    tx: Connection,
    invocation: Invocation,
    file: Path,
    row: Row,
    known: dict[str, Camera],
    vault: Fernet,
    outcome: Outcome,
) -> None:
    """Register one row, or skip it when the register says the same already."""
    slug = slug_of(row.facts["name"])
    if slug in known:
        differing = _differing(tx, row, known[slug], vault)
        if differing is None:
            outcome.skipped.append(slug)
            return
        told = Conflict(
            "camera {camera} stands in the register with another value; change it with"
            " `hindsight camera set`",
            camera=slug,
        )
        raise at_line(file, Mistake(row.line, row.headings[differing], told))
    try:
        camera = add(
            tx, invocation.directory, invocation.actor(), row.facts, row.credentials,
            {"from": file.name},
        )  # fmt: skip
    except HindsightError as error:
        column = str(error.fields.get("field", "name"))
        raise at_line(file, Mistake(row.line, row.headings.get(column, column), error)) from None
    known[slug] = camera
    outcome.added.append(camera)


def _differing(tx: Connection, row: Row, known: Camera, vault: Fernet) -> str | None:
    """The first fact in which the row and the register differ, None when they agree."""
    for fact, value in row.facts.items():
        is_same = same_source(known, value) if fact == "url" else getattr(known, fact) == value
        if not is_same:
            return fact
    if (
        row.credentials is not None
        and credentials_of(tx, known.id, lambda: vault) != row.credentials
    ):
        return "url"
    return None
