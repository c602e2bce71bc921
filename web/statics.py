"""The desk's own files: addresses that name their version, so that a browser never asks twice.

The version stands in the path, before the file: what a module imports and a style sheet names is
relative, and so of the same version. An address of another version, or of none, is answered with
what there is now, and asked again each time.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import re
from dataclasses import dataclass
from functools import lru_cache
from os.path import isfile
from pathlib import Path
from typing import Any

from flask import Flask, Response, make_response, request
from werkzeug.exceptions import NotFound
from werkzeug.security import safe_join

FOLDER = Path(__file__).parent / "static"
VERSION = re.compile(r"^v-([0-9a-f]{12})/")
FOREVER = "public, max-age=31536000, immutable"
EVERY_TIME = "public, no-cache"
PACKED = ("text/", "application/json", "image/svg+xml")  # pictures and footage are packed already
TYPES = {".js": "text/javascript", ".pmtiles": "application/octet-stream"}


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    packed: bytes | None
    media_type: str
    etag: str


def init_statics(app: Flask) -> None:
    """Serve them, and let `url_for("static", …)` name the version."""
    app.static_folder = str(FOLDER)
    version = version_of(FOLDER)
    app.add_url_rule("/static/<path:filename>", "static", lambda filename: _send(filename, version))

    @app.url_defaults
    def _versioned(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static" and not VERSION.match(str(values.get("filename", ""))):
            values["filename"] = f"v-{version}/{values.get('filename', '')}"


def version_of(folder: Path) -> str:
    """Another one as soon as any file is another."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _send(filename: str, version: str) -> Response:
    asked = VERSION.match(filename)
    path = safe_join(str(FOLDER), VERSION.sub("", filename))
    if path is None or not isfile(path):  # noqa: PTH113  (Path's raises, of a name too long)
        raise NotFound
    found = _read(path, Path(path).stat().st_mtime_ns)
    takes_packed = request.accept_encodings.quality("gzip") > 0 and found.packed is not None
    response = make_response(found.packed if takes_packed else found.content)
    response.content_type = found.media_type
    if found.packed is not None:
        response.vary.add("Accept-Encoding")
    if takes_packed:
        response.headers["Content-Encoding"] = "gzip"
    response.set_etag(found.etag + ("-gz" if takes_packed else ""))
    response.headers["Cache-Control"] = (
        FOREVER if asked and asked[1] == version else EVERY_TIME
    )  # fmt: skip
    response.make_conditional(request)
    return response


@lru_cache(maxsize=512)
def _read(path: str, _mtime_ns: int) -> _File:
    content = Path(path).read_bytes()
    suffix = Path(path).suffix
    guessed = TYPES.get(suffix) or mimetypes.guess_type(path)[0] or "application/octet-stream"
    packs = guessed.startswith(PACKED) and len(content) > 200
    return _File(
        content, gzip.compress(content, 9, mtime=0) if packs else None,
        f"{guessed}; charset=utf-8" if guessed.startswith("text/") else guessed,
        hashlib.sha256(content).hexdigest()[:24],
    )  # fmt: skip
