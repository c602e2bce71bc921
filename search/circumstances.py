"""Under which circumstances a search is answered: code, settings, state of the index.

They are kept beside the answer, so that a later one can be compared with it and the differences
explained. What can be read from the ledger afterwards (tombstones, models) is not kept twice.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from search.query import Query
from storage import generations
from storage.clock import rfc3339, utc_day
from storage.i18n import current_language, tr
from storage.lake_days import day_versions
from storage.settings import Settings
from storage.vocabulary import Camera

# Of [search]: what decides about an answer.
SETTINGS = ("confident_from", "moment_gap_s", "top")
_IMPORTS = re.compile(r"^ *(?:from|import) +search(?:\.(\w+)| +import +([\w ,]+))", re.MULTILINE)


@cache
def code_version() -> str:
    """'0.1.0/3f2a…': the version, and a hash of the code that decides about answers.

    Of the code itself: a number somebody has to remember to count up would one day be wrong.
    """
    digest = hashlib.sha256()
    for name, text in decisive_modules().items():
        digest.update(f"{name}\0{text}\0".encode())
    return f"{version('hindsight-archive')}/{digest.hexdigest()[:16]}"


def decisive_modules() -> dict[str, str]:
    """Name → source of the engine and of all it imports of this room, by name."""
    found: dict[str, str] = {}
    due = ["engine"]
    while due:
        name = due.pop()
        path = Path(__file__).with_name(f"{name}.py")
        if name in found or not path.is_file():
            continue
        found[name] = path.read_text(encoding="utf-8")
        for module, several in _IMPORTS.findall(found[name]):
            due += [module] if module else [each.split()[0] for each in several.split(",")]
    return dict(sorted(found.items()))


def circumstances(
    tx: Connection, query: Query, cameras: Sequence[Camera], settings: Settings, now_us: int
) -> dict[str, Any]:
    """To be taken before the search: what changes during it counts as changed since."""
    generation = generations.active_generation(tx)
    versions = {} if generation is None else day_versions(tx, generation.id)
    # A segment over midnight lies in the day it began.
    first = None if query.from_us is None else utc_day(query.from_us) - timedelta(days=1)
    last = None if query.to_us is None else utc_day(query.to_us - 1)
    index = {
        day.isoformat(): version
        for day, version in sorted(versions.items())
        if (first is None or day >= first) and (last is None or day <= last)
    }
    local = query.between is not None or bool(query.weekdays) or query.light is not None
    return {
        "began": rfc3339(now_us),
        "code": code_version(),
        "settings": {name: getattr(settings.search, name) for name in SETTINGS},
        "index": index,
        "zones": {camera.slug: camera.tz for camera in cameras} if local else {},
    }


def way_of(plan: Sequence[str]) -> dict[str, Any]:
    """How it was searched (`--explain`), but for how long it took: kept once it is answered."""
    took = tr("compared in {ms} ms", ms="\0").partition("\0")[0]
    lines = [line for line in plan if not (took and line.startswith(took))]
    return {"lang": current_language(), "lines": lines}
