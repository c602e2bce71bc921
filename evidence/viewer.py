"""data/viewer.html: one page that plays the bundle offline, several cameras on one clock."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from markupsafe import Markup

from evidence.absences import CAUSE_WORDS
from evidence.documents import Document
from evidence.local_time import offsets
from evidence.report import templates
from evidence.report_contents import gaps_by_camera
from evidence.report_words import REASON_WORDS
from evidence.viewer_words import VIEWER_WORDS
from storage.clock import US, parse_time
from storage.i18n import LANGUAGES, tr
from storage.vocabulary import Span

SCRIPTS = ("viewer_base.js", "viewer_tile.js", "viewer_clock.js", "viewer_page.js")
TEMPLATES = Path(__file__).parent / "templates"
# In a script element only '<' could end it early; the others trip old parsers. See HTML § 4.12.1.3.
ESCAPED = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"})


def write_viewer(path: Path, manifest: Document, gaps: Iterable[Document]) -> None:
    """The page, its style, its script and what it plays, in one file; written piece by piece."""
    style, *scripts = (
        (TEMPLATES / name).read_text(encoding="utf-8") for name in ("viewer.css", *SCRIPTS)
    )
    script = "(() => {\n'use strict';\n" + "\n".join(scripts) + "})();\n"
    page = templates().get_template("viewer.html")
    before, after = page.render(
        export=manifest["export"], style=Markup(style), script=Markup(script),
        allowed=Markup(_hash(script)), data="\0",
    ).split("\0")  # fmt: skip
    with path.open("w", encoding="utf-8") as target:
        target.write(before)
        target.writelines(_data(manifest, gaps))
        target.write(after)


def _data(manifest: Document, gaps: Iterable[Document]) -> Iterator[str]:
    """What the script plays, as JSON: a segment at a time, for there may be a hundred thousand."""
    lost = gaps_by_camera(gaps)
    for number, camera in enumerate(manifest["cameras"]):
        yield '{"cameras":[{"segments":[' if number == 0 else ',{"segments":['
        for i, one in enumerate(camera["segments"]):
            # start, end, SHA-256, file, seconds of a picture
            row = [*_us(one), one["sha256"], one["file"].removeprefix("data/"), _picture_s(one)]
            yield "," * bool(i) + _json(row)
        own = lost.get(camera["camera"], [])
        yield "]," + _json(_camera(camera, own, manifest)).removeprefix("{")
    yield "]," + _json(_heading(manifest)).removeprefix("{")


def _json(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).translate(ESCAPED)


def _heading(manifest: Document) -> dict[str, Any]:
    case = manifest["case"]
    return {
        "export": manifest["export"],
        "case": f"{case['id']} · {case['reason']}" if case else "",
        "span": _us(manifest["requested"]),
        "words": {lang: dict(_words(lang)) for lang in LANGUAGES},
    }


def _camera(camera: Document, gaps: Sequence[Document], manifest: Document) -> dict[str, Any]:
    codecs = {one["sha256"]: one["codec"] or "" for one in camera["segments"]}
    return {
        "slug": camera["camera"],
        "name": camera["name"],
        "site": camera["site"],
        "tz": camera["tz"],
        "offsets": offsets(camera["tz"], Span(*_us(manifest["requested"]))),
        # [start, end, file, codec]
        "files": [
            [*_us(one), one["file"].removeprefix("data/"), codecs[one["originals"][0]["sha256"]]]
            for one in camera["playable"]
        ],
        # [start, end, cause, detail]
        "gaps": [[*_us(one), one["cause"], one["detail"] or ""] for one in gaps],
        # [start, end, microseconds to add]
        "corrected": [
            [*_us(piece), round(piece["offset_s"] * US)]
            for one in camera["segments"]
            for piece in one["corrected"]
        ],
        # SHA-256 of a segment without a playable copy → why
        "unplayable": {
            original["sha256"]: [one["reason"], one["detail"]]
            for one in camera["not_playable"]
            for original in one["originals"]
        },
    }


def _words(lang: str) -> Iterator[tuple[str, str]]:
    say = partial(tr, lang=lang)
    for key, text in VIEWER_WORDS.items():
        yield key, say(text)
    for cause, text in CAUSE_WORDS.items():
        yield f"cause.{cause}", say(text)
    for reason, text in REASON_WORDS.items():
        yield f"reason.{reason}", say(text)


def _picture_s(one: Document) -> float:
    """How long a picture stands, on average."""
    seconds, pictures = float(one["measured_s"]), int(one["pictures"])
    return round(seconds / max(1, pictures), 6)


def _us(row: Document) -> tuple[int, int]:
    return parse_time(row["start"]), parse_time(row["end"])


def _hash(script: str) -> str:
    """As a content security policy names the one script it allows."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest())
    return f"'sha256-{digest.decode()}'"
