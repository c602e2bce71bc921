"""Decisions about a file, and what must hold of them.

from tests.indexer.looked import EVERY, by_reading, is_whole, look, reasons, times
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from indexer.looking import Looked, look_through
from indexer.novelty import Gate
from indexer.sampling import samples
from storage.clock import US
from storage.looks import Decision, Reason
from storage.media import Media, media_of
from storage.settings import IndexerSettings
from tests.indexer.clips import START_US, segment_of

EVERY = IndexerSettings(sensitivity=1, regions=0)
LOOKING = IndexerSettings(look_s=0.1)  # whatever the packets say


def look(
    file: Path | Media,
    settings: IndexerSettings = EVERY,
    gate: Gate | None = None,
    *,
    start_us: int = START_US,
) -> list[Looked]:
    """All decisions about a file."""
    media = media_of(file)
    segment = segment_of(media.path, start_us=start_us)
    if media.is_encrypted:
        segment = replace(segment, size_bytes=media.size_bytes())
    return list(look_through(media, segment, settings, gate or Gate()))


def reasons(looked: Sequence[Looked]) -> Counter[Reason]:
    return Counter(one.look.reason for one in looked)


def is_whole(looked: Sequence[Looked], settings: IndexerSettings = EVERY) -> bool:
    """Ascending, never further apart than is due, and crops only where it says so."""
    at = [one.look.ts_us for one in looked]
    steps = np.diff(at)
    assert (steps > 0).all()
    assert steps.max(initial=0) <= round(settings.interval_s * US * 1.05)
    assert all(bool(one.crops) == (one.look.decision is Decision.EMBEDDED) for one in looked)
    return bool(at)


def by_reading(path: Path, interval_s: float = 2) -> list[tuple[int, int]]:
    return [(one.ts_us, one.pts) for one in samples(path, segment_of(path), interval_s)]


def times(looked: Iterable[Looked]) -> list[tuple[int, int]]:
    return [(one.look.ts_us, one.look.pts) for one in looked]
