"""A table of cameras, CSV as people's programs write it: read line by line, and written."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from storage.commands.camera_facts import as_fact, source_of, yes_or_no
from storage.errors import HindsightError, Invalid
from storage.logs import redact
from storage.register import check_facts
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
    "启用": "enabled", "sensitive": "sensitive", "敏感": "sensitive",
}  # fmt: skip
# What is written, in this order; all of it is read again.
WRITTEN = (
    "name", "url", "site", "class", "gb_code", "department", "address", "lat", "lon", "view",
    "vendor", "tz", "retention", "enabled", "sensitive",
)  # fmt: skip
NUMBERS = frozenset({"lat", "lon", "view_deg", "site_class", "gb_code"})
# A spreadsheet takes text that begins so for a formula. An apostrophe before it says that it is
# none; it is put there when a table is written, and taken away when one is read.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table, its values already facts of the register."""

    line: int
    facts: dict[str, Any]
    credentials: tuple[str, str] | None
    headings: dict[str, str]  # fact → the column it came from
    given: frozenset[str] = frozenset()  # facts whose cell is not empty


@dataclass(frozen=True, slots=True)
class Mistake:
    """What will not do, and where it stands."""

    line: int
    column: str  # '-': of no column in particular
    error: HindsightError


def decoded(raw: bytes, file: object) -> tuple[str, str]:
    """The text, and how it was written: 'UTF-8' or 'GB 18030', which Excel in China writes."""
    if len(raw) > LARGEST_BYTES:
        raise Invalid("{file} is too large for a table of cameras", file=file)
    for encoding, name in (("utf-8-sig", "UTF-8"), ("gb18030", "GB 18030")):
        try:
            return raw.decode(encoding), name
        except UnicodeDecodeError:
            continue
    raise Invalid("{file} is neither UTF-8 nor GB 18030; save it as UTF-8", file=file)


def read(text: str, file: object, retention: RetentionSettings) -> Iterator[Row | Mistake]:
    """Its lines, in order. Invalid: its headings will not do, or it is no CSV."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        headings = _headings(file, next(reader, []))
        line = reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                if len(cells) > len(headings):
                    yield Mistake(line, "-", Invalid("the row has more cells than columns"))
                else:
                    yield _row(line, headings, cells, retention)
            line = reader.line_num + 1
    except csv.Error as error:
        raise Invalid(
            "{file} line {line} is not CSV: {error}; nothing was registered",
            file=file, line=reader.line_num, error=error,
        ) from None  # fmt: skip


def at_line(file: object, mistake: Mistake) -> Invalid:
    """As one sentence."""
    return Invalid(
        "{file} line {line}, column {column}: {error}. Nothing was registered",
        file=file, line=mistake.line, column=mistake.column, error=mistake.error.text(),
    )  # fmt: skip


def written(cameras: Iterable[Camera]) -> str:
    """The register as a table: without passwords, and no program takes a name for a formula."""
    target = io.StringIO(newline="")
    writer = csv.writer(target)
    writer.writerow(WRITTEN)
    for camera in cameras:
        writer.writerow([_cell(camera, COLUMNS[heading]) for heading in WRITTEN])
    return target.getvalue()


def same_source(known: Camera, url: str | None) -> bool:
    """Whether a URL of a table is the registered one, as it is written or as it is."""
    return url == known.url or (known.url is not None and url == redact(known.url))


def _cell(camera: Camera, fact: str) -> str:
    value = getattr(camera, fact)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = redact(str(value)) if fact == "url" else str(value)
    return "'" + text if fact not in NUMBERS and text.startswith((*FORMULA, "'")) else text


def _headings(file: object, cells: list[str]) -> dict[str, str]:
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
    line: int, headings: dict[str, str], cells: list[str], retention: RetentionSettings
) -> Row | Mistake:
    facts: dict[str, Any] = {}
    given: set[str] = set()
    credentials = None
    for (fact, heading), cell in zip(headings.items(), cells, strict=False):
        text = cell.strip()
        if text.startswith("'") and text[1:].startswith((*FORMULA, "'")):
            text = text[1:]
        if text:
            given.add(fact)
        try:
            if fact == "url":
                facts[fact] = None
                if text:
                    facts[fact], credentials = source_of(text)
            elif fact == "enabled":
                facts[fact] = not text or yes_or_no(text)
            elif fact == "name":
                facts[fact] = text
            else:
                facts[fact] = as_fact(fact, text, retention)
            one = {fact: facts[fact]}
            check_facts(one)
            facts |= one
        except HindsightError as error:
            return Mistake(line, heading, error)
    if not facts.get("name"):
        return Mistake(line, headings["name"], Invalid("a camera needs a name"))
    return Row(line, facts, credentials, headings, frozenset(given))
