"""Every string a user sees exists in English and Chinese, with the same fields."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po

from storage.errors import KINDS
from storage.i18n import LOCALE_DIR

ROOT = Path(__file__).parents[2]
ROOMS = ("storage", "recorder", "indexer", "search", "evidence", "web")
KEYWORDS = dict.fromkeys(
    ("tr", "N_", "_", "say", "gettext", "HindsightError", *(kind.__name__ for kind in KINDS))
)
FIELD = re.compile(r"\{(\w+)[^}]*\}|%\((\w+)\)[sd]")


@cache
def messages_of(room: str) -> dict[str, str]:
    """Message → where it stands, for the Python and Jinja sources of a room."""
    sources = [("python", path) for path in sorted((ROOT / room).rglob("*.py"))]
    sources += [("jinja2", path) for path in sorted((ROOT / room).rglob("*.html"))]
    if room == "storage":
        sources.append(("python", ROOT / "hindsight.py"))
    found: dict[str, str] = {}
    for method, path in sources:
        name = "python" if method == "python" else "jinja2.ext:babel_extract"
        for line, message, *_ in extract_from_file(name, path, keywords=KEYWORDS):
            texts = message if isinstance(message, tuple) else (message,)
            for text in texts:
                if isinstance(text, str) and text:
                    found[text] = f"{path.relative_to(ROOT)}:{line}"
    return found


@cache
def translations() -> dict[str, str]:
    """Message → Chinese, over all catalogues."""
    known: dict[str, str] = {}
    for path in sorted((LOCALE_DIR / "zh" / "LC_MESSAGES").glob("*.po")):
        with path.open("rb") as source:
            for entry in read_po(source, locale="zh_Hans_CN"):
                if isinstance(entry.id, str) and entry.id and not entry.fuzzy:
                    known[entry.id] = str(entry.string or "")
    return known


@pytest.mark.parametrize("room", ROOMS)
def test_no_string_lacks_its_chinese(room: str) -> None:
    known = translations()
    missing = {text: at for text, at in messages_of(room).items() if not known.get(text)}
    listing = "\n".join(f"{at}: {text}" for text, at in missing.items())
    assert not missing, f"{len(missing)} strings without Chinese:\n{listing}"


def test_translations_keep_the_fields_of_their_message() -> None:
    for message, chinese in translations().items():
        ours = sorted(a or b for a, b in FIELD.findall(message))
        theirs = sorted(a or b for a, b in FIELD.findall(chinese))
        assert set(theirs) == set(ours), f"{message!r} → {chinese!r}"


CATALOGUES = sorted((LOCALE_DIR / "zh" / "LC_MESSAGES").glob("*.po"))


def test_every_room_has_its_catalogue() -> None:
    assert set(ROOMS) <= {path.stem for path in CATALOGUES}


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_no_catalogue_keeps_a_dead_string(path: Path) -> None:
    alive = {text for each in ROOMS for text in messages_of(each)}
    with path.open("rb") as source:
        ids = [e.id for e in read_po(source, locale="zh_Hans_CN") if isinstance(e.id, str) and e.id]
    assert [text for text in ids if text not in alive] == []


def test_no_message_is_translated_in_two_catalogues() -> None:
    at: dict[str, str] = {}
    for path in CATALOGUES:
        with path.open("rb") as source:
            for entry in read_po(source, locale="zh_Hans_CN"):
                if isinstance(entry.id, str) and entry.id:
                    assert entry.id not in at, f"{entry.id!r}: {at[entry.id]} and {path.name}"
                    at[entry.id] = path.name
