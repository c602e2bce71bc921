"""A bundle in memory, harmed in one way at a time: fast enough to try every byte."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

from evidence.verify_bundle import SIGNATURE, Finding, Tree, verify_tree

# What the verifier does not read but only hashes: to it one flipped byte there is like another.
OPAQUE = (".mp4", ".jpg", ".pdf", ".html", ".py")


class Bundle:
    """The files of a bundle, with their hashes, so that only what was touched is hashed again."""

    def __init__(self, folder: Path) -> None:
        paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        self.files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
        self.known = {name: sha256(raw) for name, raw in self.files.items()}

    def findings(self, change: dict[str, bytes | None]) -> list[Finding]:
        """Of the bundle with these files put in place of what was there; None removes one."""
        now: dict[str, bytes] = dict(self.files)
        known = dict(self.known)
        for name, raw in change.items():
            now.pop(name, None)
            known.pop(name, None)
            if raw is not None:
                now[name], known[name] = raw, sha256(raw)
        sizes = {name: len(raw) for name, raw in now.items()}
        return verify_tree(
            Tree(sizes, [], lambda name: io.BytesIO(now[name])), None, known
        ).findings

    def flips(self, name: str, every: int = 1) -> Iterator[tuple[int, list[Finding]]]:
        """(place, findings) with each `every`th byte of a file flipped, one at a time."""
        raw = self.files[name]
        for place in range(0, len(raw), every):
            flipped = bytearray(raw)
            flipped[place] ^= 1 + place * 7 % 255  # every mask there is, by turns
            yield place, self.findings({name: bytes(flipped)})


def sha256(raw: bytes) -> str:
    """In hex."""
    return hashlib.sha256(raw).hexdigest()


def named_rightly(name: str, findings: Iterable[Finding]) -> bool:
    """The file comes first, as changed; what else is said is only doubt, cast by a changed list."""
    first, *more = findings or [Finding("", "")]
    kind = "signature" if name == SIGNATURE else "changed"
    return (first.kind, first.path) == (kind, name) and all(one.kind == "doubtful" for one in more)
