"""A witness of a ledger and its footage that shares no code with what it watches.

It reads committed rows by plain SQLite, remembers what they said, and looks at each file itself.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SEGMENTS = (
    "SELECT id, camera_id, sha256, size_bytes, prev_sha256, path, start_us, end_us, duration_us,"
    " recovered, created_us, state FROM segment"
)


@dataclass(frozen=True, slots=True)
class Said:
    """What a row of a segment said when it was first seen; nothing of it may change."""

    id: str
    camera_id: int
    sha256: str
    size_bytes: int
    prev_sha256: str | None
    path: str  # on the only volume
    start_us: int
    end_us: int
    duration_us: int
    recovered: int
    created_us: int


class Witness(threading.Thread):
    """Looks every `every_s` until `close`. What it finds wrong stays in `lost` and `wrong`."""

    def __init__(self, ledger: Path, volume: Path, every_s: float = 0.2) -> None:
        super().__init__(name="witness", daemon=True)
        self.ledger = ledger
        self.volume = volume
        self.seen: dict[str, Said] = {}
        self.lost: dict[str, str] = {}  # segment → how
        self.wrong: dict[str, str] = {}
        self.looks = 0
        self._every_s = every_s
        self._expired: set[str] = set()
        self._kept: dict[str, set[tuple[Any, ...]]] = {}  # other tables whose rows only add up
        self._looking = threading.Lock()
        self._closed = threading.Event()

    def run(self) -> None:
        """Until `close`."""
        while not self._closed.wait(self._every_s):
            self.look()

    def close(self) -> None:
        """Stop looking."""
        self._closed.set()
        self.join()

    def look(self) -> None:
        """At every committed row, and at the files of new ones."""
        with self._looking:
            rows = self.rows()
            for segment in self.seen.keys() - rows.keys():
                self.lost[segment] = "its row is gone"
            for segment, (said, state) in rows.items():
                known = self.seen.setdefault(segment, said)
                if known != said:
                    self.wrong[segment] = f"its row said {known} and says {said}"
                if state == "expired":
                    self._expired.add(segment)
                elif segment in self._expired:
                    self.wrong[segment] = "it was a tombstone and is kept"
                if known is said and state == "closed":
                    self._look_at(said)
            self._look_at_others()
            self.looks += 1

    def look_at_all(self) -> None:
        """At every file, once more."""
        for said, state in self.rows().values():
            if state == "closed":
                self._look_at(said)

    def rows(self) -> dict[str, tuple[Said, str]]:
        """Id → what its row says, and its state."""
        return {row[0]: (Said(*row[:-1]), row[-1]) for row in self.ask(SEGMENTS)}

    def ask(self, query: str, *values: object) -> list[Any]:
        """Rows of a query. The connection is not kept: who starts after a kill finds the ledger
        as the kill left it."""
        with closing(sqlite3.connect(f"file:{self.ledger}?mode=ro", timeout=60, uri=True)) as db:
            return db.execute(query, values).fetchall()

    def _look_at(self, said: Said) -> None:
        """A kept segment has its file, with that very hash, whenever its row can be seen."""
        path = self.volume / said.path
        try:
            found = hashlib.sha256(path.read_bytes()).hexdigest()
        except FileNotFoundError:
            now = self.ask("SELECT state FROM segment WHERE id = ?", said.id)
            if now != [("expired",)]:  # else it went lawfully since its row was read
                self.lost[said.id] = f"{said.path} is missing, its row is {now}"
            return
        if found != said.sha256 or path.stat().st_size != said.size_bytes:
            self.lost[said.id] = f"the bytes of {said.path} are not those of its row"

    def _look_at_others(self) -> None:
        """What was committed stays: audit rows, holds, seals."""
        for table, query in (
            ("audit", "SELECT seq, hash FROM audit"),
            ("hold", "SELECT id, camera_id, start_us, end_us, created_us FROM hold"),
            ("seal", "SELECT camera_id, number, hash, signature FROM seal"),
        ):
            rows = set(self.ask(query))
            for row in self._kept.get(table, set()) - rows:
                self.wrong[f"{table} {row[0]}"] = "its row is gone or changed"
            self._kept[table] = rows
