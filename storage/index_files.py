"""How shards of the index lie on disk: files of one name, one of them saying what they cover.

index/<model>/<generation>/<day>/shard-<ulid>.arrow, .faiss, .pairs, .sample, .json (written
last). It is
derived: whoever deletes rows of the lake removes the shards that hold them as well, and search
makes new ones.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterator
from datetime import date
from pathlib import Path

from storage.durable import remove_empty_folders, remove_file

SUFFIXES = (".json", ".arrow", ".faiss", ".pairs", ".sample")
log = logging.getLogger(__name__)


def remove_shard(header: Path) -> None:
    """Take away a shard, its header first so that nobody starts to open half of one."""
    for suffix in SUFFIXES:
        remove_file(header.with_suffix(suffix))


def remove_shards_of(index: Path, segment_ids: Collection[str], days: Collection[date]) -> int:
    """Remove every shard of these days with rows of these segments; returns how many."""
    removed = 0
    headers = [path for day in days for path in index.glob(f"*/*/{day.isoformat()}/shard-*.json")]
    for header in headers:
        try:
            pairs = json.loads(header.with_suffix(".pairs").read_bytes())
            covered = {segment for segment, _ in pairs}
        except FileNotFoundError:
            continue
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            log.warning("shard %s cannot be read (%s) and is removed", header, error)
            covered = set(segment_ids)
        if not covered.isdisjoint(segment_ids):
            remove_shard(header)
            remove_empty_folders(header.parent, index)
            removed += 1
    return removed


def headless_files(index: Path) -> Iterator[Path]:
    """Files of shards that have no header: still written, or left by a writer that was killed."""
    for path in index.glob("*/*/*/shard-*"):
        name = path.name.partition(".")[0]
        if path.name != f"{name}.json" and not path.with_name(f"{name}.json").exists():
            yield path
