"""The deep re-scan: goes back over a window with denser sampling and overlapping tiles.

For what the ordinary pass is too coarse for: subjects of a dozen pixels, or there for a moment.
A tile gets a vector when it looks other than when it last got one. Segments are gone over whole,
also where the window cuts them: the ledger knows of each only whether it was gone over.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from indexer.claims import Held, still_hidden
from indexer.due import due
from indexer.looking import Crop, Looked
from indexer.packets import packet_table
from indexer.quality import Eye
from indexer.sampling import samples
from storage.clock import US
from storage.deep_scans import deep_candidates, finish_deep
from storage.errors import HindsightError
from storage.generations import Outcome
from storage.looks import Decision, Look, Reason

if TYPE_CHECKING:
    from indexer.embedder import Embedder
    from indexer.regions import Box
    from indexer.shown import Rgb
    from storage.directory import DataDirectory
    from storage.media import Media
    from storage.vocabulary import Generation, Segment
    from storage.zones import Zone

TILES_HIGH = 3  # so many tiles fill the height; they overlap by half
LEAST_SIDE = 160  # pixels
SEEN = 32  # a tile is compared at so many pixels square
OTHER_BY = 12  # levels
OTHER_AT = 2  # so many of them
TRIED = 4  # pictures, to tell what all will cost


@dataclass(frozen=True, slots=True)
class DeepCost:
    """What a deep re-scan will take."""

    segments: int
    video_s: float
    pictures: int
    most_vectors: int
    most_s: float  # of work of one process, from a few pictures of the first segment
    done_already: int
    not_indexed: int


class DeepLooking:
    """Looks at pictures `every_s` apart, tile by tile."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._seen: dict[tuple[int, Box | None], npt.NDArray[np.int16]] = {}
        self._eyes: dict[int, Eye] = {}

    def look(
        self, media: Media, segment: Segment, zones: Sequence[Zone] = ()
    ) -> Generator[Looked, None, None]:
        """The tiles that changed, and the whole picture when any did."""
        eye = self._eyes.setdefault(segment.camera_id, Eye())
        for shown in samples(media, segment, self._every_s, zones=zones):
            crops = [
                Crop(part, box, 1.0, deep=True)
                for box, part in _parts(shown.rgb)
                if self._is_other(segment.camera_id, box, part)
            ]
            flags = eye.look(shown.small(320, 180), key=shown.key)
            look = Look(
                segment.camera_id, segment.id, shown.ts_us, shown.pts, Decision.EMBEDDED,
                Reason.UNGATED, 1.0, 0.0, flags, len(crops),
            )  # fmt: skip
            yield Looked(look, tuple(crops))

    def keep(self) -> None:
        """Nothing is remembered from one re-scan to the next."""

    def _is_other(self, camera_id: int, box: Box | None, part: Rgb) -> bool:
        small: Any = cv2.resize(part, (SEEN, SEEN), interpolation=cv2.INTER_AREA)
        now = small.astype(np.int16)
        before = self._seen.get((camera_id, box))
        if before is not None:
            differs = np.abs(now - before).max(axis=2) > OTHER_BY
            if np.count_nonzero(differs) < OTHER_AT:
                return False
        self._seen[camera_id, box] = now
        return True


class DeepClaims:
    """The segments of one re-scan. Nobody else is kept from them: doing it twice does no harm."""

    name = "deep"

    def __init__(
        self, directory: DataDirectory, generation: Generation, segments: Sequence[Segment]
    ) -> None:
        self._directory = directory
        self._key = generation.id
        self._segments = list(segments)
        self.failed: list[tuple[str, str]] = []

    def bury(self) -> None:
        """Nobody died over these."""

    def any(self) -> bool:
        """Whether there is something to be done."""
        return bool(self._segments)

    def runs(self) -> Iterator[list[Held]]:
        """One after the other."""
        for segment in self._segments:
            yield [Held(segment)]

    def refresh(self) -> None:
        """What was asked for stays the same."""

    def renew(self) -> None:
        """There is no lease."""

    def finish(self, outcomes: list[Outcome], held: Sequence[Held]) -> list[Held]:
        """Name the deep parts."""
        with self._directory.ledger.write() as tx:
            true = still_hidden(tx, held)
            owned = finish_deep(tx, [one for one in outcomes if one.segment_id in true], self._key)
        return [one for one in held if one.segment.id in owned]

    def put_back(self, held: Held) -> None:
        """Its volume is away: nothing was taken, and the same order may be given again."""
        held.lost = True

    def fail(self, held: Held, reason: str) -> None:
        """Told at the end; what the ordinary pass found stays."""
        held.lost = True
        self.failed.append((held.segment.id, reason))

    def let_go(self) -> None:
        """Nothing was taken."""


def deep_cost(
    directory: DataDirectory,
    generation: Generation,
    embedder: Embedder,
    *,
    camera_ids: Sequence[int],
    from_us: int,
    to_us: int,
    every_s: float,
    again: bool,
) -> tuple[DeepCost, list[Segment]]:
    """What it will cost, and which segments it goes over. What cannot be read costs nothing; it
    is told when its turn comes."""
    with directory.ledger.read() as tx:
        segments, done, missing = deep_candidates(
            tx, generation.id, camera_ids=camera_ids, from_us=from_us, to_us=to_us, again=again
        )
    us = sum(segment.duration_us for segment in segments)
    pictures = sum(_due_in(directory, segment, every_s) for segment in segments)
    tiles, each_s = 0, 0.0
    for segment in segments:
        begun = time.perf_counter()
        if shown := _first_pictures(directory, segment, every_s):
            parts = [part for rgb in shown for _, part in _parts(rgb)]
            embedder.embed_images(parts)
            tiles = len(parts) // len(shown)
            each_s = (time.perf_counter() - begun) / len(shown)
            break
    cost = DeepCost(
        len(segments), us / US, pictures, pictures * tiles, pictures * each_s, done, missing
    )
    return cost, segments


def _first_pictures(directory: DataDirectory, segment: Segment, every_s: float) -> list[Rgb]:
    """A few; none of a file that cannot be read."""
    try:
        with closing(samples(directory.archive.media(segment), segment, every_s)) as shown:
            return [one.rgb for one in islice(shown, TRIED)]
    except (HindsightError, OSError):
        return []


def _due_in(directory: DataDirectory, segment: Segment, every_s: float) -> int:
    """How many pictures are due: told by the file's tables, else reckoned."""
    try:
        table = packet_table(directory.archive.media(segment))
    except (HindsightError, OSError):
        return 0
    if table is None:
        return round(segment.duration_us / US / every_s * 1.25)
    return len(due(table.time_us(), table.key, round(every_s * US)))


def _parts(rgb: Rgb) -> Iterator[tuple[Box | None, Rgb]]:
    """The whole picture, then its tiles: squares that overlap by half."""
    yield None, rgb
    height, width = rgb.shape[:2]
    side = min(height, width, max(LEAST_SIDE, height // TILES_HIGH))
    for y in _starts(height, side):
        for x in _starts(width, side):
            part = np.ascontiguousarray(rgb[y : y + side, x : x + side])
            yield (x, y, side, side), part


def _starts(length: int, side: int) -> list[int]:
    count = max(1, -(-(length - side) * 2 // side) + 1) if length > side else 1
    return [round(i * (length - side) / max(1, count - 1)) for i in range(count)]
