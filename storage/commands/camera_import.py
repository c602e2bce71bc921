"""`camera import`: registers a whole table of cameras, or none of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from cryptography.fernet import Fernet
from sqlalchemy import Connection

from storage import audit
from storage.commandline import HindsightCommand, Invocation, json_option, pass_invocation
from storage.commands.camera_facts import as_fact, document, source_of
from storage.errors import Conflict, HindsightError, Invalid, NotFound
from storage.i18n import N_
from storage.register import (
    add_camera,
    cameras,
    check_facts,
    credentials_of,
    slug_of,
)
from storage.settings import RetentionSettings
from storage.vocabulary import Camera

LARGEST_BYTES = 16 << 20
# Heading → fact of the register; headings are compared in lower case, blanks and '-' as '_'.
COLUMNS = {
    "name": "name", "url": "url", "site": "site", "class": "site_class",
    "site_class": "site_class", "gb_code": "gb_code", "department": "department",
    "address": "address", "lat": "lat", "lon": "lon", "view": "view_deg", "view_deg": "view_deg",
    "vendor": "vendor", "tz": "tz", "retention": "retention_class",
    "retention_class": "retention_class", "enabled": "enabled",
    "名称": "name", "码流地址": "url", "点位": "site", "点位类别": "site_class",
    "国标编码": "gb_code", "部门": "department", "地址": "address", "纬度": "lat", "经度": "lon",
    "朝向": "view_deg", "厂商": "vendor", "时区": "tz", "保存类别": "retention_class",
    "启用": "enabled",
}  # fmt: skip
_YES, _NO = ("1", "true", "yes", "是"), ("0", "false", "no", "否")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table, its values already facts of the register."""

    line: int
    facts: dict[str, Any]
    credentials: tuple[str, str] | None
    headings: dict[str, str]  # fact → the column it came from


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
        " gb_code, lat, lon, tz, department, address, vendor, view, retention, enabled."
    ),
    example="hindsight camera import cameras.csv",
)
@click.argument("file", type=click.Path(path_type=Path))
@json_option
@pass_invocation
def command(invocation: Invocation, file: Path, as_json: bool) -> None:
    """Rows that stand in the register already, with the same facts, are skipped."""
    directory = invocation.directory
    rows = list(read_rows(file, directory.settings.retention))
    vault, now_us = directory.vault(), directory.clock.now_us()
    outcome = Outcome()
    with directory.ledger.write() as tx:
        known = {camera.slug: camera for camera in cameras(tx)}
        for row in rows:
            _add(tx, file, row, known, vault, now_us, outcome)
        for camera in outcome.added:
            audit.record(
                tx, invocation.actor(), "camera.add", camera.slug, at_us=now_us,
                detail=document(camera) | {"from": file.name},
            )  # fmt: skip
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


def read_rows(file: Path, retention: RetentionSettings) -> Iterator[Row]:
    """The rows of a table. Invalid names the line and the column of the first mistake."""
    reader = csv.reader(io.StringIO(_text(file), newline=""), strict=True)
    try:
        headings = _headings(file, next(reader, []))
        line = reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                if len(cells) > len(headings):
                    raise _mistake(file, line, "-", Invalid("the row has more cells than columns"))
                yield _row(file, line, headings, cells, retention)
            line = reader.line_num + 1
    except csv.Error as error:
        raise Invalid(
            "{file} line {line} is not CSV: {error}; nothing was registered",
            file=file, line=reader.line_num, error=error,
        ) from None  # fmt: skip


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > LARGEST_BYTES:
            raise Invalid("{file} is too large for a table of cameras", file=file)
        raw = file.read_bytes()
    except FileNotFoundError:
        raise NotFound("{file} does not exist; nothing was registered", file=file) from None
    for encoding in ("utf-8-sig", "gb18030"):  # Excel in China writes the second
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise Invalid("{file} is neither UTF-8 nor GB 18030; save it as UTF-8", file=file)


def _headings(file: Path, cells: list[str]) -> dict[str, str]:
    """Fact → heading, in order. Invalid when one is unknown or doubled, or `name` is absent."""
    facts: dict[str, str] = {}
    for cell in cells:
        fact = COLUMNS.get(cell.strip().lower().replace(" ", "_").replace("-", "_"))
        if fact is None:
            raise Invalid(
                "{file} line 1: column {column} is unknown; nothing was registered. Known:"
                " {known}",
                file=file, column=repr(cell[:40]), known=", ".join(COLUMNS),
            )  # fmt: skip
        if fact in facts:
            raise Invalid(
                "{file} line 1: column {column} stands there twice; nothing was registered",
                file=file, column=repr(cell),
            )  # fmt: skip
        facts[fact] = cell.strip()
    if "name" not in facts:
        raise Invalid("{file} line 1: there is no column `name`; nothing was registered", file=file)
    return facts


def _row(
    file: Path, line: int, headings: dict[str, str], cells: list[str], retention: RetentionSettings
) -> Row:
    facts: dict[str, Any] = {}
    credentials = None
    for (fact, heading), cell in zip(headings.items(), cells, strict=False):
        text = cell.strip()
        try:
            if fact == "url":
                facts[fact] = None
                if text:
                    facts[fact], credentials = source_of(text)
            elif fact == "enabled":
                facts[fact] = _yes_or_no(text)
            elif fact == "name":
                facts[fact] = text
            else:
                facts[fact] = as_fact(fact, text, retention)
            one = {fact: facts[fact]}
            check_facts(one)
            facts |= one
        except HindsightError as error:
            raise _mistake(file, line, heading, error) from None
    if not facts.get("name"):
        raise _mistake(file, line, headings["name"], Invalid("a camera needs a name"))
    return Row(line, facts, credentials, headings)


def _yes_or_no(text: str) -> bool:
    word = text.lower()
    if word in _NO:
        return False
    if word in _YES or not word:
        return True
    raise Invalid("{value} is neither yes nor no", value=repr(text[:40]))


def _add(
    tx: Connection,
    file: Path,
    row: Row,
    known: dict[str, Camera],
    vault: Fernet,
    now_us: int,
    outcome: Outcome,
) -> None:
    """Register one row, or skip it when the register says the same already."""
    slug = slug_of(row.facts["name"])
    if slug in known:
        differing = _differing(tx, row, known[slug], vault)
        if differing is None:
            outcome.skipped.append(slug)
            return
        raise _mistake(
            file, row.line, row.headings[differing],
            Conflict("camera {camera} stands in the register with another value; change it with"
                     " `hindsight camera set`", camera=slug),
        )  # fmt: skip
    try:
        camera = add_camera(
            tx, created_us=now_us, credentials=row.credentials, vault=vault,
            **({"url": None} | row.facts),
        )  # fmt: skip
    except HindsightError as error:
        column = str(error.fields.get("field", "name"))
        raise _mistake(file, row.line, row.headings.get(column, column), error) from None
    known[slug] = camera
    outcome.added.append(camera)


def _differing(tx: Connection, row: Row, known: Camera, vault: Fernet) -> str | None:
    """The first fact in which the row and the register differ, None when they agree."""
    for fact, value in row.facts.items():
        if getattr(known, fact) != value:
            return fact
    if (
        row.credentials is not None
        and credentials_of(tx, known.id, lambda: vault) != row.credentials
    ):
        return "url"
    return None


def _mistake(file: Path, line: int, column: str, error: HindsightError) -> Invalid:
    return Invalid(
        "{file} line {line}, column {column}: {error}. Nothing was registered",
        file=file, line=line, column=column, error=error.text(),
    )  # fmt: skip
