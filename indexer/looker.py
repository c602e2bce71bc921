"""Looks through segments with the memory of their cameras, and tells when a picture goes bad."""

from __future__ import annotations

import logging
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from indexer.looking import Looked, look_through
from indexer.memory import Memory
from storage import events
from storage.vocabulary import Segment

if TYPE_CHECKING:
    from indexer.health import PictureNews
    from storage.directory import DataDirectory
    from storage.media import Media
    from storage.vocabulary import Generation
    from storage.zones import Zone

MEMORY_BYTES = 256 << 20  # of scenes: about a hundred cameras of 1080p, more of smaller ones
log = logging.getLogger(__name__)


class Looker:
    """One worker's way of looking. Not safe across threads: one thread reads.

    A generation that is built beside another has scenes of its own, since it sees the footage in
    another order; only the one that answers tells people about bad pictures.
    """

    def __init__(self, directory: DataDirectory, generation: Generation) -> None:
        self._directory = directory
        self._settings = directory.settings.indexer
        self._tells = generation.state == "active"
        folder = directory.cache / "scenes" / f"generation-{generation.id}"
        self._memory = Memory(folder, MEMORY_BYTES)

    def look(
        self, media: Media, segment: Segment, zones: Sequence[Zone] = ()
    ) -> Generator[Looked, None, None]:
        """The decisions about a segment; errors as `look_through`."""
        gate = self._memory.gate(segment.camera_id)
        yield from look_through(media, segment, self._settings, gate, zones)
        news, gate.news = gate.news, []
        if news and self._tells:
            self._tell(segment, news)
        self._memory.used(segment.camera_id)

    def keep(self) -> None:
        """Save what the cameras usually show: before a worker ends."""
        self._memory.keep()

    def _tell(self, segment: Segment, news: list[PictureNews]) -> None:
        with self._directory.ledger.write() as tx:
            for one in news:
                if not events.is_noted(tx, one.kind, one.since_us, camera_id=segment.camera_id):
                    events.note(tx, one.kind, one.since_us, camera_id=segment.camera_id)
