"""Pictures somebody asks with: checked, and kept under a token, so that an address stays."""

from __future__ import annotations

import hashlib
import io
import os
import re
import time
from pathlib import Path

from PIL import Image

from search.query_picture import open_picture
from storage.directory import DataDirectory
from storage.errors import Invalid, NotFound
from web.cache import get_or_make

TOKEN = re.compile(r"[0-9a-f]{32}")
KEPT_S = 30 * 86400  # after the last use
SMALL_PX = 240


def keep(directory: DataDirectory, data: bytes) -> str:
    """The token of a picture. Invalid when it is none, is damaged or too large."""
    if not data:
        raise Invalid("no picture was sent; choose, paste or drop one")
    open_picture(data)  # refuses whatever cannot be asked with, before anything is kept
    token = hashlib.sha256(data).hexdigest()[:32]
    get_or_make(_path(directory, token), lambda unfinished: _write(unfinished, data))
    return token


def kept(directory: DataDirectory, token: str) -> bytes:
    """The picture of a token, as it was sent."""
    path = _path(directory, token)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise NotFound("the picture of this search is no longer kept; give it again") from None
    os.utime(path)  # used: it stays another while
    return data


def small(directory: DataDirectory, token: str) -> bytes:
    """A small JPEG of it, made anew: what is sent back is never what was sent in."""
    image = Image.fromarray(open_picture(kept(directory, token)))
    image.thumbnail((SMALL_PX, SMALL_PX))
    target = io.BytesIO()
    image.save(target, "JPEG", quality=85)
    return target.getvalue()


def sweep(directory: DataDirectory) -> None:
    """Forget pictures nobody has asked with for KEPT_S."""
    folder = directory.cache / "queries"
    for path in folder.iterdir() if folder.is_dir() else ():
        if time.time() - path.stat().st_mtime > KEPT_S:
            path.unlink(missing_ok=True)


def _path(directory: DataDirectory, token: str) -> Path:
    if not TOKEN.fullmatch(token):
        raise NotFound("the picture of this search is no longer kept; give it again")
    return directory.cache / "queries" / token


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)
