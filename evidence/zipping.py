"""Turns a finished bag into a zip, stored and not compressed: media would not shrink."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

CHUNK_BYTES = 1 << 20


def zip_bag(bag: Path, target: Path, root: str, tick: Callable[[int], None] | None = None) -> None:
    """Move every file of `bag` into the zip `target`, under the folder `root`.

    A file is removed once it is in the zip, so that the disk holds the bundle once, not twice.
    Memory stays flat: one chunk, and one entry of the directory per file.
    """
    target.touch(mode=0o640, exist_ok=False)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, strict_timestamps=False) as archive:
        for path in sorted(bag.rglob("*")):
            if not path.is_file():
                continue
            member = zipfile.ZipInfo.from_file(
                path, f"{root}/{path.relative_to(bag).as_posix()}", strict_timestamps=False
            )
            with path.open("rb") as source, archive.open(member, "w") as sink:
                while chunk := source.read(CHUNK_BYTES):
                    sink.write(chunk)
                    if tick is not None:
                        tick(len(chunk))
            path.unlink()
    shutil.rmtree(bag)
