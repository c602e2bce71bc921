"""Reading the copies that lie on volumes: whatever a file holds, it stops nobody."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from cryptography.exceptions import UnsupportedAlgorithm

from storage.errors import DataLoss

T = TypeVar("T")
# `Infinity` is a number to Python's JSON, and no integer: OverflowError.
NOT_WHOLE = (
    OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError, UnsupportedAlgorithm
)  # fmt: skip


def read_json_copy(
    path: Path, limit_bytes: int, format_: int, made: Callable[[Any], T], message: str
) -> T:
    """What `made` makes of the file. DataLoss, in the words of `message` about {file} and {error},
    when it cannot: it raises ValueError where parts do not fit one another."""
    try:
        if path.stat().st_size > limit_bytes:
            raise ValueError("too large")
        found = json.loads(path.read_bytes())
        if found["format"] != format_:
            raise ValueError(f"format {found['format']}")
        return made(found)
    except NOT_WHOLE as error:
        raise DataLoss(message, file=path, error=error) from error
