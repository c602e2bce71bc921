"""A table of cameras from a browser: kept sealed for a while, shown as what it would do, and then
carried out whole or not at all."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import Connection

from storage import register_changes
from storage.access import Access
from storage.camera_table import Mistake, Row, decoded, read, same_source
from storage.commands.camera_facts import document
from storage.errors import Conflict, HindsightError, Invalid, NotFound
from storage.i18n import N_, tr
from storage.register import cameras, cameras_with_credentials, credentials_of, slug_of
from storage.rights import Verb
from storage.vocabulary import Camera
from web import context
from web.cache import get_or_make
from web.register_desk import (
    CODE_TAKEN,
    FACTS,
    NO_FILES,
    NOT_HERE,
    OWN_WORD,
    RESERVED,
    TAKEN,
    Draft,
    is_file,
    proposed,
)

LARGEST_BYTES = 4 << 20
MOST_LINES = 5000
KEPT_S, MOST_KEPT = 1800, 30
SHOWN = 100  # of each kind on the page
TOKEN = re.compile(r"[0-9a-f]{32}")
GONE = N_("the table is no longer kept; send it again")


@dataclass(frozen=True, slots=True)
class Change:
    """A line that says something else than the register."""

    row: Row
    camera: Camera
    facts: dict[str, Any]  # those that differ
    password: bool

    @property
    def differences(self) -> list[tuple[str, str, str]]:
        """Fact, before, after."""
        found = register_changes.differences(self.camera, replace(self.camera, **self.facts))
        return [(_called(name), _shown(old), _shown(new)) for name, (old, new) in found.items()]


@dataclass(slots=True)
class Plan:
    """What a table would do."""

    name: str
    encoding: str
    digest: str  # of the table and of what it meets
    new: list[Row] = field(default_factory=list)
    changed: list[Change] = field(default_factory=list)
    same: int = 0
    mistakes: list[Mistake] = field(default_factory=list)

    @property
    def can(self) -> bool:
        """Whether there is anything to do, and nothing in the way."""
        return not self.mistakes and bool(self.new or self.changed)


def keep(name: str, raw: bytes) -> str:
    """The token of a table. It may hold passwords: it is sealed, for this person, for a while."""
    if not raw:
        raise Invalid("no table was sent; choose a CSV file")
    if len(raw) > LARGEST_BYTES:
        raise Invalid("{file} is too large for a table of cameras", file=name[:100])
    decoded(raw, name[:100])
    _sweep()
    vault, token = context.directory().vault(), secrets.token_hex(16)
    head = json.dumps({"who": context.user().name, "name": name[:100]}).encode()
    sealed = vault.encrypt(head + b"\n" + raw)
    get_or_make(_path(token), lambda unfinished: _write(unfinished, sealed))
    return token


def forget(token: str) -> None:
    """Throw it away, if it is theirs."""
    _opened(token)
    _path(token).unlink(missing_ok=True)


def planned(token: str) -> Plan:
    """What it would do now."""
    name, raw = _opened(token)
    with context.directory().ledger.read() as tx:
        return _plan(tx, context.access(tx), name, raw)


def carry_out(token: str, digest: str) -> Plan:
    """All of it, in one transaction. Conflict when it would do something else than was shown."""
    directory, actor = context.directory(), context.actor()
    name, raw = _opened(token)
    with directory.ledger.write() as tx:
        plan = _plan(tx, context.access(tx), name, raw)
        if plan.digest != digest:
            raise Conflict(
                "the register was changed meanwhile; this is what the table would do now."
                " Nothing was registered"
            )
        if not plan.can:
            raise Invalid("there is nothing in this table that can be done")
        for row in plan.new:
            register_changes.add(tx, directory, actor, row.facts, row.credentials, {"from": name})
        for one in plan.changed:
            credentials = one.row.credentials if one.password else None
            register_changes.change(tx, directory, actor, one.camera, one.facts, credentials)
    _path(token).unlink(missing_ok=True)
    return plan


def _plan(tx: Connection, access: Access, name: str, raw: bytes) -> Plan:
    text, encoding = decoded(raw, name)
    known = {camera.slug: camera for camera in cameras(tx)}
    plan = Plan(name, encoding, "")
    reading = _Reading(tx, access, known, context.directory().vault())
    for line in _lines(text, name):
        met: Row | Change | Mistake | None = line
        if isinstance(line, Row):
            try:
                met = reading.meet(line)
            except HindsightError as error:
                field_name = str(error.fields.get("field", "name"))
                met = Mistake(line.line, line.headings.get(field_name, field_name), error)
        match met:
            case Mistake():
                plan.mistakes.append(met)
            case Row():
                plan.new.append(met)
            case Change():
                plan.changed.append(met)
            case None:
                plan.same += 1
    seen = hashlib.sha256(raw)
    told = [[one.camera.id, document(one.camera)] for one in plan.changed]
    seen.update(json.dumps([len(plan.new), told], sort_keys=True).encode())
    plan.digest = seen.hexdigest()
    return plan


def _lines(text: str, name: str) -> Iterator[Row | Mistake]:
    retention = context.directory().settings.retention
    for number, line in enumerate(read(text, name, retention)):
        if number >= MOST_LINES:
            raise Invalid(
                "{file} has more than {most} lines; send it in parts. Nothing was registered",
                file=name, most=MOST_LINES,
            )  # fmt: skip
        yield line


class _Reading:
    """What the lines of one table meet in the register, and in one another."""

    def __init__(
        self, tx: Connection, access: Access, known: dict[str, Camera], vault: Fernet
    ) -> None:
        self._tx, self._access, self._known, self._vault = tx, access, known, vault
        self._codes = {one.gb_code: slug for slug, one in known.items() if one.gb_code}
        self._sealed = cameras_with_credentials(tx)
        self._seen: set[str] = set()

    def meet(self, row: Row) -> Row | Change | None:
        """A new camera, a change, or None where the register says the same. HindsightError, its
        `field` the fact that will not do."""
        slug = slug_of(row.facts["name"])
        if slug in self._seen:
            raise Conflict("camera {camera} stands in this table twice", camera=slug)
        self._seen.add(slug)
        camera = self._known.get(slug)
        self._code(slug, row.facts.get("gb_code"))
        url = row.facts.get("url") or ""
        if is_file(url) and (camera is None or not same_source(camera, url)):
            raise _of("url", NO_FILES)
        draft = Draft({}, dict(row.facts))
        if camera is None:
            if slug in RESERVED:
                raise _of("name", OWN_WORD)
            if not self._access.may(Verb.MANAGE, proposed(draft, None)):
                raise _of("site", NOT_HERE)
            return row
        return self._change(row, camera)

    def _change(self, row: Row, camera: Camera) -> Change | None:
        if not self._access.sees(camera):
            raise _of("name", TAKEN)
        if not self._access.may(Verb.MANAGE, camera):  # nor is told whether a password was guessed
            raise _of("site", NOT_HERE)
        facts = {
            fact: value
            for fact, value in row.facts.items()
            if fact in row.given  # an empty cell leaves what is registered
            and value != getattr(camera, fact)
            and not (fact == "url" and same_source(camera, value))
        }
        password = row.credentials is not None and row.credentials != self._credentials(camera)
        if not facts and not password:
            return None
        if not self._access.may(Verb.MANAGE, replace(camera, **facts)):
            raise _of("site", NOT_HERE)
        return Change(row, camera, facts, password)

    def _credentials(self, camera: Camera) -> tuple[str, str] | None:
        if camera.id not in self._sealed:
            return None
        return credentials_of(self._tx, camera.id, lambda: self._vault)

    def _code(self, slug: str, code: str | None) -> None:
        if code is None:
            return
        if self._codes.setdefault(code, slug) != slug:
            raise _of("gb_code", CODE_TAKEN)


def _of(fact: str, sentence: str) -> Invalid:
    """Of one fact; `fields["field"]` names it, the sentence does not."""
    return Invalid(sentence, field=fact)


def _opened(token: str) -> tuple[str, bytes]:
    """Name and bytes of a table of theirs."""
    try:
        sealed = _path(token).read_bytes()
        whole = context.directory().vault().decrypt(sealed, ttl=KEPT_S)
    except (FileNotFoundError, InvalidToken):
        raise NotFound(GONE) from None
    head, _, raw = whole.partition(b"\n")
    told = json.loads(head)
    if told["who"] != context.user().name:
        raise NotFound(GONE)
    return str(told["name"]), raw


def _path(token: str) -> Path:
    if not TOKEN.fullmatch(token):
        raise NotFound(GONE)
    return context.directory().cache / "tables" / token


def _sweep() -> None:
    """Away with tables that are old, or the oldest of too many."""
    folder, ages = context.directory().cache / "tables", []
    for path in folder.iterdir() if folder.is_dir() else ():
        with suppress(FileNotFoundError):  # somebody else was quicker
            ages.append((time.time() - path.stat().st_mtime, path))
    ages.sort()
    for number, (age_s, path) in enumerate(ages, 1):
        if age_s > KEPT_S or number >= MOST_KEPT:
            path.unlink(missing_ok=True)


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _called(name: str) -> str:
    """A fact of the register's document, in words."""
    if name == "enabled":
        return tr("enabled")
    keys = {"class": "site_class", "view": "view_deg", "retention": "retention_class"}
    return tr(FACTS[keys.get(name, name)])


def _shown(value: Any) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return tr("yes") if value else tr("no")
    return str(value)
